"""Many trials leave nothing behind: no process, no open file, no shared memory."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil
import pytest
from checking import check_mirror, trials
from driving import Instant, make_plan
from optuna.trial import TrialState

import harness.search.search
from harness.console.events import Event, TrialEnded
from harness.console.views import View
from harness.search.stop_signals import StopSwitch


class Counting(View):
    """Notes the open files of the driver and of its workers at every trial's end."""

    def __init__(self) -> None:
        self.driver: list[int] = []
        self.workers: list[int] = []

    def show(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            me = psutil.Process()
            self.driver.append(me.num_fds())
            self.workers.append(sum(child.num_fds() for child in me.children()))

    def close(self) -> None:
        pass


def search(folder: Path, budget: int) -> Counting:
    view = Counting()
    plan = make_plan(folder, jobs=2, budget=budget)
    harness.search.search.run_search(plan, view, StopSwitch(None), Instant)
    return view


def shared_memory() -> set[str]:
    """The segments of shared memory that no process of another program uses."""
    folder, ours = Path("/dev/shm"), {os.getpid(), *children()}
    found = {file.name for file in folder.glob("*")}
    for process in psutil.process_iter():
        if process.pid not in ours:
            with suppress(OSError):
                used = Path(f"/proc/{process.pid}/maps").read_text()
                found = {name for name in found if f"{folder}/{name}" not in used}
    return {name for name in found if (folder / name).exists()}


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="counts POSIX descriptors")
def test_200_instant_trials_leave_nothing_behind(tmp_path: Path) -> None:
    # What stays for good: MLflow's modules and its connection, Python's helper process.
    search(tmp_path / "runs", 3)
    processes, segments = children(), shared_memory()
    view = search(tmp_path / "runs", 200)

    record = trials(tmp_path / "runs")
    assert [trial.number for trial in record] == list(range(200))
    assert {trial.state for trial in record} <= {TrialState.COMPLETE, TrialState.PRUNED}
    lines = (tmp_path / "runs" / "fake" / "ran.txt").read_text().splitlines()
    assert Counter(int(line.split()[0]) for line in lines) == Counter(range(200))
    check_mirror(tmp_path / "runs")

    assert children() <= processes
    assert shared_memory() <= segments
    # The mirror's thread has a file open now and then.
    assert median(view.driver[-20:]) <= median(view.driver[20:40])
    assert max(view.workers[-20:]) <= max(view.workers[20:40])
