"""Whole searches with runners that answer at once, for tests of what they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from driving import Instant
from null_tracker import NullTracker
from optuna import Study
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

import harness.search.search
from harness.console.events import Event, TrialEnded
from harness.console.views import View
from harness.search.plan import SearchPlan
from harness.search.result import SearchOutcome
from harness.search.stop_signals import StopSwitch
from harness.trials.worker import RunnerFactory


class Heard(View):
    """Keeps every event; stops the search after some trials, where asked to."""

    def __init__(self, stop: StopSwitch, stop_after: int | None = None) -> None:
        self.events: list[Event] = []
        self.stop = stop
        self.stop_after = stop_after

    def show(self, event: Event) -> None:
        self.events.append(event)
        ended = sum(isinstance(event, TrialEnded) for event in self.events)
        if ended == self.stop_after:
            self.stop.reason = "user"

    def close(self) -> None:
        pass


@contextmanager
def without_mlflow() -> Iterator[None]:
    """Its import and its first database take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
        yield


def run(
    plan: SearchPlan, runner: RunnerFactory = Instant, stop_after: int | None = None
) -> SearchOutcome:
    stop = StopSwitch(plan.config.timeout)
    return harness.search.search.run_search(plan, Heard(stop, stop_after), stop, runner)


def trials(folder: Path) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    return study.get_trials()


def essence(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.number, trial.state, trial.params, trial.value, trial.intermediate_values


def remembered(plan: SearchPlan) -> Study:
    """The plan's study as `create_study` makes it, in memory, which is quicker."""
    objectives = plan.setup.objectives or {"score": plan.setup.direction}
    study = optuna.create_study(
        study_name="fake", storage=InMemoryStorage(), directions=list(objectives.values())
    )
    for key, fact in plan.setup.as_data().items():
        study.set_user_attr(key, fact)
    for recipe, values in plan.recipes.items():
        study.enqueue_trial(dict(values), user_attrs={"recipe": recipe})
    return study
