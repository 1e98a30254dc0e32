"""The report as one HTML file that needs nothing beside it."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from optuna import Study

from reports.answers import answers
from reports.export import best_config
from reports.eyes_section import result as judged_by_eyes
from reports.figures import all_figures
from reports.first_screen import (
    how_confirmed,
    levels,
    number,
    progress,
    remarks,
    setting_name,
    signed,
    verdict,
)
from reports.live import Live
from reports.names import PARAMS, RECOMMENDED
from reports.pictures import boundaries
from reports.plotting import short
from reports.record import winning_trial
from reports.summary import Summary, summarise
from reports.table import trials_frame
from reports.translations import translator


class View(NamedTuple):
    """One way to see a picture: its key among the texts, and its data URI."""

    key: str
    uri: str


class Picture(NamedTuple):
    """A validation picture around its retouched region, in all its views of one size."""

    width: int
    height: int
    views: tuple[View, ...]


def write_report(
    study: Study,
    file: Path,
    lang: str = "en",
    panels: Path | None = None,
    live: Live | None = None,
) -> None:
    """Write the report of a study, whatever state it is in.

    Args:
        study: a study as the driver notes it.
        file: where to; replaced in one go.
        lang: `en` or `ko`.
        panels: the folder with the trials' panels `t007.png`, in that of the study; None: no
            pictures.
        live: how far a search is that runs; the page then loads itself again.
    """
    page = render(study, lang, panels, live)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        # A name that is no UTF-8 is shown escaped.
        aside.write_text(page, encoding="utf-8", errors="backslashreplace")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def render(
    study: Study, lang: str = "en", panels: Path | None = None, live: Live | None = None
) -> str:
    """The report's HTML. Everything that comes from the study is escaped."""
    from plotly.offline import get_plotlyjs

    say = translator(lang)
    frame, summary = trials_frame(study), summarise(study)
    winner = winning_trial(study)
    rungs = winner.user_attrs.get("rungs", []) if winner else []
    folder = panels and panels.parent
    named = winner and "train" in study.user_attrs
    config = best_config(study, folder=folder) if named else None
    environment = Environment(
        loader=PackageLoader("reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "signed": signed, "value": value}
    spoken = answers(study, say)
    figures = all_figures(frame, summary, rungs, say)
    return environment.get_template("live.html.j2" if live else "report.html.j2").render(
        live=live,
        say=say,
        lang=lang,
        s=summary,
        progress=progress(summary, say),
        verdict=spoken[0] if spoken else verdict(summary, say),
        remarks=[*spoken[1:], *remarks(summary, study.user_attrs, say)],
        levels=levels(summary, say),
        recommended=RECOMMENDED,
        how_confirmed=how_confirmed(summary.finals) if summary.finals else {},
        setting_name=partial(setting_name, say=say),
        params=PARAMS + (("netG",) if summary.both else ()),
        config=config,
        noted=study.user_attrs,
        provenance=provenance(study.user_attrs),
        rival=setting_name(summary.rival.recipe, say) if summary.rival else "",
        pictures=pictures(summary, panels),
        eyes=Markup(judged_by_eyes(study, lang)),
        table=table(frame),
        front=frame[frame["front"]].to_dict("records") if summary.front else [],
        plotly=Markup(get_plotlyjs()),
        figures=Markup(script_json(figures)),
        drawn=set(figures),
    )


def pictures(summary: Summary, panels: Path | None) -> list[Picture]:
    """The winner's boundaries beside its rival's."""
    if panels is None or summary.winner is None:
        return []
    rival = summary.rival
    found = boundaries(
        panels / panel_name(summary.winner.trial),
        panels / panel_name(rival.trial) if rival else None,
    )
    by_rival = f"by_{rival.recipe}" if rival else ""
    return [
        Picture(
            row.width,
            row.height,
            (
                View("retouched", row.retouched),
                *([View(by_rival, row.rival)] if row.rival else []),
                View("by_winner", row.winner),
                View("original", row.original),
            ),
        )
        for row in found
    ]


def panel_name(trial: int) -> str:
    return f"t{trial:03d}.png"


def table(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table of all trials, with only what a page shows."""
    wanted = ["trial", "state", "recipe", "score", "last_value", *PARAMS, "seconds", "reason"]
    wanted += [name for name in ("netG",) if name in frame]
    rows = frame[wanted].astype(object)
    return [
        {str(key): entry for key, entry in row.items()}
        for row in rows.where(rows.notna(), None).to_dict("records")
    ]


def provenance(noted: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of everything that made the numbers."""
    data = noted.get("data") or {}
    rows = [
        *((key, noted.get(key)) for key in ("created", "host", "device", "seed", "budget")),
        *((key, noted.get(key)) for key in ("profile", "space_name", "weights", "warm_start")),
        *((key, noted.get(key)) for key in ("objective", "mlflow_run")),
        *((f"data {key}", entry) for key, entry in data.items()),
        *(noted.get("versions") or {}).items(),
        *((noted.get("train") or {}).items()),
    ]
    return [(key, value(entry)) for key, entry in rows if entry is not None]


def value(entry: object) -> str:
    """A setting as a person reads it."""
    if entry is None:
        return ""
    if isinstance(entry, list | tuple):
        return ", ".join(map(value, entry))
    return short(entry) if isinstance(entry, float) else str(entry)


def script_json(data: object) -> str:
    """JSON that stands safely inside a script element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
