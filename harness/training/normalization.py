"""Normalisation layers, and the counters of the batches in their statistics."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that can also use each picture's own statistics.

    With `per_picture`, each picture of a batch is normalised separately, as in pix2pix's own
    inference (batch size 1, statistics of the picture itself). Without `counts`, a forward pass in
    training does not increment the number of batches: see `take_over_counters`.
    """

    per_picture = False
    counts = True

    def forward(self, input: Tensor) -> Tensor:
        if self.per_picture:
            return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)
        if self.counts or not self.training:
            return super().forward(input)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            True,
            self.momentum or 0.0,
            self.eps,
        )


def take_over_counters(net: nn.Module) -> list[Tensor]:
    """The batch counters of a network; from now on, the caller has to increment them.

    Incrementing all of them together takes one kernel on a GPU, not one per layer and pass.
    """
    counters = []
    for module in net.modules():
        if isinstance(module, BatchNorm):
            module.counts = False
            assert module.num_batches_tracked is not None
            counters.append(module.num_batches_tracked)
    return counters


def norm_layer(name: str) -> tuple[Norm, bool]:
    """The layer that `--norm` names, and whether the convolutions before it have a bias."""
    if name == "batch":
        return BatchNorm, False
    if name == "instance":
        return nn.InstanceNorm2d, True
    return lambda channels: nn.Identity(), False
