"""A run folder may be moved or copied: what lies in it is found in it, and nowhere else written."""

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from driving import make_plan
from mirroring import began, opened, pictures, scored, study_store, tracker_of
from searching import run

import harness.tracking.database
from harness.errors import UserInputError, inline
from harness.paths import RunPaths
from harness.tracking.client import quiet_client
from harness.tracking.database import check_and_relocate, copy_database, relocated, served_files

ARTIFACTS = Path("/now here/mlflow-artifacts")


@pytest.mark.parametrize(
    ("noted", "now"),
    [
        ("file:///before/mlflow-artifacts", "file:///now%20here/mlflow-artifacts"),
        (
            "file:///a/mlflow-artifacts/b/mlflow-artifacts/1f/artifacts/models/t003",
            "file:///now%20here/mlflow-artifacts/1f/artifacts/models/t003",
        ),
        ("file:///now%20here/mlflow-artifacts/1f", "file:///now%20here/mlflow-artifacts/1f"),
        *(
            (other, other)
            for other in (
                "file:///elsewhere/mlruns/0",
                "file:///elsewhere/mlflow-artifacts-2/1f",
                "/elsewhere/mlruns/0",
                "s3://bucket/mlflow-artifacts/1f",
                "mlflow-artifacts:/1/1f/artifacts",
                "runs:/1f/mlflow-artifacts",
                "",
            )
        ),
    ],
)
def test_only_what_lay_in_a_run_folder_is_located_in_this_one(noted: str, now: str) -> None:
    assert relocated(noted, ARTIFACTS) == now


def files_in(folder: Path) -> dict[str, str]:
    """Every file below, by its content."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("copied", [False, True])
def test_a_folder_goes_on_where_it_lies_now(runs: Path, tmp_path: Path, copied: bool) -> None:
    store = opened(runs)
    store.write([began(0), scored(0, 0.3)])
    store.close()
    later = tmp_path / "other place"
    if copied:
        shutil.copytree(runs, later)
    else:
        runs.rename(later)
    before = files_in(runs)
    moved = opened(later)
    assert moved.runs == store.runs
    moved.write([scored(0, 0.4, step=20), began(1), scored(1, 0.5)])
    moved.close()
    assert pictures(moved, moved.runs["t000"]) == [0, 10, 20]
    assert pictures(moved, moved.runs["t001"]) == [0, 10]
    inside = (later / "mlflow-artifacts").as_uri()
    for name in moved.runs:
        assert moved.client.get_run(moved.runs[name]).info.artifact_uri.startswith(inside)
    assert files_in(runs) == before
    assert runs.exists() == copied


def test_a_whole_search_moves_with_its_model(runs: Path, tmp_path: Path) -> None:
    run(make_plan(runs, budget=2, register_model="remover"))
    later = tmp_path / "later"
    runs.rename(later)
    run(make_plan(later, budget=3, register_model="remover"))
    assert not runs.exists()
    client = quiet_client(f"sqlite:///{later}/mlflow.db")
    (parent,) = client.search_runs(["1"], "tags.role = 'study'")
    held = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert held == {"best.yaml", "report.html", "space.yaml", "weights", "models"}
    for version in client.search_model_versions("name = 'remover'"):
        place = client.get_model_version_download_uri("remover", version.version)
        assert place.startswith((later / "mlflow-artifacts").as_uri())
        assert (Path(place.removeprefix("file://")) / "best.yaml").exists()
        assert version.source.startswith((later / "mlflow-artifacts").as_uri())


def test_what_another_program_notes_meanwhile_does_not_lead_out_of_the_folder(
    runs: Path, tmp_path: Path
) -> None:
    """As `harness ui` outside of a container may, on a folder that a search in it writes to."""
    store = opened(runs)
    outside = tmp_path / "as seen outside" / "mlflow-artifacts"
    check_and_relocate(runs / "mlflow.db", outside)
    store.write([began(0), scored(0, 0.3)])
    assert not outside.parent.exists()
    check_and_relocate(runs / "mlflow.db", runs / "mlflow-artifacts")
    assert pictures(store, store.runs["t000"]) == [0, 10]


def locations(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as opened_file:
        return {uri for (uri,) in opened_file.execute("SELECT artifact_uri FROM runs")}


def test_the_pages_show_a_moved_folder(runs: Path, tmp_path: Path) -> None:
    store = opened(runs)
    store.write([began(0), scored(0, 0.3)])
    store.close()
    later = RunPaths(tmp_path / "later")
    runs.rename(later.root)
    with served_files(later) as (database, log):
        assert (database, log) == (later.mlflow_db, later.mlflow_log)
        for uri in locations(database):
            assert uri.startswith(later.mlflow_artifacts.as_uri())


def test_the_pages_show_a_moved_folder_that_cannot_be_written(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(runs)
    store.write([began(0), scored(0, 0.3)])
    store.close()
    later = RunPaths(tmp_path / "later")
    runs.rename(later.root)
    before = files_in(later.root)
    monkeypatch.setattr(harness.tracking.database, "why_not_writable", lambda _: "Read-only")
    with served_files(later) as (database, log):
        assert later.root not in (*database.parents, *log.parents)
        assert locations(database)
        for uri in locations(database):
            assert uri.startswith(later.mlflow_artifacts.as_uri())
    assert files_in(later.root) == before
    assert not database.exists()
    assert "changes that you make in MLflow are lost" in capsys.readouterr().out


def test_a_copy_has_what_a_search_has_only_logged_so_far(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE runs (artifact_uri)")
        writer.execute("INSERT INTO runs VALUES ('there')")
        writer.commit()
        copy_database(tmp_path / "mlflow.db", tmp_path / "copy.db")
    assert locations(tmp_path / "copy.db") == {"there"}


@pytest.mark.parametrize("writable", [True, False])
def test_the_pages_of_a_damaged_database_are_one_sentence(
    runs: Path, writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = runs / "mlflow.db"
    file.write_bytes(b"no database at all" * 100)
    if not writable:
        monkeypatch.setattr(harness.tracking.database, "why_not_writable", lambda _: "Read-only")
    with (
        pytest.raises(UserInputError, match=r"mlflow\.db cannot be read \(file is not a database"),
        served_files(RunPaths(runs)),
    ):
        pass
    assert file.read_bytes() == b"no database at all" * 100


def test_a_path_that_is_not_utf8_waits_until_the_folder_is_renamed(
    runs: Path, tmp_path: Path
) -> None:
    """There MLflow creates no tables, and would write pictures to a folder of another name."""
    odd, outbox = tmp_path / os.fsdecode(b"\xbe\xf3"), tmp_path / "outbox"
    runs.rename(odd)
    tracker, said = tracker_of(study_store(odd), outbox)
    tracker.put(began(0))
    tracker.put(scored(0, 0.3))
    tracker.finish()
    assert (
        f"the path of its database {inline(odd)}/mlflow.db is not UTF-8: rename or move" in said[0]
    )
    with pytest.raises(UserInputError, match="cannot be opened: the path of its database"):
        served_files(RunPaths(odd)).__enter__()
    assert set(tmp_path.iterdir()) == {odd, outbox}
    assert [file.name for file in odd.iterdir()] == ["mlflow.db"]
    odd.rename(runs)
    tracker, said = tracker_of(study_store(runs), outbox)
    tracker.finish()
    assert said == []
    assert pictures(opened(runs), opened(runs).runs["t000"]) == [0, 10]
