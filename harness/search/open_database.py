"""Open the database of a search, and check that the study's name and folder are available."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from harness.paths import RunPaths
from harness.search.plan import SearchPlan
from harness.study.database import open_storage, sqlite_url
from harness.study.folder import check_folder
from harness.study.locks import one_at_a_time
from harness.study.storage import RetryingStorage
from harness.study.study import check_name, find_study
from harness.study.urls import sqlite_file


@contextmanager
def open_record(plan: SearchPlan) -> Iterator[RetryingStorage]:
    """Open or create the study's database, and close it at the end of the block.

    Raises:
        UserInputError: the database cannot be opened, or another study has the name or the folder.
    """
    own, name = plan.config.storage, plan.config.study
    with opening_lock(plan):
        database = open_storage(own or sqlite_url(plan.run_paths.optuna_db))
    try:
        check_name(database, name, bool(plan.finalists or plan.compared))
        check_folder(plan.paths, find_study(database, name))
        yield database
    finally:
        database.engine.dispose()  # merges the write-ahead log into the file


def opening_lock(plan: SearchPlan) -> AbstractContextManager[None]:
    """The lock for opening the study's database, if that is a file that may have to be created."""
    if plan.config.storage is None:
        return one_at_a_time(plan.run_paths)
    shared = sqlite_file(plan.config.storage)
    if shared is None or not shared.parent.is_dir():
        return nullcontext()
    return one_at_a_time(RunPaths(shared.parent))
