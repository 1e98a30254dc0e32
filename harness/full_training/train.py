"""`harness train`: run or resume a full training, and record it in MLflow."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.config.train_config import TrainConfig
from harness.errors import HarnessError, as_user_input_error, disk_full
from harness.full_training.folder import claim_folder
from harness.full_training.plan import TrainingPlan, plan_training
from harness.full_training.stage import StageOutcome, StageRun
from harness.full_training.view import Remark, TrainingBegan, TrainingView
from harness.paths import leftover_temporaries, sole_writer
from harness.search.stop_signals import StopSwitch
from harness.study.urls import sqlite_address
from harness.tracking.outbox import Ending
from harness.tracking.training_run import TrainingStore, TrainingTracker
from objectives.loading import load_objective
from objectives.score import UserObjectiveError
from reports.analysis.settings_in_words import short_settings
from reports.commands.train_py import quoted
from reports.texts.numbers import number
from reports.texts.translations import translator


def train_fully(config: TrainConfig, view: TrainingView) -> StageOutcome:
    """Start a full training, or resume the one in the folder.

    Returns:
        The outcome of the last stage reached.

    Raises:
        UserInputError: an option cannot be used; nothing has been written.
        HarnessError: the training diverged; its checkpoints remain.
    """
    plan = plan_training(config)
    stop = StopSwitch(None)
    with stop.on_signals(), sole_writer(config.out, plan.paths.lock, "training"):
        key = claim_folder(config.out, plan.facts)
        for temporary in leftover_temporaries(config.out):
            temporary.unlink()
        view.show(TrainingBegan(opening_lines(plan), plan.epochs))
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
                    "same command again to continue."
                ) from error
            raise
        finally:
            tracker.close(ending)


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Flush denormals to zero inside the block, since they are slow; then restore the setting."""
    was_flushing = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushing)


@denormals_flushed()
def run_stages(
    plan: TrainingPlan, tracker: TrainingTracker, view: TrainingView, stop: StopSwitch
) -> StageOutcome:
    """Run the stages in order, each starting from the weights of the previous one."""
    objective = load_objective(plan.objective, plan.weights, plan.device)
    weights_from = plan.config.init_from
    epochs_before = 0
    for stage in plan.stages:
        run = StageRun(plan, stage, objective, weights_from, epochs_before)
        with as_user_input_error(UserObjectiveError):
            outcome = run.train(tracker, view, stop)
        if outcome.ended == "stopped":
            break
        weights_from = tuple(stage.paths.net("latest", network) for network in "GD")
        epochs_before += stage.schedule.total
    return outcome


def open_tracker(plan: TrainingPlan, key: str, view: TrainingView) -> TrainingTracker:
    """The training's run in MLflow, in the experiment of its search."""
    from harness.study.locks import one_at_a_time

    uri = plan.config.tracking_uri
    plan.run_paths.root.mkdir(parents=True, exist_ok=True)
    store = TrainingStore(
        uri=uri or sqlite_address(plan.run_paths.mlflow_db),
        experiment_name=plan.best.study,
        artifacts=None if uri else plan.run_paths.mlflow_artifacts,
        opening=lambda: one_at_a_time(plan.run_paths),
        name=f"train {plan.config.out.absolute().name}",
        key=key,
        tags={
            "study": plan.best.study,
            "weights": plan.weights,
            "device": plan.device,
            "objective": plan.objective,
        },
        params=mlflow_params(plan),
    )
    return TrainingTracker(store, plan.paths.outbox, lambda text: view.show(Remark(text)))


def mlflow_params(plan: TrainingPlan) -> dict[str, Any]:
    """The settings as MLflow parameters; with several stages, those of each under its prefix."""
    params: dict[str, Any] = {**plan.best.params.model_dump(), "seed": plan.config.seed}
    for stage in plan.stages:
        prefix = f"stage{stage.number}/" if len(plan.stages) > 1 else ""
        params |= {
            f"{prefix}lr": stage.params.lr,
            f"{prefix}crop_size": stage.train.crop_size,
            f"{prefix}epochs": stage.schedule.epochs,
            f"{prefix}epochs_decay": stage.schedule.epochs_decay,
        }
    return params


def opening_lines(plan: TrainingPlan) -> tuple[str, ...]:
    """The first lines of output: what will be trained."""
    params = plan.best.params
    settings = short_settings(params.model_dump(), translator("en"))
    return (
        f"Training {plan.config.config}: {settings}; {plan.best.train.netG}, "
        f"ngf {plan.best.train.ngf}; on {plan.device}, weights {plan.weights}.",
        f"{plan.data}. Everything goes to {plan.config.out}",
        *plan.remarks,
    )


def last_lines(outcome: StageOutcome) -> list[str]:
    """The last lines of output: how the training ended, and the next command."""
    lines = []
    if outcome.ended == "stopped":
        lines.append(
            f"Stopped after epoch {outcome.epoch}; everything is saved: run the same command "
            "again to continue."
        )
    if (best := outcome.history.best) is None:
        return lines
    lines.append(
        f"Best score {number(best['score'])} at epoch {best['epoch']:.0f} of {outcome.epoch}; "
        f"the input unchanged scores {number(outcome.noop)}."
    )
    if outcome.history.sign * (best["score"] - outcome.noop) <= 0:
        lines.append("That is no better than returning the input: train longer, or on more pairs.")
    file = outcome.paths.net("best", "G")
    return [*lines, f"Use it: harness restore {quoted(str(file))} PICTURES --out restored"]
