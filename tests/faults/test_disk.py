"""A disk that fills up, or cannot be written, is one sentence; with room again a search goes on."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checking import check_finished, check_mirror, trials
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState
from PIL import Image
from skimage.data import astronaut

import harness.data.synthesis.made_for_search
import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.views import QuietView
from harness.data.files.pair_folders import find_pairs
from harness.data.synthesis.made_for_search import made_for_search
from harness.data.synthesis.make_pairs import MakePlan, make_pairs
from harness.errors import HarnessError, UserInputError
from harness.search.plan import plan_search
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


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """Three different pictures of 160 pixels."""
    folder = tmp_path / "portraits"
    folder.mkdir()
    for number, (row, column) in enumerate(((0, 160), (160, 0), (320, 320))):
        part = astronaut()[row : row + 160, column : column + 160]
        Image.fromarray(part).save(folder / f"{number}.png")
    return folder


def test_pairs_that_a_disk_does_not_take_leave_nothing(
    small_disk: Path, portraits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.data.synthesis.made_for_search, "FEWEST_PAIRS", 9)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(24 * MEGABYTE - 200_000))
    out, runs = small_disk / "pairs", small_disk / "runs"
    attempts: list[Callable[[], Path]] = [
        lambda: make_pairs(portraits, 9, MakePlan(out, 128, seed=0), processes=1),
        lambda: made_for_search(portraits, runs / "made-pairs", 128),
    ]
    for attempt in attempts:
        with pytest.raises(UserInputError, match="No space left on device"):
            attempt()
        assert list(small_disk.iterdir()) == [ballast]
    ballast.unlink()
    assert len(find_pairs(attempts[0]()).splits["train"]) == 6


def test_a_read_only_disk_takes_no_pairs(small_disk: Path, portraits: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserInputError, match=r"cannot be written \(Read-only file system\): name"):
        make_pairs(portraits, 9, MakePlan(small_disk / "pairs", 128, seed=0), processes=1)
    config = SearchConfig(originals=portraits, run_dir=small_disk / "runs", device="cpu")
    with pytest.raises(UserInputError, match=r"\(Read-only file system\): choose .* --run-dir"):
        plan_search(config, print)
