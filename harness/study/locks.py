"""One driver at a time for a study, wherever its record is; one process that makes a database."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from optuna.study import Study
from sqlalchemy import text

from harness.errors import UserInputError
from harness.paths import RunPaths, StudyPaths, lock_beside, write_aside
from harness.study.storage import PatientStorage
from harness.study.study import find_study
from harness.study.urls import sqlite_file

DRIVER = "driver"
DRIVER_BEGAN = "driver_began"


@contextmanager
def only_driver(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the lock of a study's folder; it goes with the process, however that ends.

    Raises:
        UserInputError: another driver holds it (its host and process id are named), or the folder
            cannot be written.
    """
    with named_refusals(paths.folder):
        paths.folder.mkdir(parents=True, exist_ok=True)
    with held(paths.lock, name, lambda: holder(paths)):
        with write_aside(paths.driver) as aside:
            aside.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        yield


@contextmanager
def only_driver_anywhere(database: PatientStorage, name: str) -> Iterator[None]:
    """As `only_driver`, for a database that drivers of several run folders, or machines, share.

    Raises:
        UserInputError: another driver holds the lock; its host and process id are named.
    """
    file = sqlite_file(database.url)
    if database.engine.name == "postgresql":
        # An advisory lock goes with its session, however that ends.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.detach()  # closed at the end, not lent to others with the lock on it
            lock = text("SELECT pg_try_advisory_lock(hashtext(:name))")
            if not session.execute(lock, {"name": f"pix2pix-blur-harness {name}"}).scalar():
                raise searched_already(name, signer(database, name))
            yield
    elif file is not None:
        with held(lock_beside(file, name), name, lambda: signer(database, name)):
            yield
    else:
        yield


@contextmanager
def held(lock: Path, name: str, by: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file of a study. `by` says who has it instead."""
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
    """A folder that takes no lock is a sentence; a lock that is taken is not touched."""
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
    """Record which process drives the study now, for whoever is refused, and for its status."""
    study.set_user_attr(DRIVER, f"process {os.getpid()} on {socket.gethostname()}")
    study.set_user_attr(DRIVER_BEGAN, psutil.Process().create_time())


def driven_by(study: Study) -> str:
    """The process of this machine that drives the study, as its record has it; "" if none does.

    The lock itself is not tried: that could turn away a search that begins at this moment.
    """
    noted = re.fullmatch(r"process (\d+) on (.+)", study.user_attrs.get(DRIVER, ""))
    began = study.user_attrs.get(DRIVER_BEGAN)
    if noted is None or began is None or noted[2] != socket.gethostname():
        return ""
    try:
        # Another start time: a later process that was given the same number.
        alive = abs(psutil.Process(int(noted[1])).create_time() - began) < 1
    except psutil.NoSuchProcess:
        return ""
    return f"process {noted[1]}" if alive else ""


def signer(database: PatientStorage, name: str) -> str:
    """Who drives the study, as its record has it."""
    study = find_study(database, name)
    by: str | None = study.user_attrs.get(DRIVER) if study else None
    return by or "another process"


def holder(paths: StudyPaths) -> str:
    """Who holds the lock of a study's folder."""
    try:
        said = json.loads(paths.driver.read_text())
        return f"process {said['pid']} on {said['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"


@contextmanager
def one_at_a_time(paths: RunPaths) -> Iterator[None]:
    """Let one process at a time make or migrate the databases of a folder.

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
