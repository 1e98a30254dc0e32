"""A driver whose workers say what the test lets them say, and the states that it can be in."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from driving import make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState
from searching import remembered

from harness.console.views import QuietView
from harness.search.driver import Driver
from harness.search.finalists import FinalPhase, pick_finalists
from harness.search.phases import SearchPhase
from harness.search.plan import SearchPlan
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Answer, Baseline, Rung, TrialTask
from harness.trials.worker import Measure, Message, OutOfMemory, Prepare, Ready

BASELINE = Baseline(noop=0.2, warm_start=0.22, oracle=0.9, held_out_noop=0.21)
RUNG = Rung(10, 0.3, {"D": 0.1}, {"G_L1": 0.1})


class Mute:
    """A launcher whose workers say nothing: the test tells the driver what they say."""

    def __init__(self) -> None:
        self.alive = {0, 1}
        self.orders: list[tuple[int, TrialTask | Measure | Prepare | Answer]] = []

    def start(self, number: int) -> None:
        assert number not in self.alive
        self.alive.add(number)

    def send(self, number: int, order: TrialTask | Measure | Prepare | Answer) -> None:
        assert number in self.alive
        self.orders.append((number, order))

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        return []

    def kill(self, number: int) -> None:
        self.alive.discard(number)

    def close(self) -> None:
        self.alive.clear()


@dataclass
class Scene:
    """A driver of two workers, and the one of them that speaks next."""

    driver: Driver
    launcher: Mute
    speaker: int = 0

    def hear(self, message: Message | Died) -> None:
        if isinstance(message, Died):
            self.launcher.kill(self.speaker)
        self.driver.handle(self.speaker, message)

    @property
    def states(self) -> list[TrialState]:
        """Of the stage's trials that were begun."""
        trials = self.driver.phase.study.get_trials(deepcopy=False)
        return [trial.state for trial in trials if trial.datetime_start is not None]


def planned(folder: Path, **options: Any) -> SearchPlan:
    settings: dict[str, Any] = {"budget": 8, "finalists": 1, "repeats": 2, "max_failures": 99}
    return make_plan(folder, jobs=2, **settings | options)


def scene(folder: Path, baseline: Baseline | None, measures: bool = False, **options: Any) -> Scene:
    plan = planned(folder, **options)
    study = remembered(plan)
    if baseline is not None:
        study.set_user_attr("baseline", baseline.as_data())
    stage = SearchPhase(plan, study, NullTracker(), plan.search_budget)
    launcher = Mute()
    return Scene(Driver(plan, stage, launcher, QuietView(), baseline, measures), launcher)


def never() -> bool:
    return False


def starting(folder: Path) -> Scene:
    return scene(folder, BASELINE)


def preparing(folder: Path) -> Scene:
    made = scene(folder, None)
    made.hear(Ready())
    return made


def idle(folder: Path) -> Scene:
    made = scene(folder, BASELINE)
    made.hear(Ready())
    return made


def working(folder: Path) -> Scene:
    made = idle(folder)
    made.driver.assign_trials(never)
    return made


def judged(folder: Path) -> Scene:
    """Told to stop, because its score is not finite."""
    made = working(folder)
    made.hear(Rung(10, math.nan, {}, {}))
    return made


def alone(folder: Path) -> Scene:
    """Run again after it found too little memory."""
    made = working(folder)
    made.hear(OutOfMemory("16 GiB"))
    made.hear(Ready())
    made.driver.assign_trials(never)
    assert made.driver.jobs[0].alone
    return made


def turned(made: Scene) -> Scene:
    driver = made.driver
    study = driver.phase.study
    record = optuna.create_study(storage=study._storage, direction="maximize")
    driver.switch_to(
        FinalPhase(driver.plan, study, record, pick_finalists(study, 1), driver.phase.tracker, 0)
    )
    return made


def final(folder: Path) -> Scene:
    made = turned(idle(folder))
    made.driver.assign_trials(never)
    return made


def final_preparing(folder: Path) -> Scene:
    """As `harness compare`, which searches for nothing before."""
    return turned(preparing(folder))


def measuring(folder: Path) -> Scene:
    """The other worker than the one that prepares what all share."""
    made = scene(folder, None, measures=True)
    made.speaker = 1
    made.hear(Ready())
    return made


STATES: tuple[Callable[[Path], Scene], ...] = (
    starting, preparing, idle, working, judged, alone, final, final_preparing, measuring,
)  # fmt: skip
