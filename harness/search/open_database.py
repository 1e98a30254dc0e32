"""The database of a search, opened where its name and its folder are free or its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from harness.paths import RunPaths
from harness.search.plan import SearchPlan
from harness.study.database import open_storage, sqlite_url
from harness.study.folder import check_folder
from harness.study.locks import one_at_a_time
from harness.study.storage import PatientStorage
from harness.study.study import check_name, find_study
from harness.study.urls import sqlite_file


@contextmanager
def open_record(plan: SearchPlan) -> Iterator[PatientStorage]:
    """The study's database, made where there is none, in which its name is free or its own.

    Raises:
        UserInputError: the database cannot be opened; or the name, or the study's folder, is taken.
    """
    own, name = plan.config.storage, plan.config.study
    with opening(plan):
        database = open_storage(own or sqlite_url(plan.run_paths.optuna_db))
    try:
        check_name(database, name, plan.facts, bool(plan.finalists or plan.compared))
        check_folder(plan.paths, find_study(database, name))
        yield database
    finally:
        database.engine.dispose()  # leaves one file, with nothing beside it


def opening(plan: SearchPlan) -> AbstractContextManager[None]:
    """Held while the study's database is opened: where a file may have to be made."""
    if plan.config.storage is None:
        return one_at_a_time(plan.run_paths)
    shared = sqlite_file(plan.config.storage)
    if shared is None or not shared.parent.is_dir():
        return nullcontext()
    return one_at_a_time(RunPaths(shared.parent))
