"""Every figure of the report: the search's history and front, the winner's training."""

from collections.abc import Sequence

import pandas as pd

from reports.analysis.summary import Summary
from reports.page.figure_elements import Figure, axes, points, safe, trace
from reports.page.figures_by_setting import parallel, slice_of
from reports.record.trial import RungRecord
from reports.texts.numbers import short
from reports.texts.translations import Translate


def all_figures(
    frame: pd.DataFrame, summary: Summary, rungs: Sequence[RungRecord], say: Translate
) -> dict[str, Figure]:
    """Every figure for which the study has data, by name; a single point is not drawn."""
    done = frame[frame["score"].notna()]
    figures: dict[str, Figure] = {}
    if len(done) + len(stopped_in(frame)) > 1:
        figures["history"] = history(frame, summary, say)
    alike = done[done["trial"].isin(summary.same_kind)]
    for name in summary.settings:
        if alike[name].nunique() > 1:
            figures[f"slice-{name}"] = slice_of(alike, name, summary, say)
    if len(alike) > 1:
        figures["parallel"] = parallel(alike, summary.sign, say)
    if summary.objectives and len(done) > 1:
        figures["front"] = front(done, summary, say)
    if len(rungs) > 1:
        figures["course"] = course(rungs, say)
        if (lines := losses(rungs, say))["data"]:
            figures["losses"] = lines
    return figures


def history(frame: pd.DataFrame, summary: Summary, say: Translate) -> Figure:
    """Score by trial, the best so far, and the levels that every score is compared with."""
    done = frame[frame["score"].notna()]
    stopped = stopped_in(frame)
    may_win = done[done["feasible"]]
    best = summary.sign * (summary.sign * may_win["score"]).cummax()
    line = {"shape": "hv", "color": "good", "width": 2}
    data = [
        points(done, "trial", "score", say("completed"), "accent", 8),
        points(stopped, "trial", "last_value", say("pruned_at_last"), "muted", 5),
        trace("lines", say("best_so_far"), may_win["trial"], best, line=line, hoverinfo="skip"),
    ]
    data += [
        trace(
            "lines",
            say(name),
            [0, max(1, len(frame) - 1)],
            [value, value],
            line={"dash": dash, "color": "ink", "width": 1},
            hovertemplate=f"{safe(say(name))}: %{{y:.4r}}<extra></extra>",
        )
        for name, value, dash in levels(summary)
    ]
    return {
        "data": [each for each in data if each["x"]],
        "layout": axes(say("trial"), say("score")),
    }


def levels(summary: Summary) -> list[tuple[str, float, str]]:
    """The scores that every trial is compared with: text, value and dash of each."""
    known = (
        ("noop_short", summary.noop, "dot"),
        ("warm_start_short", summary.warm_start, "dash"),
        ("recommended_short", summary.baseline.score if summary.baseline else None, "dashdot"),
    )
    return [(name, value, dash) for name, value, dash in known if value is not None]


def stopped_in(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that were stopped at a rung, with a score there."""
    return frame[(frame["state"] == "pruned") & frame["last_value"].notna()]


def front(done: pd.DataFrame, summary: Summary, say: Translate) -> Figure:
    """Completed trials by two objectives, with the Pareto front marked."""
    one, other = summary.objectives
    ahead = done[done["front"]].sort_values(one)
    data = [
        points(done[~done["front"]], one, other, say("completed"), "accent", 7),
        points(ahead, one, other, say("front"), "good", 10, "lines+markers"),
    ]
    return {"data": data, "layout": axes(one, other)}


def losses(rungs: Sequence[RungRecord], say: Translate) -> Figure:
    """The winner's losses, each as a fraction of its value at the first rung."""
    colours = {"G_L1": "accent", "G_Perceptual": "good", "G_GAN": "warn"}
    data = []
    for name in ("G_L1", "G_Perceptual", "G_GAN", "D_real", "D_fake"):
        rows = [(rung.step, rung.losses[name]) for rung in rungs if name in rung.losses]
        if len(rows) < 2 or not rows[0][1]:
            continue
        steps, values = zip(*rows, strict=True)
        dash = "dot" if name == "D_fake" else "solid"
        data.append(
            trace(
                "lines+markers",
                name,
                steps,
                [value / values[0] for value in values],
                text=[short(value) for value in values],
                hovertemplate=f"{name} %{{text}}<extra></extra>",
                line={"color": colours.get(name, "muted"), "width": 2, "dash": dash},
            )
        )
    return {"data": data, "layout": axes(say("step"), say("losses_axis"))}


def course(rungs: Sequence[RungRecord], say: Translate) -> Figure:
    """The winner's score on the validation pictures, rung by rung."""
    line = trace(
        "lines+markers",
        say("score"),
        [rung.step for rung in rungs],
        [rung.value for rung in rungs],
        hovertemplate="%{y:.4r}<extra></extra>",
        line={"color": "accent", "width": 2},
    )
    return {"data": [line], "layout": axes(say("step"), say("score"), legend=False)}
