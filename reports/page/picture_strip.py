"""The strip of the report's first screen: one crop as every notable setting restores it."""

from pathlib import Path
from typing import NamedTuple

from reports.analysis.decision import Decision
from reports.analysis.summary import Standing, Summary
from reports.page.first_screen import leader_name, setting_name
from reports.page.panel_crops import Cut, boundaries, close_up
from reports.record.names import trial_name
from reports.texts.numbers import number
from reports.texts.translations import Translate

RETOUCHED, ORIGINAL = "retouched", "original"


class View(NamedTuple):
    """One version of a picture: its key on the page, its name in words, and its data URI."""

    key: str
    name: str
    uri: str


class Cell(NamedTuple):
    """A view in the strip; `score` is "" where it has none. `chosen`: the decided setting, which is
    marked; `chief`: one of the first row."""

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
    """What the page has of pictures: the strip, and each picture for a slider."""

    strip: tuple[Cell, ...]
    pictures: tuple[Picture, ...]


def shown_pictures(
    summary: Summary, decision: Decision, panels: Path | None, say: Translate
) -> Shown:
    """The settings' restored pictures, as far as their panels are in the study's folder."""
    settings = notable(summary)
    if panels is None or not settings:
        return Shown((), ())
    files = {trial_name(one.trial): panels / f"{trial_name(one.trial)}.png" for one in settings}
    names = {
        trial_name(one.trial): name_of(one, summary, leader_name(decision, say), say)
        for one in settings
    }
    chief = [trial_name(one.trial) for one in chief_of(summary)]
    close = close_up(files)
    if close is None:
        return Shown((), ())
    chosen = "" if decision.trial is None else trial_name(decision.trial)
    scores = {}
    if summary.finals is None:  # else the page's numbers are the finalists', of other pictures
        scores = {trial_name(one.trial): number(one.score) for one in settings}
        scores |= {RETOUCHED: number(summary.noop)} if summary.noop is not None else {}
    strip = tuple(
        Cell(
            view,
            scores.get(view.key, ""),
            view.key == chosen,
            view.key in (*chief, RETOUCHED, ORIGINAL),
        )
        for view in views_of(close, names, say)
    )
    pictures = tuple(
        Picture(each.width, each.height, views_of(each, names, say))
        for each in boundaries(files, chief)
    )
    return Shown(strip, pictures)


def views_of(cut: Cut, names: dict[str, str], say: Translate) -> tuple[View, ...]:
    """Retouched, restored in the order of the settings, original."""
    return (
        View(RETOUCHED, say(RETOUCHED), cut.retouched),
        *(View(key, name, cut.restored[key]) for key, name in names.items() if key in cut.restored),
        View(ORIGINAL, say(ORIGINAL), cut.original),
    )


def chief_of(summary: Summary) -> list[Standing]:
    """What a winner is read against, then the winner, each trial once."""
    candidates = (summary.problem, summary.baseline, summary.as_is, summary.winner)
    found = {one.trial: one for one in candidates if one is not None}
    if summary.winner:
        found[summary.winner.trial] = found.pop(summary.winner.trial)
    return list(found.values())


def notable(summary: Summary) -> list[Standing]:
    """The chief settings and the guide's other recipes, in the order in which they are shown."""
    chief = chief_of(summary)
    known = {one.trial for one in chief}
    others = [one for one in summary.recipes if one.trial not in known and one.score is not None]
    before, last = chief[:-1], chief[-1:]
    return [*before, *others, *last]


def name_of(one: Standing, summary: Summary, leader: str, say: Translate) -> str:
    """What a reader calls a setting: its part in the study, and its recipe or number.

    Args:
        leader: what the leading trial is called.
    """
    parts = [
        (leader, summary.winner),
        (say("as_is_short"), summary.as_is),
    ]
    said = [name for name, standing in parts if standing and standing.trial == one.trial]
    own = setting_name(one.recipe, say) if one.recipe else trial_name(one.trial)
    return ": ".join([*said[:1], own])
