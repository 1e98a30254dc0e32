"""MLflow's SQLite database in a run folder: creation, integrity check, paths after a move."""

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

from harness.errors import UserInputError, inline
from harness.paths import RunPaths, why_not_writable
from harness.study.urls import sqlite_address

# The columns in which MLflow stores absolute file locations.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def make_database(file: Path) -> None:
    """Create MLflow's database atomically: MLflow does not repair a partly created one."""
    from harness.tracking.client import quiet_client

    for left in file.parent.glob(f".{file.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    # The temporary path must never have been used before: MLflow caches engines by path.
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        aside = Path(folder) / file.name
        quiet_client(sqlite_address(aside))
        with closing(sqlite3.connect(aside)) as made:
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        aside.replace(file)
    with closing(sqlite3.connect(file)) as made:
        made.execute("PRAGMA journal_mode=WAL")  # readers never wait


def relocated(uri: str, artifacts: Path) -> str:
    """The current URI of an artifact whose URI was stored before the run folder was moved.

    Args:
        uri: as MLflow stored it; returned unchanged if it is not in a run folder.
        artifacts: the run folder's artifact folder.
    """
    _, separator, inside = uri.rpartition(f"/{artifacts.name}")
    if not uri.startswith("file:") or not separator or inside[:1] not in ("", "/"):
        return uri
    return artifacts.absolute().as_uri() + inside


def check_and_relocate(file: Path, artifacts: Path) -> None:
    """Check a run folder's database and update the file locations in it if the folder was moved.

    Raises:
        sqlite3.Error: it is damaged, or cannot be read or updated.
    """
    if not file.stat().st_size:
        raise sqlite3.DatabaseError("it is empty")  # MLflow would start it afresh
    with closing(sqlite3.connect(file, timeout=60)) as database:
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict).strip().splitlines()[-1])
        database.create_function("relocated", 1, partial(relocated, artifacts=artifacts))
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        for table, column in LOCATIONS:
            moved = f"{table} WHERE {column} IS NOT NULL AND {column} != relocated({column})"
            # SELECT first: an UPDATE would wait for other writers and touch the file.
            if table in tables and database.execute(f"SELECT 1 FROM {moved}").fetchone():
                where = moved.partition(" ")[2]
                database.execute(f"UPDATE {table} SET {column} = relocated({column}) {where}")
        database.commit()


def not_utf8(file: Path) -> str:
    """Why MLflow cannot use a database at this path; "" if it can.

    In a path that is not UTF-8 it creates no tables, and writes artifacts to another path.
    """
    try:
        str(file.absolute()).encode()
    except UnicodeEncodeError:
        return (
            f"the path of its database {inline(file)} is not UTF-8: rename or move the run folder"
        )
    return ""


def damage_message(file: Path, error: sqlite3.Error) -> str:
    """The error message for a database that cannot be used."""
    return (
        f"MLflow's database {inline(file)} cannot be read ({error}); it was left unchanged: move "
        "it away, or restore it from a copy, and run the same command again."
    )


@contextmanager
def served_files(paths: RunPaths) -> Iterator[tuple[Path, Path]]:
    """The database and log file for MLflow's server on a run folder.

    If the folder is read-only, both are temporary: everything can be viewed, but changes made in
    MLflow's pages are lost.

    Raises:
        UserInputError: the database is damaged, or its path is not UTF-8.
    """
    if why := not_utf8(paths.mlflow_db):
        raise UserInputError(f"MLflow cannot be opened: {why}.")
    try:
        if not why_not_writable(paths.root) and os.access(paths.mlflow_db, os.W_OK):
            with FileLock(paths.opening_lock):
                check_and_relocate(paths.mlflow_db, paths.mlflow_artifacts)
            yield paths.mlflow_db, paths.mlflow_log
            return
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / paths.mlflow_db.name
            copy_database(paths.mlflow_db, copy)
            check_and_relocate(copy, paths.mlflow_artifacts)
            print(f"{paths.root} cannot be written: changes that you make in MLflow are lost.")
            yield copy, Path(place) / paths.mlflow_log.name
    except sqlite3.Error as error:
        raise UserInputError(damage_message(paths.mlflow_db, error)) from None


def copy_database(file: Path, copy: Path) -> None:
    """Copy a SQLite file in its current state, even from a folder that is read-only."""
    log = file.with_name(f"{file.name}-wal")  # without it, there is no writer
    query = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    with (
        closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?{query}", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
