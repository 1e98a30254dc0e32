"""Record the end of trials.

Every trial ends in exactly one way: complete, pruned (with a reason), failed (with a reason), or
requeued. The end is recorded first, then the trial is ranked, then callbacks are called.
"""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from optuna.trial import Trial, TrialState

from harness.console.views import View
from harness.errors import SearchFailedError
from harness.search.callbacks import TrialCallback, TrialEnd, end_to_console
from harness.search.phases import Phase
from harness.search.plan import SearchPlan
from harness.search.time_left import seconds_of
from harness.study.study import requeue, running
from harness.tracking.outbox import Ending
from harness.trials.messages import Rung, TrialResult, TrialTask
from reports.record.names import PhaseName, trial_name
from reports.record.queries import completed
from reports.record.study import StudyRecord
from reports.record.trial import Cause, RungRecord, TrialRecord

# The time limit after which a trial counts as hung, in seconds.
LIMIT_FACTOR = 10  # the limit as a multiple of the median duration
MIN_LIMIT = 60.0
MIN_FOR_MEDIAN = 3  # completed trials for a median; before that, the limit follows from the pace
MIN_LIMIT_BY_PACE = 3600.0
LIMIT_WITHOUT_PACE = 86400.0
REQUEUED = Ending("KILLED", "requeued", "given up midway; it runs again")


@dataclass
class Job:
    """A trial that is running, or waiting for a retry.

    Attributes:
        recorded_steps: steps whose score is in the record, also from an earlier attempt.
        began: start of this attempt, by the monotonic clock.
        rungs: those of this attempt with a finite score.
        listened: seconds in which the driver listened for messages; at other times the trial may
            have been waiting for the driver.
        suspended: seconds in which the driver did not run (Ctrl-Z, a paused container), which do
            not count.
        stop_reason: why the driver stopped the trial; "" if it did not.
        diverged: whether it was stopped because its score was not finite.
        alone: whether it is retried with nothing else on its device, after running out of memory.
    """

    trial: Trial
    task: TrialTask
    recipe: str | None
    recorded_steps: set[int]
    worker: int = 0
    began: float = 0.0
    rungs: list[Rung] = field(default_factory=list)
    listened: float = 0.0
    suspended: float = 0.0
    attempts: int = 0
    stop_reason: str = ""
    diverged: bool = False
    alone: bool = False

    def begin_on(self, worker: int) -> None:
        """Start an attempt on a worker, which resets the state of an earlier one."""
        self.worker, self.began = worker, time.monotonic()
        self.listened = self.suspended = 0.0
        self.rungs, self.stop_reason, self.diverged = [], "", False

    @property
    def seconds(self) -> float:
        """Duration of this attempt so far, in seconds."""
        return time.monotonic() - self.began - self.suspended


class Recorder:
    """Records the end of one phase's trials.

    Attributes:
        callbacks: called after a trial's end is recorded, in this order.
        seconds: durations of the phase's completed trials.
        pace: maximum observed seconds per step; 0 if unknown.
        failures: reasons of the consecutive trials that failed last.
        done: trials of the budget that have ended.
    """

    def __init__(self, plan: SearchPlan, phase: Phase, view: View, pace: float = 0.0) -> None:
        self.plan = plan
        self.phase = phase
        self.callbacks: tuple[TrialCallback, ...] = (
            *phase.callbacks,
            lambda end: phase.tracker.end(end.task.name, end.ending),
            end_to_console(view),
        )
        self.failures: list[str] = []
        self.done = phase.done
        self.seconds = seconds_of(completed(phase.study), TrialState.COMPLETE)
        searched = seconds_of(completed(phase.searched), TrialState.COMPLETE)
        self.pace = max([pace, *(seconds / plan.trial_plan.train.steps for seconds in searched)])

    def time_limit(self) -> float:
        """Time limit of a trial in seconds, far above the usual duration on this machine."""
        if self.plan.config.trial_timeout is not None:
            return self.plan.config.trial_timeout
        if len(self.seconds) >= MIN_FOR_MEDIAN:
            return max(MIN_LIMIT, LIMIT_FACTOR * median(self.seconds))
        if self.plan.trial_plan.external is not None:
            return math.inf  # the worker itself ends a silent program
        if not self.pace:
            return LIMIT_WITHOUT_PACE
        return max(MIN_LIMIT_BY_PACE, LIMIT_FACTOR * self.pace * self.phase.train.steps)

    def note_pace(self, seconds: float) -> None:
        """Update the pace with an observed duration of a step, in seconds."""
        self.pace = max(self.pace, seconds)

    def complete(self, job: Job, result: TrialResult) -> None:
        """Record a trial that ran to its end."""
        self.seconds.append(job.seconds)
        self.failures.clear()
        self.done += 1
        extra: dict[str, Any] = {"per_image": list(result.per_image)}
        values = self.phase.values(result.rung)
        if len(values) > 1:
            extra["score"] = result.rung.value
        if result.checkpoint:
            extra["checkpoint"] = str(result.checkpoint.relative_to(self.plan.trial_plan.folder))
        reason = self.phase.guard(job.trial, result.rung)
        self.tell(job, TrialState.COMPLETE, extra, values)
        change = self.phase.rank(job.task.number, job.recipe)
        ending = Ending("FINISHED", "complete", reason)
        self.call_back(job, ending, result.rung.value, result=result, change=change)

    def pruned(self, job: Job, reason: str, diverged: bool = False) -> None:
        """Record a trial that was pruned or diverged.

        For a diverged trial the objective's worst score is reported at the next rung, so that the
        sampler avoids its parameters. If the objective has no worst score, the trial has no value
        there and ranks last anyway.
        """
        value = step = None
        if not diverged:
            value, step = job.rungs[-1].value, job.rungs[-1].step
        else:
            missed = [s for s in self.phase.train.rungs if s not in job.recorded_steps]
            setup = StudyRecord.of(self.phase.study).ours
            worst = setup.worst_score if setup else None
            if missed and worst is not None:
                self.phase.report(job.trial, missed[0], worst)
        self.failures.clear()
        self.done += 1
        cause = Cause.DIVERGED if diverged else Cause.PRUNED
        self.tell(job, TrialState.PRUNED, {"reason": reason, "cause": cause})
        self.call_back(job, Ending("KILLED", "pruned", reason), value, stopped_at=step)

    def failed(self, job: Job, reason: str, cause: Cause = Cause.FAILED) -> None:
        """Record a failed trial, which does not count towards the budget.

        Raises:
            SearchFailedError: too many trials failed in a row.
        """
        self.phase.done -= 1
        self.tell(job, TrialState.FAIL, {"reason": reason, "cause": cause})
        self.call_back(job, Ending("FAILED", "failed", reason), None)
        self.failures.append(reason)
        if len(self.failures) >= self.plan.config.max_failures:
            commonest, times = Counter(self.failures).most_common(1)[0]
            failed = "The last trial failed with"
            if len(self.failures) > 1:
                failed = f"The last {len(self.failures)} trials all failed, {times} of them with"
            raise SearchFailedError(
                f"{failed}: {commonest}; mend that and run the same command again, the study goes "
                "on."
            )

    def requeue_running(self) -> None:
        """Requeue trials that the record shows as running, also one whose end was not recorded."""
        phase: PhaseName = "search" if self.phase.study is self.phase.searched else "final"
        for trial in running(self.phase.study):
            requeue(self.phase.study, trial)
            self.phase.tracker.end(trial_name(trial.number, phase), REQUEUED)

    def tell(
        self,
        job: Job,
        state: TrialState,
        extra: dict[str, Any],
        values: Sequence[float] | None = None,
    ) -> None:
        """Record a trial's attributes, then its end, after which it cannot be changed."""
        facts = {
            "rungs": [
                {name: getattr(rung, name) for name in RungRecord.model_fields}
                for rung in job.rungs
            ],
            "components": job.rungs[-1].components if job.rungs else {},
            "seconds": round(job.seconds, 3),
            "worker": job.worker,
            "mlflow_run": self.phase.tracker.run_id(job.task.name),
            **extra,
        }
        TrialRecord.note(job.trial, **facts)
        self.phase.study.tell(job.trial, values, state)

    def call_back(self, job: Job, ending: Ending, value: float | None, **more: Any) -> None:
        """Call the callbacks. `more`: further fields of `TrialEnd`."""
        end = TrialEnd(job.task, job.recipe, ending, value, job.seconds, self.done, **more)
        for callback in self.callbacks:
            callback(end)
