"""What the report of a running search shows in addition to an ordinary report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunningTrial:
    """A trial that is being trained.

    Attributes:
        step: the step of its last score; 0 before the first.
        steps: its total number of steps.
        score: its last score; None before the first.
    """

    name: str
    settings: Mapping[str, Any]
    step: int
    steps: int
    score: float | None


@dataclass(frozen=True)
class Live:
    """The progress of a search.

    Attributes:
        done: trials of the budget that have ended.
        left: the remaining time in words; "" if it is not known.
        preparing: what is being prepared before the first trial, as in `StudySetup.warm_start`: the
            `shared` warm start, that of the user's model (`init-from`), or `none`; "" once done.
        running: the running trials, by number.
        written: time at which the page was written, in seconds since the epoch.
        interval: seconds after which the page reloads itself.
    """

    done: int
    budget: int
    left: str
    preparing: str
    running: tuple[RunningTrial, ...]
    written: float
    interval: float
