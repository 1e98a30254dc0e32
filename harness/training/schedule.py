"""The learning rate over a full training: pix2pix's policies."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    ReduceLROnPlateau,
    StepLR,
)

from harness.config.settings import LrPolicy


def schedule(
    optimizer: Optimizer, policy: LrPolicy, epochs: int, epochs_decay: int, decay_iters: int
) -> LRScheduler:
    """`--lr_policy` for one optimiser, to be moved on by `next_epoch` after every epoch.

    linear: constant for `epochs`, then falling evenly to zero, which it would reach one epoch
    after the last; step: a tenth every `decay_iters` epochs; plateau: a fifth after more than five
    epochs whose loss fell by less than 1 %; cosine: to zero over the whole training.

    pix2pix's train.py moves the rate on before an epoch since 2020, so that there a training
    without decay ends with an epoch at rate zero; as it did before, this one moves on after it.
    """
    match policy:
        case "linear":

            def share(done: int) -> float:
                return 1 - max(0, done + 1 - epochs) / (epochs_decay + 1)

            return LambdaLR(optimizer, share)
        case "step":
            return StepLR(optimizer, decay_iters, gamma=0.1)
        case "plateau":
            return ReduceLROnPlateau(optimizer, "min", factor=0.2, threshold=0.01, patience=5)
        case "cosine":
            return CosineAnnealingLR(optimizer, epochs + epochs_decay)


def next_epoch(scheduler: LRScheduler, loss: float) -> None:
    """Set the next epoch's rate. `loss`: the epoch's mean, which only plateau looks at.

    pix2pix gives plateau a constant 0, so that its rate falls whatever the training does.
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()
