"""Locks: one driver per study, wherever its database is; one process that creates databases."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from optuna.study import Study
from sqlalchemy import text

from harness.errors import UserInputError
from harness.paths import RunPaths, StudyPaths, lock_beside, write_atomically
from harness.study.storage import RetryingStorage
from harness.study.study import find_study
from harness.study.urls import sqlite_file
from reports.record.study import StudyRecord


@contextmanager
def only_driver(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the lock of a study's folder. The system releases it if the process dies.

    Raises:
        UserInputError: another driver holds it (the message names its host and process id), or the
            folder cannot be written.
    """
    with unwritable_as_user_error(paths.folder):
        paths.folder.mkdir(parents=True, exist_ok=True)
    with file_lock(paths.lock, name, lambda: lock_holder(paths)):
        write_atomically(
            paths.driver, json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        )
        yield


@contextmanager
def only_driver_anywhere(database: RetryingStorage, name: str) -> Iterator[None]:
    """Like `only_driver`, for a database that several run folders or machines share.

    Raises:
        UserInputError: another driver holds the lock; the message names its host and process id.
    """
    file = sqlite_file(database.url)
    if database.engine.name == "postgresql":
        with advisory_lock(database, "pg_try_advisory_lock", name) as locked:
            if not locked:
                raise already_searched(name, recorded_driver(database, name))
            yield
    elif file is not None:
        with file_lock(lock_beside(file, name), name, lambda: recorded_driver(database, name)):
            yield
    else:
        yield


@contextmanager
def judgement_lock(study: Study) -> Iterator[None]:
    """Let one command at a time record judgements in the study; wait for another one."""
    database = getattr(study._storage, "_backend", None)
    name = f"{study.study_name} judged"
    if not isinstance(database, RetryingStorage):
        yield
    elif database.engine.name == "postgresql":
        with advisory_lock(database, "pg_advisory_lock", name):
            yield
    elif file := sqlite_file(database.url):
        with FileLock(lock_beside(file, name)):
            yield
    else:
        yield


@contextmanager
def advisory_lock(database: RetryingStorage, function: str, name: str) -> Iterator[Any]:
    """Lock a name with one of PostgreSQL's lock functions, and yield the function's result.

    PostgreSQL releases the lock when the session ends, for whatever reason.
    """
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.detach()  # so that it is closed at the end: in the pool it would keep the lock
        call = text(f"SELECT {function}(hashtext(:name))")
        yield session.execute(call, {"name": f"pix2pix-blur-harness {name}"}).scalar()


@contextmanager
def file_lock(lock: Path, name: str, describe_holder: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file of a study.

    Args:
        describe_holder: names the process that holds the lock, for the error.

    Raises:
        UserInputError: another process holds it, or the folder cannot be written.
    """
    file = FileLock(lock, timeout=0)
    try:
        with unwritable_as_user_error(lock.parent):
            file.acquire()
    except Timeout:
        raise already_searched(name, describe_holder()) from None
    try:
        yield
    finally:
        file.release()


@contextmanager
def unwritable_as_user_error(folder: Path) -> Iterator[None]:
    """Turn an OSError into a UserInputError about the run folder; a lock Timeout passes."""
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        raise UserInputError(
            f"The run folder {folder} cannot be written ({error.strerror}): choose another with "
            "--run-dir DIR."
        ) from None


def already_searched(name: str, driver: str) -> UserInputError:
    return UserInputError(
        f"Study {name} is being searched already, by {driver}: wait for it, stop it, or give this "
        "search a name of its own with --study NAME."
    )


def record_driver(study: Study) -> None:
    """Record this process as the study's driver, for `harness status` and other drivers' errors."""
    StudyRecord.note(
        study,
        driver=f"process {os.getpid()} on {socket.gethostname()}",
        driver_began=psutil.Process().create_time(),
    )


def driven_by(study: Study) -> str:
    """The process on this machine that drives the study, according to its record; "" if none.

    Does not try to take the lock, which could make a search fail that starts at this moment.
    """
    record = StudyRecord.of(study)
    driver, began = re.fullmatch(r"process (\d+) on (.+)", record.driver or ""), record.driver_began
    if driver is None or began is None or driver[2] != socket.gethostname():
        return ""
    try:
        # Process ids are reused: a different start time means another process.
        alive = abs(psutil.Process(int(driver[1])).create_time() - began) < 1
    except psutil.NoSuchProcess:
        return ""
    return f"process {driver[1]}" if alive else ""


def recorded_driver(database: RetryingStorage, name: str) -> str:
    """The driver of the study, according to its record."""
    study = find_study(database, name)
    driver = StudyRecord.of(study).driver if study else None
    return driver or "another process"


def lock_holder(paths: StudyPaths) -> str:
    """The process that holds the lock of a study's folder."""
    try:
        driver = json.loads(paths.driver.read_text())
        return f"process {driver['pid']} on {driver['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"


@contextmanager
def one_at_a_time(paths: RunPaths) -> Iterator[None]:
    """Let one process at a time create or migrate the databases of a folder.

    Raises:
        UserInputError: the folder cannot be written.
    """
    lock = FileLock(paths.opening_lock)
    with unwritable_as_user_error(paths.root):
        paths.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
