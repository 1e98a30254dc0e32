"""How a trial ends: what is written of it, in which order, and who hears of it.

Every trial ends in exactly one way: complete, pruned (with its reason), failed (with its reason),
or back in the queue. The record comes first; then who leads is decided, and callbacks are called.
"""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from optuna import Study
from optuna.trial import Trial, TrialState

from harness.console.views import View
from harness.errors import SearchFailedError
from harness.search.callbacks import EndToConsole, EndToMlflow, TrialCallback, TrialEnd
from harness.search.phases import Phase
from harness.search.plan import SearchPlan
from harness.search.ranking import Standing
from harness.study.study import put_back, running
from harness.tracking import Ending
from harness.trials.messages import PhaseName, Rung, TrialResult, TrialTask, trial_name

HUNG = 10  # times the median trial
HUNG_AT_LEAST = 60.0  # seconds
MEDIAN_OF = 3  # completed trials; before them, the pace of the steps so far says what is long
HUNG_AT_FIRST = 3600.0  # seconds, at least, by that pace
HUNG_UNMEASURED = 86400.0  # seconds, before any step was seen
REQUEUED = Ending("KILLED", "requeued", "given up midway; it runs again")


@dataclass
class Job:
    """One trial being run, or waiting to be run again.

    Attributes:
        known: steps that the record already has a value for, from an earlier attempt.
        listened: seconds of its running in which the driver listened: while the driver was busy,
            or waited for a database, the trial may have waited for it.
        away: seconds in which the driver did not run (Ctrl-Z, a paused container): no trial's time.
        verdict: why the driver told the trial to stop.
        diverged: that its score is not finite is why.
        alone: it ran out of memory, and is to be run while nothing else is.
    """

    trial: Trial
    task: TrialTask
    recipe: str | None
    known: set[int]
    worker: int = 0
    began: float = 0.0
    rungs: list[Rung] = field(default_factory=list)
    listened: float = 0.0
    away: float = 0.0
    attempts: int = 0
    verdict: str = ""
    diverged: bool = False
    alone: bool = False

    def begin_on(self, worker: int) -> None:
        """Run by a worker from its start; what an earlier attempt came to counts no more."""
        self.worker, self.began = worker, time.monotonic()
        self.listened = self.away = 0.0
        self.rungs, self.verdict, self.diverged = [], "", False

    @property
    def seconds(self) -> float:
        """Since it was given to its worker."""
        return time.monotonic() - self.began - self.away


class Recorder:
    """Ends the trials of one phase.

    Attributes:
        callbacks: called after the record has a trial's end, in this order.
        seconds: how long the phase's completed trials took.
        pace: the most seconds that a step took, as far as is known; 0 before that.
        failures: reasons of the trials that failed since one did not.
        done: trials of the search's budget that have ended.
    """

    def __init__(self, plan: SearchPlan, phase: Phase, view: View, pace: float = 0.0) -> None:
        self.plan = plan
        self.phase = phase
        self.callbacks: tuple[TrialCallback, ...] = (
            *phase.callbacks,
            EndToMlflow(phase.tracker),
            EndToConsole(view),
        )
        self.failures: list[str] = []
        self.done = phase.done
        self.seconds = seconds_of(phase.study)
        steps = plan.trial_plan.train.steps
        self.pace = max([pace, *(seconds / steps for seconds in seconds_of(phase.searched))])

    def time_limit(self) -> float:
        """Seconds that a trial may take: far more than trials take on this machine."""
        if self.plan.config.trial_timeout is not None:
            return self.plan.config.trial_timeout
        if len(self.seconds) >= MEDIAN_OF:
            return max(HUNG_AT_LEAST, HUNG * median(self.seconds))
        if self.plan.trial_plan.external is not None:
            return math.inf  # its worker ends a program that is silent
        if not self.pace:
            return HUNG_UNMEASURED
        return max(HUNG_AT_FIRST, HUNG * self.pace * self.phase.train.steps)

    def note_pace(self, seconds: float) -> None:
        """A step took so long."""
        self.pace = max(self.pace, seconds)

    def complete(self, job: Job, result: TrialResult) -> None:
        """It ran to its end."""
        self.seconds.append(job.seconds)
        self.failures.clear()
        self.done += 1
        noted: dict[str, Any] = {"per_image": list(result.per_image)}
        values = self.phase.values(result.rung)
        if len(values) > 1:
            noted["score"] = result.rung.value
        if result.checkpoint:
            noted["checkpoint"] = str(result.checkpoint.relative_to(self.plan.trial_plan.folder))
        reason = self.phase.guard(job.trial, result.rung)
        self.tell(job, TrialState.COMPLETE, noted, values)
        standing = self.phase.rank(job.task.number, job.recipe)
        ending = Ending("FINISHED", "complete", reason)
        self.call_back(job, ending, result.rung.value, result, standing)

    def pruned(self, job: Job, reason: str, diverged: bool = False) -> None:
        """Stopped by the driver, or by its own divergence.

        A diverged trial is told to the sampler with the worst score there is, at the rung that it
        did not reach, so that the sampler stays away from its setting. Where scores have no worst,
        a trial without values ranks last by itself.
        """
        value = job.rungs[-1].value if job.rungs else None
        if diverged:
            value = None
            missed = [s for s in self.phase.train.rungs if s not in job.known]
            worst = self.phase.study.user_attrs.get("worst_score")
            if missed and worst is not None:
                self.phase.report(job.trial, missed[0], worst)
        self.failures.clear()
        self.done += 1
        self.tell(job, TrialState.PRUNED, {"reason": reason})
        self.call_back(job, Ending("KILLED", "pruned", reason), value)

    def failed(self, job: Job, reason: str) -> None:
        """Not the setting's doing, as far as can be known: it does not count.

        Raises:
            SearchFailedError: it was one too many in a row.
        """
        self.phase.done -= 1
        self.tell(job, TrialState.FAIL, {"reason": reason})
        self.call_back(job, Ending("FAILED", "failed", reason), None)
        self.failures.append(reason)
        if len(self.failures) >= self.plan.config.max_failures:
            commonest, times = Counter(self.failures).most_common(1)[0]
            raise SearchFailedError(
                f"The last {len(self.failures)} trials all failed, {times} of them with: "
                f"{commonest}; mend that and run the same command again, the study goes on."
            )

    def requeue_running(self) -> None:
        """Given up midway: a later driver runs them; also one whose end could not be written."""
        phase: PhaseName = "search" if self.phase.study is self.phase.searched else "final"
        for trial in running(self.phase.study):
            put_back(self.phase.study, trial)
            self.phase.tracker.end(trial_name(trial.number, phase), REQUEUED)

    def tell(
        self,
        job: Job,
        state: TrialState,
        noted: dict[str, Any],
        values: Sequence[float] | None = None,
    ) -> None:
        """Everything known of a trial, then its end: after that the record cannot be changed."""
        facts = {
            "rungs": [
                {
                    "step": rung.step,
                    "value": rung.value,
                    "components": rung.components,
                    "losses": rung.losses,
                }
                for rung in job.rungs
            ],
            "components": job.rungs[-1].components if job.rungs else {},
            "seconds": round(job.seconds, 3),
            "worker": job.worker,
            "mlflow_run": self.phase.tracker.run_id(job.task.name),
            **noted,
        }
        for key, fact in facts.items():
            job.trial.set_user_attr(key, fact)
        self.phase.study.tell(job.trial, values, state)

    def call_back(
        self,
        job: Job,
        ending: Ending,
        value: float | None,
        result: TrialResult | None = None,
        standing: Standing | None = None,
    ) -> None:
        """Call everything that acts on the end of a trial."""
        end = TrialEnd(
            job.task, job.recipe, ending, value, job.seconds, self.done, result, standing
        )
        for callback in self.callbacks:
            callback.on_trial_end(end)


def seconds_of(study: Study) -> list[float]:
    """How long a study's completed trials took."""
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial.user_attrs["seconds"] for trial in completed]
