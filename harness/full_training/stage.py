"""One stage of a full training: from its beginning or its kept state to its last epoch."""

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
from harness.evaluation.evaluator import Judge
from harness.evaluation.panels import panel_png
from harness.full_training.history import History, Row
from harness.full_training.plan import StagePlan, TrainingPlan
from harness.full_training.view import Checked, EpochEnded, Remark, StageBegan, TrainingView
from harness.paths import TrainingStagePaths, write_aside
from harness.search.stopping import StopSwitch
from harness.tracking import TrainingTracker
from harness.training.batches import on_device
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
# Training pairs that are scored beside the validation pairs, to see whether the two part.
MOST_SEEN = 8


@dataclass(frozen=True)
class StageOutcome:
    """How a stage stands.

    Attributes:
        ended: "finished", "early" (stopped early), or "stopped" (by the user, goes on).
        noop: the score of returning the input.
    """

    ended: str
    epoch: int
    history: History
    noop: float
    paths: TrainingStagePaths


class StageRun:
    """One stage: its networks, pairs and history, from its beginning or from its kept state."""

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
        self.pairs = on_device(dataset.train, self.device)
        self.judge = Judge(dataset.val, objective, self.device)
        self.seen = judge_of_seen(dataset, stage.train.crop_size, objective, self.device)
        self.training = begin(plan, stage, weights_from)
        self.history = History(1 if objective.direction == "maximize" else -1)
        self.ended = ""
        if self.paths.state.exists():
            self.go_on()

    def go_on(self) -> None:
        """Take up the kept state.

        Raises:
            UserInputError: it is damaged, or its weights are not finite.
        """
        try:
            held = torch.load(self.paths.state, map_location="cpu", weights_only=True)
            if held["format"] != STATE_FORMAT:
                raise ValueError(f"format {held['format']}, expected {STATE_FORMAT}")
            self.training.load_state(held["training"])
            self.history.rows, self.ended = held["history"], held["ended"]
            for net in (self.training.averaged, self.training.model.discriminator):
                for name, value in state_of(net).items():
                    check_tensor(name, value, self.paths.state)
        except NonFiniteWeightsError:
            raise
        except Exception as error:
            raise UserInputError(
                f"{self.paths.state} cannot be gone on from ({type(error).__name__}): remove it to "
                "train this stage anew, or choose another folder with --out DIR."
            ) from error

    def train(self, tracker: TrainingTracker, view: TrainingView, stop: StopSwitch) -> StageOutcome:
        """Train to the end, until nothing improves any more, or until the user stops it.

        Raises:
            HarnessError: the training diverged.
        """
        stage, total = self.stage, self.stage.schedule.total
        noop = self.judge.noop()
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
            self.after(done, tracker, view)
            if stop() and not self.ended:
                self.save()
                return self.outcome("stopped", noop)
        return self.outcome(self.ended, noop)

    def after(self, done: EpochDone, tracker: TrainingTracker, view: TrainingView) -> None:
        """Score, keep and record what this epoch is due for."""
        step = self.epochs_before + done.epoch
        values = {"lr": done.lr, **{f"loss/{name}": v for name, v in done.losses.items()}}
        last = done.epoch == self.stage.schedule.total
        due = done.epoch % self.stage.check_every == 0
        kept = done.epoch % self.stage.save_every == 0
        if not (last or due or kept):
            tracker.log(step, values, None)
            return
        generator = self.training.averaged.module
        restored, score = self.judge(generator)
        row: Row = {"epoch": done.epoch, "lr": done.lr, "score": score.value, **done.losses}
        if self.seen is not None:
            row["train_score"] = self.seen(generator)[1].value
        best, overfitted = self.history.leads(score.value), self.history.overfits()
        self.history.rows.append(row)
        panel = None
        if last or kept:
            panel = panel_png(self.judge.reference, restored, rows_of(self.stage.train.crop_size))
            with write_aside(self.paths.panel(done.epoch)) as aside:
                aside.write_bytes(panel)
        values |= {"score": score.value}
        values |= {f"score/{name}": value for name, value in score.components.items()}
        if self.seen is not None:
            values["train_score"] = row["train_score"]
        tracker.log(step, values, panel)
        view.show(Checked(done.epoch, score.value, row.get("train_score"), best))
        if self.history.overfits() and not overfitted:
            view.show(Remark(self.history.overfitting()))
        self.ended = "finished" if last else ""
        if not last and 0 < self.plan.config.patience <= self.history.since_best():
            self.ended = "early"
            view.show(
                Remark(
                    f"Stopped early: no better score in {self.plan.config.patience} scores on end."
                )
            )
        names = ["latest", *([str(done.epoch)] if kept else []), *(["best"] if best else [])]
        self.save(names)

    def save(self, names: list[str] | None = None) -> None:
        """Keep the networks under these names, and last the state: it is what counts."""
        model = self.training.model
        nets = {"G": self.training.averaged.module, "D": model.discriminator}
        for name in names or ["latest"]:
            for network, net in nets.items():
                with write_aside(self.paths.net(name, network)) as aside:
                    torch.save(state_of(net), aside)
        with write_aside(self.paths.history) as aside:
            aside.write_text(self.history.as_csv(), encoding="utf-8")
        held: dict[str, Any] = {
            "format": STATE_FORMAT,
            "training": self.training.state(),
            "history": self.history.rows,
            "ended": self.ended,
        }
        with write_aside(self.paths.state) as aside:
            torch.save(held, aside)

    def outcome(self, ended: str, noop: float) -> StageOutcome:
        return StageOutcome(ended, self.training.epoch, self.history, noop, self.paths)


def begin(plan: TrainingPlan, stage: StagePlan, weights_from: tuple[Path, ...]) -> Training:
    """The stage's first moment: fresh networks, or those that the files hold."""
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
            f"The training diverged: {error}; its checkpoints up to then are in {paths.folder}. "
            "Lower lr in the configuration and train into another folder."
        ) from error


def judge_of_seen(
    dataset: Dataset, crop_size: int, objective: Objective, device: torch.device
) -> Judge | None:
    """A judge on a few training pairs, cut as validation pairs are; None if none is warped."""
    pairs = dataset.train
    wanted = min(MOST_SEEN, len(dataset.val), len(pairs))
    # One of each equal share of them, without reading more masks than it takes.
    ends = [k * len(pairs) // wanted for k in range(wanted + 1)]
    shares = (range(*share) for share in pairwise(ends))
    found = (next((k for k in share if bool(pairs.masks[k].any())), None) for share in shares)
    chosen = [index for index in found if index is not None]
    if not chosen:
        return None
    few = PairSet(
        tuple(pairs.names[index] for index in chosen),
        tuple(pairs.retouched[index] for index in chosen),
        tuple(pairs.originals[index] for index in chosen),
        tuple(pairs.masks[index] for index in chosen),
    )
    try:
        return Judge(cut_all(few, crop_size), objective, device)
    except NothingToScoreError:
        return None


def rows_of(size: int) -> int:
    """Pictures in a panel: few where they are large."""
    return 4 if size <= 512 else 2
