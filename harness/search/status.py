"""The current state of a study, for `harness status`."""

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.console.lines import rough, sparkline
from harness.search.result import SearchOutcome, as_lines
from harness.search.time_left import time_left
from harness.study.locks import driven_by
from reports.texts.numbers import number

if TYPE_CHECKING:
    from optuna import Study


def standing_lines(study: "Study", outcome: SearchOutcome) -> list[str]:
    """A headline, the outcome so far, and the history of scores."""
    driver = driven_by(study)
    if not driver:  # what it was running is still so in the record, and runs again
        counts = outcome.counts.copy()
        counts["interrupted"] = counts.pop("running", 0)
        outcome = replace(outcome, counts=counts)
    headline, *table = as_lines(outcome)
    now = f"being searched by {driver}" if driver else "not being searched now"
    left = time_left(study) if driver else None
    if left:
        now += f", about {rough(left)} left"
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
    """The scores of the latest completed trials as a sparkline with their range; "" if none."""
    from reports.record.queries import completed, score_of

    values = [score_of(trial) for trial in completed(study)]
    latest = values[-40:]
    if not latest:
        return ""
    return f"  scores {sparkline(latest)} {number(min(latest))} to {number(max(latest))}"
