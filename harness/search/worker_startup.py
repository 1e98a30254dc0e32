"""The startup of workers and the shared preparation, with their time limits and errors."""

import logging
import math
from dataclasses import dataclass

from harness.errors import HarnessError, UserInputError
from harness.search.plan import SearchPlan
from harness.trials.launchers.launcher import Launcher
from harness.trials.worker import Failed, Measure, Message, Prepare
from reports.record.baseline import Baseline

MAX_STARTS = 3  # starts in a row of one worker that ends before it is ready
SILENT = 3600.0  # seconds without a message: longer than any step or scoring takes

log = logging.getLogger(__name__)


@dataclass
class Start:
    """The state of a worker that is starting, or preparing what all trials share.

    Attributes:
        ready: whether it has started.
        silent: seconds since its last message in which the driver listened.
        stepping: seconds since its first progress message in which the driver listened.
        first_step: the step of that message.
        awaits_pace: whether it still has to send its pace.
    """

    ready: bool = False
    silent: float = 0.0
    stepping: float = 0.0
    first_step: int | None = None
    awaits_pace: bool = False

    def silence_limit(self, plan: SearchPlan) -> float:
        """The maximum of `silent`, in seconds."""
        if self.ready:
            return plan.config.trial_timeout or SILENT
        # A cluster may have no free slot yet.
        return math.inf if plan.config.launcher == "ray" else SILENT

    def pace(self, done: int) -> float:
        """Mean seconds per step of the preparation, after `done` steps; 0 while unknown."""
        if self.first_step is None or done <= self.first_step:
            self.first_step, self.stepping = done, 0.0
            return 0.0
        return self.stepping / (done - self.first_step)


def start_workers(
    launcher: Launcher, jobs: int, prepared: bool = False, measure: bool = False
) -> None:
    """Start all workers; unless `prepared`, the first also runs the preparation.

    Args:
        measure: whether each measures its pace first.
    """
    for number in range(jobs):
        launcher.start(number)
        if measure:
            launcher.send(number, Measure())
    if not prepared:
        launcher.send(0, Prepare())


def check_starts(lost: int, reason: str, plan: SearchPlan) -> None:
    """Limit the restarts of a worker.

    Args:
        lost: how many times in a row it has ended before it was ready.

    Raises:
        HarnessError: that is `MAX_STARTS` times or more.
    """
    if lost >= MAX_STARTS:
        raise HarnessError(
            f"A worker ended {lost} times before it was ready ({reason}): see "
            f"{plan.paths.driver_log}."
        )


def check_scores(baseline: Baseline, plan: SearchPlan) -> None:
    """Reject a preparation whose scores are not finite.

    Raises:
        HarnessError: a score is not finite; a `UserInputError` if the objective is the user's own.
    """
    kind = UserInputError if ":" in plan.config.objective else HarnessError
    for name, score in baseline.as_data().items():
        if score is not None and not math.isfinite(score):
            raise kind(
                f"The objective {plan.config.objective} gives {score} for {name}, which every "
                "trial is compared with: it must give finite scores."
            )


def preparation_failed(failed: Failed, plan: SearchPlan) -> HarnessError:
    """The error for a worker that failed before any trial began."""
    if failed.user_error:
        return UserInputError(failed.reason)
    return HarnessError(
        f"The search cannot begin ({failed.reason}): {plan.paths.driver_log} has the details."
    )


def warm_start_diverged(reason: str, plan: SearchPlan) -> HarnessError:
    """The error for a preparation that diverged."""
    if plan.trial_plan.init_from:
        return UserInputError(
            f"Training cannot continue from the model of --init-from ({reason}): name another, or "
            "leave the option out."
        )
    return HarnessError(
        f"The warm start that every trial continues from diverged ({reason}): check the pairs "
        "with harness data check, name a model of your own with --init-from, or train every trial "
        "from nothing with --from-scratch."
    )


def unexpected_message(message: Message, doing: str, worker: int, plan: SearchPlan) -> HarnessError:
    """The error for a message that is invalid in the worker's state: a bug."""
    log.error("worker %d, out of turn: %r", worker, message)
    return HarnessError(
        f"Worker {worker}, which runs {doing}, sent {type(message).__name__} out of turn, "
        f"which is a fault of the harness (see {plan.paths.driver_log}): run the same "
        "command again to go on with the study."
    )


def out_of_memory(reason: str) -> HarnessError:
    """The error for too little memory before the first trial."""
    return HarnessError(
        f"There is too little memory to prepare the trials ({reason}): end what else uses it, or "
        "choose another --device or a smaller --profile."
    )
