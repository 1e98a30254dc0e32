"""Addresses of databases: understood, shown without their secrets, refused for what they are."""

import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from driving import make_plan
from optuna.storages import RDBStorage
from searching import run
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

import harness.study.database
from harness.cli.app import app, fault
from harness.cli.machine_checks import stores
from harness.errors import UserInputError
from harness.paths import RunPaths
from harness.search.result import as_lines
from harness.search.search import logging_to
from harness.study import study as record
from harness.study.database import (
    check_url,
    open_error,
    open_storage,
    reading_url,
    sqlite_url,
    with_driver,
)
from harness.study.urls import scrubbed, sqlite_file, without_secrets

SECRETS = [
    "postgresql://me:s3cret@host/db",
    "postgresql://me:s3/cr@t-s3cret@host:5432/db",
    "postgresql://me:s3?s3cret@host/db",
    "postgresql://host:5432/db?user=me&password=s3cret",
    "postgresql://host/db?user=me&PassWord=s3cret&sslmode=require",
    "postgresql://host/db?pass%77ord=s3cret",
    "postgresql://host:5432/db?password=s3cret@x",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Ds3cret",
    "https://me:s3cret@host/mlflow",
    "https://s3cret@host/mlflow",
    "https://host/mlflow?token=s3cret",
    "https://host/mlflow?s3cret",
    "https://host/mlflow#access_token=s3cret",
]


@pytest.mark.parametrize("url", SECRETS)
def test_no_secret_of_an_address_is_shown(url: str) -> None:
    assert "s3cret" not in without_secrets(url)
    assert without_secrets(url).startswith(url.partition("://")[0] + "://")
    said = scrubbed(f"(psycopg.OperationalError) {url} refused\n  File 'x' {url!r}")
    assert "s3cret" not in said
    assert said.startswith("(psycopg.OperationalError) ")
    assert " refused\n  File 'x' '" in said


def test_no_secret_reaches_the_log_or_the_report_of_a_fault(tmp_path: Path) -> None:
    log, url = tmp_path / "driver.log", "postgresql://me:s3cret@host/db?password=s3cret"
    try:
        raise RuntimeError(f"{url} refused")
    except RuntimeError as error:
        with logging_to(log):
            logging.getLogger("harness.x").warning("no answer of %s", url, exc_info=True)
        report = Path(fault(error).partition("the report is in ")[2].partition(";")[0])
    for file in (log, report):
        said = file.read_text(encoding="utf-8")
        assert "RuntimeError: postgresql://me:***@host/db?password=*** refused" in said
        assert "s3cret" not in said
    report.unlink()


def test_a_path_that_is_not_utf8_reaches_the_log_escaped(tmp_path: Path) -> None:
    log = tmp_path / "driver.log"
    with logging_to(log):
        handlers = logging.getLogger("harness").handlers
        (handler,) = (one for one in handlers if isinstance(one, logging.FileHandler))
        handler.handle(logging.makeLogRecord({"msg": os.fsdecode(b"no answer of \xbe\xf3")}))
    assert log.read_text(encoding="utf-8").endswith(r"no answer of \udcbe\udcf3" + "\n")


def test_the_log_is_the_callers_again_after_a_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("harness")
    before = logger.level, logger.propagate
    with logging_to(tmp_path / "driver.log"):
        logger.info("to the file")
    assert (logger.level, logger.propagate) == before
    logger.warning("to the caller")
    assert caplog.messages == ["to the caller"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////home/me@work/a:b#c.db",
        "sqlite:///file:/home/me@work/x.db?mode=ro&immutable=1&uri=true",
        "postgresql+psycopg://bob@host:5432/db?sslmode=require",
        "https://mlflow.example:5000/path",
        "no address at all",
    ],
)
def test_what_is_no_secret_is_shown(url: str) -> None:
    assert without_secrets(url) == url


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///a.db", "a.db"),
        ("sqlite+pysqlite:////tmp/a b.db?timeout=3", "/tmp/a b.db"),
        ("sqlite:///file:/tmp/a%20b.db?mode=ro&uri=true", "/tmp/a b.db"),
        ("sqlite:///file:///tmp/a.db?uri=true", "/tmp/a.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://host/a.db", None),
    ],
)
def test_the_file_of_an_address(url: str, file: str | None) -> None:
    assert sqlite_file(url) == (file and Path(file))


@pytest.mark.parametrize("given", ["postgres", "postgresql"])
@pytest.mark.parametrize(
    ("there", "driver"),
    [({"psycopg"}, "psycopg"), ({"psycopg2"}, "psycopg2"), (set(), "psycopg")],
)
def test_postgres_is_postgresql_by_the_driver_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, given: str, there: set[str], driver: str
) -> None:
    monkeypatch.setattr(harness.study.database, "find_spec", lambda name: name in there or None)
    url = make_url(with_driver(f"{given}://me:pw@host/db"))
    assert (url.get_backend_name(), url.get_driver_name()) == ("postgresql", driver)
    assert with_driver("postgresql+asyncpg://host/db") == "postgresql+asyncpg://host/db"


def test_a_missing_driver_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.study.database, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        UserInputError, match=r"cannot be opened .*the driver package psycopg"
    ) as no:
        check_url("postgres://me:s3cret@host/db?password=s3cret")
    assert "s3cret" not in str(no.value)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('port 5432 failed: FATAL:  database "x" does not exist\n', 'database "x" does not exist'),
        ("failed to resolve host 'half@host'", "OperationalError"),  # of the password pa@half
    ],
)
def test_what_the_server_answered_is_said_without_the_password(said: str, reason: str) -> None:
    error = open_error("postgres://me:pa@half@host/x", OperationalError("", None, Exception(said)))
    assert f"postgres://me:***@host/x cannot be opened ({reason}): " in str(error)


@pytest.mark.usefixtures("unmirrored")
def test_the_next_commands_name_the_database_without_its_secrets(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/my studies.db?timeout=60"
    outcome = run(make_plan(tmp_path / "runs", budget=1, storage=url))
    assert f"--storage '{url}'" in "\n".join(as_lines(outcome))
    words = ["--run-dir", str(tmp_path / "runs"), "--storage", url]
    done = CliRunner().invoke(app, ["export", "--format", "command", *words])
    assert done.exit_code == 0
    shown = CliRunner().invoke(app, ["status", *words])
    assert f"--storage '{url}'" in shown.output
    plain = as_lines(run(make_plan(tmp_path / "own", budget=1)))
    assert not any("--storage" in line for line in plain)


@pytest.mark.parametrize("command", ["status", "export", "report"])
def test_what_only_reads_makes_no_database_and_no_tables(tmp_path: Path, command: str) -> None:
    mistyped, foreign = tmp_path / "mistyped.db", tmp_path / "mine.db"
    with closing(sqlite3.connect(foreign)) as mine:
        mine.execute("CREATE TABLE pictures (name TEXT)")
    before = foreign.read_bytes()
    for file in (mistyped, foreign):
        words = [command, "--storage", f"sqlite:///{file}", "--run-dir", str(tmp_path / "runs")]
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, UserInputError)
        assert f"no study in sqlite:///{file}" in str(done.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.db"]
    assert foreign.read_bytes() == before


@pytest.mark.parametrize(
    ("revision", "advice"),
    [("v2.6.0.a", "run optuna storage upgrade --storage"), ("v9.9.0", "pip install --upgrade opt")],
)
def test_the_tables_of_another_optuna_are_called_so(
    tmp_path: Path, revision: str, advice: str
) -> None:
    file = tmp_path / "optuna.db"
    RDBStorage(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.execute("UPDATE version_info SET library_version = '1.2.3'")
        database.commit()
    for opening in (
        lambda: open_storage(sqlite_url(file)),
        lambda: record.open_existing(RunPaths(tmp_path), None),
    ):
        with pytest.raises(UserInputError, match=r"tables of Optuna 1\.2\.3, and this") as refused:
            opening()
        assert optuna.__version__ in str(refused.value)
        assert advice in str(refused.value)
        assert "damaged" not in str(refused.value)
    found = next(iter(stores(RunPaths(tmp_path))))
    assert found.level == "problem"
    assert advice in found.fix
    assert "move the file away" not in found.fix


ODD = {"no UTF-8": os.fsdecode(b"\xbe\xf3"), "escapes": "50%41 off{0}#1", "question": "why?"}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_a_database_is_found_by_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    plan, file = make_plan(folder), folder / "optuna.db"
    storage = open_storage(sqlite_url(file))
    record.create_study(storage, "fake", plan.setup, plan.recipes)
    storage.engine.dispose()
    access = os.access
    with monkeypatch.context() as unwritable:
        # As root a test may write everywhere: the folder is only said to be read-only.
        unwritable.setattr("os.access", lambda at, mode: Path(at) != folder and access(at, mode))
        assert "immutable" in reading_url(file)
        assert sqlite_file(reading_url(file)) == file
        assert len(record.read_study(folder).trials) == len(plan.recipes)
    assert sqlite_file(reading_url(file)) == file
    assert len(record.read_study(folder).trials) == len(plan.recipes)
    assert list(tmp_path.iterdir()) == [folder]
