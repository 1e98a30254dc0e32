"""The training loop: a generator of progress, independent of Optuna and MLflow."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from harness.config.settings import TrainSettings
from harness.training.batches import Batch
from harness.training.cuda_graph import CapturedStep
from harness.training.step import Pix2Pix


@dataclass(frozen=True)
class Progress:
    """The state of a training at a rung: what to evaluate, and mean losses since the last rung.

    `judged` is a generator with the running average of the weights, which further training updates
    in place; or pictures that an external program restored, float `[n, 3, h, w]` in [0, 1].
    """

    step: int
    judged: nn.Module | Tensor
    losses: dict[str, float]


def train(
    model: Pix2Pix | CapturedStep,
    batches: Iterable[Batch],
    settings: TrainSettings,
) -> Iterator[Progress]:
    """Train for `settings.steps`, and yield at every rung. The caller decides whether to go on.

    Raises:
        DivergedError: a loss stopped being finite.
    """
    averaged = averaging(model.generator, settings)
    sums = LossSums()
    for step, batch in enumerate(batches, 1):
        sums.add(model.step(*batch))
        if step % settings.ema_every == 0:
            averaged.update_parameters(model.generator)
        if step in settings.rungs:
            model.check()
            yield Progress(step, averaged.module, sums.means())
            sums = LossSums()
        if step == settings.steps:
            return


class LossSums:
    """Accumulates losses on their device, and returns their means over the steps so far."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.total: Tensor | float = 0.0
        self.steps = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a step, whose tensors the next step may overwrite."""
        self.names = tuple(losses)
        self.total = self.total + torch.stack(list(losses.values()))
        self.steps += 1

    def means(self) -> dict[str, float]:
        """The mean of every loss, after at least one step."""
        assert isinstance(self.total, Tensor)
        totals = self.total.tolist()
        return {name: total / self.steps for name, total in zip(self.names, totals, strict=True)}


class RunningAverage(AveragedModel):
    """torch's `AveragedModel`, with its count on the host.

    torch copies the count to the device at every update, which synchronises with it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Update the average (the first update copies the weights), and copy the buffers."""
        averages: list[Tensor] = list(self.module.parameters())
        weights: list[Tensor] = list(model.parameters())
        if self.n_averaged == 0:
            torch._foreach_copy_(averages, weights)
        else:
            torch._foreach_lerp_(averages, weights, 1 - self.decay)
        # Grouped by dtype (statistics, batch counts): torch copies mixed lists one by one.
        kinds: defaultdict[torch.dtype, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for pair in zip(self.module.buffers(), model.buffers(), strict=True):
            kinds[pair[0].dtype].append(pair)
        for pairs in kinds.values():
            torch._foreach_copy_([ours for ours, _ in pairs], [theirs for _, theirs in pairs])
        self.n_averaged += 1


def averaging(generator: nn.Module, settings: TrainSettings) -> RunningAverage:
    """A running average of the generator's weights, with the settings' decay per step."""
    return RunningAverage(generator, settings.ema_decay**settings.ema_every)
