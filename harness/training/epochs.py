"""A full training by epochs, with a state that can be saved and restored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from harness.config.settings import LrPolicy, TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.batches import Batches, epoch_batches, on_device
from harness.training.cuda_graph import CapturedStep, capturable, try_capture
from harness.training.feature_cache import target_features
from harness.training.inputs import inputs_for
from harness.training.perceptual import PerceptualLoss
from harness.training.running_average import RunningAverage
from harness.training.schedule import next_epoch, schedule
from harness.training.step import Pix2Pix
from search_spaces.trial_params import TrialParams


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate schedule of a training. All counts are epochs."""

    epochs: int
    epochs_decay: int
    policy: LrPolicy = "linear"
    decay_iters: int = 50

    @property
    def total(self) -> int:
        return self.epochs + self.epochs_decay


@dataclass(frozen=True)
class EpochDone:
    """The end of an epoch: its number from 1, its learning rate, the mean of each loss.

    Attributes:
        remark: for the user, once, if steps cannot be captured on this GPU.
    """

    epoch: int
    lr: float
    losses: dict[str, float]
    remark: str = ""


@dataclass
class Training:
    """The complete state of a training, saved by `state` and restored by `load_state`.

    Attributes:
        random: draws the order, the crops and the flips; its state is the position in the data.
        epoch: epochs done.
    """

    model: Pix2Pix
    schedulers: tuple[LRScheduler, LRScheduler]
    random: torch.Generator
    epoch: int = 0

    @classmethod
    def start(
        cls,
        generator: nn.Module,
        discriminator: nn.Module,
        params: TrialParams,
        settings: TrainSettings,
        perceptual: PerceptualLoss | None,
        plan: Schedule,
        seed: int,
    ) -> "Training":
        """Start a training of these networks. Seeds torch's global generator."""
        torch.manual_seed(seed)
        model = Pix2Pix.start(generator, discriminator, params, settings, perceptual)
        course = (plan.policy, plan.epochs, plan.epochs_decay, plan.decay_iters)
        return cls(
            model,
            (schedule(model.optimizer_G, *course), schedule(model.optimizer_D, *course)),
            torch.Generator().manual_seed(seed),
        )

    @property
    def averaged(self) -> RunningAverage:
        """The running average of the generator's weights, used to restore pictures."""
        return self.model.averaged

    @property
    def steps(self) -> int:
        """Optimisation steps done."""
        return self.model.steps

    def state(self) -> dict[str, Any]:
        """The complete state, for `torch.save`."""
        device = next(self.model.generator.parameters()).device
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "parts": [part.state_dict() for part in self.parts()],
            "order": self.random.get_state(),
            "chance": torch.get_rng_state(),
            "chance_on_device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a saved `state`, in a training that was started with the same settings."""
        for part, saved in zip(self.parts(), state["parts"], strict=True):
            part.load_state_dict(saved)
        self.epoch, self.model.steps = state["epoch"], state["steps"]
        self.random.set_state(state["order"])
        torch.set_rng_state(state["chance"])
        device = next(self.model.generator.parameters()).device
        if state["chance_on_device"] is not None and device.type == "cuda":
            torch.cuda.set_rng_state(state["chance_on_device"], device)

    def parts(self) -> tuple[Any, ...]:
        """Everything with a `state_dict`, in the order of `state`."""
        model = self.model
        nets = (model.generator, model.discriminator, self.averaged)
        return (*nets, model.optimizer_G, model.optimizer_D, *self.schedulers)


class Steps:
    """A training's steps: on a GPU one captured graph, except for a smaller batch.

    Attributes:
        refused: why a step cannot be captured here; "" if it can, as far as is known.
    """

    def __init__(self, model: Pix2Pix, settings: TrainSettings, device: torch.device) -> None:
        self.model = model
        self.size = settings.batch_size if capturable(settings, device) else 0
        self.captured: CapturedStep | None = None
        self.refused = ""

    def take(self, batches: Batches) -> None:
        """Train on all batches of an epoch. The losses are checked by `Pix2Pix.mean_losses`."""
        if self.captured is None and len(batches.peek()) == self.size:
            self.capture(batches)
        for batch in (self.captured or self.model).feed(batches):
            if self.captured is not None and len(batch.retouched) == self.size:
                self.captured.step(*batch)
            else:
                self.model.step(*batch)

    def capture(self, batches: Batches) -> None:
        """Capture the step, unless that is refused."""
        self.captured, self.refused = try_capture(self.model, inputs_for(batches))
        if self.refused:
            self.size = 0

    def remark(self) -> str:
        """What the user is told, once."""
        if not self.refused:
            return ""
        refused, self.refused = self.refused, ""
        return (
            "Training steps cannot be captured as a CUDA graph here, so that epochs take longer: "
            f"{refused}"
        )


def train_epochs(
    training: Training,
    pairs: PairSet,
    settings: TrainSettings,
    total: int,
    device: torch.device,
) -> Iterator[EpochDone]:
    """Continue `training` up to epoch `total`, and yield after each epoch.

    The caller decides when to score, save or stop.

    Raises:
        DivergedError: a loss stopped being finite.
    """
    pairs = on_device(pairs, device)
    perceptual = training.model.perceptual
    targets = None
    if perceptual is not None:
        targets = target_features(perceptual, pairs, settings, device)
    steps = Steps(training.model, settings, device)
    while training.epoch < total:
        steps.take(epoch_batches(pairs, settings, device, training.random, targets))
        training.epoch += 1
        means = training.model.mean_losses()
        rate = float(training.model.optimizer_G.param_groups[0]["lr"])
        for scheduler in training.schedulers:
            next_epoch(scheduler, means["G_L1"])
        yield EpochDone(training.epoch, rate, means, steps.remark())
