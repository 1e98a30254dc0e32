"""What a study leaves for people who were not there: its page in MLflow, and its report."""

import logging
from typing import TYPE_CHECKING

from harness.outcome import MARKDOWN_HEAD, SearchOutcome, as_markdown, markdown_row, starred
from harness.paths import StudyPaths

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)


def study_note(study: "Study", outcome: SearchOutcome) -> str:
    """The Markdown on the study's page in MLflow: how it ended, and all of the guide's settings."""
    from reports.record import completed, params_of, score_of

    named = {trial.user_attrs.get("recipe"): trial for trial in completed(study)}
    rows = [
        markdown_row(
            starred(outcome, trial.number, recipe), trial.number, score_of(trial), params_of(trial)
        )
        for recipe, trial in sorted(named.items(), key=lambda pair: pair[1].number)
        if recipe is not None
    ]
    if not rows:
        return as_markdown(outcome)
    return "\n".join(
        [as_markdown(outcome), "", "### The guide's settings", "", *MARKDOWN_HEAD, *rows]
    )


def write_page(study: "Study", paths: StudyPaths) -> None:
    """The report of a search that reached its end, beside its other files.

    It shows what the record has, and can be made again: its failure is not the search's.
    """
    from reports.html import write_report

    try:
        write_report(study, paths.report_html, panels=paths.panels)
    except Exception:
        log.exception("the report was not written; harness report makes it again")
