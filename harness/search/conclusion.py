"""The end of a search. An error during cleanup neither fails the search nor hides its error."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from harness.console.events import Note
from harness.console.views import View
from harness.errors import HarnessError
from harness.search.publishing import search_results, write_page
from harness.search.result import SearchOutcome, StopReason, outcome_of
from harness.tracking.outbox import Ending

if TYPE_CHECKING:
    from optuna import Study

    from harness.search.driver import Driver
    from harness.search.plan import SearchPlan
    from harness.tracking.study_runs import Tracker

log = logging.getLogger(__name__)


@contextmanager
def requeueing_at_the_end(
    driver: "Driver", plan: "SearchPlan", study: "Study", view: View
) -> Iterator[None]:
    """Requeue running trials at the end of the block; if the block fails, report why to MLflow.

    Does neither after a database error: the database has already been retried.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except BaseException as error:
        if not isinstance(error.__cause__, StorageInternalError):
            with logging_errors("putting running trials back", plan, view):
                driver.shut_down()
            with logging_errors("reporting the failure to MLflow", plan, view):
                reason = str(error) if isinstance(error, HarnessError) else "the driver failed"
                result = outcome(plan, study)
                tracker = driver.phase.tracker
                conclude(plan, study, view, tracker, result, Ending("FAILED", "failed", reason))
        raise
    with logging_errors("putting running trials back", plan, view):
        driver.shut_down()


def conclude(
    plan: "SearchPlan",
    study: "Study",
    view: View,
    tracker: "Tracker",
    result: SearchOutcome,
    ending: Ending,
) -> None:
    """Write the report, and the ending and results of the search to MLflow."""
    from reports.record.study import StudyRecord

    if parent := tracker.parent():
        StudyRecord.note(study, mlflow_run=parent)
    finished = ending.status == "FINISHED"
    name = plan.config.register_model if finished else None
    if finished or plan.config.open:
        write_page(study, plan.paths, result.storage)
    results = search_results(study, result, name)
    if results.model is not None:
        view.show(Note(f"MLflow gets the winner as a version of the model {name}."))
    tracker.conclude(ending, results)


def finish(tracker: "Tracker", plan: "SearchPlan", view: View) -> None:
    """Deliver the remaining entries to MLflow, if possible."""
    with logging_errors("delivering the rest to MLflow", plan, view):
        tracker.finish()


@contextmanager
def logging_errors(task: str, plan: "SearchPlan", view: View) -> Iterator[None]:
    """Log an error raised in the block and notify the user, instead of raising it.

    Args:
        task: what the block does, as the beginning of a sentence: "writing the report".
    """
    try:
        yield
    except Exception as error:
        log.exception("%s failed", task)
        kind, task_name = type(error).__name__, task[0].upper() + task[1:]
        with suppress(Exception):
            view.show(
                Note(
                    f"{task_name} failed ({kind}, see {plan.paths.driver_log}): run the same "
                    "command again to complete it."
                )
            )


def outcome(plan: "SearchPlan", study: "Study", stopped: StopReason = "") -> SearchOutcome:
    """The outcome of a planned search, from its record."""
    config = plan.config
    return outcome_of(
        study, config.run_dir, plan.paths, stopped, config.storage, config.tracking_uri
    )
