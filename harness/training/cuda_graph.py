"""Capture a training step as one CUDA graph, and reuse it for later trials of the same structure.

A batch-1 step is about a thousand small kernels, which take longer to launch than to run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

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
# Captured steps are kept until less than this share of the device's memory is free: each occupies
# memory for its networks, gradients and activations.
LEAST_FREE = 0.25
# As many are counted for a worker that others share the GPU with; it keeps more only while there is
# room.
COUNTED = 4

R = TypeVar("R")


def record(run: Callable[[], R], changed: Sequence[Tensor]) -> tuple[torch.cuda.CUDAGraph, R]:
    """Capture what `run` does on the device, and return it with what it returned.

    It is run a few times, after which `changed` and the device's random numbers are as before.

    Args:
        changed: all tensors that outlive `run` and that it changes.
    """
    before = [each.detach().clone() for each in changed]
    chance = torch.cuda.get_rng_state()
    try:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # If a capture fails, torch's own context does not restore the current stream; the outer
        # one does.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            made = run()
    finally:
        with torch.no_grad():
            torch._foreach_copy_(list(changed), before)
        torch.cuda.set_rng_state(chance)
    return graph, made


def replayed(
    run: Callable[[Tensor, Tensor], object],
    changed: Sequence[Tensor],
    retouched: Tensor,
    original: Tensor,
) -> Callable[[Tensor, Tensor], object]:
    """`run` as a captured graph, for batches of this shape; itself where capture is refused.

    Args:
        changed: as for `record`.
    """
    inputs = (retouched.clone(), original.clone())
    try:
        graph, _ = record(lambda: run(*inputs), changed)
    except RuntimeError as error:
        if refusal(error):
            return run
        raise

    def replay(retouched: Tensor, original: Tensor) -> None:
        for mine, given in zip(inputs, (retouched, original), strict=True):
            mine.copy_(given)
        graph.replay()

    return replay


@dataclass
class CapturedStep:
    """A model whose step is replayed. All batches must have the same shape."""

    model: Pix2Pix
    graph: torch.cuda.CUDAGraph
    retouched: Tensor
    original: Tensor
    original_features: Features | None
    losses: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def capture(
        cls,
        model: Pix2Pix,
        retouched: Tensor,
        original: Tensor,
        original_features: Features | None = None,
    ) -> "CapturedStep":
        """Capture `model.optimize` for batches of this shape; the model stays as it is."""
        retouched, original = retouched.clone(), original.clone()
        original_features = original_features and tuple(
            layer.clone() for layer in original_features
        )
        graph, losses = record(
            lambda: model.optimize(retouched, original, original_features), model.changed()
        )
        return cls(model, graph, retouched, original, original_features, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Start another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)
        self.steps = 0

    def step(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        """Like `Pix2Pix.step`; the next step overwrites the returned losses.

        `original_features` must be given exactly if it was given to `capture`.

        Raises:
            DivergedError: a loss was not finite, at most `CHECK_EVERY` steps ago.
        """
        self.retouched.copy_(retouched)
        self.original.copy_(original)
        for target, layer in zip(
            self.original_features or (), original_features or (), strict=True
        ):
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
        self.cached: dict[object, CapturedStep] = {}
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
        step = self.cached.pop(structure, None)
        if step is None:
            self.make_room()
            model = start()
            try:
                step = CapturedStep.capture(model, *batch)
            except RuntimeError as error:
                self.refused = refusal(error)
                if not self.refused:
                    raise
                model.restart(*weights, params)
                return model
        self.cached[structure] = step
        step.restart(*weights, params)
        return step

    def growth(self) -> float:
        """The factor by which the cache still grows until it has `COUNTED` steps."""
        return max(1.0, COUNTED / len(self.cached)) if self.cached else 1.0

    def make_room(self) -> None:
        """Evict the least recently used steps while memory is low."""
        while self.cached and crowded():
            self.cached.pop(next(iter(self.cached)))
            torch.cuda.empty_cache()
