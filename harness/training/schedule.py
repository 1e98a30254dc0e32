"""pix2pix's learning rate policies for a full training."""

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
    """The scheduler of `--lr_policy` for one optimiser; call `next_epoch` after every epoch.

    linear: constant for `epochs`, then decays linearly, to reach zero one epoch after the last;
    step: times 0.1 every `decay_iters` epochs; plateau: times 0.2 after more than five epochs
    whose loss fell by less than 1 %; cosine: decays to zero over the whole training.

    Since 2020 pix2pix's train.py updates the rate before an epoch, so that a training without decay
    ends with an epoch at rate zero. This one updates it after an epoch, as train.py did before.
    """
    match policy:
        case "linear":

            def factor(done: int) -> float:
                return 1 - max(0, done + 1 - epochs) / (epochs_decay + 1)

            return LambdaLR(optimizer, factor)
        case "step":
            return StepLR(optimizer, decay_iters, gamma=0.1)
        case "plateau":
            return ReduceLROnPlateau(optimizer, "min", factor=0.2, threshold=0.01, patience=5)
        case "cosine":
            return CosineAnnealingLR(optimizer, epochs + epochs_decay)


def next_epoch(scheduler: LRScheduler, loss: float) -> None:
    """Set the next epoch's learning rate.

    pix2pix passes a constant 0 to plateau, so that its rate falls regardless of the loss.

    Args:
        loss: the mean loss of the epoch that has ended; only plateau uses it.
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()
