"""`harness train`: a found setting trained in full, scored and kept, stopped in time or gone on."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from harness.config import TrainConfig
from harness.data.pairs import Dataset, PairSet, load_dataset
from harness.data.prepare import cut_all
from harness.errors import DivergedError, HarnessError, UserInputError, disk_full
from harness.judge import Judge
from harness.panels import panel_png
from harness.paths import TrainingStagePaths, write_aside
from harness.stopping import StopSwitch
from harness.tracking import Ending, TrainingStore, TrainingTracker
from harness.train_plan import StagePlan, TrainingPlan, plan_training, take_up
from harness.training.batches import on_device
from harness.training.checkpoints import load_weights, read_checkpoint, state_of
from harness.training.epochs import EpochDone, Training, train_epochs
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training_view import (
    Checked,
    EpochEnded,
    Remark,
    StageBegan,
    TrainingBegan,
    TrainingView,
)
from objectives.boundary_sharpness import BoundarySharpness
from objectives.score import NothingToScoreError

STATE_FORMAT = 1
# Training pairs that are scored beside the validation pairs, to see whether the two part.
MOST_SEEN = 8
# How far the validation score must have fallen and the training score risen, at so many scores on
# end, before it is called overfitting: single scores move by about half of that.
OVERFIT_MARGIN = 0.01
OVERFIT_CHECKS = 3

Row = dict[str, float]


@dataclass(frozen=True)
class StageOutcome:
    """How a stage stands.

    Attributes:
        ended: "finished", "early" (stopped early), or "stopped" (by the user, goes on).
        history: a row a score: `epoch`, `lr`, `score`, `train_score`, the losses.
    """

    ended: str
    epoch: int
    history: list[Row]
    noop: float
    paths: TrainingStagePaths

    @property
    def best(self) -> Row | None:
        return max(self.history, key=lambda row: row["score"], default=None)


def train_fully(config: TrainConfig, view: TrainingView) -> StageOutcome:
    """Train in full, or go on with what the folder holds; the outcome of the last stage reached.

    Raises:
        UserInputError: something cannot be used; nothing has been written.
        HarnessError: the training diverged; its checkpoints are kept.
    """
    plan = plan_training(config)
    stop = StopSwitch(None)
    with stop.on_signals(), sole_trainer(plan):
        key = take_up(plan)
        for aside in plan.paths.asides():
            aside.unlink()
        view.show(TrainingBegan(opening(plan), plan.epochs))
        tracker = open_tracker(plan, key, view)
        ending = Ending("FAILED", "failed", "the training failed")
        try:
            outcome = run_stages(plan, tracker, view, stop)
            ending = (
                Ending("KILLED", "stopped", "stopped by user")
                if outcome.ended == "stopped"
                else Ending("FINISHED", outcome.ended)
            )
            return outcome
        except HarnessError as error:
            ending = Ending("FAILED", "failed", str(error))
            raise
        except Exception as error:
            if disk_full(error):
                raise HarnessError(
                    f"The disk that holds {config.out} is full: free some space there and run the "
                    "same command again, the training goes on."
                ) from error
            raise
        finally:
            tracker.close(ending)


def run_stages(
    plan: TrainingPlan, tracker: TrainingTracker, view: TrainingView, stop: StopSwitch
) -> StageOutcome:
    """Every stage in turn, each from the weights that the one before it left."""
    device = torch.device(plan.device)
    torch.set_flush_denormal(True)
    objective = BoundarySharpness(plan.weights, device)
    weights_from = plan.config.init_from
    epochs_before = 0
    for stage in plan.stages:
        run = StageRun(plan, stage, objective, weights_from, epochs_before)
        outcome = run.train(tracker, view, stop)
        if outcome.ended == "stopped":
            break
        weights_from = tuple(stage.paths.net("latest", network) for network in "GD")
        epochs_before += stage.schedule.total
    return outcome


class StageRun:
    """One stage: its networks, pairs and history, from its beginning or from its kept state."""

    def __init__(
        self,
        plan: TrainingPlan,
        stage: StagePlan,
        objective: BoundarySharpness,
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
        self.history: list[Row] = []
        self.ended = ""
        if self.paths.state.exists():
            self.go_on()

    def go_on(self) -> None:
        """Take up the kept state.

        Raises:
            UserInputError: it is damaged.
        """
        try:
            held = torch.load(self.paths.state, map_location="cpu", weights_only=True)
            if held["format"] != STATE_FORMAT:
                raise ValueError(f"format {held['format']}, expected {STATE_FORMAT}")
            self.training.load_state(held["training"])
            self.history, self.ended = held["history"], held["ended"]
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
        best = all(score.value > earlier["score"] for earlier in self.history)
        self.history.append(row)
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
        if overfits(self.history) and not overfits(self.history[:-1]):
            view.show(Remark(overfitting(self.history)))
        self.ended = "finished" if last else ""
        if not last and self.nothing_improves():
            self.ended = "early"
            view.show(
                Remark(
                    f"Stopped early: no better score in {self.plan.config.patience} scores on end."
                )
            )
        names = ["latest", *([str(done.epoch)] if kept else []), *(["best"] if best else [])]
        self.save(names)

    def nothing_improves(self) -> bool:
        """Whether the best score lies as far back as the user has patience for."""
        scores = [row["score"] for row in self.history]
        patience = self.plan.config.patience
        return 0 < patience < len(scores) - scores.index(max(scores))

    def save(self, names: list[str] | None = None) -> None:
        """Keep the networks under these names, and last the state: it is what counts."""
        model = self.training.model
        nets = {"G": self.training.averaged.module, "D": model.discriminator}
        for name in names or ["latest"]:
            for network, net in nets.items():
                with write_aside(self.paths.net(name, network)) as aside:
                    torch.save(state_of(net), aside)
        with write_aside(self.paths.history) as aside:
            aside.write_text(as_csv(self.history), encoding="utf-8")
        held: dict[str, Any] = {
            "format": STATE_FORMAT,
            "training": self.training.state(),
            "history": self.history,
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
    for net, file in zip(nets, weights_from, strict=False):
        load_weights(net, read_checkpoint(file), file, train)
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
    dataset: Dataset, crop_size: int, objective: BoundarySharpness, device: torch.device
) -> Judge | None:
    """A judge on a few training pairs, cut as validation pairs are; None if none is warped."""
    pairs = dataset.train
    warped = [index for index, mask in enumerate(pairs.masks) if bool(mask.any())]
    wanted = min(MOST_SEEN, len(dataset.val), len(warped))
    chosen = [warped[k * len(warped) // wanted] for k in range(wanted)]
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


def overfits(history: list[Row]) -> bool:
    """Whether the last scores fell on validation pairs while they rose on training pairs."""
    if len(history) <= OVERFIT_CHECKS or "train_score" not in history[0]:
        return False
    best = max(history, key=lambda row: row["score"])
    return all(
        row["score"] < best["score"] - OVERFIT_MARGIN
        and row["train_score"] > best["train_score"] + OVERFIT_MARGIN
        for row in history[-OVERFIT_CHECKS:]
    )


def overfitting(history: list[Row]) -> str:
    best, last = max(history, key=lambda row: row["score"]), history[-1]
    return (
        f"Overfitting: since epoch {best['epoch']:.0f} the score has fallen on validation pairs "
        f"({best['score']:.4f} to {last['score']:.4f}) and risen on training pairs "
        f"({best['train_score']:.4f} to {last['train_score']:.4f}); more pairs would help, or "
        "best_net_G.pth as it is."
    )


def rows_of(size: int) -> int:
    """Pictures in a panel: few where they are large."""
    return 4 if size <= 512 else 2


def as_csv(history: list[Row]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


@contextmanager
def sole_trainer(plan: TrainingPlan) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends.

    Raises:
        UserInputError: another process trains there.
    """
    plan.paths.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(plan.paths.lock, timeout=0):
            yield
    except Timeout:
        raise UserInputError(
            f"Another process is training in {plan.config.out}: wait for it, stop it, or choose "
            "another folder with --out DIR."
        ) from None


def open_tracker(plan: TrainingPlan, key: str, view: TrainingView) -> TrainingTracker:
    """The training's run in MLflow, beside the search's own."""
    from harness.study import one_at_a_time, sqlite_url

    uri = plan.config.tracking_uri
    plan.run_paths.root.mkdir(parents=True, exist_ok=True)
    store = TrainingStore(
        uri=uri or sqlite_url(plan.run_paths.mlflow_db),
        experiment_name=plan.best.study,
        artifacts=None if uri else plan.run_paths.mlflow_artifacts,
        opening=lambda: one_at_a_time(plan.run_paths),
        name=f"train {plan.config.out.name}",
        key=key,
        tags={"study": plan.best.study, "weights": plan.weights, "device": plan.device},
        params=mirrored(plan),
    )
    return TrainingTracker(store, plan.paths.outbox, lambda said: view.show(Remark(said)))


def mirrored(plan: TrainingPlan) -> dict[str, Any]:
    """The settings as MLflow shows them: those of every stage where there are several."""
    shown: dict[str, Any] = {**plan.best.params.model_dump(), "seed": plan.config.seed}
    for stage in plan.stages:
        prefix = f"stage{stage.number}/" if len(plan.stages) > 1 else ""
        shown |= {
            f"{prefix}lr": stage.params.lr,
            f"{prefix}crop_size": stage.train.crop_size,
            f"{prefix}epochs": stage.schedule.epochs,
            f"{prefix}epochs_decay": stage.schedule.epochs_decay,
        }
    return shown


def opening(plan: TrainingPlan) -> tuple[str, ...]:
    """What is about to be trained."""
    params = plan.best.params
    settings = " ".join(f"{name}={value}" for name, value in params.model_dump().items())
    return (
        f"Training {plan.config.config}: {settings}; {plan.best.train.netG}, "
        f"ngf {plan.best.train.ngf}; on {plan.device}, weights {plan.weights}.",
        f"{plan.data}. Everything goes to {plan.config.out}",
        *plan.remarks,
    )


def closing(outcome: StageOutcome) -> list[str]:
    """How it ended, and what to type next."""
    lines = []
    if outcome.ended == "stopped":
        lines.append(
            f"Stopped after epoch {outcome.epoch}; everything is kept, and the same command goes "
            "on."
        )
    if (best := outcome.best) is None:
        return lines
    lines.append(
        f"Best score {best['score']:.4f} at epoch {best['epoch']:.0f} of {outcome.epoch}; "
        f"the input unchanged scores {outcome.noop:.4f}."
    )
    if best["score"] <= outcome.noop:
        lines.append("That is no better than returning the input: train longer, or on more pairs.")
    file = outcome.paths.net("best", "G")
    return [*lines, f"Use it: harness restore {file} PICTURES --out restored"]
