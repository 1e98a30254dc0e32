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
    """The result of an epoch: its number (from 1), its learning rate, the mean of each loss.

    Attributes:
        remark: tells the user, once, if steps cannot be captured on this GPU.
    """

    epoch: int
    lr: float
    losses: dict[str, float]
    remark: str = ""


@dataclass
class Training:
    """The complete state of a training, saved by `state` and restored by `load_state`.

    Attributes:
        random: draws the order, crops and flips; its state determines all later batches.
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
        """Start a training of these networks. This seeds torch's global random generator."""
        torch.manual_seed(seed)
        model = Pix2Pix.start(generator, discriminator, params, settings, perceptual)
        arguments = (plan.policy, plan.epochs, plan.epochs_decay, plan.decay_iters)
        return cls(
            model,
            (schedule(model.optimizer_G, *arguments), schedule(model.optimizer_D, *arguments)),
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
        """Restore a saved `state` into a training that was started with the same settings."""
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


class StepRunner:
    """Runs a training's steps: on a GPU as a captured graph, except for a smaller last batch.

    Attributes:
        size: number of pictures in a batch that can be captured; 0 if none can.
        refusal: why a step cannot be captured here; "" as long as no capture has failed.
    """

    def __init__(self, model: Pix2Pix, settings: TrainSettings, device: torch.device) -> None:
        self.model = model
        self.size = settings.batch_size if capturable(settings, device) else 0
        self.captured: CapturedStep | None = None
        self.refusal = ""

    def train_on(self, batches: Batches) -> None:
        """Train on all batches of an epoch. The losses are checked by `Pix2Pix.mean_losses`."""
        if self.captured is None and len(batches.peek()) == self.size:
            self.capture(batches)
        for batch in (self.captured or self.model).feed(batches):
            if self.captured is not None and len(batch.retouched) == self.size:
                self.captured.step(*batch)
            else:
                self.model.step(*batch)

    def capture(self, batches: Batches) -> None:
        """Try to capture the step; if a library refuses, do not try again."""
        self.captured, self.refusal = try_capture(self.model, inputs_for(batches))
        if self.refusal:
            self.size = 0

    def remark(self) -> str:
        """Tells the user, once, why steps cannot be captured; otherwise ""."""
        if not self.refusal:
            return ""
        reason, self.refusal = self.refusal, ""
        return (
            "Training steps cannot be captured as a CUDA graph here, so epochs take longer: "
            f"{reason}"
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
    runner = StepRunner(training.model, settings, device)
    while training.epoch < total:
        runner.train_on(epoch_batches(pairs, settings, device, training.random, targets))
        training.epoch += 1
        means = training.model.mean_losses()
        rate = float(training.model.optimizer_G.param_groups[0]["lr"])
        for scheduler in training.schedulers:
            next_epoch(scheduler, means["G_L1"])
        yield EpochDone(training.epoch, rate, means, runner.remark())
