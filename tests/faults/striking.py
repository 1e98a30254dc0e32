"""Processes that end by kill -9 at a named place of the program."""

import functools
import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import psutil
from driving import note_run

from harness.config.settings import TrialPlan
from harness.trials.messages import (
    Baseline,
    Pace,
    ProgressCallback,
    Report,
    TrialResult,
    TrialRunner,
    TrialTask,
)
from harness.trials.worker import RunnerFactory

Victims = Literal["worker", "driver", "both"]
PLACE = "MODULE:FUNCTION:before|after:NTH"
VICTIMS: tuple[Victims, ...] = get_args(Victims)


def strike_at(place: str, strike: Callable[[], None]) -> None:
    """Have `strike` called before or after the n-th call at a place, named as `PLACE` is."""
    module, path, when, nth = place.split(":")
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    function = getattr(owner, name)
    left = int(nth)

    @functools.wraps(function)
    def deadly(*args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            strike()
        result = function(*args, **named)
        if left == 0 and when == "after":
            strike()
        return result

    setattr(owner, name, deadly)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def forked_by(driver: int) -> list[psutil.Process]:
    """A driver's workers: forked from a server, which is its child."""
    return [
        worker
        for child in psutil.Process(driver).children()
        if "forkserver" in " ".join(child.cmdline())
        for worker in child.children()
    ]


def first_here(mark: Path) -> bool:
    """Whether nobody of this search has struck before; from now on somebody has."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def strike_from_driver(victims: Victims, mark: Path) -> None:
    """Kill every worker, this process, or all of them."""
    if not first_here(mark):
        return
    if victims != "driver":
        for worker in forked_by(os.getpid()):
            kill(worker.pid)
    if victims != "worker":
        kill(os.getpid())


def strike_from_worker(victims: Victims, mark: Path) -> None:
    """Kill this worker, its driver, or both."""
    if not first_here(mark):
        return
    driver = multiprocessing.parent_process()
    assert driver is not None
    assert driver.pid is not None
    if victims != "worker":
        kill(driver.pid)
    if victims != "driver":
        kill(os.getpid())


def struck(
    factory: RunnerFactory, victims: Victims, place: str, mark: Path, plan: TrialPlan
) -> TrialRunner:
    """What `factory` makes, in a worker that is struck at a place."""
    strike_at(place, functools.partial(strike_from_worker, victims, mark))
    return factory(plan)


class Real:
    """Trials that really train and score; each run that begins is noted."""

    def __init__(self, plan: TrialPlan) -> None:
        from harness.trials.trial import make_runner

        self.plan = plan
        self.runner = make_runner(plan)

    def measure(self) -> Pace:
        return self.runner.measure()

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        return self.runner.prepare(on_progress)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        note_run(self.plan, task, "finals.txt" if task.phase == "final" else "ran.txt")
        return self.runner.run(task, report)
