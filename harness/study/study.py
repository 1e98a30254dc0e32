"""Open, create and continue the Optuna study, the record of a search. Only the driver writes to it.

Each trial is asked and told once. An interrupted trial (the driver died, or the user stopped the
search) returns to the queue with its number, parameters and seed.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.config.settings import SamplerName
from harness.errors import UserInputError, inline
from harness.paths import RunPaths
from harness.study.database import open_to_read, reading_url
from harness.study.fixed_facts import FIXED_FACTS, PAIR_FACTS, difference, fixed_facts
from harness.study.samplers import make_sampler
from harness.study.storage import RetryingStorage, SingleWriterStorage
from harness.study.urls import without_secrets
from reports.record.format import VERSION, RecordError
from reports.record.migrations import NewerRecordError
from reports.record.names import COMPARED
from reports.record.study import (
    CREATION_FINISHED,
    Direction,
    RunsRecord,
    StudyRecord,
    StudySetup,
    check_record,
    check_runs,
    is_incomplete,
    is_ours,
    is_runs_record,
)
from reports.record.trial import TrialRecord
from search_spaces.space import Space

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""States that count towards the budget. A failed trial has no result and is not counted."""

# Suffix of the name of the finalists' record.
FINALISTS = " (finalists)"


class NewerStudyError(UserInputError):
    """The record of a study is intact, but a newer version of this program wrote it."""


def load_study(storage: BaseStorage, name: str) -> Study | None:
    """The study of that name, whatever program created it; None if there is none."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return None


def find_study(storage: BaseStorage, name: str) -> Study | None:
    """The study of that name, if it is one of ours and completely created; else None."""
    study = load_study(storage, name)
    return study if study is not None and is_ours(study) else None


def validated(study: Study) -> Study:
    """The study, if its whole record is valid, including that of its finalists' runs.

    Raises:
        NewerStudyError: a newer version wrote the record.
        UserInputError: the record is invalid; the message names what is wrong.
    """
    try:
        check_record(study)
        finals = finals_of(study)
        if finals is not None:
            check_runs(finals)
    except NewerRecordError as error:
        raise NewerStudyError(str(error)) from error
    except RecordError as error:
        raise UserInputError(str(error)) from error
    return study


def open_existing(
    paths: RunPaths, storage_url: str | None, name: str | None = None
) -> tuple[list[Study], dict[str, UserInputError]]:
    """The completely created studies of a run folder or database: all, or the one named.

    Returns:
        The studies, and the names of those whose records cannot be read, with the reasons.

    Raises:
        UserInputError: there is no such folder or database, or no such study in it.
    """
    where = without_secrets(storage_url) if storage_url else str(paths.root)
    if not storage_url and not paths.root.exists():
        raise UserInputError(
            f"There is no folder {inline(paths.root)}: name the folder of a search with --run-dir "
            "DIR, or run harness search first."
        )
    storage = open_to_read(storage_url or reading_url(paths.optuna_db))
    if storage is None:
        place = "" if storage_url else "its folder with --run-dir DIR, or "
        raise UserInputError(
            f"There is no study in {where}: to read another search name {place}its database with "
            "--storage URL, or run harness search first."
        )
    found, unreadable = [], {}
    for each in optuna.get_all_study_names(storage) if name is None else [name]:
        try:
            if study := find_study(storage, each):
                found.append(validated(study))
        except UserInputError as error:
            unreadable[each] = error
    if name is not None and not found and not unreadable:
        names = optuna.get_all_study_names(storage)
        listed = ", ".join(each for each in names if find_study(storage, each)) or "none"
        raise UserInputError(f"There is no study {name} in {where}; its studies are: {listed}.")
    return found, unreadable


def read_study(
    run_dir: Path | str = "runs", name: str | None = None, storage: str | None = None
) -> Study:
    """A study's record; a search may be running.

    Args:
        run_dir: the run folder of the search.
        name: the study; may be omitted if there is only one, or one search among comparisons.
        storage: the URL of Optuna's database, if it is not in the run folder.

    Raises:
        UserInputError: there is no such study, its record cannot be read, or there are several and
            `name` is None.
    """
    studies, unreadable = open_existing(RunPaths(Path(run_dir)), storage, name)
    names = [*(study.study_name for study in studies), *unreadable]
    if not names:
        raise UserInputError(f"There is no study in {run_dir} yet: run harness search first.")
    if len(names) > 1:
        searches = [
            study for study in studies if StudyRecord.of(study).setup.space_name != COMPARED
        ]
        if len(searches) == 1 and not unreadable:
            return searches[0]
        raise UserInputError(
            f"There are several studies ({', '.join(names)}): name one with --study NAME."
        )
    for error in unreadable.values():
        raise error
    return studies[0]


def check_name(storage: BaseStorage, name: str, finalists: bool) -> None:
    """Reject a name that another program's study has.

    Args:
        finalists: whether the study will also have a record of its finalists.

    Raises:
        UserInputError: another program's study has the name, or the name of the finalists' record.
    """
    study = load_study(storage, name)
    if study is None and name.endswith(FINALISTS):
        raise UserInputError(
            f"The study name {name} is reserved: names that end in {FINALISTS.strip()} are for the "
            "records of finalists; choose another with --study NAME."
        )
    ours = study is None or is_ours(study)
    if study is not None and not ours and not is_incomplete(study):
        raise foreign_study(name)
    own_finals = finals_of(study) if study is not None and ours else None
    if finalists and own_finals is None and load_study(storage, name + FINALISTS) is not None:
        raise foreign_study(name + FINALISTS)


def foreign_study(name: str) -> UserInputError:
    return UserInputError(
        f"The database has a study {name} that this search did not make; it is left "
        "unchanged: choose another name with --study NAME, or another database with --storage URL."
    )


def create_study(
    storage: BaseStorage,
    name: str,
    setup: StudySetup,
    recipes: Mapping[str, Mapping[str, Any]],
) -> Study:
    """Create the study, with its setup and recipes. One of ours that is incomplete is recreated.

    Args:
        recipes: parameters to enqueue, by the recipe's name.

    Raises:
        UserInputError: another study has that name.
    """
    existing = load_study(storage, name)
    if existing is not None:
        if not is_incomplete(existing):
            raise foreign_study(name)
        optuna.delete_study(study_name=name, storage=storage)
    objectives = setup.objectives or {"score": setup.direction}
    marks = StudyRecord.attributes(identity=uuid4().hex, record_version=VERSION)
    study = create_marked(storage, name, list(objectives.values()), marks)
    if len(objectives) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(objectives))
    for key, value in setup.as_data().items():
        if key != CREATION_FINISHED:
            study.set_user_attr(key, value)
    for recipe, values in recipes.items():
        study.enqueue_trial(dict(values), user_attrs=TrialRecord.attributes(recipe=recipe))
    study.set_user_attr(CREATION_FINISHED, setup.created)
    return study


def create_marked(
    storage: BaseStorage, name: str, directions: Sequence[Direction], marks: Mapping[str, Any]
) -> Study:
    """Create a study and its attributes in one step, so that it is marked as ours from the start.

    Args:
        marks: the attributes.

    Raises:
        UserInputError: another study has that name.
    """
    database = storage._backend if isinstance(storage, _CachedStorage) else storage
    try:
        if isinstance(database, RetryingStorage):
            database.create_marked_study(name, directions, marks)
            return optuna.load_study(study_name=name, storage=storage)
        # In memory, where no other process can see an incomplete study.
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except DuplicatedStudyError:
        raise foreign_study(name) from None
    for key, value in marks.items():
        study.set_user_attr(key, value)
    return study


def identity_of(study: Study) -> str:
    """The study's unique id, 32 hex digits.

    Raises:
        UserInputError: a program before version 0.2.0 began the study.
    """
    identity = StudyRecord.of(study).identity
    if identity is None:
        raise UserInputError(
            f"Study {study.study_name} was begun before version 0.2.0 of this program: begin anew "
            "with --study NAME."
        )
    return identity


def finals_of(study: Study) -> Study | None:
    """The record of a study's finalists; None if it does not exist or is not this study's."""
    found = load_study(study._storage, study.study_name + FINALISTS)
    if found is None or not is_runs_record(found):
        return None
    owner = RunsRecord.of(found).finalists_of
    return found if owner == StudyRecord.of(study).identity else None


def final_study(study: Study) -> Study:
    """The record of a study's finalists, created if it does not exist.

    Raises:
        UserInputError: another study has its name.
    """
    return finals_of(study) or create_marked(
        study._storage,
        study.study_name + FINALISTS,
        ["maximize"],
        RunsRecord.attributes(finalists_of=identity_of(study)),
    )


def enqueue_earlier(study: Study, earlier: Mapping[str, Mapping[str, Any]]) -> None:
    """Enqueue parameters of earlier results at the end of the queue, unless they are already there.

    Args:
        earlier: parameters by the name of their source.
    """
    for name, values in earlier.items():
        study.enqueue_trial(
            dict(values), TrialRecord.attributes(enqueued=name), skip_if_exists=True
        )


def check_same(study: Study, setup: StudySetup) -> None:
    """Reject a resume with a setup that differs from the study's.

    Raises:
        UserInputError: it differs; the message names all differences.
    """
    old, new = fixed_facts(StudyRecord.of(study).setup), fixed_facts(setup)
    differing = [key for key in FIXED_FACTS if old[key] != new[key]]
    if set(differing) & PAIR_FACTS and "data_digest" in differing:
        differing.remove("data_digest")  # these facts change the pairs of the same pictures, too
    if differing:
        named = ", ".join(difference(key, old[key], new[key]) for key in differing)
        raise UserInputError(
            f"Study {study.study_name} was made with another {named}: go on with "
            "what it was made with, or give the new search a name of its own with --study NAME."
        )


def update_paths(study: Study, setup: StudySetup) -> None:
    """Update the recorded paths, since the run folder or the data may have been moved."""
    recorded = StudyRecord.of(study).setup
    for key in ("data", "warm_start_folder", "program"):
        if getattr(recorded, key) != getattr(setup, key):
            StudyRecord.note(study, **{key: getattr(setup, key)})


def requeue(study: Study, trial: FrozenTrial | Trial) -> None:
    """Requeue an interrupted trial, at the head of the queue."""
    storage = study._storage
    storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)


def ask(study: Study, space: Space, sampler: SamplerName, seed: int) -> Trial:
    """The next trial: the first in the queue, else a new one from the sampler."""
    number = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(
        sampler, seed, number, flat=not space.conditional, both=bool(space.kinds)
    )
    trial = study.ask()
    space.suggest(trial)
    return trial


def flush(study: Study) -> None:
    """Write pending changes to the database, before a worker gets a trial.

    If this driver dies, the next one then finds the trial.
    """
    if isinstance(study._storage, SingleWriterStorage):
        study._storage.flush()


def running(study: Study) -> list[FrozenTrial]:
    """Trials in state RUNNING."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def counted(study: Study) -> int:
    """The number of trials that count towards the budget."""
    return len(study.get_trials(deepcopy=False, states=COUNTED))
