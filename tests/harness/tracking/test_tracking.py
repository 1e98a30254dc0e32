"""The mirror may be slow or away: nothing is lost, nothing is out of order, nobody waits."""

import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from driving import PIXEL, make_plan
from mirroring import PARAMS, study_store
from mlflow.store.entities.paged_list import PagedList
from PIL import Image

from harness.tracking import sender as deliveries
from harness.tracking.client import RefusedError
from harness.tracking.outbox import Entry, Outbox
from harness.tracking.sender import Deliveries
from harness.tracking.store import Ending, MlflowStore, Notify, thumbnail
from harness.tracking.study_runs import StudyStore, Tracker, run_name
from harness.trials.messages import Rung, TrialTask


class Switched:
    """A store that can be switched off, and notes what reached it."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.tried = threading.Event()
        self.reached: list[str] = []

    def note(self, what: str) -> None:
        self.tried.set()
        if not self.there.is_set():
            raise ConnectionError("away, with the password s3cret")
        self.reached.append(what)

    def open(self, notify: Notify) -> None:
        self.note("open")

    def close(self) -> None:
        pass

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.title == "poison":
                raise RefusedError("never that")
        for entry in entries:
            self.note(f"{entry.run} {entry.step}")


@contextmanager
def delivering(store: Switched, folder: Path) -> Iterator[tuple[Deliveries, list[str]]]:
    warned: list[str] = []
    made = Deliveries(store, folder, warned.append)
    try:
        yield made, warned
    finally:
        made.finish()


def test_what_cannot_be_delivered_comes_later_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "RETRY_AFTER", 0.001)
    store = Switched()
    with delivering(store, tmp_path / "out") as (made, warned):
        for step in range(100):
            made.put(Entry("t000", step=step))
        made.add(lambda: store.note("a call"))
        made.put(Entry("t001"))
        assert store.tried.wait(10)
        store.there.set()
    assert store.reached == ["open", *(f"t000 {step}" for step in range(100)), "a call", "t001 0"]
    assert len(warned) == 1
    assert "MLflow accepts nothing now (ConnectionError)" in warned[0]
    assert "s3cret" not in warned[0]
    assert not (tmp_path / "out").exists()


def test_an_entry_has_the_time_at_which_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.5, 2.0])
    monkeypatch.setattr("harness.tracking.outbox.time.time", times.__next__)
    assert [Entry("t000").at, Entry("t000").at] == [1500, 2000]


def test_a_later_process_delivers_what_an_earlier_one_could_not(tmp_path: Path) -> None:
    away, back = Switched(), Switched()
    with delivering(away, tmp_path) as (made, warned):
        made.put(Entry("t000", step=1, panel=b"\n\x00png"))
        made.add(lambda: away.note("said anew by the later one"))
        made.put(Entry("t000", step=2))
    assert away.reached == []
    assert f"2 entries wait in {tmp_path}" in warned[-1]
    back.there.set()
    with delivering(back, tmp_path) as (made, _):
        made.put(Entry("t001", step=3))
    assert back.reached == ["open", "t000 1", "t000 2", "t001 3"]


def test_each_outage_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "RETRY_AFTER", 0.001)
    store = Switched()
    with delivering(store, tmp_path) as (made, warned):
        for step in range(2):
            store.there.clear()
            store.tried.clear()
            made.put(Entry("t000", step=step))
            assert store.tried.wait(10)
            store.there.set()
            delivered = threading.Event()
            made.add(delivered.set)
            assert delivered.wait(10)
    assert len([said for said in warned if "MLflow accepts nothing now" in said]) == 2
    assert store.reached == ["open", "t000 0", "t000 1"]


def test_nobody_waits_for_a_store_that_hangs(tmp_path: Path) -> None:
    store = Switched()
    hanging = threading.Event()
    store.there.set()
    store.open = lambda say: cast(None, hanging.wait())  # type: ignore[method-assign]
    with delivering(store, tmp_path) as (made, _):
        for step in range(10):
            made.put(Entry("t000", step=step))
        assert store.reached == []
        hanging.set()
    assert len(store.reached) == 10


def test_what_is_refused_for_ever_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    store = Switched()
    Outbox(tmp_path).put(Entry("t000"))
    Outbox(tmp_path).put(Entry("t001", title="poison"))
    (tmp_path / "000000003.entry").write_bytes(b"no entry at all")
    Outbox(tmp_path).put(Entry("t002"))
    store.there.set()

    def refused() -> None:
        raise RefusedError("nor that")

    with delivering(store, tmp_path) as (made, warned):
        made.add(refused)
        made.put(Entry("t003"))
    assert store.reached == ["open", "t000 0", "t002 0", "t003 0"]
    assert Outbox(tmp_path).last == 3  # those set aside keep their names to themselves
    assert [file.name for file in sorted((tmp_path / "refused").iterdir())] == [
        "000000002.entry",
        "000000003.entry",
    ]
    assert any("000000002.entry was not delivered to MLflow: never that" in said for said in warned)
    assert any("nor that" in said for said in warned)


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry(
        *("t000", "얼굴", "RUNNING", {"a": "b\nc"}, {"lr": "1e-4"}, {"score": 0.5}),
        step=3,
        panel=b"\x89PNG\n\r\n",
    )
    assert Entry.of_bytes(entry.as_bytes()) == entry


def contents(store: StudyStore) -> dict[str, Any]:
    """What the store holds of each trial, without what differs from store to store."""
    held = {}
    for name, run_id in store.runs.items():
        run = store.client.get_run(run_id)
        files = [
            file.path
            for folder in ("", "images")
            for file in store.client.list_artifacts(run_id, folder)
        ]
        held[name] = (
            run.info.run_name,
            run.info.status,
            run.data.params,
            {
                key: text
                for key, text in run.data.tags.items()
                if key not in ("mlflow.parentRunId", "study")
            },
            [(m.step, m.value) for m in store.client.get_metric_history(run_id, "score")],
            sorted(path.split("+timestamp")[0] for path in files),
        )
    return held


def tell(tracker: Tracker) -> None:
    for number in range(2):
        task = TrialTask(number, PARAMS, 7, "search" if number else "final")
        tracker.begin(task, {"recipe": "recommended"})
        for step in (10, 20):
            rung = Rung(step, step / 100, {"D": 0.1}, {"G_L1": 0.2}, PIXEL)
            tracker.rung(task, rung)
        tracker.end(task.name, Ending("KILLED", "pruned", "why"))


def test_told_in_one_go_twice_over_or_one_by_one_it_is_the_same(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    for together in (1, 24):
        monkeypatch.setattr(deliveries, "BATCH_SIZE", together)
        store = study_store(runs, f"{together} together")
        tracker = Tracker(store, tmp_path / "out", pytest.fail)
        tell(tracker)
        tracker.finish()
        held.append(contents(store))
    entries = written_by(tmp_path, tell)
    store = study_store(runs, "twice")
    store.open(pytest.fail)
    store.write(entries)
    store.write(entries)
    held.append(contents(store))
    assert held[0] == held[1] == held[2]
    name, status, params, tags, scores, files = held[0]["t001"]
    assert name == "t001 L1=82.1 perc=11.3 nD=4 lsgan"
    assert (status, tags["state"], tags["reason"]) == ("KILLED", "pruned", "why")
    assert (params["lambda_L1"], tags["trial"], tags["recipe"]) == ("82.13", "1", "recommended")
    assert scores == [(10, 0.1), (20, 0.2)]
    steps = (0, 0, 10, 10, 20, 20)  # each with its thumbnail
    images = [f"images/panel~restored+step+{step}" for step in steps]
    assert files == ["images", *images, "panel.png", "scores.csv"]
    assert held[0]["f00"][3]["finalist_run"] == "0"
    setup = make_plan(runs).setup
    assert tags["seed"] == "7" != str(setup.seed)  # the trial's own
    of_study = {"device": setup.device, "data_digest": setup.data.digest, "data": "nothing",
                "space": setup.space_name, "profile": setup.profile, "weights": setup.weights,
                "warm_start": setup.warm_start, "host": setup.host}  # fmt: skip
    of_study |= {f"version.{package}": text for package, text in setup.versions.items()}
    assert tags | of_study == tags
    for name, score in (("t001", "score"), ("f00", "score_held_out")):
        run_id = store.runs[name]
        metrics = store.client.get_run(run_id).data.metrics
        assert metrics == {score: 0.2, f"{score}/D": 0.1, "train_loss/G_L1": 0.2}
        assert next(iter(metrics)) == score  # what MLflow's comparison opens on
        history = store.client.get_metric_history(run_id, f"{score}/D")
        assert [(m.step, m.value) for m in history] == [(10, 0.1), (20, 0.1)]


def test_what_is_delivered_late_has_the_times_of_its_events(runs: Path, tmp_path: Path) -> None:
    """And the table, which has no history, is that of the last rung."""
    told = enumerate(written_by(tmp_path, tell), 1)
    entries = [replace(entry, at=1000 * place) for place, entry in told]
    store = study_store(runs, "late")
    store.open(pytest.fail)
    store.write(entries)
    own, run_id = [entry for entry in entries if entry.run == "t001"], store.runs["t001"]
    info = store.client.get_run(run_id).info
    assert (info.start_time, info.end_time) == (own[0].at, own[-1].at)
    scored = [entry.at for entry in own if entry.metrics]
    assert [m.timestamp for m in store.client.get_metric_history(run_id, "score")] == scored
    table = Path(store.files_of(run_id).download_artifacts("scores.csv")).read_text()
    assert table.splitlines()[:3] == ["name,value", "step,20", "score,0.2"]


def written_by(folder: Path, tell: Callable[[Tracker], None]) -> list[Entry]:
    """What a tracker keeps whose store is away."""
    away = cast(StudyStore, Switched())
    tracker = Tracker(away, folder / "out", lambda _: None)
    tell(tracker)
    tracker.finish()
    return [Entry.of_bytes(file.read_bytes()) for file in Outbox(folder / "out").waiting()]


def test_a_second_run_for_a_trial_and_one_left_open_are_put_in_order(runs: Path) -> None:
    store = study_store(runs, "second")
    store.open(pytest.fail)
    entry = Entry("t003", status="RUNNING", tags={"trial": "3"})
    # A server that answered too late has made a run of which nobody heard.
    late = store.client.create_run(
        store.experiment, entry.at, {**store.new_run_tags(), "trial": "3"}
    )
    store.write([replace(entry, metrics={"score": 0.1})])
    first = store.runs.pop("t003")
    store.write([replace(entry, at=entry.at + 1, metrics={"score": 0.5})])  # nothing doubles it
    later = study_store(runs, "second")
    later.open(pytest.fail)
    later.reconcile({"t003": Ending("KILLED", "requeued", "why"), "t004": Ending("FINISHED", "x")})
    assert later.runs == {"t003": first}
    assert later.client.get_run(late.info.run_id).info.lifecycle_stage == "deleted"
    kept, other = later.search("tags.trial = '3'")
    assert (kept.info.run_id, kept.info.status) == (first, "KILLED")
    assert kept.data.tags["state"] == "requeued"
    assert other.data.metrics == {"score": 0.5}


def test_more_metrics_than_mlflow_takes_at_once_are_all_there(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tracking.store.METRICS_AT_ONCE", 2)
    store = study_store(runs, "many")
    store.open(pytest.fail)
    metrics = {f"m{number}": float(number) for number in range(5)}
    store.write([Entry("t000", metrics=metrics)])
    assert store.client.get_run(store.runs["t000"]).data.metrics == metrics


def test_a_search_for_runs_reads_every_page() -> None:
    class Pages:
        def search_runs(self, *_: Any, page_token: str | None, **__: Any) -> PagedList[str]:
            return PagedList(["a"], "2") if page_token is None else PagedList(["b"], None)

    store = MlflowStore("sqlite:///none.db", "many", None)
    store.client = cast(Any, Pages())
    assert store.search("tags.trial != ''") == ["a", "b"]


def test_a_thumbnail_is_small_and_of_the_pictures_shape() -> None:
    file = io.BytesIO()
    Image.new("RGB", (1024, 512)).save(file, "PNG")
    assert thumbnail(file.getvalue()).size == (256, 128)


def test_a_trial_that_runs_again_is_shown_as_running(runs: Path) -> None:
    store = study_store(runs, "again")
    store.open(pytest.fail)
    for status in ("RUNNING", "KILLED", "RUNNING"):
        store.write([Entry("t003", status=status, tags={"trial": "3"})])
        assert store.client.get_run(store.runs["t003"]).info.status == status


def test_of_two_runs_of_a_trial_the_recorded_one_goes_on(runs: Path) -> None:
    """Else the one that has metrics."""
    store = study_store(runs, "recorded")
    store.open(pytest.fail)
    tags = {**store.new_run_tags(), "trial": "3"}
    bare, other = (store.client.create_run(store.experiment, at, tags).info.run_id for at in (1, 2))
    store.client.log_metric(other, "score", 0.1)
    store.client.create_run(store.experiment, 3, tags | {"trial": "edited"})  # by the user
    for recorded, wanted in (((), other), ((bare,), bare)):
        store.recorded = recorded
        store.find_trial_runs()
        assert store.runs == {"t003": wanted}


def test_what_mlflow_refuses_is_told_from_its_absence(runs: Path) -> None:
    store = study_store(runs, "refusing")
    store.open(pytest.fail)
    with pytest.raises(RefusedError):
        store.write([Entry("t000", metrics={"no?name": 1.0})])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "t037 L1=82.1 perc=11.3 nD=4 lsgan"),
        ({"lambda_perceptual": 0, "lambda_L1": 500}, "t037 L1=500 nD=4 lsgan"),
    ],
)
def test_a_run_is_named_by_its_settings(change: Mapping[str, Any], name: str) -> None:
    assert run_name("t037", PARAMS.model_copy(update=dict(change))) == name
