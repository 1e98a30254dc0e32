"""The report as one HTML file that needs nothing beside it."""

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from optuna import Study

from reports.export import best_config
from reports.figures import all_figures, short
from reports.pictures import boundaries
from reports.record import RECOMMENDED, recipe_trial, winning_trial
from reports.summary import Summary, summarise
from reports.table import PARAMS, trials_frame
from reports.texts import Translate, translator


def write_report(study: Study, file: Path, lang: str = "en", panels: Path | None = None) -> None:
    """Write the report of a study, whatever state it is in.

    Args:
        study: a study as the driver notes it.
        file: where to; replaced in one go.
        lang: `en` or `ko`.
        panels: the folder with the trials' panels `t007.png`; None: no pictures.
    """
    page = render(study, lang, panels)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.tmp")
    try:
        aside.write_text(page, encoding="utf-8")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def render(study: Study, lang: str = "en", panels: Path | None = None) -> str:
    """The report's HTML. Everything that comes from the study is escaped."""
    from plotly.offline import get_plotlyjs

    say = translator(lang)
    frame, summary = trials_frame(study), summarise(study)
    winner = winning_trial(study)
    rungs = winner.user_attrs.get("rungs", []) if winner else []
    config = best_config(study) if winner and "train" in study.user_attrs else None
    environment = Environment(
        loader=PackageLoader("reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "signed": signed, "value": value}
    figures = all_figures(frame, summary, rungs, say)
    return environment.get_template("report.html.j2").render(
        say=say,
        lang=lang,
        s=summary,
        verdict=verdict(summary, say),
        remarks=remarks(summary, study.user_attrs, say),
        levels=levels(summary, say),
        how_confirmed=how_confirmed(summary.finals) if summary.finals else {},
        finalist_name=partial(finalist_name, say=say),
        params=PARAMS,
        config=config,
        noted=study.user_attrs,
        provenance=provenance(study.user_attrs),
        pictures=pictures(study, summary, panels),
        table=table(frame),
        plotly=Markup(get_plotlyjs()),
        figures=Markup(script_json(figures)),
        drawn=set(figures),
    )


def verdict(summary: Summary, say: Translate) -> str:
    """The first sentence: what the finalists showed, or else what one run each did."""
    if summary.finals and summary.finals["difference"]:
        return confirmed_verdict(summary.finals, say)
    best, other = summary.winner, summary.baseline
    return say(
        f"verdict_{summary.outcome}",
        trial=best.trial if best else "",
        score=number(best.score) if best else "",
        baseline=number(other.score) if other else "",
        difference=number(summary.difference),
    )


def confirmed_verdict(finals: Mapping[str, Any], say: Translate) -> str:
    """Better, no difference shown, or the baseline is the best, with the interval."""
    lead = finals["difference"]
    ends = (lead["low"], lead["high"])
    found = "better" if lead["low"] > 0 else "worse" if lead["high"] < 0 else "undecided"
    if found == "worse":
        ends = (-lead["high"], -lead["low"])
    challenger = next(row["name"] for row in finals["rows"] if row["name"] != finals["baseline"])
    return say(
        f"verdict_{found}",
        one=challenger,
        other=finalist_name(finals["baseline"], say),
        difference=signed(lead["mean"]) if found == "undecided" else number(abs(lead["mean"])),
        low=number(ends[0]),
        high=number(ends[1]),
    )


def finalist_name(name: str, say: Translate) -> str:
    return say("recommended_short") if name == RECOMMENDED else name


def remarks(summary: Summary, noted: Mapping[str, Any], say: Translate) -> list[str]:
    """What a reader must know beside the first sentence."""
    said = [say("so_far")] if summary.running else []
    if summary.outcome == "only_failures":
        said.append(say("failures_first"))
    if summary.outcome == "no_baseline":
        said.append(say("no_baseline_note"))
    if summary.finals is not None:
        said.append(say("confirmed", **how_confirmed(summary.finals)))
    elif summary.outcome == "ahead":
        said.append(say("not_confirmed"))
    if summary.winner and summary.winner.score is not None and summary.noop is not None:
        above = summary.sign * summary.winner.score > summary.sign * summary.noop
        said.append(say("above_noop" if above else "below_noop", noop=number(summary.noop)))
    if noted.get("weights") == "random":
        said.append(say("random_weights"))
    return said


def how_confirmed(finals: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, seeds and pairs of the confirmation, as its sentences name them."""
    return {
        "steps": finals["steps"],
        "seeds": len(finals["seeds"]),
        "pairs": finals["pairs"],
        "noop": number(finals["noop"]),
    }


def levels(summary: Summary, say: Translate) -> list[tuple[str, float]]:
    """The scores of the first screen, by name."""
    named = [
        (say("winner"), summary.winner.score if summary.winner else None),
        (say("recommended_short"), summary.baseline.score if summary.baseline else None),
        (say("warm_start_short"), summary.warm_start),
        (say("noop_short"), summary.noop),
        (say("oracle_short"), summary.oracle),
    ]
    return [(name, score) for name, score in named if score is not None]


def pictures(study: Study, summary: Summary, panels: Path | None) -> list[dict[str, Any]]:
    """The winner's boundaries beside the recommended recipe's, each as the page takes it."""
    if panels is None or summary.winner is None:
        return []
    recommended = recipe_trial(study, RECOMMENDED)
    other = recommended and recommended.number != summary.winner.trial
    found = boundaries(
        panels / panel_name(summary.winner.trial),
        panels / panel_name(recommended.number) if recommended and other else None,
    )
    return [
        {
            "side": row.side,
            "views": [
                (key, uri)
                for key, uri in (
                    ("retouched", row.retouched),
                    ("by_baseline", row.baseline),
                    ("by_winner", row.winner),
                    ("original", row.original),
                )
                if uri is not None
            ],
        }
        for row in found
    ]


def panel_name(trial: int) -> str:
    return f"t{trial:03d}.png"


def table(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table of all trials, with only what a page shows."""
    wanted = ["trial", "state", "recipe", "score", "last_value", *PARAMS, "seconds", "reason"]
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


def number(score: float | None) -> str:
    """A score to four decimals; a dash where there is none."""
    return "-" if score is None or math.isnan(score) else f"{score:.4f}"


def signed(difference: float) -> str:
    return f"{difference:+.4f}"


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
