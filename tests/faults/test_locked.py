"""Databases that somebody else locks for a while, and a study that is looked at while it runs."""

import sqlite3
import threading
from pathlib import Path

import pytest
from checking import began, check_finished, check_mirror, started, wait_until
from driving import Slow, make_plan
from typer.testing import CliRunner

import harness.search.search
import harness.tracking.sender
from harness.cli.app import app
from harness.console.events import Event, Note, TrialEnded
from harness.console.views import View
from harness.search.stop_signals import StopSwitch

BUDGET = 12
LOCKED = 1.5  # seconds


class Locking(View):
    """Locks both databases for a while, after some trials."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / "optuna.db", folder / "mlflow.db"]
        self.ended = 0
        self.locked: list[threading.Thread] = []
        self.notes: list[str] = []

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        if isinstance(event, TrialEnded):
            self.ended += 1
            if self.ended in (3, 7):
                for file in self.files:
                    self.lock(file)

    def lock(self, file: Path) -> None:
        """Until a timer lets go: who has to wait may be this thread."""
        holder = sqlite3.connect(file, timeout=60, check_same_thread=False, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(LOCKED, holder.close)
        timer.start()
        self.locked.append(timer)

    def close(self) -> None:
        for timer in self.locked:
            timer.join()


@pytest.mark.slow
def test_locked_databases_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.tracking.sender, "RETRY_AFTER", 0.2)
    view = Locking(tmp_path)
    plan = make_plan(tmp_path, jobs=2, budget=BUDGET)
    harness.search.search.run_search(plan, view, StopSwitch(None), Slow)
    view.close()
    assert len(view.locked) == 4
    check_finished(tmp_path, BUDGET, kills=0)
    check_mirror(tmp_path)


def status(folder: Path) -> str:
    """What `harness status` prints."""
    shown = CliRunner().invoke(app, ["status", "--run-dir", str(folder)])
    assert shown.exit_code == 0
    return shown.output


def test_status_reads_a_running_study_and_does_not_disturb_it(tmp_path: Path) -> None:
    folder, looks = tmp_path / "runs", 0
    with started(folder, "--budget", "20", "--unmirrored") as driver:
        wait_until(lambda: began(folder) >= 3)
        while driver.poll() is None and began(folder) < 15:
            said = status(folder)
            assert "Study fake, budget 20" in said
            looks += f"being searched by process {driver.pid}" in said
        assert driver.wait(timeout=240) == 0
    assert looks
    said = status(folder)
    assert "Study fake, budget 20, finished" in said
    assert "20 of 20 trials are done" in said
    check_finished(folder, 20, kills=0)
