"""The current state of a study, for `harness status`."""

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.console.lines import rough_duration, sparkline
from harness.search.result import SearchOutcome, as_lines
from harness.search.time_left import time_left
from harness.study.locks import driven_by
from reports.texts.numbers import number

if TYPE_CHECKING:
    from optuna import Study


def status_lines(study: "Study", outcome: SearchOutcome) -> list[str]:
    """A headline, the outcome so far, and the history of scores."""
    driver = driven_by(study)
    headline, *table = as_lines(with_interrupted(study, outcome))
    now = f"being searched by {driver}" if driver else "not being searched now"
    left = time_left(study) if driver else None
    if left:
        now += f", about {rough_duration(left)} left"
    if not driver and outcome.done >= outcome.budget:
        now = "finished"
    scores = score_history(study)
    return [
        f"Study {outcome.study}, budget {outcome.budget}, {now}",
        headline,
        *([scores] if scores else []),
        *table,
    ]


def with_interrupted(study: "Study", outcome: SearchOutcome) -> SearchOutcome:
    """The outcome, in which no trial runs unless a driver does.

    Trials of a killed driver are still marked as running; the next driver runs them again.
    """
    if driven_by(study) or not outcome.counts["running"]:
        return outcome
    counts = outcome.counts.copy()
    counts["interrupted"] = counts.pop("running")
    return replace(outcome, counts=counts)


def score_history(study: "Study") -> str:
    """The scores of the latest completed trials as a sparkline with their range; "" if none."""
    from reports.record.queries import completed, score_of

    values = [score_of(trial) for trial in completed(study)]
    latest = values[-40:]
    if not latest:
        return ""
    return f"  scores {sparkline(latest)} {number(min(latest))} to {number(max(latest))}"
