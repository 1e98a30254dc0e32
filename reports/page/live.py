"""What the report of a search that runs says of it, beside everything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunningTrial:
    """A trial that is being trained.

    Attributes:
        step: of its last score; 0 before the first.
        score: None before the first.
    """

    name: str
    settings: Mapping[str, Any]
    step: int
    steps: int
    score: float | None


@dataclass(frozen=True)
class Live:
    """How far a search is.

    Attributes:
        done: trials of the budget that have ended.
        left: the remaining time in words; "" if it is not known.
        preparing: what is being made before the first trial, as `StudySetup.warm_start` has it: the
            `shared` warm start, that of the user's model (`init-from`), or `none`; "": it is made.
        running: by number.
        written: when, in seconds since the epoch.
        interval: seconds after which the page loads itself again.
    """

    done: int
    budget: int
    left: str
    preparing: str
    running: tuple[RunningTrial, ...]
    written: float
    interval: float
