"""One stage of a full training, from its start or its saved state to its last epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.data.pairs.pair_set import Dataset, PairSet, load_dataset
from harness.data.pairs.prepare import cut_all
from harness.errors import DivergedError, HarnessError, NonFiniteWeightsError, UserInputError
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.panels import crop_png, panel_png
from harness.full_training.history import History, Row
from harness.full_training.plan import StagePlan, TrainingPlan
from harness.full_training.view import EpochEnded, Remark, Scored, StageBegan, TrainingView
from harness.paths import TrainingStagePaths, replace_atomically, write_atomically
from harness.search.stop_signals import StopSwitch
from harness.tracking.metrics import LOSSES, SCORE, metrics_of
from harness.tracking.training_run import TrainingTracker
from harness.training.checkpoints import (
    Network,
    check_tensor,
    load_weights,
    read_checkpoint,
    state_of,
)
from harness.training.epochs import EpochDone, Training, train_epochs
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from objectives.score import NothingToScoreError, Objective

STATE_FORMAT = 1
NETWORKS: tuple[Network, Network] = ("G", "D")
# How many training pairs are scored in addition to the validation pairs, to detect overfitting.
MAX_TRAIN_PAIRS = 8


@dataclass(frozen=True)
class StageOutcome:
    """The result of a stage.

    Attributes:
        ended: "finished", "early" (stopped early), or "stopped" (by the user; can be resumed).
        noop: the score of the unchanged input.
    """

    ended: str
    epoch: int
    history: History
    noop: float
    paths: TrainingStagePaths


class StageRun:
    """One stage: its networks, pairs and history, new or restored from its saved state."""

    def __init__(
        self,
        plan: TrainingPlan,
        stage: StagePlan,
        objective: Objective,
        weights_from: tuple[Path, ...],
        epochs_before: int,
    ) -> None:
        self.plan = plan
        self.stage = stage
        self.paths = stage.paths
        self.epochs_before = epochs_before
        self.device = torch.device(plan.device)
        dataset = load_dataset(stage.dataset)
        self.pairs = dataset.train
        self.evaluator = Evaluator(dataset.val, objective, self.device)
        self.train_evaluator = evaluator_of_train_pairs(
            dataset, stage.train.crop_size, objective, self.device
        )
        self.training = start_training(plan, stage, weights_from)
        self.history = History(1 if objective.direction == "maximize" else -1)
        self.ended = ""
        if self.paths.state.exists():
            self.load_state()

    def load_state(self) -> None:
        """Restore the saved state.

        Raises:
            UserInputError: the state is damaged, or its weights are not finite.
        """
        try:
            state = torch.load(self.paths.state, map_location="cpu", weights_only=True)
            if state["format"] != STATE_FORMAT:
                raise ValueError(f"format {state['format']}, expected {STATE_FORMAT}")
            self.training.load_state(state["training"])
            self.history.rows, self.ended = state["history"], state["ended"]
            for net in (self.training.averaged, self.training.model.discriminator):
                for name, value in state_of(net).items():
                    check_tensor(name, value, self.paths.state)
        except NonFiniteWeightsError:
            raise
        except Exception as error:
            raise UserInputError(
                f"{self.paths.state} cannot be continued ({type(error).__name__}): remove it to "
                "restart this stage, or choose another folder with --out DIR."
            ) from error

    def train(self, tracker: TrainingTracker, view: TrainingView, stop: StopSwitch) -> StageOutcome:
        """Train until the last epoch, until `patience` is exhausted, or until the user stops it.

        Raises:
            HarnessError: the training diverged.
        """
        stage, total = self.stage, self.stage.schedule.total
        noop = self.evaluator.noop()
        view.show(
            StageBegan(
                stage.number,
                len(self.plan.stages),
                stage.train.crop_size,
                self.training.epoch,
                total,
                noop,
            )
        )
        epochs = train_epochs(self.training, self.pairs, stage.train, total, self.device)
        while not self.ended and (done := next_or_none(epochs, self.paths)) is not None:
            view.show(EpochEnded(self.epochs_before + done.epoch, done.epoch, done.lr, done.losses))
            if done.remark:
                view.show(Remark(done.remark))
            self.finish_epoch(done, tracker, view)
            if stop() and not self.ended:
                self.save()
                return self.outcome("stopped", noop)
        return self.outcome(self.ended, noop)

    def finish_epoch(self, done: EpochDone, tracker: TrainingTracker, view: TrainingView) -> None:
        """Log an epoch; if they are due, score it and save checkpoints."""
        step = self.epochs_before + done.epoch
        last = done.epoch == self.stage.schedule.total
        check_due = done.epoch % self.stage.check_every == 0
        save_due = done.epoch % self.stage.save_every == 0
        if not (last or check_due or save_due):
            losses = {LOSSES + name: loss for name, loss in done.losses.items()}
            tracker.log(step, {**losses, "lr": done.lr})
            return
        generator = self.training.averaged.module
        restored, score = self.evaluator(generator)
        row: Row = {"epoch": done.epoch, "lr": done.lr, "score": score.value, **done.losses}
        if self.train_evaluator is not None:
            row["train_score"] = self.train_evaluator(generator)[1].value
        best, overfitted = self.history.is_best(score.value), self.history.overfits()
        self.history.rows.append(row)
        crop = b""
        if last or save_due:
            rows = panel_rows(self.stage.train.crop_size)
            panel = panel_png(self.evaluator.reference, restored, rows)
            write_atomically(self.paths.panel(done.epoch), panel)
            crop = crop_png(self.evaluator.square, restored)
        values = metrics_of(SCORE, score.value, score.components, done.losses)
        values["lr"] = done.lr
        if self.train_evaluator is not None:
            values["train_score"] = row["train_score"]
        tracker.log(step, values, {SCORE: score.value, **score.components}, crop)
        view.show(Scored(done.epoch, score.value, row.get("train_score"), best))
        if self.history.overfits() and not overfitted:
            view.show(Remark(self.history.overfitting_remark()))
        self.ended = "finished" if last else ""
        if not last and 0 < self.plan.config.patience <= self.history.scores_since_best():
            self.ended = "early"
            view.show(
                Remark(f"Stopped early: {self.plan.config.patience} scores without improvement.")
            )
        names = ["latest", *([str(done.epoch)] if save_due else []), *(["best"] if best else [])]
        self.save(names)

    def save(self, names: list[str] | None = None) -> None:
        """Save the networks under these names, then the state, which alone is read to resume."""
        model = self.training.model
        nets = {"G": self.training.averaged.module, "D": model.discriminator}
        for name in names or ["latest"]:
            for network, net in nets.items():
                with replace_atomically(self.paths.net(name, network)) as temporary:
                    torch.save(state_of(net), temporary)
        write_atomically(self.paths.history, self.history.as_csv())
        state: dict[str, Any] = {
            "format": STATE_FORMAT,
            "training": self.training.state(),
            "history": self.history.rows,
            "ended": self.ended,
        }
        with replace_atomically(self.paths.state) as temporary:
            torch.save(state, temporary)

    def outcome(self, ended: str, noop: float) -> StageOutcome:
        return StageOutcome(ended, self.training.epoch, self.history, noop, self.paths)


def start_training(
    plan: TrainingPlan, stage: StagePlan, weights_from: tuple[Path, ...]
) -> Training:
    """A new training of this stage, with the weights of the files if there are any."""
    seed, train = plan.config.seed, stage.train
    device = torch.device(plan.device)
    nets: tuple[nn.Module, nn.Module] = (
        build_generator(train, seed),
        build_discriminator(train, stage.params.n_layers_D, seed),
    )
    for net, name, file in zip(nets, NETWORKS, weights_from, strict=False):
        load_weights(net, read_checkpoint(file, name), file, train)
    generator, discriminator = (net.to(device) for net in nets)
    perceptual = None
    if stage.params.lambda_perceptual > 0:
        window, layers = train.perceptual_window, train.perceptual_layers
        perceptual = PerceptualLoss(layers, plan.weights, window).to(device)
    return Training.start(
        generator, discriminator, stage.params, train, perceptual, stage.schedule, seed
    )


def next_or_none(epochs: Iterator[EpochDone], paths: TrainingStagePaths) -> EpochDone | None:
    """The next epoch; None at the end.

    Raises:
        HarnessError: the training diverged.
    """
    try:
        return next(epochs, None)
    except DivergedError as error:
        raise HarnessError(
            f"The training diverged: {error}; its earlier checkpoints are in {paths.folder}. "
            "Lower lr in the configuration and train into another folder."
        ) from error


def evaluator_of_train_pairs(
    dataset: Dataset, crop_size: int, objective: Objective, device: torch.device
) -> Evaluator | None:
    """An evaluator on a few training pairs, cropped as for validation; None if none is warped."""
    pairs = dataset.train
    count = min(MAX_TRAIN_PAIRS, len(dataset.val), len(pairs))
    # Take the first warped pair of each equal share, so that few masks are read.
    ends = [k * len(pairs) // count for k in range(count + 1)]
    shares = (range(*share) for share in pairwise(ends))
    found = (next((k for k in share if bool(pairs.masks[k].any())), None) for share in shares)
    chosen = [index for index in found if index is not None]
    if not chosen:
        return None
    few = PairSet.of([pairs[index] for index in chosen])
    try:
        return Evaluator(cut_all(few, crop_size), objective, device)
    except NothingToScoreError:
        return None


def panel_rows(size: int) -> int:
    """The number of pictures in a panel: fewer for large pictures."""
    return 4 if size <= 512 else 2
