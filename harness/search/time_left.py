"""How long the rest of a search takes, from its record: for status, live report and time limit."""

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

ELSEWHERE = ("budget", "study", "run_dir", "storage", "tracking_uri", "register_model", "open")
"""Options that belong to one search, or that the record has by themselves."""

# Seconds between two estimates of what the finalists need, and by how much they may be too low.
ESTIMATE_EVERY = 1.0
MARGIN = 1.15


def note_undertaken(study: Study, plan: SearchPlan) -> None:
    """Record what this search sets out to do; an estimate of an earlier one no longer holds."""
    made = ("data",) if plan.config.originals else ()  # the pairs that were made of them
    noted = Undertaken(
        trials=plan.search_budget,
        runs=plan.final_runs,
        jobs=plan.jobs,
        began=time.time(),
        options=command_words(plan.config, (*ELSEWHERE, *made)),
    )
    StudyRecord.note(study, undertaken=noted, expected_seconds=None)


def time_left(study: Study, now: float | None = None) -> float | None:
    """Seconds until the study's search ends, if it runs; None if unknown.

    Args:
        now: seconds since the epoch; None: the present.
    """
    record = StudyRecord.of(study)
    noted, expected = record.undertaken, record.expected_seconds
    if noted is None:
        return None
    now = time.time() if now is None else now
    left = left_after(study, noted.trials, noted.runs, noted.jobs, now)
    if left is None and expected is not None:
        left = max(0.0, expected - (now - noted.began))
    return left


def note_end_of_trials(study: Study, begun: int) -> None:
    """Record that a search goes over to the finalists before all its trials have begun."""
    noted = StudyRecord.of(study).undertaken
    assert noted is not None
    StudyRecord.note(study, undertaken=noted.model_copy(update={"trials": begun}))


def left_of_plan(study: Study, plan: SearchPlan) -> float | None:
    """Seconds that a planned search of an existing study takes; None before a trial has ended."""
    return left_after(study, plan.search_budget, plan.final_runs, plan.jobs)


def left_after(
    study: Study, trials: int, runs: int, jobs: int, now: float | None = None
) -> float | None:
    """Seconds for what `trials` and `runs` in all still lack.

    Args:
        now: seconds since the epoch, until which trials have been running; None: none is.
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
    """Durations of the trials in these states, in the order of their ends."""
    found = [trial for trial in trials if trial.state in states and trial.datetime_complete]
    found.sort(key=lambda trial: trial.datetime_complete or datetime.min)
    noted = (TrialRecord.of(trial).seconds for trial in found)
    return [seconds for seconds in noted if seconds is not None]


class TimeForFinalists:
    """Whether the rest of a time limit is needed by the finalists' runs, which confirm the winner.

    They get what they need, by the durations of the trials so far, if that is at most half of the
    time.

    Args:
        deadline: of the whole search, by the monotonic clock; None: there is no time limit.
    """

    def __init__(self, study: Study, plan: SearchPlan, deadline: float | None) -> None:
        self.study = study
        self.rounds = math.ceil(plan.final_runs / plan.jobs)
        self.deadline = math.inf if deadline is None or not self.rounds else deadline
        self.most = (self.deadline - time.monotonic()) / 2
        self.asked = -math.inf  # when `needed` was estimated
        self.needed = math.inf
        self.has_come = False

    def __call__(self) -> bool:
        """Whether no further trial may begin. Once true, it stays true."""
        now = time.monotonic()
        if not self.has_come and self.deadline < math.inf:
            if now - self.asked >= ESTIMATE_EVERY:
                self.asked, self.needed = now, self.estimate()
            self.has_come = self.deadline - now <= self.needed <= self.most
        return self.has_come

    def estimate(self) -> float:
        """Seconds of the finalists' runs, after a trial that is still running.

        Infinite before two trials are complete: there is nothing to compare.
        """
        whole = seconds_of(self.study.get_trials(deepcopy=False), TrialState.COMPLETE)
        if len(whole) < 2:
            return math.inf
        return MARGIN * (1 + self.rounds * FINAL_TIMES) * fmean(whole[-LATEST:])
