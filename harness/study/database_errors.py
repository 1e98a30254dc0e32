"""Classify errors of the study's database: temporarily unavailable, or damaged."""

import json
import sqlite3
import traceback

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from harness.errors import UserInputError, disk_full
from harness.study.urls import without_secrets


def is_unavailable(error: StorageInternalError) -> bool:
    """Whether the database is temporarily unavailable (restarting, locked), so a retry may succeed.

    False for a full disk or a missing table.
    """
    cause = error.__cause__
    if not isinstance(cause, OperationalError | InterfaceError) or disk_full(error):
        return False
    if isinstance(cause.orig, sqlite3.Error):
        return code_of(cause).startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR"))
    return True


def code_of(error: DBAPIError) -> str:
    """SQLite's name of an error; "" for other databases."""
    return getattr(error.orig, "sqlite_errorname", "")


def is_damage(error: BaseException) -> bool:
    """Whether the error means that the stored data is corrupt."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and isinstance(cause.orig, sqlite3.Error):
        signs = ("no such table", "no such column", "Could not decode")
        return code_of(cause).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or any(
            words in str(cause.orig) for words in signs
        )
    # An invalid time, text that is not JSON, or an unknown trial state.
    frames = traceback.extract_tb(cause.__traceback__) if cause else None
    bad_time = type(cause) is ValueError and frames and "sqlalchemy" in frames[-1].filename
    return bool(bad_time) or isinstance(cause, json.JSONDecodeError) or type(cause) is LookupError


def damage_error(url: str, error: Exception) -> UserInputError:
    """The error for a damaged database, with what to do about it."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    reason = " ".join(str(cause.orig if isinstance(cause, DBAPIError) else cause).split())
    return UserInputError(
        f"The study's database {without_secrets(url)} is damaged ({reason}): "
        "restore it from a copy, or move it away and search again; harness doctor checks it."
    )
