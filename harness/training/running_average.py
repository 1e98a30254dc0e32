"""The running average of a generator's weights: this is what is scored and saved."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from harness.config.settings import TrainSettings


class RunningAverage(AveragedModel):
    """torch's `AveragedModel`, but with the number of updates on the host.

    torch copies the number to the device at every update, which waits for the device.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def update_parameters(self, model: nn.Module) -> None:
        """Update the average and copy the buffers; the first update copies the weights too."""
        if self.n_averaged:
            self.update_average(model)
        self.count_update(model)

    @torch.no_grad()
    def update_average(self, model: nn.Module) -> None:
        """The part of an update that runs on the device and can be captured in a graph.

        `count_update` must follow.
        """
        averages: list[Tensor] = list(self.module.parameters())
        torch._foreach_lerp_(averages, list(model.parameters()), 1 - self.decay)
        copy_all(self.module.buffers(), model.buffers())

    @torch.no_grad()
    def count_update(self, model: nn.Module) -> None:
        """Count an update; the first one makes the average a copy of the model."""
        if not self.n_averaged:
            copy_all(self.module.parameters(), model.parameters())
            copy_all(self.module.buffers(), model.buffers())
        self.n_averaged += 1


def copy_all(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    """Copy tensors grouped by dtype, since torch copies those of a mixed list one by one."""
    by_dtype: defaultdict[torch.dtype, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for pair in zip(targets, sources, strict=True):
        by_dtype[pair[0].dtype].append(pair)
    for pairs in by_dtype.values():
        torch._foreach_copy_([target for target, _ in pairs], [source for _, source in pairs])


def make_running_average(generator: nn.Module, settings: TrainSettings) -> RunningAverage:
    """A running average of the generator's weights, with the settings' decay per step."""
    return RunningAverage(generator, settings.ema_decay**settings.ema_every)
