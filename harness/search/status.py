"""How a study stands at this moment, for `harness status`."""

from typing import TYPE_CHECKING

from harness.console.lines import sparkline
from harness.search.result import SearchOutcome, as_lines
from harness.study.locks import driven_by

if TYPE_CHECKING:
    from optuna import Study


def standing_lines(study: "Study", outcome: SearchOutcome) -> list[str]:
    """A study's head, its outcome so far, and the course of its scores."""
    headline, *table = as_lines(outcome)
    driver = driven_by(study)
    now = f"being searched by {driver}" if driver else "not being searched now"
    if not driver and outcome.done >= outcome.budget:
        now = "finished"
    course = course_of(study)
    return [
        f"Study {outcome.study}, budget {outcome.budget}, {now}",
        headline,
        *([course] if course else []),
        *table,
    ]


def course_of(study: "Study") -> str:
    """The last completed trials' scores as blocks, with their range; "" where there are none."""
    from reports.record import completed, score_of

    values = [score_of(trial) for trial in completed(study)]
    shown = values[-40:]
    if not shown:
        return ""
    return f"  scores {sparkline(shown)} {min(shown):.4f} to {max(shown):.4f}"
