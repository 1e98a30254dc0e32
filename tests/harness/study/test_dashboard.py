"""optuna-dashboard, as its authors ship it, opens the study file: finished, and being written."""

import csv
import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from driving import Instant, make_plan
from null_tracker import NullTracker

import harness.search.search
from harness.console.events import Event, TrialEnded
from harness.console.views import QuietView
from harness.search.stop_signals import StopSwitch
from search_spaces.trial_params import TrialParams


class Dashboard:
    """The dashboard on a study file, and what it answers to an address."""

    def __init__(self, file: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent))
        assert command is not None
        self.server = subprocess.Popen(
            [
                *(command, f"sqlite:///{file}", "--port", str(self.port)),
                *("--server", "wsgiref", "--quiet"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not self.answers():
            assert self.server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return bool(self.text("/api/meta"))
        except OSError:
            return False

    def text(self, address: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{address}", timeout=60) as page:
            found: str = page.read().decode()
        return found

    def studies(self) -> dict[str, int]:
        """Its numbers of the studies, by name."""
        found = json.loads(self.text("/api/studies"))["study_summaries"]
        return {each["study_name"]: each["study_id"] for each in found}

    def study(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.text(f"/api/studies/{self.studies()[name]}?after=0")
        )
        return found

    def end(self) -> None:
        self.server.terminate()
        self.server.wait(timeout=30)


class Looking(QuietView):
    """Opens the dashboard when the first trial has ended, and looks after every trial."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.dashboard: Dashboard | None = None
        self.seen: list[dict[str, Any]] = []

    def show(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.dashboard = self.dashboard or Dashboard(self.file)
            self.seen.append(self.dashboard.study("fake"))


def test_it_opens_a_study_while_the_search_writes_it_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = make_plan(tmp_path, budget=12, finalists=1, repeats=2)
    view = Looking(plan.run_paths.optuna_db)
    try:
        outcome = harness.search.search.run_search(plan, view, StopSwitch(None), Instant)
        assert view.dashboard is not None
        check(view.dashboard, view.seen)
    finally:
        if view.dashboard is not None:
            view.dashboard.end()
    assert outcome.counts == {"complete": 8}
    assert outcome.final_runs == 4


def check(dashboard: Dashboard, seen: list[dict[str, Any]]) -> None:
    # It reads the file every two seconds: it may be behind the search, and is never ahead.
    ended = [sum(trial["state"] == "Complete" for trial in each["trials"]) for each in seen]
    assert len(ended) == 12
    assert ended[0] == 1
    assert ended == sorted(ended)
    assert all(shown <= done for done, shown in enumerate(ended, start=1))
    (first,) = [trial for trial in seen[0]["trials"] if trial["state"] == "Complete"]
    assert [each["step"] for each in first["intermediate_values"]] == [10, 20, 30]
    assert {each["name"] for each in first["params"]} == set(TrialParams.model_fields)
    assert {"recipe", "components", "seconds"} <= {each["key"] for each in first["user_attrs"]}
    assert seen[0]["directions"] == ["maximize"]

    numbers = dashboard.studies()
    assert set(numbers) == {"fake", "fake (finalists)"}
    table = list(csv.DictReader(io.StringIO(dashboard.text(f"/csv/{numbers['fake']}"))))
    assert [row["State"] for row in table] == ["COMPLETE"] * 8
    finals = dashboard.study("fake (finalists)")["trials"]
    assert [trial["state"] for trial in finals] == ["Complete"] * 4
    assert "<script" in dashboard.text(f"/dashboard/studies/{numbers['fake']}")
