"""The training loop: a generator of progress, independent of Optuna and MLflow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from harness.config.settings import TrainSettings
from harness.training.batches import Batch
from harness.training.cuda_graph import CapturedStep
from harness.training.step import Pix2Pix


@dataclass(frozen=True)
class Progress:
    """The state of a training at a rung.

    Attributes:
        step: optimisation steps done.
        candidate: what to score: a generator with the running average of the weights, which
            further training updates in place; or pictures that an external program restored, float
            `[n, 3, h, w]` in [0, 1].
        losses: the mean of each loss since the last rung.
    """

    step: int
    candidate: nn.Module | Tensor
    losses: dict[str, float]


def train(
    model: Pix2Pix | CapturedStep,
    batches: Iterable[Batch],
    settings: TrainSettings,
) -> Iterator[Progress]:
    """Train for `settings.steps`, and yield at every rung. The caller decides whether to go on.

    Raises:
        DivergedError: a loss is no longer finite.
    """
    for step, batch in enumerate(model.feed(batches), 1):
        model.step(*batch)
        if step in settings.rungs:
            yield Progress(step, model.averaged.module, model.mean_losses())
        if step == settings.steps:
            return
