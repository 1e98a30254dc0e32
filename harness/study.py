"""The Optuna study, which is the record: opened, continued, counted. Only the driver writes to it.

A trial is asked for once and told once. One that was given up midway (its driver died, or the user
stopped the search) goes back to the queue with its number, its values and its seed.
"""

import json
import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from harness.config import SamplerName
from harness.errors import UserInputError, disk_full
from harness.paths import RunPaths, StudyPaths, write_aside
from harness.sampling import make_sampler
from harness.storage import OnlyWriter, PatientStorage
from search_spaces.space import Space

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""What a budget counts. A failed trial says nothing about its setting and is not counted."""

# What may not change within a study, in the words that a user reads.
FIXED_FACTS = {
    "space": "space",
    "profile": "profile",
    "train": "training settings",
    "data_digest": "data",
    "direction_of_pairs": "direction",
    "weights": "weights",
    "objective": "objective",
    "objectives": "choice of --pareto or not",
    "trainer": "trainer",
    "program": "program that trains",
    "warm_start": "warm start",
    "init_from": "init-from",
    "seed": "seed",
    "sampler": "sampler",
    "pruner": "pruner",
}

DRIVER = "driver"

# Names repeat, in other databases and after a deletion; this does not.
IDENTITY = "identity"

# Written last: a study without it was never finished being made, and holds no trial.
FINISHED_MAKING = "created"


def open_storage(url: str) -> PatientStorage:
    """Optuna's storage at a database URL, made where there is none.

    Raises:
        UserInputError: the database cannot be reached or is none.
    """
    is_sqlite = url.startswith("sqlite")
    arguments = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    try:
        storage = PatientStorage(url, engine_kwargs=arguments)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        raise unopened(url, error) from None
    if is_sqlite:
        # A process that dies loses nothing either way; waiting for the disk costs most of a write.
        def relax(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

        event.listen(storage.engine, "connect", relax)
        storage.engine.dispose()
    return storage


def check_url(url: str) -> None:
    """Refuse the address of a database of a kind that is not known here; opens nothing.

    Raises:
        UserInputError: it is none, or its driver package is missing.
    """
    try:
        make_url(url).get_dialect().import_dbapi()
    except (SQLAlchemyError, ImportError) as error:
        raise unopened(url, error) from None


def unopened(url: str, error: Exception) -> UserInputError:
    what_to_do = (
        "it may be damaged, or no database; harness doctor looks at it."
        if url.startswith("sqlite")
        else "check the address, the server and the driver package."
    )
    return UserInputError(
        f"The study's database {without_password(url)} cannot be opened ({type(error).__name__}): "
        f"{what_to_do}"
    )


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, made with a write-ahead log so that readers never wait.

    Raises:
        UserInputError: what is there is no such file.
    """
    url = f"sqlite:///{file.absolute()}"
    try:
        with closing(sqlite3.connect(file, timeout=60)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        if disk_full(error):
            raise
        raise unopened(url, error) from None
    return url


def reading_url(file: Path) -> str:
    """The URL of a SQLite file that is only read, also where nothing can be written beside it."""
    if not lies_still(file):
        return f"sqlite:///{file.absolute()}"
    return f"sqlite:///file:{quote(str(file.absolute()))}?mode=ro&immutable=1&uri=true"


def lies_still(file: Path) -> bool:
    """Whether a SQLite file is in a folder that cannot be written, with no log beside it.

    SQLite reads one made with a write-ahead log only where it can put, or finds, that log.
    """
    log = file.with_name(f"{file.name}-wal")
    return not os.access(file.parent, os.W_OK) and not log.exists()


def without_password(url: str) -> str:
    """A database or tracking URL as it may be shown."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        scheme, found, rest = url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}" if found else url


def find_study(storage: BaseStorage, name: str) -> Study | None:
    """The study of that name, if the storage has it and its making was finished."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return None
    return study if FINISHED_MAKING in study.user_attrs else None


def open_existing(paths: RunPaths, storage_url: str | None, name: str | None) -> list[Study]:
    """The finished-making studies of a run folder or database, all or the one named.

    Raises:
        UserInputError: there is no such folder, or no such study in it.
    """
    where = without_password(storage_url) if storage_url else str(paths.root)
    if storage_url is None and not paths.optuna_db.exists():
        raise UserInputError(
            f"There is no study in {where}: name the folder of a search with --run-dir DIR, or run "
            "harness search first."
        )
    storage = open_storage(storage_url or reading_url(paths.optuna_db))
    names = optuna.get_all_study_names(storage) if name is None else [name]
    found = [study for each in names if (study := find_study(storage, each)) is not None]
    if name is not None and not found:
        names = optuna.get_all_study_names(storage)
        held = ", ".join(each for each in names if find_study(storage, each)) or "none"
        raise UserInputError(f"There is no study {name} in {where}; its studies are: {held}.")
    return found


def read_study(
    run_dir: Path | str = "runs", name: str | None = None, storage: str | None = None
) -> Study:
    """A study's record, which may be read while the study is searched.

    Args:
        run_dir: the run folder of the search.
        name: the study; may be left out where there is only one.
        storage: the URL of Optuna's database, where it is not the run folder's.

    Raises:
        UserInputError: there is none, or there are several and none is named.
    """
    studies = open_existing(RunPaths(Path(run_dir)), storage, name)
    if not studies:
        raise UserInputError(f"There is no study in {run_dir} yet: run harness search first.")
    if len(studies) > 1:
        names = ", ".join(study.study_name for study in studies)
        raise UserInputError(f"There are several studies ({names}): name one with --study NAME.")
    return studies[0]


def create_study(
    storage: BaseStorage,
    name: str,
    facts: Mapping[str, Any],
    recipes: Mapping[str, Mapping[str, Any]],
) -> Study:
    """Make the study, its facts and its first trials; a half-made one is made anew.

    Args:
        facts: the study's user attributes.
        recipes: values to enqueue, by the recipe's name.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    objectives = facts.get("objectives") or {"score": facts["direction"]}
    directions = list(objectives.values())
    study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    if len(objectives) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(objectives))
    study.set_user_attr(IDENTITY, uuid4().hex)
    for key, value in facts.items():
        if key != FINISHED_MAKING:
            study.set_user_attr(key, value)
    for recipe, values in recipes.items():
        study.enqueue_trial(dict(values), user_attrs={"recipe": recipe})
    study.set_user_attr(FINISHED_MAKING, facts[FINISHED_MAKING])
    return study


def identity_of(study: Study) -> str:
    """32 hex digits that no other study has; a study of an earlier version gets its own now."""
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, uuid4().hex)
    identity: str = study.user_attrs[IDENTITY]
    return identity


def enqueue_earlier(study: Study, earlier: Mapping[str, Mapping[str, Any]]) -> None:
    """Queue earlier results, after what waits already; one that the study has is left out.

    Args:
        earlier: values by the name of where they were found.
    """
    for name, values in earlier.items():
        study.enqueue_trial(dict(values), {"enqueued": name}, skip_if_exists=True)


def check_same(study: Study, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with a study that was made with something else.

    Raises:
        UserInputError: what differs, in one sentence.
    """
    made, wanted = fixed_facts(study.user_attrs), fixed_facts(facts)
    differing = [
        f"{words} ({shown(made[key])}, now {shown(wanted[key])})"
        for key, words in FIXED_FACTS.items()
        if made[key] != wanted[key]
    ]
    if differing:
        raise UserInputError(
            f"Study {study.study_name} was made with another {', '.join(differing)}: go on with "
            "what it was made with, or give the new search a name of its own with --study NAME."
        )


def fixed_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that must stay, with the data's own taken out of its entry."""
    data = facts["data"]
    flat = {**facts, "data_digest": data["digest"], "direction_of_pairs": data["direction"]}
    return {key: json.loads(json.dumps(flat.get(key))) for key in FIXED_FACTS}


def shown(fact: Any) -> str:
    """A fact in a few letters: long ones differ somewhere, and are named rather than printed."""
    text = str(fact)
    if len(text) == 64 and text.isalnum():
        return text[:12]
    return text if len(text) <= 40 else "of other content"


def put_back(study: Study, trial: FrozenTrial | Trial) -> None:
    """Return a trial that nobody runs any more to the head of the queue."""
    storage = study._storage
    storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)


def ask(study: Study, space: Space, sampler: SamplerName, seed: int) -> Trial:
    """The next trial: the first that waits, else a new one from the sampler."""
    number = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(sampler, seed, number, flat=not space.conditional)
    trial = study.ask()
    space.suggest(trial)
    return trial


def write_down(study: Study) -> None:
    """What a worker is about to be given is in the database, where a later driver finds it."""
    if isinstance(study._storage, OnlyWriter):
        study._storage.flush()


def running(study: Study) -> list[FrozenTrial]:
    """Trials that the record says are being run."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def counted(study: Study) -> int:
    """Trials that a budget counts."""
    return len(study.get_trials(deepcopy=False, states=COUNTED))


@contextmanager
def only_driver(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the study's lock; it goes with the process, however that ends.

    Raises:
        UserInputError: another driver holds it (its host and process id are named), or the folder
            cannot be written.
    """
    lock = FileLock(paths.lock, timeout=0)
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserInputError(
            f"Study {name} is being searched already, by {holder(paths)}: wait for it, stop it, or "
            "give this search a name of its own with --study NAME."
        ) from None
    except OSError as error:
        raise UserInputError(
            f"The run folder {paths.folder} cannot be written ({error.strerror}): choose another "
            "with --run-dir DIR."
        ) from None
    try:
        with write_aside(paths.driver) as aside:
            aside.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        yield
    finally:
        lock.release()


@contextmanager
def only_driver_anywhere(storage: OnlyWriter, name: str) -> Iterator[None]:
    """As `only_driver`, for a database that machines share; does nothing for a SQLite file.

    PostgreSQL's advisory lock goes with its session, however that ends.

    Raises:
        UserInputError: another driver holds it; its host and process id are named.
    """
    engine = storage.database.engine
    if engine.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.detach()  # closed at the end, not lent to others with the lock on it
        lock = text("SELECT pg_try_advisory_lock(hashtext(:name))")
        if not session.execute(lock, {"name": f"pix2pix-blur-harness {name}"}).scalar():
            study = find_study(storage, name)
            by = study.user_attrs.get(DRIVER) if study else None
            raise UserInputError(
                f"Study {name} is being searched already, by {by or 'another process'}: wait for "
                "it, stop it, or give this search a name of its own with --study NAME."
            )
        yield


def sign(study: Study) -> None:
    """Note who drives the study now, for whoever is refused."""
    study.set_user_attr(DRIVER, f"process {os.getpid()} on {socket.gethostname()}")


@contextmanager
def one_at_a_time(paths: RunPaths) -> Iterator[None]:
    """Let one process at a time make or migrate a run folder's databases."""
    with FileLock(paths.opening_lock):
        yield


def holder(paths: StudyPaths) -> str:
    """Who holds the lock, for a message."""
    try:
        said = json.loads(paths.driver.read_text())
        return f"process {said['pid']} on {said['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"
