"""Trial callbacks: they run after the end of a trial is recorded, in a fixed order.

The recorder ends a trial in the record and ranks it. Then it calls retention, MLflow and the
console, which act on the result but decide nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.console.events import TrialEnded
from harness.console.views import View
from harness.search.ranking import RankingChange
from harness.tracking.outbox import Ending
from harness.trials.messages import TrialResult, TrialTask


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended, according to the record.

    Attributes:
        value: its last score, or None.
        seconds: its duration, in seconds.
        done: trials of the budget that have ended so far.
        result: result of a completed trial; None for any other.
        change: how it changed the ranking; None if it is not ranked.
        stopped_at: the step at which the pruner stopped it.
    """

    task: TrialTask
    recipe: str | None
    ending: Ending
    value: float | None
    seconds: float
    done: int
    result: TrialResult | None = None
    change: RankingChange | None = None
    stopped_at: int | None = None

    @property
    def leads(self) -> bool:
        """Whether the trial is the new best."""
        return self.change is not None and self.change.leads


TrialCallback = Callable[[TrialEnd], None]
"""Called after a trial's end is recorded."""


def end_to_console(view: View) -> TrialCallback:
    """Show the trial's end in the console."""

    def on_trial_end(end: TrialEnd) -> None:
        view.show(
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
                final=end.task.phase == "final",
                stopped_at=end.stopped_at,
            )
        )

    return on_trial_end
