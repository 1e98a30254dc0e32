"""A refusal, an absence and a fault of ours are three things, and none of them stops a search."""

import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from driving import Instant, make_plan
from mirroring import began, opened, pictures, scored, study_store, tracker_of
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from searching import Heard

import harness.search.search
import harness.tracking.study_runs
from harness.console.events import Note
from harness.search.stop_signals import StopSwitch
from harness.tracking.client import RefusedError, UnavailableError, classified_errors
from harness.tracking.model_registry import SearchResults
from harness.tracking.outbox import Entry, Outbox
from harness.tracking.sender import Deliveries
from harness.tracking.store import Ending, Notify

OVER = Ending("FINISHED", "complete")


def test_an_experiment_deleted_in_the_pages_is_restored_with_its_runs(runs: Path) -> None:
    store = opened(runs)
    store.write([began(0), scored(0, 0.3)])
    store.client.delete_experiment(store.experiment)
    said: list[str] = []
    later = study_store(runs)
    later.open(said.append)
    assert later.runs == store.runs
    assert later.client.get_run(later.runs["t000"]).data.metrics["score"] == 0.3
    (sentence,) = said
    assert "The experiment fake had been deleted in MLflow. It is restored" in sentence


def test_an_experiment_deleted_while_the_search_runs_is_restored(runs: Path) -> None:
    said: list[str] = []
    store = study_store(runs)
    store.open(said.append)
    store.write([began(0)])
    calls = (
        lambda: store.write([scored(0, 0.3), began(1)]),
        lambda: store.lead("t000", "leads"),
    )
    for times, call in enumerate(calls, 1):
        store.client.delete_experiment(store.experiment)
        call()
        assert len(said) == times
    (best,) = store.search("tags.best = 'true'")
    assert best.info.run_id == store.runs["t000"]
    assert best.data.metrics["score"] == 0.3
    assert set(store.runs) == {"t000", "t001"}


def test_an_experiment_gone_for_ever_is_made_anew(runs: Path) -> None:
    store = opened(runs)
    store.write([began(0)])
    store.client.delete_experiment(store.experiment)
    store.client._tracking_client.store._hard_delete_experiment(store.experiment)
    store.write([scored(0, 0.4)])
    assert store.client.get_run(store.runs["t000"]).data.metrics["score"] == 0.4
    assert store.parent == store.search("tags.role = 'study'")[0].info.run_id


def test_an_experiment_that_could_not_be_restored_at_once_gets_no_second_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    store = study_store(runs)
    store.open(said.append)
    store.write([began(0)])
    before = dict(store.runs)
    store.client.delete_experiment(store.experiment)
    with monkeypatch.context() as broken:
        broken.setattr(store, "find_experiment", Failing())
        with pytest.raises(UnavailableError):
            store.write([scored(0, 0.3)])
    store.client.restore_experiment(store.experiment)
    store.write([scored(0, 0.3)])
    assert store.runs == before
    assert len(store.search("tags.trial = '0'")) == 1


class Failing:
    def __call__(self) -> str:
        raise ConnectionError


def test_a_parent_deleted_in_the_pages_costs_no_trial_anything(runs: Path) -> None:
    store = opened(runs)
    store.write([began(0)])
    assert store.parent is not None
    store.client.delete_run(store.parent)
    store.write([scored(0, 0.3)])
    assert store.client.get_run(store.runs["t000"]).data.metrics["score"] == 0.3


def test_a_run_deleted_in_the_pages_stays_so_and_mlflow_says_why(runs: Path) -> None:
    store = opened(runs)
    store.write([began(0)])
    store.client.delete_run(store.runs["t000"])
    with pytest.raises(RefusedError, match=r"The run .* must be in the 'active' state"):
        store.write([scored(0, 0.3)])
    store.write([began(1)])
    assert store.client.get_run(store.runs["t000"]).info.lifecycle_stage == "deleted"
    assert set(opened(runs).runs) == {"t001"}


def cut_in_the_text(held: bytes) -> bytes:
    return held[:40]


def cut_in_the_picture(held: bytes) -> bytes:
    return held[:-20]


def of_other_types(held: bytes) -> bytes:
    return json.dumps({"run": "t000", "metrics": ["no mapping"]}).encode() + b"\n"


def a_list(held: bytes) -> bytes:
    return b"[]\n"


@pytest.mark.parametrize("harm", [cut_in_the_text, cut_in_the_picture, of_other_types, a_list])
def test_a_damaged_entry_is_set_aside_and_what_is_behind_it_delivered(
    runs: Path, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    outbox = Outbox(tmp_path / "out")
    outbox.put(began(0))
    hurt = outbox.put(scored(0, 0.3))
    hurt.write_bytes(harm(hurt.read_bytes()))
    outbox.put(scored(0, 0.4, step=20))
    tracker, said = tracker_of(study_store(runs), outbox.folder)
    tracker.finish()
    store = opened(runs)
    assert store.client.get_run(store.runs["t000"]).data.metrics["score"] == 0.4
    assert 20 in pictures(store, store.runs["t000"])
    (sentence,) = said
    assert "refused/000000002.entry was not delivered" in sentence
    assert "cannot be read" in sentence
    assert [file.name for file in outbox.folder.rglob("*.entry")] == ["000000002.entry"]


def test_files_that_the_harness_did_not_put_there_are_not_delivered(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out")
    file = outbox.put(began(0))
    for name in ("copy of 3.entry", "3.entry", "000000001 (1).entry", "١٢٣٤٥٦٧٨٩.entry"):
        shutil.copyfile(file, file.with_name(name))
    (outbox.folder / "000000002.entry").mkdir()
    for _ in range(2):  # a name that was set aside before is kept beside it
        store = Taking()
        made, _ = deliveries(store, outbox.folder)
        made.put(began(5))
        made.finish()
        shutil.copyfile(outbox.folder / "refused" / "3.entry", outbox.folder / "3.entry")
    assert len(list((outbox.folder / "refused").iterdir())) == 6
    assert store.took == ["t005"]


class Taking:
    """Takes everything but what it has a fault for."""

    def __init__(self, **faults: Exception) -> None:
        self.faults = faults
        self.took: list[str] = []

    def open(self, notify: Notify) -> None:
        if "open" in self.faults:
            raise self.faults["open"]

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.run in self.faults:
                raise self.faults[entry.run]
        self.took += [entry.run for entry in entries]

    def close(self) -> None:
        pass


def deliveries(store: Taking, folder: Path) -> tuple[Deliveries, list[str]]:
    said: list[str] = []
    return Deliveries(store, folder, said.append), said


def test_a_fault_of_ours_is_logged_with_its_traceback_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Taking(t001=KeyError("s3cret"))
    made, said = deliveries(store, tmp_path / "out")

    def faulty() -> None:
        raise ZeroDivisionError

    for number in range(3):
        made.put(began(number))
    made.add(faulty)
    made.put(began(3))
    made.finish()
    assert store.took == ["t000", "t002", "t003"]
    assert (tmp_path / "out" / "refused" / "000000002.entry").exists()
    assert len(said) == 2
    assert "a fault of this program, KeyError; its traceback is in the log" in said[0]
    assert "a fault of this program, ZeroDivisionError" in said[1]
    assert "s3cret" not in "".join(said)
    logged = [record.exc_info for record in caplog.records if record.exc_info]
    assert [info[0] for info in logged] == [KeyError, KeyError, ZeroDivisionError][-len(logged) :]
    assert all(info[2] is not None for info in logged)


class Leaving(Taking):
    """Refuses several entries at once, and is away at the second of single ones."""

    tries = 0

    def write(self, entries: Sequence[Entry]) -> None:
        if len(entries) > 1:
            raise RefusedError("one of them")
        self.tries += 1
        if self.tries == 2:
            raise ConnectionError
        super().write(entries)


def test_what_is_away_in_between_has_refused_nothing(tmp_path: Path) -> None:
    outbox, called = Outbox(tmp_path / "out"), []
    for number in range(3):
        outbox.put(began(number))
    made, said = deliveries(store := Leaving(), outbox.folder)

    def away_once() -> None:
        called.append("a call")
        if len(called) == 1:
            raise ConnectionError

    made.add(away_once)
    made.finish()
    assert store.took == ["t000", "t001", "t002"]
    assert called == ["a call"] * 2
    assert not outbox.folder.exists()
    assert all("MLflow accepts nothing now (ConnectionError)" in sentence for sentence in said)


def test_an_experiment_that_another_process_makes_meanwhile_is_taken(tmp_path: Path) -> None:
    class Late:
        made: Any = None

        def get_experiment_by_name(self, name: str) -> Any:
            return self.made

        def create_experiment(self, name: str, place: str) -> str:
            self.made = Experiment("7", name, place, "active")
            raise MlflowException("it exists", ErrorCode.Value("RESOURCE_ALREADY_EXISTS"))

    store = study_store(tmp_path)
    store.client = cast(Any, Late())
    assert store.find_experiment() == "7"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (UnavailableError("the server is being mended."), "the server is being mended"),
        (ConnectionError("with the password s3cret"), "ConnectionError"),
        (RefusedError("no such user"), "no such user"),
        (TypeError("ours"), "a fault of this program, TypeError; its traceback is in the log"),
    ],
)
def test_a_store_that_does_not_open_loses_nothing_and_its_reason_is_logged(
    tmp_path: Path, fault: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "harness"):
        made, said = deliveries(Taking(open=fault), tmp_path / "out")
        made.put(began(0))
        made.finish()
    assert [file.name for file in made.outbox.waiting()] == ["000000001.entry"]
    assert said[0] == (
        f"MLflow accepts nothing now ({reason}). What waits for it is kept in {tmp_path}/out and "
        "delivered later."
    )
    assert "1 entry waits" in said[1]
    assert f"MLflow accepts nothing now: {reason}" in caplog.messages
    faults = [record for record in caplog.records if record.exc_info]
    assert bool(faults) == isinstance(fault, TypeError)
    later, said = deliveries(back := Taking(), tmp_path / "out")
    later.finish()
    assert back.took == ["t000"]


def test_a_damaged_database_is_one_sentence_and_stays_as_it_is(runs: Path, tmp_path: Path) -> None:
    file = runs / "mlflow.db"
    whole = file.read_bytes()
    for held in (b"no database at all" * 100, whole[: len(whole) // 2], b""):
        file.write_bytes(held)
        tracker, said = tracker_of(study_store(runs), tmp_path / "out")
        tracker.put(began(0))
        tracker.finish()
        assert file.read_bytes() == held
        assert f"MLflow's database {file} cannot be read (" in said[0]
        assert "it was left unchanged: move it away" in said[0]
    file.write_bytes(whole)
    tracker, said = tracker_of(study_store(runs), tmp_path / "out")
    tracker.finish()
    assert said == []
    assert set(opened(runs).runs) == {"t000"}


def test_the_end_of_a_search_restores_its_experiment_too(runs: Path) -> None:
    said: list[str] = []
    store = study_store(runs)
    store.open(said.append)
    store.write([began(0)])
    store.client.delete_experiment(store.experiment)
    store.conclude(OVER, SearchResults(0, "the note"))
    assert store.parent is not None
    parent = store.client.get_run(store.parent)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"] == "the note"
    assert len(said) == 1
    assert opened(runs).parent == store.parent  # it goes on in the same run
    assert store.client.get_run(store.parent).info.status == "RUNNING"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, RefusedError) for code in ("INVALID_PARAMETER_VALUE", "INVALID_STATE")),
        *((code, RefusedError) for code in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")),
        *((code, UnavailableError) for code in ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR")),
        *((code, UnavailableError) for code in ("REQUEST_LIMIT_EXCEEDED", "PERMISSION_DENIED")),
    ],
)
def test_only_what_no_retry_can_mend_is_refused_for_good(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^no$"), classified_errors():
        raise MlflowException("no\nmore", ErrorCode.Value(code))


def test_the_database_lets_readers_in_while_a_search_writes(runs: Path) -> None:
    with closing(sqlite3.connect(runs / "mlflow.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_search_beside_a_damaged_database_is_whole_and_logs_why(runs: Path) -> None:
    (runs / "mlflow.db").write_bytes(b"no database at all" * 100)
    plan = make_plan(runs, budget=2)
    heard = Heard(StopSwitch(None))
    outcome = harness.search.search.run_search(plan, heard, heard.stop, Instant)
    assert outcome.best is not None
    assert (runs / "mlflow.db").read_bytes() == b"no database at all" * 100
    notes = [event.text for event in heard.events if isinstance(event, Note)]
    assert any("mlflow.db cannot be read (file is not a database)" in note for note in notes)
    assert "file is not a database" in plan.paths.driver_log.read_text(encoding="utf-8")
    assert len(Outbox(plan.paths.outbox).waiting()) >= 10
