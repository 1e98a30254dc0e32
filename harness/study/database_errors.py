"""What an error of the study's database means: it is away for a while, or it is damaged."""

import json
import sqlite3

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from harness.errors import UserInputError, disk_full
from harness.study.urls import without_secrets


def is_away(error: StorageInternalError) -> bool:
    """Whether a database refused because it is restarting or locked, not because of what was asked.

    A full disk and a missing table do not mend themselves.
    """
    cause = error.__cause__
    if not isinstance(cause, OperationalError | InterfaceError) or disk_full(error):
        return False
    if isinstance(cause.orig, sqlite3.Error):
        return code_of(cause).startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR"))
    return True


def code_of(error: DBAPIError) -> str:
    """SQLite's own name of an error; "" of any other."""
    return getattr(error.orig, "sqlite_errorname", "")


def is_damage(error: BaseException) -> bool:
    """Whether what was read cannot be what was written."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and isinstance(cause.orig, sqlite3.Error):
        lost = ("no such table", "no such column", "Could not decode")
        return code_of(cause).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or any(
            words in str(cause.orig) for words in lost
        )
    # A text that is no JSON, and a state that there is not.
    return isinstance(cause, json.JSONDecodeError) or type(cause) is LookupError


def damaged(url: str, error: Exception) -> UserInputError:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    reason = " ".join(str(cause.orig if isinstance(cause, DBAPIError) else cause).split())
    return UserInputError(
        f"The study's database {without_secrets(url)} is damaged ({reason}): "
        "restore it from a copy, or move it away and search again; harness doctor checks it."
    )
