"""Locks: one driver per study, wherever its database is; one process that creates a database."""

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
from harness.study.storage import PatientStorage
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
    with named_refusals(paths.folder):
        paths.folder.mkdir(parents=True, exist_ok=True)
    with file_lock(paths.lock, name, lambda: holder(paths)):
        owner = {"host": socket.gethostname(), "pid": os.getpid()}
        write_atomically(paths.driver, json.dumps(owner))
        yield


@contextmanager
def only_driver_anywhere(database: PatientStorage, name: str) -> Iterator[None]:
    """Like `only_driver`, for a database that several run folders or machines share.

    Raises:
        UserInputError: another driver holds the lock; the message names its host and process id.
    """
    file = sqlite_file(database.url)
    if database.engine.name == "postgresql":
        with advisory_lock(database, "pg_try_advisory_lock", name) as locked:
            if not locked:
                raise searched_already(name, signer(database, name))
            yield
    elif file is not None:
        with file_lock(lock_beside(file, name), name, lambda: signer(database, name)):
            yield
    else:
        yield


@contextmanager
def only_judge(study: Study) -> Iterator[None]:
    """Wait for another command that notes a judgement in the study, then lock it out."""
    database = getattr(study._storage, "_backend", None)
    name = f"{study.study_name} judged"
    if not isinstance(database, PatientStorage):
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
def advisory_lock(database: PatientStorage, function: str, name: str) -> Iterator[Any]:
    """Lock a name by a function of PostgreSQL, whose result is yielded.

    PostgreSQL releases the lock when its session ends, for whatever reason.
    """
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.detach()  # close it at the end: in the pool it would keep the lock
        call = text(f"SELECT {function}(hashtext(:name))")
        yield session.execute(call, {"name": f"pix2pix-blur-harness {name}"}).scalar()


@contextmanager
def file_lock(lock: Path, name: str, by: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file of a study. `by` returns the name of another holder, for the error."""
    file = FileLock(lock, timeout=0)
    try:
        with named_refusals(lock.parent):
            file.acquire()
    except Timeout:
        raise searched_already(name, by()) from None
    try:
        yield
    finally:
        file.release()


@contextmanager
def named_refusals(folder: Path) -> Iterator[None]:
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


def searched_already(name: str, by: str) -> UserInputError:
    return UserInputError(
        f"Study {name} is being searched already, by {by}: wait for it, stop it, or give this "
        "search a name of its own with --study NAME."
    )


def sign(study: Study) -> None:
    """Record this process as the study's driver, for its status and for other drivers' errors."""
    StudyRecord.note(
        study,
        driver=f"process {os.getpid()} on {socket.gethostname()}",
        driver_began=psutil.Process().create_time(),
    )


def driven_by(study: Study) -> str:
    """The process of this machine that drives the study, according to its record; "" if none.

    Does not try the lock, which could make a search fail that starts at this moment.
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


def signer(database: PatientStorage, name: str) -> str:
    """The driver of the study, according to its record."""
    study = find_study(database, name)
    by = StudyRecord.of(study).driver if study else None
    return by or "another process"


def holder(paths: StudyPaths) -> str:
    """The holder of the lock of a study's folder."""
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
    with named_refusals(paths.root):
        paths.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
