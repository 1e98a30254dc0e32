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

# Eager steps before a capture, during which libraries choose their algorithms.
WARM_UPS = 3
# Captured steps are kept as long as this share of the device's memory is free: each occupies memory
# for its networks, gradients and activations.
MIN_FREE_SHARE = 0.25
# Captured steps that the memory estimate of a worker assumes when several share a GPU; a worker
# keeps more only while memory is free.
EXPECTED_STEPS = 4


def capture_graph(run: Callable[[], object], changed: Sequence[Tensor]) -> torch.cuda.CUDAGraph:
    """Capture what `run` does on the device.

    `run` is first called a few times; afterwards `changed` and the device's random state are
    reset.

    Args:
        changed: all tensors that `run` modifies and that outlive it.
    """
    saved = [each.detach().clone() for each in changed]
    rng_state = torch.cuda.get_rng_state()
    graph = torch.cuda.CUDAGraph()
    try:
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(side_stream)
        try:
            with on_current_stream(), torch.cuda.graph(graph):
                run()
        except RuntimeError:
            leave_capture()
            raise
    finally:
        with torch.no_grad():
            torch._foreach_copy_(list(changed), saved)
        torch.cuda.set_rng_state(rng_state)
    return graph


def on_current_stream() -> AbstractContextManager[None]:
    """A context that restores the current stream, which torch does not after a failed capture."""
    return torch.cuda.stream(torch.cuda.current_stream())


def leave_capture() -> None:
    """After a failed capture, end the capture mode of torch's random generator, too.

    It lasts until a capture succeeds, and until then eager dropout raises (torch 2.11).
    """
    with (
        suppress(RuntimeError),
        on_current_stream(),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        torch.zeros((), device="cuda")


def capture_or_run_eagerly(
    run: Callable[[Batch], object], changed: Sequence[Tensor], batches: Batches
) -> tuple[Callable[[Batch], object], Iterator[Batch]]:
    """`run` as a captured graph, and its batches; both unchanged if a library refuses capture.

    Args:
        changed: as for `capture_graph`.
    """
    inputs = inputs_for(batches)
    try:
        graph = capture_graph(lambda: run(inputs.batch()), changed)
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
    """A model whose step is replayed as a graph. All batches must have the same shape.

    Attributes:
        graph: a step, with the update of the running average if it follows every step.
        losses: of the latest step; the next one overwrites them.
    """

    model: Pix2Pix
    inputs: Inputs
    graph: torch.cuda.CUDAGraph
    losses: dict[str, Tensor]

    @classmethod
    def capture(cls, model: Pix2Pix, inputs: Inputs) -> "CapturedStep":
        """Capture `model.optimize` for batches from `inputs`; the model's state does not change."""

        def step() -> None:
            model.optimize(*inputs.batch())
            if model.average_every == 1:
                model.averaged.update_average(model.generator)

        graph = capture_graph(step, model.changed_tensors())
        losses = dict(zip(model.names, model.latest_losses.unbind(), strict=True))
        return cls(model, inputs, graph, losses)

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Start another trial of the same structure, in place."""
        self.model.restart(generator, discriminator, params)

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches for `step`; train on each before taking the next."""
        return self.inputs.feed(batches)

    def step(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        """Like `Pix2Pix.step`, but does not check the losses: `mean_losses` and `check` do.

        The next step overwrites the returned losses. `original_features` must be given if, and only
        if, the step was captured with them.
        """
        self.inputs.write(Batch(retouched, original, original_features))
        self.graph.replay()
        if self.model.count_step():
            if self.model.average_every > 1:
                self.averaged.update_parameters(self.model.generator)
            else:
                self.averaged.count_update(self.model.generator)
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
    """Whether a training's steps can be captured: on a GPU, with batches of one shape."""
    return device.type == "cuda" and settings.preprocess != "none"


class Structure(NamedTuple):
    """What a captured step depends on: trials of the same structure can share one.

    Steps whose structures have the same `extras` can share a generator.
    """

    n_layers_D: int
    gan_mode: GanMode
    perceptual: bool
    extras: tuple[tuple[str, Value], ...]


def structure_of(params: TrialParams, extras: Mapping[str, Value]) -> Structure:
    perceptual = params.lambda_perceptual > 0
    return Structure(params.n_layers_D, params.gan_mode, perceptual, tuple(sorted(extras.items())))


def memory_is_low() -> bool:
    """Whether the device has little free memory, whichever process uses the rest."""
    if not torch.cuda.is_available():
        return False
    free, total = torch.cuda.mem_get_info()
    return free < MIN_FREE_SHARE * total


def refusal(error: RuntimeError) -> str:
    """The message of a library that does not support capture; "" if the error has another cause."""
    texts = [str(each).strip().partition("\n")[0] for each in causes(error)]
    if is_out_of_memory(error) or not any("captur" in text for text in texts):
        return ""
    return texts[-1]


def try_capture(model: Pix2Pix, inputs: Inputs) -> tuple[CapturedStep | None, str]:
    """Capture a model's step. If a library refuses, return None and the reason instead.

    The model can be trained in either case.
    """
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
        refusal: why steps cannot be captured here; "" as long as no capture has failed.
    """

    def __init__(self) -> None:
        self.cached: dict[Structure, CapturedStep] = {}
        self.refusal = ""

    def start_trial(
        self,
        structure: Structure,
        start: Callable[[], Pix2Pix],
        inputs: Callable[[], Inputs],
        weights: tuple[NetWeights, NetWeights],
        params: TrialParams,
    ) -> CapturedStep | Pix2Pix:
        """A step, cached or newly captured, reset to the initial weights of a trial.

        If capture is not supported, returns the model itself: slower, with the same results.

        Args:
            start: creates the trial's model.
            inputs: creates the inputs of its step.
            weights: initial weights of the generator and the discriminator.
        """
        if self.refusal:
            return start()
        step = self.cached.pop(structure, None)
        if step is None:
            self.make_room()
            model = start()
            for other, cached in self.cached.items():
                if other.extras == structure.extras:
                    model.share_generator(cached.model)
                    break
            step, self.refusal = try_capture(model, inputs())
            if step is None:
                model.restart(*weights, params)
                return model
        self.cached[structure] = step
        step.restart(*weights, params)
        return step

    def growth(self) -> float:
        """The factor by which the cache still grows until it has `EXPECTED_STEPS` steps."""
        return max(1.0, EXPECTED_STEPS / len(self.cached)) if self.cached else 1.0

    def make_room(self) -> None:
        """Evict the least recently used steps while memory is low."""
        while self.cached and memory_is_low():
            self.cached.pop(next(iter(self.cached)))
            torch.cuda.empty_cache()
