"""A database with damaged pages, which begins as a whole one does: one sentence, at once."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from driving import make_plan
from searching import run
from typer.testing import CliRunner

import harness.study.storage
from harness.cli.app import app
from harness.cli.machine_checks import stores
from harness.errors import UserInputError
from harness.paths import RunPaths
from harness.search.result import outcome_of
from harness.search.status import status_lines
from harness.study import study as record
from harness.study.database import open_storage, sqlite_url
from reports.export.best_yaml import best_config
from reports.export.trials_table import trials_frame

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A study's database of some dozen pages."""
    folder = tmp_path_factory.mktemp("whole")
    plan = make_plan(folder)
    storage = open_storage(sqlite_url(folder / "optuna.db"))
    study = record.create_study(storage, "fake", plan.setup, plan.recipes)
    study.set_user_attr("baseline", {"noop": 0.2, "warm_start": 0.2, "oracle": 0.9})
    for number in range(12):
        trial = record.ask(study, plan.space, "random", number)
        trial.set_user_attr("params", plan.space.params(trial.params).model_dump())
        trial.set_user_attr("rungs", [{"step": 10, "value": 0.1, "components": {"D": 0.1}}] * 3)
        trial.set_user_attr("components", {"D": 0.1})
        trial.report(0.1, 10)
        study.tell(trial, 0.1 + number / 100)
    storage.engine.dispose()
    return (folder / "optuna.db").read_bytes()


def spoilt(whole: bytes, chance: random.Random) -> bytes:
    """The database with one page changed, or cut off within one."""
    page = PAGE * chance.randrange(len(whole) // PAGE)
    how = chance.choice(["empty", "noise", "letters", "cut"])
    if how == "cut":
        return whole[: page + chance.randrange(PAGE)]
    changed = bytearray(whole)
    if how == "letters":
        for _ in range(20):
            changed[page + chance.randrange(PAGE)] = chance.randrange(256)
    else:
        changed[page : page + PAGE] = bytes(PAGE) if how == "empty" else chance.randbytes(PAGE)
    return bytes(changed)


def read_all(folder: Path) -> None:
    """What status, export and report read."""
    study = record.read_study(folder)
    outcome = outcome_of(study, folder, RunPaths(folder).study("fake"))
    status_lines(study, outcome)
    best_config(study)
    trials_frame(study)


def damaged(whole: bytes, folder: Path, seed: int, times: int) -> Counter[str]:
    """How often a damaged database was read nevertheless, and how often refused as such."""
    chance, seen = random.Random(seed), Counter[str]()
    file = folder / "optuna.db"
    for _ in range(times):
        for left in folder.iterdir():
            left.unlink()
        file.write_bytes(spoilt(whole, chance))
        said = ""
        try:
            read_all(folder)
        except UserInputError as refusal:
            said = str(refusal)
            named = any(place in said for place in (str(file), "no study in", "study fake"))
            seen["unnamed"] += not named or "\n" in said
        seen["refused" if said else "read"] += 1
    return seen


def test_damaged_pages_are_named_and_nothing_waits_for_them(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.study.storage, "PATIENCE", 0.0)  # who waits, fails
    seen = damaged(whole, tmp_path, seed=0, times=25)
    assert seen["refused"] > 15
    assert not seen["unnamed"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_damaged_pages_of_every_kind(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.study.storage, "PATIENCE", 0.0)
    seen = damaged(whole, tmp_path, seed=1, times=1500)
    assert seen["refused"] > 1000
    assert not seen["unnamed"]


@pytest.mark.parametrize("time", ["202Y-11-27 12:20:55.810484", "2026-13-27 12:20:55.810484"])
def test_a_time_that_is_none_is_damage(whole: bytes, tmp_path: Path, time: str) -> None:
    file = tmp_path / "optuna.db"
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE trials SET datetime_start = ?", (time,))
        database.commit()
    with pytest.raises(UserInputError, match="is damaged"):
        read_all(tmp_path)


@pytest.fixture
def broken(whole: bytes, tmp_path: Path) -> Path:
    """A run folder whose studies are listed and whose trials cannot be read."""
    file = tmp_path / "optuna.db"
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'trials'"
        (page,) = database.execute(query).fetchone()
    with file.open("r+b") as pages:
        pages.seek(PAGE * (page - 1))
        pages.write(bytes(PAGE))
    return tmp_path


@pytest.mark.parametrize("command", ["status", "export", "report"])
def test_a_command_that_reads_a_damaged_database_says_so(broken: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, "--run-dir", str(broken)])
    assert isinstance(done.exception, UserInputError)
    assert f"{broken}/optuna.db is damaged (database disk image is malformed)" in str(
        done.exception
    )
    assert "harness doctor" in str(done.exception)
    assert "damaged" not in done.output


@pytest.mark.usefixtures("unmirrored")
def test_a_search_that_goes_on_in_a_damaged_database_says_so(broken: Path) -> None:
    with pytest.raises(UserInputError, match=r"optuna\.db is damaged"):
        run(make_plan(broken))


@pytest.mark.usefixtures("unmirrored")
def test_an_empty_database_is_refused_and_stays(tmp_path: Path) -> None:
    """SQLite takes a file of zero bytes for a new database, and deletes a log beside it."""
    own, shared = tmp_path / "optuna.db", tmp_path / "shared.db"
    for file in (own, shared):
        file.touch()
    log = tmp_path / "optuna.db-wal"
    log.write_bytes(b"changes")
    url = f"sqlite:///{shared}"
    attempts = [
        (own, lambda: record.read_study(tmp_path)),
        (own, lambda: run(make_plan(tmp_path))),
        (shared, lambda: record.read_study(tmp_path, storage=url)),
        (shared, lambda: run(make_plan(tmp_path, storage=url))),
    ]
    for file, attempt in attempts:
        with pytest.raises(UserInputError, match=f"{file} is empty .*restore it from a copy"):
            attempt()
    found = next(iter(stores(RunPaths(tmp_path))))
    assert (found.level, found.message) == ("problem", f"{own}: it is empty (0 bytes)")
    assert own.stat().st_size == shared.stat().st_size == 0
    assert log.read_bytes() == b"changes"


@pytest.mark.parametrize("shared", [False, True])
def test_a_database_never_exists_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """So that a search killed at its beginning goes on."""
    file = tmp_path / "optuna.db"

    def killed(self: Path, target: Path) -> Path:
        assert self.stat().st_size
        assert not file.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            open_storage(f"sqlite:///{file}" if shared else sqlite_url(file))
    assert not list(tmp_path.iterdir())
    open_storage(f"sqlite:///{file}" if shared else sqlite_url(file)).engine.dispose()
    assert file.stat().st_size
