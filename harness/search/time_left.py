"""Estimate the rest of a search from its record, for status, live report and time limit."""

import math
import time
from datetime import datetime
from statistics import fmean

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from harness.config.options import command_words
from harness.config.settings import FINAL_TIMES
from harness.console.time_left import LATEST, Durations, seconds_left
from harness.search.finalists import final_trials
from harness.search.plan import SearchPlan
from reports.record.queries import ENDED
from reports.record.study import StudyRecord, Undertaken
from reports.record.trial import TrialRecord

NOT_RECORDED = ("budget", "study", "run_dir", "storage", "tracking_uri", "register_model", "open")
"""Options that belong to a single search, or that the record stores separately."""

# Seconds between two estimates of the finalists' time, and the factor by which it is increased.
ESTIMATE_EVERY = 1.0
MARGIN = 1.15


def note_undertaken(study: Study, plan: SearchPlan) -> None:
    """Record what this search is going to do, and drop the estimate of an earlier one."""
    made = ("data",) if plan.config.originals else ()  # follows from `originals`
    undertaken = Undertaken(
        trials=plan.search_budget,
        runs=plan.final_runs,
        jobs=plan.jobs,
        began=time.time(),
        options=command_words(plan.config, (*NOT_RECORDED, *made)),
    )
    StudyRecord.note(study, undertaken=undertaken, expected_seconds=None)


def time_left(study: Study, now: float | None = None) -> float | None:
    """Seconds until the study's search ends, if it runs; None if unknown.

    Args:
        now: seconds since the epoch; None: the present.
    """
    record = StudyRecord.of(study)
    undertaken, expected = record.undertaken, record.expected_seconds
    if undertaken is None:
        return None
    now = time.time() if now is None else now
    left = seconds_for_rest(study, undertaken.trials, undertaken.runs, undertaken.jobs, now)
    if left is None and expected is not None:
        left = max(0.0, expected - (now - undertaken.began))
    return left


def note_end_of_trials(study: Study, begun: int) -> None:
    """Record that a search moves on to the finalists before all its trials have begun.

    Args:
        begun: number of trials that have.
    """
    undertaken = StudyRecord.of(study).undertaken
    assert undertaken is not None
    StudyRecord.note(study, undertaken=undertaken.model_copy(update={"trials": begun}))


def time_left_of_plan(study: Study, plan: SearchPlan) -> float | None:
    """Seconds until a planned search of an existing study ends; None before a trial has ended."""
    return seconds_for_rest(study, plan.search_budget, plan.final_runs, plan.jobs)


def seconds_for_rest(
    study: Study, trials: int, runs: int, jobs: int, now: float | None = None
) -> float | None:
    """Seconds until the study has `trials` trials and `runs` finalists' runs; None if unknown.

    Args:
        now: the present, in seconds since the epoch; None: count no trial as running.
    """
    searched, final = study.get_trials(deepcopy=False), final_trials(study)
    ended = seconds_of(searched, *ENDED)
    of_runs = seconds_of(final, *ENDED)
    running = [
        now - datetime.timestamp(trial.datetime_start)
        for trial in (*searched, *final)
        if now is not None and trial.state == TrialState.RUNNING and trial.datetime_start
    ]
    return seconds_left(
        max(0, trials - len(ended)),
        max(0, runs - len(of_runs)),
        jobs,
        Durations(ended, seconds_of(searched, TrialState.COMPLETE), of_runs, running),
    )


def seconds_of(trials: list[FrozenTrial], *states: TrialState) -> list[float]:
    """Durations in seconds of the trials in these states, in the order in which they ended."""
    found = [trial for trial in trials if trial.state in states and trial.datetime_complete]
    found.sort(key=lambda trial: trial.datetime_complete or datetime.min)
    durations = (TrialRecord.of(trial).seconds for trial in found)
    return [seconds for seconds in durations if seconds is not None]


class TimeForFinalists:
    """Tells when the rest of a time limit must be left to the finalists, who confirm the winner.

    They get the time that they need, estimated from the trials so far, if that is at most half of
    the limit.

    Args:
        deadline: of the whole search, by the monotonic clock; None: there is no time limit.
    """

    def __init__(self, study: Study, plan: SearchPlan, deadline: float | None) -> None:
        self.study = study
        self.rounds = math.ceil(plan.final_runs / plan.jobs)
        self.deadline = math.inf if deadline is None or not self.rounds else deadline
        self.limit = (self.deadline - time.monotonic()) / 2
        self.estimated_at = -math.inf
        self.needed = math.inf
        self.reached = False

    def __call__(self) -> bool:
        """Whether no further trial may begin. Once true, it stays true."""
        now = time.monotonic()
        if not self.reached and self.deadline < math.inf:
            if now - self.estimated_at >= ESTIMATE_EVERY:
                self.estimated_at, self.needed = now, self.estimate()
            self.reached = self.deadline - now <= self.needed <= self.limit
        return self.reached

    def estimate(self) -> float:
        """Seconds that a trial which is still running and then the finalists' runs will take.

        Infinite before two trials are complete: there is nothing to compare yet.
        """
        durations = seconds_of(self.study.get_trials(deepcopy=False), TrialState.COMPLETE)
        if len(durations) < 2:
            return math.inf
        return MARGIN * (1 + self.rounds * FINAL_TIMES) * fmean(durations[-LATEST:])
