"""A step as one CUDA graph, kept across trials: a new trial of the same structure captures nothing.

A batch-1 step is some thousand small kernels, whose launching costs more than their running.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.training.checkpoints import NetWeights
from harness.training.step import Pix2Pix
from search_spaces.params import TrialParams

# Eager steps before the capture: libraries choose their algorithms and optimisers make their state.
WARM_UPS = 3
# Steps after which the device is asked whether a loss was not finite. Asking waits for the device;
# meanwhile nothing is lost, since from that loss on nothing is updated.
CHECK_EVERY = 50
# Each holds its networks, their gradients and their activations on the device.
MOST_HELD = 4


@dataclass
class CapturedStep:
    """A model whose step is replayed. Batches must have the shape of the first.

    The capture itself trains a little: `restart` before the first `step`.
    """

    model: Pix2Pix
    graph: torch.cuda.CUDAGraph
    retouched: Tensor
    original: Tensor
    losses: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def capture(cls, model: Pix2Pix, retouched: Tensor, original: Tensor) -> "CapturedStep":
        """Capture `model.optimize` on a batch like this one."""
        retouched, original = retouched.clone(), original.clone()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                model.optimize(retouched, original)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = model.optimize(retouched, original)
        return cls(model, graph, retouched, original, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Begin another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)
        self.steps = 0

    def step(self, retouched: Tensor, original: Tensor) -> dict[str, Tensor]:
        """As `Pix2Pix.step`; what it returns is overwritten by the next step.

        Raises:
            DivergedError: within `CHECK_EVERY` steps of the loss that was not finite.
        """
        self.retouched.copy_(retouched)
        self.original.copy_(original)
        self.graph.replay()
        self.steps += 1
        if self.steps % CHECK_EVERY == 0:
            self.model.check()
        return self.losses

    @property
    def generator(self) -> nn.Module:
        return self.model.generator

    def check(self) -> None:
        """As `Pix2Pix.check`."""
        self.model.check()


class CapturedSteps:
    """The captured steps of one process, one for each of the structures that it met last."""

    def __init__(self) -> None:
        self.held: dict[object, CapturedStep] = {}

    def begin(
        self,
        structure: object,
        start: Callable[[], Pix2Pix],
        batch: tuple[Tensor, Tensor],
        weights: tuple[NetWeights, NetWeights],
        params: TrialParams,
    ) -> CapturedStep:
        """The step for a trial: captured if none of its structure is held, then begun anew."""
        step = self.held.pop(structure, None)
        if step is None:
            while len(self.held) >= MOST_HELD:
                self.held.pop(next(iter(self.held)))
            step = CapturedStep.capture(start(), *batch)
        self.held[structure] = step
        step.restart(*weights, params)
        return step
