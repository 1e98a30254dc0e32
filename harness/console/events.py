"""Events of a search that are shown to the user: one frozen dataclass per kind of event."""

from dataclasses import dataclass
from typing import Any

from reports.record.baseline import Baseline


@dataclass(frozen=True)
class Opened:
    """A search starts or is resumed.

    Attributes:
        best: the best trial before a resume, formatted by `leader_line`; "" if there is none.
        scores: scores of the completed trials, in order.
        final_runs: the last trials of the budget, which are finalists' runs.
    """

    study: str
    budget: int
    done: int
    profile: str
    device: str
    jobs: int
    weights: str
    data: str
    folder: str
    best: str = ""
    scores: tuple[float, ...] = ()
    final_runs: int = 0


@dataclass(frozen=True)
class Note:
    """One sentence for the user."""

    text: str


@dataclass(frozen=True)
class Expected:
    """How long a new search will take, estimated from a few timed steps.

    Attributes:
        warm_start: seconds of the shared warm start.
        trials: seconds of the search itself.
        runs: seconds of the finalists' runs.
        where: the machine in words, such as `2 workers of this CPU`.
        stops: whether half of the chosen trials are assumed to stop at their first rung.
    """

    warm_start: float
    trials: float
    runs: float
    where: str
    stops: bool

    @property
    def seconds(self) -> float:
        return self.warm_start + self.trials + self.runs


@dataclass(frozen=True)
class CutShort:
    """The finalists' runs begin early, since they need the rest of a time limit.

    Attributes:
        trials: number of the search's own trials that have run.
        planned: number that should have run.
        runs: number of finalists' runs.
    """

    trials: int
    planned: int
    runs: int

    @property
    def text(self) -> str:
        return (
            f"{self.trials} of {self.planned} trials have run: the rest of the time is kept for "
            "the finalists' runs."
        )


@dataclass(frozen=True)
class WarmStart:
    """Progress of the shared warm start, in optimisation steps."""

    done: int
    total: int


class Prepared(Baseline):
    """Trials can begin: the scores to compare them with are known."""


@dataclass(frozen=True)
class TrialBegan:
    """A trial starts, on its first attempt or a later one."""

    name: str
    params: dict[str, Any]
    recipe: str | None


@dataclass(frozen=True)
class RungReached:
    """A trial was scored: `value` is its score at `step` of `steps`."""

    name: str
    step: int
    steps: int
    value: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned or failed.

    Attributes:
        value: its last score; None if it has none.
        seconds: its duration, in seconds.
        best: whether it is the new best.
        done: trials of the budget that have ended.
        final: whether it is a finalist's run.
        stopped_at: the step at which the pruner stopped it.
    """

    name: str
    state: str
    value: float | None
    params: dict[str, Any]
    recipe: str | None
    reason: str
    seconds: float
    best: bool
    done: int
    final: bool
    stopped_at: int | None = None


@dataclass(frozen=True)
class Stopping:
    """The search ends before its budget, and running trials are requeued.

    Attributes:
        why: the reason, in a sentence.
    """

    why: str


Event = (
    Opened
    | Note
    | Expected
    | CutShort
    | WarmStart
    | Prepared
    | TrialBegan
    | RungReached
    | TrialEnded
    | Stopping
)
