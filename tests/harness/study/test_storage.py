"""The only writer's memory and the database say the same; a database that is away is waited for."""

import inspect
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from driving import make_plan
from optuna.exceptions import (
    DuplicatedStudyError,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import OperationalError

import harness.study.storage
from harness.errors import HarnessError
from harness.study import study as record
from harness.study.database import engine_arguments, open_storage, sqlite_url
from harness.study.database_errors import is_unavailable
from harness.study.storage import RetryingStorage, SingleWriterStorage


def open_both(folder: Path) -> tuple[optuna.Study, optuna.Study]:
    """A study through its only writer, and as anybody else reads it."""
    plan = make_plan(folder)
    url = sqlite_url(folder / "optuna.db")
    mine = record.create_study(
        SingleWriterStorage(open_storage(url)), "s", plan.setup, plan.recipes
    )
    return mine, optuna.load_study(study_name="s", storage=RDBStorage(url))


def essence(trial: FrozenTrial) -> tuple[Any, ...]:
    return (
        trial.number,
        trial.state,
        trial.values,
        trial.params,
        trial.distributions,
        trial.user_attrs,
        trial.system_attrs,
        trial.intermediate_values,
    )


def live(study: optuna.Study, folder: Path) -> None:
    """A trial of every kind."""
    space = make_plan(folder).space
    for number in range(16):
        trial = record.ask(study, space, "tpe", seed=0)
        trial.set_user_attr("seen", [number, {"a": (1, 2)}])
        record.flush(study)
        for step in {10, 20} - set(study.trials[trial.number].intermediate_values):
            trial.report(0.1 * number + step, step)
            trial.should_prune()
        if number == 15:
            return
        if number % 5 == 4:
            record.requeue(study, trial)
        else:
            trial.set_user_attr("end", number)
            state = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL][number % 3]
            study.tell(trial, 0.5 + number if state == TrialState.COMPLETE else None, state)


def test_memory_and_database_say_the_same(tmp_path: Path) -> None:
    mine, others = open_both(tmp_path)
    live(mine, tmp_path)
    known = mine.get_trials()
    assert [essence(t) for t in known] == [essence(t) for t in others.get_trials()]
    assert {t.state for t in known} >= set(TrialState) - {TrialState.WAITING}
    for mine_, theirs in zip(known, others.get_trials(), strict=True):
        for moment in ("datetime_start", "datetime_complete"):
            a, b = getattr(mine_, moment), getattr(theirs, moment)
            assert (a is None) == (b is None)
            assert a is None or abs((a - b).total_seconds()) < 60
    reopened = SingleWriterStorage(open_storage(sqlite_url(tmp_path / "optuna.db")))
    study = optuna.load_study(study_name="s", storage=reopened)
    assert [essence(t) for t in study.get_trials()] == [essence(t) for t in known]


def test_a_list_of_trials_by_state_follows_every_change(tmp_path: Path) -> None:
    mine, others = open_both(tmp_path)
    space = make_plan(tmp_path).space

    def check() -> None:
        for states in [(state,) for state in TrialState] + [record.COUNTED]:
            found, wanted = (study.get_trials(states=states) for study in (mine, others))
            assert [trial.number for trial in found] == [trial.number for trial in wanted]

    check()
    for end in (TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        trial = record.ask(mine, space, "tpe", seed=0)
        check()
        if end == TrialState.WAITING:
            record.requeue(mine, trial)
        else:
            mine.tell(trial, 0.5 if end == TrialState.COMPLETE else None, end)
        check()
    mine.enqueue_trial({})
    check()


def test_a_list_of_trials_is_the_caller_s_own(tmp_path: Path) -> None:
    mine, _ = open_both(tmp_path)
    for deepcopy in (False, True):
        mine.get_trials(deepcopy=deepcopy).clear()
        assert len(mine.get_trials(deepcopy=deepcopy)) == 8


def test_a_write_survives_the_death_of_the_process_and_waits_for_a_lock(tmp_path: Path) -> None:
    storage = open_storage(sqlite_url(tmp_path / "optuna.db"))
    with storage.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 60_000}
    assert engine_arguments("postgresql+psycopg://host/db")["pool_pre_ping"]


def test_every_access_to_the_database_waits_for_it() -> None:
    """Of whatever Optuna's cache and our own call of it; we use no heartbeats."""
    code = inspect.getsource(_CachedStorage) + inspect.getsource(SingleWriterStorage)
    called = set(re.findall(r"self\.(?:_backend|database)\.(\w+)", code))
    unused = {name for name in called if "heartbeat" in name or "stale" in name}
    unused.add("get_trial_id_from_study_id_trial_number")
    plain = {
        name for name in called if getattr(RetryingStorage, name) is getattr(RDBStorage, name, None)
    }
    assert plain == unused


def test_a_study_whose_making_was_not_answered_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(sqlite_url(tmp_path / "optuna.db"))
    lose_the_next_answer(monkeypatch)
    storage.create_marked_study("s", ["maximize"], {"identity": "1"})
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]
    with pytest.raises(DuplicatedStudyError):
        storage.create_marked_study("s", ["maximize"], {"identity": "2"})


def test_a_study_made_anew_under_a_number_that_was_used_has_nothing_of_the_old(
    tmp_path: Path,
) -> None:
    plan = make_plan(tmp_path)
    storage = SingleWriterStorage(open_storage(sqlite_url(tmp_path / "optuna.db")))
    half = record.create_marked(storage, "s", ["maximize"], {"identity": "a" * 32})
    half.set_user_attr("name", "half")
    half.enqueue_trial({"lr": 1.0})
    assert (len(half.get_trials()), half.user_attrs["name"]) == (1, "half")
    made = record.create_study(storage, "s", plan.setup, plan.recipes)
    assert made._study_id == half._study_id
    assert [trial.user_attrs.get("recipe") for trial in made.get_trials()] == list(plan.recipes)
    assert made.user_attrs["name"] == plan.setup.name


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        *((f"SQLITE_{name}", True) for name in ("BUSY", "BUSY_SNAPSHOT", "LOCKED", "IOERR_READ")),
        *((f"SQLITE_{name}", False) for name in ("CORRUPT", "ERROR", "READONLY", "FULL")),
        (None, True),  # a server's
    ],
)
def test_what_may_pass_is_waited_for_and_what_will_not_is_not(
    code: str | None, waits: bool
) -> None:
    said = Exception("closed") if code is None else sqlite3.OperationalError("no")
    if code is not None:
        said.sqlite_errorname = code  # type: ignore[attr-defined]
    error = StorageInternalError("An exception is raised")
    error.__cause__ = OperationalError("UPDATE", {}, said)
    assert is_unavailable(error) == waits
    error.__cause__ = OperationalError("UPDATE", {}, Exception("database or disk is full"))
    assert not is_unavailable(error)


def test_a_trial_that_ended_takes_nothing_more(tmp_path: Path) -> None:
    mine, _ = open_both(tmp_path)
    trial = record.ask(mine, make_plan(tmp_path).space, "tpe", seed=0)
    mine.tell(trial, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        trial.set_user_attr("late", 1)
    with pytest.raises(UpdateFinishedTrialError):
        mine._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


class Away:
    """Makes a database raise what a restarting server raises, some times."""

    def __init__(self, times: int, monkeypatch: pytest.MonkeyPatch, after: bool = False) -> None:
        self.left = times
        change = RDBStorage.set_trial_state_values

        def failing(*args: Any, **named: Any) -> bool:
            if not self.left:
                return change(*args, **named)
            self.left -= 1
            if after:
                change(*args, **named)
            cause = OperationalError("UPDATE", {}, Exception("server closed the connection"))
            raise StorageInternalError("An exception is raised") from cause

        monkeypatch.setattr(RDBStorage, "set_trial_state_values", failing)
        monkeypatch.setattr(harness.study.storage, "RETRY_AFTER", 0.0)


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
def test_a_database_that_comes_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    mine, others = open_both(tmp_path)
    trial = record.ask(mine, make_plan(tmp_path).space, "tpe", seed=0)
    Away(3 if not after else 1, monkeypatch, after)
    mine.tell(trial, 0.5)
    for study in (mine, others):
        assert study.get_trials()[trial.number].value == 0.5


def lose_the_next_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """The next transaction is done, and the database says that it is away; empty afterwards."""
    lost = iter([True])
    session = harness.study.storage._create_scoped_session

    @contextmanager
    def answering(*args: Any) -> Iterator[Any]:
        with session(*args) as open_one:
            yield open_one
        if next(lost, False):
            cause = OperationalError("COMMIT", {}, Exception("server closed the connection"))
            raise StorageInternalError("An exception is raised") from cause

    monkeypatch.setattr(harness.study.storage, "_create_scoped_session", answering)
    monkeypatch.setattr(harness.study.storage, "RETRY_AFTER", 0.0)
    return lost


def test_what_landed_although_its_answer_was_lost_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = open_both(tmp_path)
    trial = record.ask(mine, make_plan(tmp_path).space, "tpe", seed=0)
    trial.set_user_attr("seen", 1)
    lost = lose_the_next_answer(monkeypatch)
    record.flush(mine)
    assert next(lost, None) is None
    mine.tell(trial, 0.5)
    assert essence(others.get_trials()[trial.number]) == essence(mine.get_trials()[trial.number])
    assert others.get_trials()[trial.number].params == trial.params


def test_a_trial_whose_making_was_not_answered_runs_next(tmp_path: Path) -> None:
    mine, others = open_both(tmp_path)
    space = make_plan(tmp_path).space
    recipes = len(mine.get_trials())
    for _ in range(recipes):
        record.ask(mine, space, "tpe", seed=0)
    others._storage.create_new_trial(others._study_id)  # as if it were mine, and nobody said so
    asked = [record.ask(mine, space, "tpe", seed=0).number for _ in range(3)]
    assert asked == [recipes + 1, recipes, recipes + 2]
    record.flush(mine)
    assert [essence(t) for t in mine.get_trials()] == [essence(t) for t in others.get_trials()]


def test_a_database_that_stays_away_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _ = open_both(tmp_path)
    trial = record.ask(mine, make_plan(tmp_path).space, "tpe", seed=0)
    Away(10**6, monkeypatch)
    now = 0.0

    class Clock:
        def monotonic(self) -> float:
            return now

        def sleep(self, _: float) -> None:
            nonlocal now
            now += 7.0

    monkeypatch.setattr(harness.study.storage, "time", Clock())
    with pytest.raises(
        HarnessError, match=r"has been unavailable for 300 s .* run the same command again"
    ):
        mine.tell(trial, 0.5)
    assert 300 < now < 320
