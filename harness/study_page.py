"""What a study leaves for people who were not there: its page in MLflow, and its report."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.keep import KEPT
from harness.outcome import MARKDOWN_HEAD, SearchOutcome, as_markdown, markdown_row, starred
from harness.paths import StudyPaths
from harness.registration import Left, Model

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


def left_by(study: "Study", outcome: SearchOutcome, name: str | None) -> Left:
    """What the study's page in MLflow gets at the end of a search.

    Args:
        name: register the winner as a version of the model of this name; None: do not.
    """
    from reports.export import best_config
    from reports.record import trials_by_score

    paths = outcome.paths
    config = best_config(study) if outcome.winner is not None else {}
    kept = [paths.checkpoint(trial.number) for trial in trials_by_score(study)[:KEPT]]
    winner = paths.folder / config["checkpoint"] if config.get("checkpoint") else None
    if winner and winner not in kept:
        kept.append(winner)
    model = None
    if name and winner and winner.exists() and paths.best_yaml.exists():
        model = winner_as_model(name, winner, paths, config)
    return Left(
        best=outcome.winner,
        note=study_note(study, outcome),
        files=[file for file in (paths.best_yaml, paths.report_html) if file.exists()],
        weights=[file for file in kept if file.exists()],
        model=model,
    )


def winner_as_model(name: str, weights: Path, paths: StudyPaths, config: dict[str, Any]) -> Model:
    """The winner with what a person must know before using it."""
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
        f"{train['steps']} steps or little more: it shows what the setting does; `harness train` "
        "with the best.yaml beside it trains in full.",
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
