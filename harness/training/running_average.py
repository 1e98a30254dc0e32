"""The running average of a generator's weights, which is what is scored and saved."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from harness.config.settings import TrainSettings


class RunningAverage(AveragedModel):
    """torch's `AveragedModel`, with its count on the host.

    torch copies the count to the device at every update, which synchronises with it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def update_parameters(self, model: nn.Module) -> None:
        """Update the average (the first update copies the weights), and copy the buffers."""
        if self.n_averaged:
            self.move(model)
        self.count(model)

    @torch.no_grad()
    def move(self, model: nn.Module) -> None:
        """The device's part of an update, which can be captured; `count` must follow."""
        averages: list[Tensor] = list(self.module.parameters())
        torch._foreach_lerp_(averages, list(model.parameters()), 1 - self.decay)
        copy_all(self.module.buffers(), model.buffers())

    @torch.no_grad()
    def count(self, model: nn.Module) -> None:
        """Count an update. The first makes the average a copy, whatever it was."""
        if not self.n_averaged:
            copy_all(self.module.parameters(), model.parameters())
            copy_all(self.module.buffers(), model.buffers())
        self.n_averaged += 1


def copy_all(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    """Copy tensors grouped by dtype: torch copies mixed lists one by one."""
    kinds: defaultdict[torch.dtype, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for pair in zip(targets, sources, strict=True):
        kinds[pair[0].dtype].append(pair)
    for pairs in kinds.values():
        torch._foreach_copy_([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def averaging(generator: nn.Module, settings: TrainSettings) -> RunningAverage:
    """A running average of the generator's weights, with the settings' decay per step."""
    return RunningAverage(generator, settings.ema_decay**settings.ema_every)
