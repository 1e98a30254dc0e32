"""What happens once the record has the end of a trial: callbacks, in a fixed order.

The recorder ends a trial in the record and decides who leads; then it calls the retention of files,
MLflow and the console. None of them decides anything about the trial.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.console.events import TrialEnded
from harness.console.views import View
from harness.search.ranking import Standing
from harness.tracking import Ending, Tracker
from harness.trials.messages import TrialResult, TrialTask


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended, as the record has it.

    Attributes:
        value: its last score, or None.
        seconds: how long it ran.
        done: trials of the budget that have ended by now.
        result: of a completed trial; None of any other.
        standing: what the completion changed among the leaders; None where it ranks nowhere.
    """

    task: TrialTask
    recipe: str | None
    ending: Ending
    value: float | None
    seconds: float
    done: int
    result: TrialResult | None = None
    standing: Standing | None = None

    @property
    def leads(self) -> bool:
        return self.standing is not None and self.standing.leads


class TrialCallback(Protocol):
    """Called after the record has a trial's end."""

    def on_trial_end(self, end: TrialEnd) -> None: ...


@dataclass(frozen=True)
class NewLeaderToMlflow:
    """Marks a new leader in MLflow.

    Attributes:
        describe: the name of the winning trial, and the description of the study in Markdown.
    """

    tracker: Tracker
    describe: Callable[[], tuple[str, str]]

    def on_trial_end(self, end: TrialEnd) -> None:
        if end.leads:
            self.tracker.lead(*self.describe())


@dataclass(frozen=True)
class EndToMlflow:
    """Ends the trial's run in MLflow."""

    tracker: Tracker

    def on_trial_end(self, end: TrialEnd) -> None:
        self.tracker.end(end.task.name, end.ending)


@dataclass(frozen=True)
class EndToConsole:
    """Shows the end of the trial."""

    view: View

    def on_trial_end(self, end: TrialEnd) -> None:
        self.view.show(
            TrialEnded(
                name=end.task.name,
                state=end.ending.state,
                value=end.value,
                params=end.task.settings,
                recipe=end.recipe,
                reason=end.ending.reason,
                seconds=end.seconds,
                best=end.leads,
                done=end.done,
            )
        )
