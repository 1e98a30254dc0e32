"""Capture a training step as one CUDA graph, and reuse it for later trials of the same structure.

A batch-1 step is about a thousand small kernels, which take longer to launch than to run.
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
from search_spaces.trial_params import TrialParams

# Eager steps before the capture, in which libraries choose algorithms and optimisers create state.
WARM_UPS = 3
# Steps between checks for a loss that is not finite, which synchronise with the device. Meanwhile
# no harm is done, since nothing is updated after such a loss.
CHECK_EVERY = 50
# Captured steps to keep; fewer while less than this share of the device's memory is free, since
# each occupies memory for its networks, gradients and activations.
MOST_HELD = 4
LEAST_FREE = 0.25


@dataclass
class CapturedStep:
    """A model whose step is replayed. All batches must have the same shape.

    The capture itself runs training steps, so call `restart` before the first `step`.
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
        """Capture `model.optimize` for batches of this shape."""
        retouched, original = retouched.clone(), original.clone()
        wanted = wanted and tuple(layer.clone() for layer in wanted)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                model.optimize(retouched, original, wanted)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # If a capture fails, torch's own context does not restore the current stream; the outer
        # one does.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            losses = model.optimize(retouched, original, wanted)
        return cls(model, graph, retouched, original, wanted, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Start another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)
        self.steps = 0

    def step(
        self, retouched: Tensor, original: Tensor, wanted: Features | None = None
    ) -> dict[str, Tensor]:
        """Like `Pix2Pix.step`; the next step overwrites the returned losses.

        `wanted` must be given exactly if it was given to `capture`.

        Raises:
            DivergedError: a loss was not finite, at most `CHECK_EVERY` steps ago.
        """
        self.retouched.copy_(retouched)
        self.original.copy_(original)
        for target, layer in zip(self.wanted or (), wanted or (), strict=True):
            target.copy_(layer)
        self.graph.replay()
        self.steps += 1
        if self.steps % CHECK_EVERY == 0:
            self.model.check()
        return self.losses

    @property
    def generator(self) -> nn.Module:
        return self.model.generator

    def check(self) -> None:
        """Like `Pix2Pix.check`."""
        self.model.check()


def capturable(settings: TrainSettings, device: torch.device) -> bool:
    """Whether such a training can be captured: on a GPU, with batches of one shape."""
    return device.type == "cuda" and settings.preprocess != "none"


def structure_of(params: TrialParams, extras: Mapping[str, Any]) -> object:
    """A key for trials that can share one captured step."""
    perceptual = params.lambda_perceptual > 0
    return params.n_layers_D, params.gan_mode, perceptual, tuple(sorted(extras.items()))


def crowded() -> bool:
    """Whether little memory of the device is free, whichever process uses it."""
    if not torch.cuda.is_available():
        return False
    free, total = torch.cuda.mem_get_info()
    return free < LEAST_FREE * total


def refusal(error: RuntimeError) -> str:
    """Why a library does not support capture; "" if the error has another cause."""
    texts = [str(each).strip().partition("\n")[0] for each in causes(error)]
    if is_out_of_memory(error) or not any("captur" in text for text in texts):
        return ""
    return texts[-1]


class CapturedSteps:
    """A process's cache of captured steps, one per structure, with LRU eviction.

    Attributes:
        refused: why capture does not work here; "" if it does, as far as is known.
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
        """The step for a trial, cached or newly captured, and reset to the trial's start.

        If capture is not supported, returns the model itself: slower, with the same results.
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
        """The factor by which the cache still grows until it has `MOST_HELD` steps."""
        return MOST_HELD / len(self.held) if self.held else 1.0

    def make_room(self, most: int = MOST_HELD) -> None:
        """Evict the least recently used steps: down to `most`, and more if memory is low."""
        while self.held and (len(self.held) > most or crowded()):
            self.held.pop(next(iter(self.held)))
            torch.cuda.empty_cache()
