"""Workers that take no trials yet: how they are begun with, and what can go wrong until they do."""

import math
from dataclasses import asdict, dataclass

from harness.errors import HarnessError, UserInputError
from harness.search.plan import SearchPlan
from harness.trials.launchers.launcher import Launcher
from harness.trials.messages import Baseline
from harness.trials.worker import Failed, Prepare

MOST_STARTS = 3  # of one worker that ends before it is ready, in a row
SILENT = 3600.0  # seconds without a word: longer than any step or scoring takes


@dataclass
class Start:
    """A worker that starts, or prepares what all trials share.

    Attributes:
        ready: it has started.
        silent: seconds since its last word in which the driver listened.
        stepping: seconds since its first word of a step, the same.
        first_step: the step that this word was of.
    """

    ready: bool = False
    silent: float = 0.0
    stepping: float = 0.0
    first_step: int | None = None

    def patience(self, plan: SearchPlan) -> float:
        """Seconds that it may be silent."""
        if self.ready:
            return plan.config.trial_timeout or SILENT
        # A cluster may have no room for it yet.
        return math.inf if plan.config.launcher == "ray" else SILENT

    def pace(self, done: int) -> float:
        """Seconds that each step of the preparation took, now that so many are done; 0 at first."""
        if self.first_step is None or done <= self.first_step:
            self.first_step, self.stepping = done, 0.0
            return 0.0
        return self.stepping / (done - self.first_step)


def start_workers(launcher: Launcher, jobs: int, prepared: bool = False) -> None:
    """Start them all; the first makes the warm start where there is none, and needs no further
    word for it.
    """
    for number in range(jobs):
        launcher.start(number)
    if not prepared:
        launcher.send(0, Prepare())


def check_starts(lost: int, reason: str, plan: SearchPlan) -> None:
    """Refuse to start a worker for ever.

    Args:
        lost: times in a row that it ended before it was ready.

    Raises:
        HarnessError: those are too many.
    """
    if lost >= MOST_STARTS:
        raise HarnessError(
            f"A worker ended {lost} times before it was ready ({reason}): see "
            f"{plan.paths.driver_log}."
        )


def check_scores(baseline: Baseline, plan: SearchPlan) -> None:
    """Refuse a preparation whose scores are not finite.

    Raises:
        HarnessError: so it is.
    """
    for name, score in asdict(baseline).items():
        if score is not None and not math.isfinite(score):
            raise HarnessError(
                f"The objective {plan.config.objective} gives {score} for {name}, which every "
                "trial is compared with: it must give finite scores."
            )


def not_prepared(failed: Failed, plan: SearchPlan) -> HarnessError:
    """A worker raised before its first trial."""
    if failed.user_error:
        return UserInputError(failed.reason)
    return HarnessError(
        f"The search cannot begin ({failed.reason}): {plan.paths.driver_log} has the details."
    )


def no_warm_start(reason: str, plan: SearchPlan) -> HarnessError:
    """The preparation diverged."""
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


def no_room(reason: str) -> HarnessError:
    """Too little memory before the first trial."""
    return HarnessError(
        f"There is too little memory to prepare the trials ({reason}): end what else uses it, or "
        "choose another --device or a smaller --profile."
    )
