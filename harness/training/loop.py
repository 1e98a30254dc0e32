"""The training loop: a generator of progress that knows no Optuna and no MLflow."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from harness.config.settings import TrainSettings
from harness.training.batches import Batch
from harness.training.cuda_graph import CapturedStep
from harness.training.step import Pix2Pix


@dataclass(frozen=True)
class Progress:
    """Where a training stands: what to judge, and each loss's mean since the last time.

    `judged` is a generator, here with the running average of the weights, updated in place as
    training goes on; or pictures that another program restored, float `[n, 3, h, w]` in [0, 1].
    """

    step: int
    judged: nn.Module | Tensor
    losses: dict[str, float]


def train(
    model: Pix2Pix | CapturedStep,
    batches: Iterable[Batch],
    settings: TrainSettings,
) -> Iterator[Progress]:
    """Train for `settings.steps`, pausing at every rung. Whoever iterates decides what then.

    Raises:
        DivergedError: a loss stopped being finite.
    """
    averaged = averaging(model.generator, settings)
    sums: dict[str, Tensor] = {}
    since = 0
    for step, batch in enumerate(batches, 1):
        losses = model.step(*batch)
        sums = {name: sums.get(name, 0.0) + loss for name, loss in losses.items()}
        since += 1
        if step % settings.ema_every == 0:
            averaged.update_parameters(model.generator)
        if step in settings.rungs:
            model.check()
            means = {name: float(total) / since for name, total in sums.items()}
            yield Progress(step, averaged.module, means)
            sums, since = {}, 0
        if step == settings.steps:
            return


def averaging(generator: nn.Module, settings: TrainSettings) -> AveragedModel:
    """A running average of `generator`'s weights (decay a step), its buffers copied."""
    ema = cast(Callable[[float], Any], get_ema_multi_avg_fn)
    decay = settings.ema_decay**settings.ema_every
    return AveragedModel(generator, multi_avg_fn=ema(decay))
