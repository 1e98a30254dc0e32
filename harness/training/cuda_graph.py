"""Capture a training step as one CUDA graph, and reuse it for later trials of the same structure.

A batch-1 step is some five hundred small kernels, which take longer to launch than to run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness.config.settings import TrainSettings
from harness.errors import causes, is_out_of_memory
from harness.training.batches import Batch, Batches
from harness.training.checkpoints import NetWeights
from harness.training.inputs import Inputs, inputs_for
from harness.training.perceptual import Features
from harness.training.running_average import RunningAverage
from harness.training.step import Pix2Pix
from search_spaces.trial_params import GanMode, TrialParams, Value

# Eager steps before the capture, in which libraries choose algorithms and optimisers create state.
WARM_UPS = 3
# Captured steps are kept until less than this share of the device's memory is free: each occupies
# memory for its networks, gradients and activations.
LEAST_FREE = 0.25
# As many are counted for a worker that others share the GPU with; it keeps more only while there is
# room.
COUNTED = 4


def record(run: Callable[[], object], changed: Sequence[Tensor]) -> torch.cuda.CUDAGraph:
    """Capture what `run` does on the device.

    It is first run a few times, after which `changed` and the device's random numbers are as
    before.

    Args:
        changed: all tensors that outlive `run` and that it changes.
    """
    before = [each.detach().clone() for each in changed]
    chance = torch.cuda.get_rng_state()
    graph = torch.cuda.CUDAGraph()
    try:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(aside)
        try:
            with on_current_stream(), torch.cuda.graph(graph):
                run()
        except RuntimeError:
            leave_capture()
            raise
    finally:
        with torch.no_grad():
            torch._foreach_copy_(list(changed), before)
        torch.cuda.set_rng_state(chance)
    return graph


def on_current_stream() -> AbstractContextManager[None]:
    """Restores the current stream after a failed capture, which torch's own context does not."""
    return torch.cuda.stream(torch.cuda.current_stream())


def leave_capture() -> None:
    """End a failed capture for torch's random numbers as well.

    Their generator stays in capture mode until a capture succeeds, and until then eager dropout
    raises (seen with torch 2.11).
    """
    with (
        suppress(RuntimeError),
        on_current_stream(),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        torch.zeros((), device="cuda")


def replayed(
    run: Callable[[Batch], object], changed: Sequence[Tensor], batches: Batches
) -> tuple[Callable[[Batch], object], Iterator[Batch]]:
    """`run` as a captured graph, and the batches for it; both themselves if capture is refused.

    Args:
        changed: as for `record`.
    """
    inputs = inputs_for(batches)
    try:
        graph = record(lambda: run(inputs.batch()), changed)
    except RuntimeError as error:
        if refusal(error):
            return run, batches
        raise

    def replay(batch: Batch) -> None:
        inputs.write(batch)
        graph.replay()

    return replay, inputs.feed(batches)


@dataclass
class CapturedStep:
    """A model whose step is replayed. All batches must have the same shape.

    Attributes:
        graph: a step, and an update of the running average if every step has one.
        losses: of the latest step, which the next one overwrites.
    """

    model: Pix2Pix
    inputs: Inputs
    graph: torch.cuda.CUDAGraph
    losses: dict[str, Tensor]

    @classmethod
    def capture(cls, model: Pix2Pix, inputs: Inputs) -> "CapturedStep":
        """Capture `model.optimize` for batches of these inputs; the model stays as it is."""

        def step() -> None:
            model.optimize(*inputs.batch())
            if model.average_every == 1:
                model.averaged.move(model.generator)

        graph = record(step, model.changed())
        losses = dict(zip(model.names, model.latest_losses.unbind(), strict=True))
        return cls(model, inputs, graph, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Start another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches for `step`, each of which must be taken before the next is drawn."""
        return self.inputs.feed(batches)

    def step(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        """Like `Pix2Pix.step`, but does not check the losses: `mean_losses` and `check` do.

        The next step overwrites the returned losses. `original_features` must be given exactly if
        the step was captured with them.
        """
        self.inputs.write(Batch(retouched, original, original_features))
        self.graph.replay()
        if self.model.count():
            if self.model.average_every > 1:
                self.averaged.update_parameters(self.model.generator)
            else:
                self.averaged.count(self.model.generator)
        return self.losses

    @property
    def averaged(self) -> RunningAverage:
        return self.model.averaged

    def check(self) -> None:
        """Like `Pix2Pix.check`."""
        self.model.check()

    def mean_losses(self) -> dict[str, float]:
        """Like `Pix2Pix.mean_losses`."""
        return self.model.mean_losses()


def capturable(settings: TrainSettings, device: torch.device) -> bool:
    """Whether such a training can be captured: on a GPU, with batches of one shape."""
    return device.type == "cuda" and settings.preprocess != "none"


class Structure(NamedTuple):
    """Trials of the same one can share a captured step; with the same `extras`, a generator."""

    n_layers_D: int
    gan_mode: GanMode
    perceptual: bool
    extras: tuple[tuple[str, Value], ...]


def structure_of(params: TrialParams, extras: Mapping[str, Value]) -> Structure:
    perceptual = params.lambda_perceptual > 0
    return Structure(params.n_layers_D, params.gan_mode, perceptual, tuple(sorted(extras.items())))


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


def try_capture(model: Pix2Pix, inputs: Inputs) -> tuple[CapturedStep | None, str]:
    """Capture a model's step; None and the reason if a library refuses, and the model trains on."""
    try:
        return CapturedStep.capture(model, inputs), ""
    except RuntimeError as error:
        reason = refusal(error)
        if not reason:
            raise
        model.optimizer_D.freeze(False)  # the capture may have left it frozen
        return None, reason


class CapturedSteps:
    """A process's cache of captured steps, one per structure, with LRU eviction.

    Attributes:
        refused: why capture does not work here; "" if it does, as far as is known.
    """

    def __init__(self) -> None:
        self.cached: dict[Structure, CapturedStep] = {}
        self.refused = ""

    def begin(
        self,
        structure: Structure,
        start: Callable[[], Pix2Pix],
        inputs: Callable[[], Inputs],
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
            for other, cached in self.cached.items():
                if other.extras == structure.extras:
                    model.share_generator(cached.model)
                    break
            step, self.refused = try_capture(model, inputs())
            if step is None:
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
