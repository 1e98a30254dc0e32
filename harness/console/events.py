"""What happens in a search that a person may want to see: one frozen dataclass an event."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opened:
    """A search begins or goes on.

    Attributes:
        best: of an earlier part of it, as `leading` says it; "" where there is none.
        scores: of the trials that are complete, in order.
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


@dataclass(frozen=True)
class Note:
    """One sentence for the user."""

    text: str


@dataclass(frozen=True)
class WarmStart:
    """How far the shared warm start is, in optimisation steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """What every trial is read against."""

    noop: float
    warm_start: float | None
    oracle: float | None


@dataclass(frozen=True)
class TrialBegan:
    name: str
    params: dict[str, Any]
    recipe: str | None


@dataclass(frozen=True)
class RungReached:
    name: str
    step: int
    steps: int
    value: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned or failed. `best`: it leads now; `done`: of the budget."""

    name: str
    state: str
    value: float | None
    params: dict[str, Any]
    recipe: str | None
    reason: str
    seconds: float
    best: bool
    done: int


Event = Opened | Note | WarmStart | Prepared | TrialBegan | RungReached | TrialEnded
