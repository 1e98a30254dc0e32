"""MLflow's database in a run folder: made whole, checked, and true to where the folder lies now."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from harness.errors import UserInputError
from harness.paths import RunPaths, refusal_to_hold
from harness.study.urls import sqlite_address

# Where MLflow notes absolute locations of files.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def make_database(file: Path) -> None:
    """MLflow's database in a file, whole or not at all: it never mends one that is half made."""
    from harness.tracking.client import quiet_client

    for left in file.parent.glob(f".{file.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    # By a name that was never used: MLflow goes on with what it once opened under a name.
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        aside = Path(folder) / file.name
        quiet_client(sqlite_address(aside))
        with closing(sqlite3.connect(aside)) as made:
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        aside.replace(file)
    with closing(sqlite3.connect(file)) as made:
        made.execute("PRAGMA journal_mode=WAL")  # readers never wait


def located(uri: str, artifacts: Path) -> str:
    """Where a file of the run folder lies now, whose location was noted before the folder moved.

    Args:
        uri: as MLflow noted it; what lay in no run folder is returned as it is.
        artifacts: the run folder's folder for MLflow's files.
    """
    _, found, inside = uri.rpartition(f"/{artifacts.name}")
    if not uri.startswith("file:") or not found or inside[:1] not in ("", "/"):
        return uri
    return artifacts.absolute().as_uri() + inside


def settle(file: Path, artifacts: Path) -> None:
    """Check a run folder's database, and correct the locations in it if the folder was moved.

    Raises:
        sqlite3.Error: it is damaged, or cannot be read or corrected.
    """
    with closing(sqlite3.connect(file, timeout=60)) as database:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(str(found).strip().splitlines()[-1])
        database.create_function("located", 1, partial(located, artifacts=artifacts))
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        for table, column in LOCATIONS:
            moved = f"{table} WHERE {column} IS NOT NULL AND {column} != located({column})"
            # Asked first: an update would wait for whoever writes, and write to the file.
            if table in tables and database.execute(f"SELECT 1 FROM {moved}").fetchone():
                where = moved.partition(" ")[2]
                database.execute(f"UPDATE {table} SET {column} = located({column}) {where}")
        database.commit()


def damaged(file: Path, error: sqlite3.Error) -> str:
    """The sentence on a database that cannot be used."""
    return (
        f"MLflow's database {file} cannot be read ({error}); it was left unchanged: move it away, "
        "or restore it from a copy, and run the same command again."
    )


@contextmanager
def served(paths: RunPaths) -> Iterator[tuple[Path, Path]]:
    """A run folder's database for MLflow's server, and the server's log.

    Where the folder cannot be written, both are in a temporary place: all can be looked at, and
    what is changed in MLflow's pages is gone with it.

    Raises:
        UserInputError: the database is damaged.
    """
    try:
        if not refusal_to_hold(paths.root) and os.access(paths.mlflow_db, os.W_OK):
            with FileLock(paths.opening_lock):
                settle(paths.mlflow_db, paths.mlflow_artifacts)
            yield paths.mlflow_db, paths.mlflow_log
            return
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / paths.mlflow_db.name
            copy_database(paths.mlflow_db, copy)
            settle(copy, paths.mlflow_artifacts)
            print(f"{paths.root} cannot be written: changes that you make in MLflow are lost.")
            yield copy, Path(place) / paths.mlflow_log.name
    except sqlite3.Error as error:
        raise UserInputError(damaged(paths.mlflow_db, error)) from None


def copy_database(file: Path, copy: Path) -> None:
    """A SQLite file as it is now, also of a folder in which SQLite could make no file."""
    log = file.with_name(f"{file.name}-wal")  # without one, nobody writes
    how = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    with (
        closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?{how}", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
