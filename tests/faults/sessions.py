"""One driver's session of a search that takes no time, and what happens in the middle of it."""

import functools
import importlib
import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import striking
from driving import TRAIN, Instant, make_plan, with_setup
from forked import Forked, Killed
from in_threads import ThreadLauncher, WorkerDies
from null_tracker import NullTracker

import harness.search.conclusion
import harness.search.search
import harness.study.storage
import harness.study.study
import harness.tracking.store
from harness.config.settings import TrialPlan
from harness.console.events import Event, Note
from harness.console.views import View
from harness.errors import DivergedError, HarnessError
from harness.paths import RunPaths, StudyPaths
from harness.search.plan import SearchPlan
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Baseline, ProgressCallback, Report, TrialResult, TrialTask

JOBS = 2
WHOLE = b"a warm start\n"

# Where a driver may be killed, before or after: its own steps, then those of the thread that
# tells MLflow.
PLACES = [
    "harness.study.study:create_study",
    "harness.study.folder:claim",
    "harness.study.locks:record_driver",
    "optuna:Study.enqueue_trial",
    "optuna:Study.ask",
    "harness.search.driver:Driver.begin",
    "driving:note_run",
    "optuna.trial:Trial.report",
    "harness.search.recorder:Recorder.tell",
    "optuna:Study.tell",
    "harness.search.retention:Retention.write_best",
    "reports.export.best_yaml:as_yaml",
    "harness.search.driver:Driver.shut_down",
]
MIRROR_PLACES = [
    "mlflow:MlflowClient.create_experiment",
    "mlflow:MlflowClient.create_run",
    "mlflow:MlflowClient.log_batch",
    "mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository.log_artifacts",
    "mlflow:MlflowClient.set_terminated",
    "harness.tracking.outbox:Outbox.put",
    "harness.tracking.store:MlflowStore.write",
]

# What a session imports where it needs it.
IMPORTED_LATE = [
    "harness.search.finalists",
    "harness.study.database",
    "harness.search.driver",
    "harness.search.open_database",
    "harness.search.phases",
    "harness.search.time_left",
    "harness.study.folder",
    "harness.study.locks",
    "reports.export.best_yaml",
]


@dataclass(frozen=True)
class Twist:
    """What happens in a session; by default nothing.

    Attributes:
        at: the event of the session at which it is stopped, locked out or held up.
        signals: sent one right after the other at that event.
        lock: a database that somebody else locks at that event.
        for_good: it stays locked; else until the driver has tried again.
        meet: wait at that event until told to go on.
        kill: a place, as `striking.PLACE` is, at which the process ends at once.
        faults: how the first run of a trial in this session goes wrong, by its number.
        mirrored: False: nobody is told.
        mlflow_away: its store does not answer.
    """

    at: int = 1
    signals: tuple[signal.Signals, ...] = ()
    lock: Path | None = None
    for_good: bool = False
    meet: bool = False
    kill: str = ""
    faults: Mapping[int, str] = field(default_factory=dict)
    mirrored: bool = False
    mlflow_away: bool = False


@dataclass(frozen=True)
class Ended:
    """How a session ended: `finished`, what stopped it, or the name of the error, with its text."""

    how: str
    text: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class OnWarmStart(Instant):
    """Trials that need the shared warm start whole; the first run of some goes wrong."""

    def __init__(self, faults: dict[int, str], plan: TrialPlan) -> None:
        super().__init__(plan)
        self.faults = faults
        self.warm_start = StudyPaths(plan.folder).warm_start

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        if not self.warm_start.generator.exists():
            self.warm_start.folder.mkdir(parents=True, exist_ok=True)
            self.warm_start.generator.write_bytes(WHOLE)
        return super().prepare(on_progress)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        fault = self.faults.pop(task.number, "")
        if fault == "dies":
            raise WorkerDies
        if fault == "diverges":
            raise DivergedError("G_GAN is nan at step 17")
        if fault == "memory":
            raise MemoryError("16 GiB")
        if fault == "raises":
            raise ValueError("the picture p7.png is damaged")
        if self.warm_start.generator.read_bytes() != WHOLE:
            raise ValueError("the warm start is damaged")
        return super().run(task, report)


class Watching(View):
    """Does something at an event, counted from one."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.left = at
        self.act = act
        self.notes: list[str] = []

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        self.left -= 1
        if self.left == 0:
            self.act()

    def close(self) -> None:
        pass


@functools.cache
def any_plan() -> SearchPlan:
    """A plan of trials of two rungs, made once: to read its space takes longer than a trial."""
    plan = make_plan(Path("anywhere"), jobs=JOBS)
    short = TRAIN.updated({"rungs": (15, 30)})
    return replace(
        with_setup(plan, train=short.model_dump(mode="json")),
        trial_plan=plan.trial_plan.model_copy(update={"train": short}),
    )


def plan_of(folder: Path, budget: int, study: str = "fake", **settings: Any) -> SearchPlan:
    """The same for this run folder and budget."""
    plan = any_plan()
    config = plan.config.model_copy(
        update={"run_dir": folder, "budget": budget, "study": study, **settings}
    )
    own = plan.trial_plan.model_copy(update={"folder": RunPaths(folder).study(study).folder})
    plan = with_setup(plan, name=study, budget=budget)
    return replace(plan, config=config, trial_plan=own)


def import_for_sessions() -> None:
    """What each session would import, as its process is new, is imported before it is forked."""
    for name in IMPORTED_LATE:
        importlib.import_module(name)


def begin(plan: SearchPlan, twist: Twist = Twist()) -> Forked:
    """A session in a process of its own; with `meet`, it says `met` and waits for a word."""
    return Forked(partial(run, plan, twist))


def session(plan: SearchPlan, twist: Twist = Twist()) -> Ended:
    """A whole session in a process of its own."""
    ended = begin(plan, twist).end()
    return Ended("killed") if isinstance(ended, Killed) else ended


def run(plan: SearchPlan, twist: Twist, pipe: Connection) -> Ended:
    """In the forked process, whose modules are its own to change."""
    patch = pytest.MonkeyPatch()  # unlike an assignment, it refuses a name that is not there
    patch.setattr(
        harness.search.search,
        "make_launcher",
        lambda plan, factory: ThreadLauncher(factory, plan.trial_plan),
    )
    # Reports are tested elsewhere.
    patch.setattr(harness.search.conclusion, "write_page", lambda *_: None)
    if not twist.mirrored:
        patch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    if twist.mlflow_away:
        patch.setattr(harness.tracking.store, "quiet_client", away)
    if twist.kill:
        striking.strike_at(twist.kill, lambda: os._exit(9))
    if twist.lock:
        do_not_wait_for(twist.lock)

    def act() -> None:
        for number in twist.signals:
            os.kill(os.getpid(), number)
        if twist.lock:
            lock(twist.lock, twist.for_good)
        if twist.meet:
            pipe.send("met")
            pipe.recv()

    view = Watching(twist.at, act)
    runner = partial(OnWarmStart, dict(twist.faults))
    try:
        outcome = harness.search.search.run_search(plan, view, StopSwitch(None), runner)
    except HarnessError as error:
        return Ended(type(error).__name__, str(error), notes=tuple(view.notes))
    return Ended(outcome.stopped or "finished", "", outcome.counts, tuple(view.notes))


def away(uri: str) -> Any:
    """What a client of a server that is not there raises."""
    from mlflow.exceptions import MlflowException

    raise MlflowException(f"API request to {uri} failed with exception: connection refused")


def do_not_wait_for(file: Path) -> None:
    """Have SQLite refuse at once where the file is locked, so that no test waits for it."""
    connect = sqlite3.dbapi2.connect

    def at_once(database: Any, *args: Any, **named: Any) -> Any:
        opened = connect(database, *args, **named)
        if str(database).endswith(file.name):
            opened.execute("PRAGMA busy_timeout=0")
        return opened

    sqlite3.dbapi2.connect = at_once  # type: ignore[assignment]


def lock(file: Path, for_good: bool) -> None:
    """Lock a database: until the driver waits before it tries again, or for good."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    if for_good:
        harness.study.storage.PATIENCE = -1.0
        kept.append(holder)
    harness.study.storage.time = Clock(lambda: None if for_good else holder.close())  # type: ignore[assignment]


kept: list[sqlite3.Connection] = []


class Clock:
    """Time as the storage sees it, which somebody does something with instead of sleeping."""

    def __init__(self, instead: Callable[[], None]) -> None:
        self.instead = instead

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.instead()
