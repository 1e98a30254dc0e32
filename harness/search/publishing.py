"""Publish a study: its description and files in MLflow, and its report."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.lines import settings
from harness.paths import StudyPaths
from harness.search.ranking import KEPT
from harness.search.result import (
    NAMED_RECIPES,
    SearchOutcome,
    bounds,
    confirmation,
    headline,
    score_rows,
)
from harness.tracking.model_registry import Model, SearchResults
from reports.record.names import trial_name
from reports.texts.numbers import number, quantity

if TYPE_CHECKING:
    from optuna import Study

HEAD = ("| | trial | score | settings |", "|---|---|---|---|")

log = logging.getLogger(__name__)


def study_note(study: "Study", outcome: SearchOutcome) -> str:
    """The study's description in MLflow, Markdown: the outcome, and all recipes."""
    from reports.record.queries import completed, score_of, settings_of
    from reports.record.trial import TrialRecord

    named = {TrialRecord.of(trial).recipe: trial for trial in completed(study)}
    rows = [
        row_of(
            starred(outcome, trial.number, recipe),
            trial.number,
            score_of(trial),
            settings_of(trial),
        )
        for recipe, trial in sorted(named.items(), key=lambda pair: pair[1].number)
        if recipe is not None
    ]
    if not rows:
        return outcome_note(outcome)
    return "\n".join([outcome_note(outcome), "", "### The recipes", "", *HEAD, *rows])


def outcome_note(outcome: SearchOutcome) -> str:
    """The outcome in Markdown, with a star at the trial in best.yaml."""
    rows = [
        row_of(starred(outcome, row.number, row.label), row.number, row.value, row.params)
        for row in score_rows(outcome)
    ]
    rows += [f"| {label} | | {number(value)} | |" for label, value in bounds(outcome)]
    parts = (["", *HEAD, *rows], front_table(outcome), finals_table(outcome))
    return "\n".join([*summary_lines(outcome), *(line for part in parts for line in part)])


def summary_lines(outcome: SearchOutcome) -> list[str]:
    """The decision and the counts: the part of the description that MLflow shows collapsed."""
    decision = outcome.decision
    if decision is None:
        return [headline(outcome)]
    lines = []
    for each in (decision, decision.as_is):
        if each is not None:
            settled = f"**{each.sentence}.** {each.settings}".rstrip()
            lines += [f"{settled}. {each.why}" if each.settings else f"{settled} {each.why}", ""]
    return [*lines, headline(outcome)]


def front_table(outcome: SearchOutcome) -> list[str]:
    """The front of a Pareto search as a table; empty for any other search."""
    if not outcome.front:
        return []
    names = list(outcome.front[0].values)
    rows = [
        f"| {starred(outcome, point.number, trial_name(point.number))} | "
        + " | ".join(number(value) for value in (*point.values.values(), point.score))
        + f" | {' '.join(settings(point.params).split())} |"
        for point in outcome.front
    ]
    head = [f"| trial | {' | '.join(names)} | score | settings |", "|---" * (len(names) + 3) + "|"]
    return ["", "### The front: beaten by none in both", "", *head, *rows]


def finals_table(outcome: SearchOutcome) -> list[str]:
    """The table of the finalists; empty before they are known."""
    finalists = outcome.finalists
    if finalists is None:
        return []
    rows = [
        row_of(
            starred(outcome, row.trial, NAMED_RECIPES.get(row.name, row.name)),
            row.trial,
            row.mean,
            row.params,
        )
        for row in finalists.rows
    ]
    return ["", "### Finalists", "", confirmation(outcome)[0], "", *HEAD, *rows]


def row_of(label: str, trial: int | None, value: float | None, params: dict[str, Any]) -> str:
    name = "" if trial is None else trial_name(trial)
    score = "diverged" if value is None else number(value)
    return f"| {label} | {name} | {score} | {' '.join(settings(params).split())} |"


def starred(outcome: SearchOutcome, trial: int | None, label: str) -> str:
    return f"★ {label}" if trial is not None and trial == outcome.winner else label


def search_results(study: "Study", outcome: SearchOutcome, name: str | None) -> SearchResults:
    """The results for MLflow at the end of a search.

    Args:
        name: the registered model of which the winner becomes a version; None: none.
    """
    from reports.export.best_yaml import best_config
    from reports.record.queries import trials_by_score

    paths = outcome.paths
    config = best_config(study, folder=paths.folder) if outcome.winner is not None else {}
    kept = [paths.checkpoint(trial.number) for trial in trials_by_score(study)[:KEPT]]
    winner = paths.folder / config["checkpoint"] if config.get("checkpoint") else None
    if winner and winner not in kept:
        kept.append(winner)
    model = None
    if name and winner and winner.exists() and paths.best_yaml.exists():
        model = winner_as_model(name, winner, paths, config)
    return SearchResults(
        best=outcome.winner,
        note=study_note(study, outcome),
        files=[file for file in (paths.best_yaml, paths.report_html) if file.exists()],
        weights=[file for file in kept if file.exists()],
        model=model,
    )


def winner_as_model(name: str, weights: Path, paths: StudyPaths, config: dict[str, Any]) -> Model:
    """The winner as a model version, with tags and a description."""
    score, train = config["score"], config["train"]
    tags = {
        "study": config["study"],
        "trial": config["trial"],
        "netG": train["netG"],
        "ngf": train["ngf"],
        "score": score["mean"],
        "confirmed": config["confirmed"],
        "weights": score["weights"],
        **config["params"],
    }
    return Model(
        name=name,
        weights=weights,
        config=paths.best_yaml,
        tags={key: str(value) for key, value in tags.items()},
        description=f"{config['verdict'][:1].upper()}{config['verdict'][1:]}. A generator of "
        f"{quantity(train['steps'], 'step')} or little more: it shows what the setting does; "
        "`harness train` with the best.yaml beside it trains in full.",
    )


def write_page(study: "Study", paths: StudyPaths, storage: str | None = None) -> None:
    """Write the report. A failure is only logged, since `harness report` can write it again.

    Args:
        storage: the database's URL without secrets, for the commands on the page; None: the run
            folder's.
    """
    from reports.page.report import write_report

    try:
        write_report(study, paths.report_html, panels=paths.panels, storage=storage)
    except Exception:
        log.exception("the report was not written; harness report makes it again")
