"""The strip on the report's first screen: one crop as every notable setting restores it."""

from pathlib import Path
from typing import NamedTuple

from reports.analysis.decision import Decision
from reports.analysis.summary import Summary, TrialFacts
from reports.page.first_screen import first_row_of, name_of
from reports.page.panel_crops import Cut, boundaries, close_up
from reports.record.names import OTHER_WARM_START, WARM_START, trial_name
from reports.texts.numbers import number
from reports.texts.translations import Translate

RETOUCHED, ORIGINAL = "retouched", "original"


class View(NamedTuple):
    """One version of a picture: its key on the page, its name in words, and its data URI."""

    key: str
    name: str
    uri: str


class Cell(NamedTuple):
    """A view in the strip.

    Attributes:
        score: its score as text; "" if it has none.
        chosen: whether it is the decided setting, which is marked.
        chief: whether it is in the first row.
    """

    view: View
    score: str
    chosen: bool
    chief: bool


class Picture(NamedTuple):
    """A validation picture around its retouched region, in all its views of one size."""

    width: int
    height: int
    views: tuple[View, ...]


class Shown(NamedTuple):
    """The page's pictures: the strip, and each picture for a slider."""

    strip: tuple[Cell, ...] = ()
    pictures: tuple[Picture, ...] = ()


def shown_pictures(
    summary: Summary, decision: Decision, panels: Path | None, say: Translate, blur: bool
) -> Shown:
    """The pictures of the settings and the warm start, as far as their panels exist.

    Each has the score of the run that made it, a mean over the validation pictures. (Finalists'
    runs keep no pictures, and are scored on others.)

    Args:
        blur: whether the objective is boundary_sharpness, for which the original itself scores 1.
    """
    settings, chief = notable(summary), [trial_name(one.trial) for one in first_row_of(summary)]
    if panels is None or not settings:
        return Shown()
    starts = warm_starts(summary, say)
    named = starts | {
        trial_name(one.trial): (name_of(one, summary, decision, say), one.score) for one in settings
    }
    files = {key: panels / f"{key}.png" for key in named}
    close = close_up(files)
    if close is None:
        return Shown()
    names = {key: name for key, (name, _) in named.items()}
    scored = {key: score for key, (_, score) in named.items()}
    scored |= {RETOUCHED: summary.noop, ORIGINAL: 1.0 if blur else None}
    scores = {key: number(score) for key, score in scored.items() if score is not None}
    blurring = () if summary.problem else starts
    first_row = (*chief, *blurring, RETOUCHED, ORIGINAL)
    chosen = "" if decision.trial is None else trial_name(decision.trial)
    strip = (
        Cell(view, scores.get(view.key, ""), view.key == chosen, view.key in first_row)
        for view in views_of(close, names, say)
    )
    pictures = (
        Picture(each.width, each.height, views_of(each, names, say))
        for each in boundaries(files, chief)
    )
    return Shown(tuple(strip), tuple(pictures))


def warm_starts(summary: Summary, say: Translate) -> dict[str, tuple[str, float | None]]:
    """Name and score of the warm start of each kind of generator, by the name of its panel."""
    scores = {
        WARM_START: (say("warm_start_short"), summary.warm_start),
        OTHER_WARM_START: (say("warm_start_moves_short"), summary.other_warm_start),
    }
    return {key: found for key, found in scores.items() if found[1] is not None}


def views_of(cut: Cut, names: dict[str, str], say: Translate) -> tuple[View, ...]:
    """Retouched, restored in the order of the settings, original."""
    return (
        View(RETOUCHED, say(RETOUCHED), cut.retouched),
        *(View(key, name, cut.restored[key]) for key, name in names.items() if key in cut.restored),
        View(ORIGINAL, say(ORIGINAL), cut.original),
    )


def notable(summary: Summary) -> list[TrialFacts]:
    """The settings that the winner is compared with, the other recipes, and last the winner."""
    chief = first_row_of(summary)
    known = {one.trial for one in chief}
    others = [one for one in summary.recipes if one.trial not in known and one.score is not None]
    return [*chief[:0:-1], *others, *chief[:1]]
