"""What the driver decides when workers die, run short, are many, or are kept waiting."""

import contextlib
import sqlite3
import time
from pathlib import Path

import driving
import optuna
import pytest
from driving import Instant, make_plan, runs_of
from null_tracker import NullTracker
from optuna.trial import TrialState
from searching import Heard, run, trials
from wrong_once import Crowded, DiesLate, DiesWhenStopped

import harness.search.search
from benchmarks.simulated import SimulatedLauncher
from harness.console.events import Event, TrialEnded
from harness.search.phases import SearchPhase
from harness.search.stop_signals import StopSwitch
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Answer, Rung, TrialTask
from harness.trials.worker import Message, Prepare, Ready


@pytest.fixture(autouse=True)
def unmirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())


def test_a_trial_that_runs_again_is_judged_anew(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=3), DiesWhenStopped)
    assert runs_of(tmp_path / "fake", 1) == 2
    again = trials(tmp_path)[1]
    assert again.state == TrialState.COMPLETE
    assert [rung["step"] for rung in again.user_attrs["rungs"]] == [10, 20, 30]


def test_a_trial_that_runs_again_passes_the_rungs_that_it_had_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[tuple[int, int]] = []

    def note(_: SearchPhase, trial: optuna.Trial, rung: Rung) -> bool:
        judged.append((trial.number, rung.step))
        return False

    monkeypatch.setattr(SearchPhase, "hopeless", note)
    run(make_plan(tmp_path, budget=2), DiesLate)
    assert [step for number, step in judged if number == 1] == [10, 20, 20, 30]


class Losing(SimulatedLauncher):
    """Four of its workers are lost at once before they are ready, as with a node of a cluster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, b"")
        self.again: set[int] = set()

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        said: list[tuple[int, Message | Died]] = [*super().wait(timeout)]
        if lost := {1, 2, 3, 4} & {number for number, word in said if word == Ready()} - self.again:
            self.again |= lost
            return [(n, Died("node lost") if n in lost else word) for n, word in said]
        return said


def test_a_lost_node_is_not_a_worker_that_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, stop = make_plan(tmp_path, jobs=6, budget=8), StopSwitch(None)
    launcher = Losing(plan.trial_plan.folder)
    monkeypatch.setattr(harness.search.search, "make_launcher", lambda *_: launcher)
    outcome = harness.search.search.run_search(plan, Heard(stop), stop, Instant)
    assert launcher.again == {1, 2, 3, 4}
    assert outcome.counts == {"complete": 8}


def test_a_trial_out_of_memory_runs_again_while_nothing_else_does(tmp_path: Path) -> None:
    outcome = run(make_plan(tmp_path, jobs=3, budget=8), Crowded)
    assert outcome.counts == {"complete": 8}
    rows = [line.split() for line in (tmp_path / "fake" / "times.txt").read_text().splitlines()]
    times = [(int(number), float(begun), float(ended)) for number, begun, ended in rows]
    (again,) = [row for row in times if row[0] == 2][1:]
    beside = [row for row in times if row[1] < again[2] and again[1] < row[2]]
    assert beside == [again]


class Handing(SimulatedLauncher):
    """Many workers, all ready at once; the user stops the search as the third is given a trial."""

    def __init__(self, folder: Path, stop: StopSwitch) -> None:
        super().__init__(folder, b"")
        self.stop = stop

    def send(self, number: int, order: TrialTask | Prepare | Answer) -> None:
        super().send(number, order)
        if len(self.running) == 3:
            self.stop.reason = "user"


def test_ctrl_c_is_heard_while_trials_are_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopSwitch(None)
    launcher = Handing(tmp_path, stop)
    monkeypatch.setattr(harness.search.search, "make_launcher", lambda *_: launcher)
    outcome = harness.search.search.run_search(
        make_plan(tmp_path, jobs=40, budget=40), Heard(stop), stop, Instant
    )
    assert outcome.stopped == "user"
    assert len(launcher.running) == 3
    assert outcome.counts == {"waiting": 8}  # the guide's recipes, three of them put back


class Reading(SimulatedLauncher):
    """Reads in the database, at the moment in which a worker is given a trial, what it has."""

    def __init__(self, folder: Path, database: Path) -> None:
        super().__init__(folder, b"")
        self.database = database
        self.on_record: dict[int, bool] = {}

    def send(self, number: int, order: TrialTask | Prepare | Answer) -> None:
        super().send(number, order)
        if isinstance(order, TrialTask):
            with contextlib.closing(sqlite3.connect(self.database)) as record:
                query = (
                    "SELECT param_name FROM trial_params JOIN trials USING (trial_id)"
                    " WHERE trials.number = ?"
                )
                names = {name for (name,) in record.execute(query, (order.number,))}
            self.on_record[order.number] = names >= {"lambda_L1", "lr", "gan_mode"}


def test_a_trial_is_on_record_before_a_worker_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, stop = make_plan(tmp_path, budget=3), StopSwitch(None)
    launcher = Reading(plan.trial_plan.folder, tmp_path / "optuna.db")
    monkeypatch.setattr(harness.search.search, "make_launcher", lambda *_: launcher)
    harness.search.search.run_search(plan, Heard(stop), stop, Instant)
    assert launcher.on_record == dict.fromkeys(range(3), True)


def test_a_trial_is_not_hung_because_the_driver_was_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 0.0
    clock = time.monotonic

    class Busy(Heard):
        """Keeps the driver for a quarter of an hour at every trial's end."""

        def show(self, event: Event) -> None:
            nonlocal late
            super().show(event)
            late += 900 * isinstance(event, TrialEnded)

    monkeypatch.setattr("harness.search.driver.time.monotonic", lambda: clock() + late)
    plan = make_plan(tmp_path, jobs=2, budget=6, trial_timeout=600)
    stop = StopSwitch(None)
    outcome = harness.search.search.run_search(plan, Busy(stop), stop, driving.Slow)
    assert "failed" not in outcome.counts
