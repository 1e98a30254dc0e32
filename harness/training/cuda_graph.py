"""A step as one CUDA graph, kept across trials: a new trial of the same structure captures nothing.

A batch-1 step is some thousand small kernels, whose launching costs more than their running.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.config.settings import TrainSettings
from harness.errors import causes, is_out_of_memory
from harness.training.batches import Batch
from harness.training.checkpoints import NetWeights
from harness.training.perceptual import Features
from harness.training.step import Pix2Pix
from search_spaces.params import TrialParams

# Eager steps before the capture: libraries choose their algorithms and optimisers make their state.
WARM_UPS = 3
# Steps after which the device is asked whether a loss was not finite. Asking waits for the device;
# meanwhile nothing is lost, since from that loss on nothing is updated.
CHECK_EVERY = 50
# Each holds its networks, their gradients and their activations on the device: fewer are kept where
# other workers' trials leave less than this share of it free.
MOST_HELD = 4
LEAST_FREE = 0.25


@dataclass
class CapturedStep:
    """A model whose step is replayed. Batches must have the shape of the first.

    The capture itself trains a little: `restart` before the first `step`.
    """

    model: Pix2Pix
    graph: torch.cuda.CUDAGraph
    retouched: Tensor
    original: Tensor
    wanted: Features | None
    losses: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def capture(
        cls, model: Pix2Pix, retouched: Tensor, original: Tensor, wanted: Features | None = None
    ) -> "CapturedStep":
        """Capture `model.optimize` on a batch like this one."""
        retouched, original = retouched.clone(), original.clone()
        wanted = wanted and tuple(layer.clone() for layer in wanted)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                model.optimize(retouched, original, wanted)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Where a capture fails, torch's own context leaves its stream current: the outer one does
        # not.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            losses = model.optimize(retouched, original, wanted)
        return cls(model, graph, retouched, original, wanted, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Begin another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)
        self.steps = 0

    def step(
        self, retouched: Tensor, original: Tensor, wanted: Features | None = None
    ) -> dict[str, Tensor]:
        """As `Pix2Pix.step`; what it returns is overwritten by the next step.

        `wanted` must be there where it was when the step was captured.

        Raises:
            DivergedError: within `CHECK_EVERY` steps of the loss that was not finite.
        """
        self.retouched.copy_(retouched)
        self.original.copy_(original)
        for held, layer in zip(self.wanted or (), wanted or (), strict=True):
            held.copy_(layer)
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


def capturable(settings: TrainSettings, device: torch.device) -> bool:
    """Whether every step of such a training is the same to a GPU: its batches have one shape."""
    return device.type == "cuda" and settings.preprocess != "none"


def structure_of(params: TrialParams, extras: Mapping[str, Any]) -> object:
    """What two trials must have in common for one captured step to serve both."""
    perceptual = params.lambda_perceptual > 0
    return params.n_layers_D, params.gan_mode, perceptual, tuple(sorted(extras.items()))


def crowded() -> bool:
    """Whether the device has little memory left, whoever took it."""
    if not torch.cuda.is_available():
        return False
    free, there = torch.cuda.mem_get_info()
    return free < LEAST_FREE * there


def refusal(error: RuntimeError) -> str:
    """Why the GPU's libraries refused to be captured; empty where that is not what failed."""
    texts = [str(each).strip().partition("\n")[0] for each in causes(error)]
    if is_out_of_memory(error) or not any("captur" in text for text in texts):
        return ""
    return texts[-1]


class CapturedSteps:
    """The captured steps of one process, one for each of the structures that it met last.

    Attributes:
        refused: why none can be captured here; empty while that has not been met.
    """

    def __init__(self) -> None:
        self.held: dict[object, CapturedStep] = {}
        self.refused = ""

    def begin(
        self,
        structure: object,
        start: Callable[[], Pix2Pix],
        batch: Batch,
        weights: tuple[NetWeights, NetWeights],
        params: TrialParams,
    ) -> CapturedStep | Pix2Pix:
        """The step for a trial: captured if none of its structure is held, then begun anew.

        Where the GPU's libraries refuse to be captured, the model itself: slower, and the same.
        """
        if self.refused:
            return start()
        step = self.held.pop(structure, None)
        if step is None:
            self.make_room(MOST_HELD - 1)
            model = start()
            try:
                step = CapturedStep.capture(model, *batch)
            except RuntimeError as error:
                self.refused = refusal(error)
                if not self.refused:
                    raise
                model.restart(*weights, params)
                return model
        self.held[structure] = step
        step.restart(*weights, params)
        return step

    def growth(self) -> float:
        """How many times as much as now is held once there is a step for `MOST_HELD` structures."""
        return MOST_HELD / len(self.held) if self.held else 1.0

    def make_room(self, most: int = MOST_HELD) -> None:
        """Let go of those met longest ago: down to `most`, and on while the device is crowded."""
        while self.held and (len(self.held) > most or crowded()):
            self.held.pop(next(iter(self.held)))
            torch.cuda.empty_cache()
