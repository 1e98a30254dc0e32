"""Open Optuna's database for writing or read-only, and validate its URL."""

import os
import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna import __version__ as optuna_version
from optuna.exceptions import StorageInternalError
from sqlalchemy import create_engine, event, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import UserInputError, disk_full
from harness.paths import replace_atomically
from harness.study.storage import RetryingStorage
from harness.study.urls import sqlite_address, sqlite_file, static_address, without_secrets

OPEN_ERRORS = (
    SQLAlchemyError, StorageInternalError, sqlite3.Error, ImportError, ValueError, RuntimeError,
)  # fmt: skip
WAL = "PRAGMA journal_mode=WAL"


class OtherSchemaError(UserInputError):
    """The database is intact, but has the schema of another version of Optuna."""


def open_storage(url: str, make_tables: bool = True) -> RetryingStorage:
    """Optuna's storage at a database URL, created if it does not exist.

    Raises:
        UserInputError: the database cannot be reached, is empty, or is not a database.
    """
    url = with_driver(url)
    file = sqlite_file(url)
    if file is not None:
        refuse_empty(file)
    try:
        if make_tables and file is not None and file.parent.is_dir() and not file.exists():
            create(file, "VACUUM")
        storage = RetryingStorage(
            url, engine_kwargs=engine_arguments(url), skip_table_creation=not make_tables
        )
    except OPEN_ERRORS as error:
        if disk_full(error):
            raise
        raise open_error(url, error) from None
    if url.startswith("sqlite"):
        # Still safe if a process dies; syncing to disk would take most of the time of a write.
        def sync_less(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

        event.listen(storage.engine, "connect", sync_less)
        storage.engine.dispose()
    return storage


def open_to_read(url: str) -> RetryingStorage | None:
    """Optuna's storage at a database URL, without creating anything; None if it does not exist.

    Raises:
        UserInputError: the database cannot be reached, is empty, or is not a database.
    """
    url = with_driver(url)
    file = sqlite_file(url)
    if file is not None:
        refuse_empty(file)
        if not file.exists():
            return None
    try:
        engine = create_engine(url, **engine_arguments(url))
        try:
            has_studies = inspect(engine).has_table("studies")
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise open_error(url, error) from None
    return open_storage(url, make_tables=False) if has_studies else None


def engine_arguments(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 60}}
    return {"pool_pre_ping": True}


def with_driver(url: str) -> str:
    """The URL for SQLAlchemy: `postgres://` and `postgresql://` get the installed driver."""
    scheme, found, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        installed = [name for name in ("psycopg", "psycopg2") if find_spec(name)]
        scheme = f"postgresql+{(installed or ['psycopg'])[0]}"
    return f"{scheme}{found}{rest}"


def check_url(url: str) -> None:
    """Reject a URL of an unknown kind of database. Opens nothing.

    Raises:
        UserInputError: it is not a database URL, or its driver package is missing.
    """
    url = with_driver(url)
    try:
        make_url(url).get_dialect().import_dbapi()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise open_error(url, error) from None


def open_error(url: str, error: Exception) -> UserInputError:
    """The error for a database that cannot be opened, with what to do about it."""
    shown = without_secrets(url)
    if made_by := re.search(r"table schema \(set up by optuna ([^)]+)\)", str(error)):
        what_to_do = (
            f"make a copy of it and run optuna storage upgrade --storage '{shown}'"
            if "storage upgrade" in str(error)
            else "use that version or a newer one: pip install --upgrade optuna"
        )
        return OtherSchemaError(
            f"The study's database {shown} has the tables of Optuna {made_by[1]}, and this is "
            f"Optuna {optuna_version}: {what_to_do}."
        )
    what_to_do = "check the address, the server and the driver package."
    file = sqlite_file(url)
    if file is not None and not file.parent.is_dir():
        what_to_do = f"there is no folder {file.parent}."
    elif url.startswith("sqlite"):
        what_to_do = "it may be damaged, or no database; harness doctor looks at it."
    elif isinstance(error, ModuleNotFoundError):
        what_to_do = (
            f"install the driver package {error.name}, or name another driver in the address."
        )
    # Show only the server's answer: the driver's other texts may contain part of the password.
    answer = re.search(r"FATAL: +([^\n]+)", str(error))
    reason = answer[1] if answer else type(error).__name__
    return UserInputError(f"The study's database {shown} cannot be opened ({reason}): {what_to_do}")


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, created with a write-ahead log so that readers never wait.

    Raises:
        UserInputError: the file is empty, or is not an SQLite database.
    """
    url = sqlite_address(file)
    refuse_empty(file)
    try:
        if not file.exists():
            create(file, WAL)
        with closing(sqlite3.connect(file, timeout=60)) as connection:
            connection.execute(WAL)
    except sqlite3.DatabaseError as error:
        if disk_full(error):
            raise
        raise open_error(url, error) from None
    return url


def create(file: Path, statement: str) -> None:
    """Create a SQLite file atomically, with a statement that writes its first page.

    No other process ever sees an empty file.
    """
    with replace_atomically(file) as aside, closing(sqlite3.connect(aside)) as connection:
        connection.execute(statement)


def refuse_empty(file: Path) -> None:
    """Reject a SQLite file of zero bytes: no study leaves one, and SQLite would start it afresh.

    Raises:
        UserInputError: it is empty.
    """
    if file.is_file() and not file.stat().st_size:
        raise UserInputError(
            f"The study's database {file} is empty (0 bytes), so its studies are lost, as after an "
            "interrupted copy or on a full disk: restore it from a copy, or delete it to search "
            "anew."
        )


def reading_url(file: Path) -> str:
    """The URL for reading a SQLite file, even in a read-only folder."""
    return static_address(file) if is_static(file) else sqlite_address(file)


def is_static(file: Path) -> bool:
    """Whether a SQLite file is in a read-only folder, without its write-ahead log.

    SQLite reads a file in WAL mode only if that log exists or can be created.
    """
    log = file.with_name(f"{file.name}-wal")
    return not os.access(file.parent, os.W_OK) and not log.exists()
