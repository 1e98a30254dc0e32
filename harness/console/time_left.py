"""The remaining time of a search, from the durations of its trials so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.config.settings import FINAL_TIMES

# Only the latest trials count: the first ones are recipes, which are never stopped early.
LATEST = 20


@dataclass(frozen=True)
class Durations:
    """Seconds that trials have taken, in the order of their ends.

    Attributes:
        ended: trials of the search itself, complete or pruned.
        complete: the complete ones among them.
        runs: finalists' runs.
        running: seconds so far of trials that are running.
    """

    ended: Sequence[float] = ()
    complete: Sequence[float] = ()
    runs: Sequence[float] = ()
    running: Sequence[float] = ()


def seconds_left(trials_left: int, runs_left: int, jobs: int, took: Durations) -> float | None:
    """Seconds until the end of the search; None before a trial has ended.

    Args:
        trials_left: trials of the search itself that have not ended.
        runs_left: finalists' runs that have not ended.
        jobs: number of trials at a time.
        took: durations so far.
    """
    trials = took.ended[-LATEST:]
    if not trials and not took.runs:
        return None
    trial = fmean(trials) if trials else 0.0
    complete = took.complete[-LATEST:] or trials
    run = fmean(took.runs or [FINAL_TIMES * fmean(complete)])
    current = trial if trials_left else run
    elapsed = sum(min(seconds, current) for seconds in took.running)
    return max(0.0, trials_left * trial + runs_left * run - elapsed) / max(1, jobs)
