"""How a search is left: nothing that is done afterwards fails it, or hides why it failed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from harness.console.events import Note
from harness.console.views import View
from harness.errors import HarnessError
from harness.search.publishing import left_by, write_page
from harness.search.result import SearchOutcome, StopReason, outcome_of

if TYPE_CHECKING:
    from optuna import Study

    from harness.search.driver import Driver
    from harness.search.plan import SearchPlan
    from harness.tracking import Ending, Tracker

log = logging.getLogger(__name__)


@contextmanager
def putting_in_order(
    driver: "Driver", plan: "SearchPlan", study: "Study", view: View
) -> Iterator[None]:
    """However the block ends, what runs goes back to the queue; where it fails, MLflow hears why.

    A database that was waited for in vain is not waited for again.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except BaseException as error:
        if not isinstance(error.__cause__, StorageInternalError):
            with tidying("putting running trials back", plan, view):
                driver.give_up()
            with tidying("reporting the failure to MLflow", plan, view):
                reason = str(error) if isinstance(error, HarnessError) else "the driver failed"
                result = outcome(plan, study)
                tracker = driver.phase.tracker
                conclude(plan, study, view, tracker, result, ended("FAILED", "failed", reason))
        raise
    with tidying("putting running trials back", plan, view):
        driver.give_up()


def conclude(
    plan: "SearchPlan",
    study: "Study",
    view: View,
    tracker: "Tracker",
    result: SearchOutcome,
    ending: "Ending",
) -> None:
    """Leave the report, and in MLflow how the search ended and what it found."""
    if parent := tracker.parent():
        study.set_user_attr("mlflow_run", parent)
    name = None
    if ending.status == "FINISHED":
        write_page(study, plan.paths)
        name = plan.config.register_model
    left = left_by(study, result, name)
    if left.model is not None:
        view.show(Note(f"MLflow gets the winner as a version of the model {name}."))
    tracker.conclude(ending, left)


def finish(tracker: "Tracker", plan: "SearchPlan", view: View) -> None:
    """Deliver to MLflow what can be delivered."""
    with tidying("delivering the rest to MLflow", plan, view):
        tracker.finish()


@contextmanager
def tidying(what: str, plan: "SearchPlan", view: View) -> Iterator[None]:
    """What is done after a search neither fails it nor hides why it failed."""
    try:
        yield
    except Exception as error:
        log.exception("%s failed", what)
        kind, begun = type(error).__name__, what[0].upper() + what[1:]
        with suppress(Exception):
            view.show(
                Note(
                    f"{begun} failed ({kind}, see {plan.paths.driver_log}): run the same "
                    "command again to complete it."
                )
            )


def outcome(plan: "SearchPlan", study: "Study", stopped: StopReason = "") -> SearchOutcome:
    """What the record of a planned search shows."""
    config = plan.config
    return outcome_of(
        study, config.run_dir, plan.paths, stopped, config.storage, config.tracking_uri
    )


def ended(status: str, state: str, reason: str = "") -> "Ending":
    """An end as the mirror has it, whose packages are not imported before it is needed."""
    from harness.tracking import Ending

    return Ending(status, state, reason)
