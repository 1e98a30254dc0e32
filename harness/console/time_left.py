"""The remaining time of a search, from the durations of its trials so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.config.settings import FINAL_TIMES

# Only the latest trials count: the first ones are recipes, which are never stopped early.
LATEST = 20


@dataclass(frozen=True)
class Work:
    """Remaining trials of the search itself, remaining runs of finalists, and trials at a time."""

    trials: int
    runs: int
    jobs: int


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


def seconds_left(work: Work, durations: Durations) -> float | None:
    """Seconds until the end of the search; None before a trial has ended."""
    trials = durations.ended[-LATEST:]
    if not trials and not durations.runs:
        return None
    trial = fmean(trials) if trials else 0.0
    whole = durations.complete[-LATEST:] or trials
    run = fmean(durations.runs or [FINAL_TIMES * fmean(whole)])
    one = trial if work.trials else run
    behind = sum(min(seconds, one) for seconds in durations.running)
    return max(0.0, work.trials * trial + work.runs * run - behind) / max(1, work.jobs)
