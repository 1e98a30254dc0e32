"""Every figure of the report."""

from collections.abc import Sequence

import pandas as pd

from reports.analysis.summary import Summary
from reports.page.figure_elements import Figure, Translate, axes, points, safe
from reports.page.figures_by_setting import parallel, slice_of
from reports.record.names import PARAMS
from reports.record.trial import RungRecord
from reports.texts.numbers import short


def all_figures(
    frame: pd.DataFrame, summary: Summary, rungs: Sequence[RungRecord], say: Translate
) -> dict[str, Figure]:
    """Every figure that the study has data for, by name."""
    done = frame[frame["score"].notna()]
    figures = {"history": history(frame, summary, say)}
    alike = done[done["trial"].isin(summary.alike)]
    for name in PARAMS:
        if alike[name].nunique() > 1:
            figures[f"slice-{name}"] = slice_of(alike, name, summary, say)
    if len(alike) > 1:
        figures["parallel"] = parallel(alike, summary.sign, say)
    if summary.objectives and len(done):
        figures["front"] = front(done, summary, say)
    if len(rungs) > 1:
        figures["losses"] = losses(rungs, say)
        figures["course"] = course(rungs, say)
    return figures


def history(frame: pd.DataFrame, summary: Summary, say: Translate) -> Figure:
    """Score by trial, the best so far, and the lines that every score is read against."""
    done = frame[frame["score"].notna()]
    stopped = frame[(frame["state"] == "pruned") & frame["last_value"].notna()]
    data = [
        points(done, "score", say("completed"), "accent", 8),
        points(stopped, "last_value", say("pruned_at_last"), "muted", 5),
        {
            "type": "scatter",
            "mode": "lines",
            "name": say("best_so_far"),
            "x": done["trial"].tolist(),
            "y": (summary.sign * (summary.sign * done["score"]).cummax()).tolist(),
            "line": {"shape": "hv", "color": "good", "width": 2},
            "hoverinfo": "skip",
        },
    ]
    levels = [
        (summary.noop, say("noop_short")),
        (summary.warm_start, say("warm_start_short")),
        (summary.baseline.score if summary.baseline else None, say("recommended_short")),
    ]
    data += [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": [0, max(1, len(frame) - 1)],
            "y": [value, value],
            "line": {"dash": dash, "color": "ink", "width": 1},
            "hovertemplate": f"{safe(name)}: %{{y:.4f}}<extra></extra>",
        }
        for (value, name), dash in zip(levels, ("dot", "dash", "dashdot"), strict=True)
        if value is not None
    ]
    return {"data": data, "layout": axes(say("trial"), say("score")) | {"showlegend": True}}


def front(done: pd.DataFrame, summary: Summary, say: Translate) -> Figure:
    """Two objectives against one another; the trials that nothing beats in both are marked."""
    one, other = summary.objectives
    best = done[done["front"]].sort_values(one)
    rest = done[~done["front"]]
    ahead = points(best, other, say("front"), "good", 10) | {"x": best[one].tolist()}
    others = points(rest, other, say("completed"), "accent", 7) | {"x": rest[one].tolist()}
    ahead["mode"] = "lines+markers"
    layout = axes(one, other) | {"showlegend": True}
    return {"data": [others, ahead], "layout": layout}


def losses(rungs: Sequence[RungRecord], say: Translate) -> Figure:
    """The winner's losses, each as a part of its value at the first rung."""
    colours = {"G_L1": "accent", "G_Perceptual": "good", "G_GAN": "warn"}
    data = []
    for name in ("G_L1", "G_Perceptual", "G_GAN", "D_real", "D_fake"):
        rows = [(rung.step, rung.losses[name]) for rung in rungs if name in rung.losses]
        if len(rows) < 2 or not rows[0][1]:
            continue
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [step for step, _ in rows],
                "y": [value / rows[0][1] for _, value in rows],
                "text": [short(value) for _, value in rows],
                "hovertemplate": f"{name} %{{text}}<extra></extra>",
                "line": {
                    "color": colours.get(name, "muted"),
                    "width": 2,
                    "dash": "dot" if name == "D_fake" else "solid",
                },
            }
        )
    return {"data": data, "layout": axes(say("step"), say("losses_axis")) | {"showlegend": True}}


def course(rungs: Sequence[RungRecord], say: Translate) -> Figure:
    """The winner's score on the validation pictures, rung by rung."""
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": say("score"),
                "x": [rung.step for rung in rungs],
                "y": [rung.value for rung in rungs],
                "hovertemplate": "%{y:.4f}<extra></extra>",
                "line": {"color": "accent", "width": 2},
            }
        ],
        "layout": axes(say("step"), say("score")) | {"showlegend": False},
    }
