"""A disk that fills up ends the search in one sentence; with room again it goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checking import check_finished, check_mirror, trials
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState

import harness.search.search
from harness.console.views import QuietView
from harness.errors import HarnessError
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Report, TrialResult, TrialTask

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class Filling(Instant):
    """Trial 4 writes as much as the disk takes, until a file says that there is room again."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        ballast = self.plan.folder / "ballast"
        if task.number == 4 and not (self.plan.folder / "room").exists():
            with ballast.open("wb") as file:
                while True:
                    file.write(b"x" * MEGABYTE)
        return super().run(task, report)


def search(folder: Path) -> None:
    plan = make_plan(folder, jobs=2, budget=9)
    harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Filling)


def go_on_with_room(folder: Path) -> None:
    (folder / "fake" / "ballast").unlink()
    (folder / "fake" / "room").touch()
    search(folder)
    check_finished(folder, budget=9, kills=1)


def test_a_full_disk_costs_no_trial(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    folder = small_disk / "runs"
    with pytest.raises(HarnessError, match=r"The disk that holds .* is full: free some space"):
        search(folder)
    assert TrialState.FAIL not in {trial.state for trial in trials(folder)}
    go_on_with_room(folder)


@pytest.mark.slow
def test_a_full_disk_costs_the_mirror_nothing_either(small_disk: Path) -> None:
    folder = small_disk / "runs"
    with pytest.raises(HarnessError, match=r"The disk that holds .* is full"):
        search(folder)
    go_on_with_room(folder)
    check_mirror(folder)
