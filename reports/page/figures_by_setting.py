"""The report's figures of the searched settings: each beside the score, and all together."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from reports.analysis.summary import Summary
from reports.page.figure_elements import Figure, Translate, axes, plain, points, safe
from reports.page.guide_bands import BANDS, LOG_SCALE, Band
from reports.record.names import PARAMS
from reports.texts.numbers import short

SHADES = 8
"""Lines of the parallel coordinates are gathered into so many shades by score."""


def slice_of(done: pd.DataFrame, name: str, summary: Summary, say: Translate) -> Figure:
    """Score by one setting, with the guide's bands behind and the winner marked."""
    figure = points(done, "score", say("completed"), "accent", 7)
    figure["x"] = [plain(value) for value in done[name]]
    data = [figure]
    if summary.winner is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": say("winner"),
                "x": [summary.winner.params[name]],
                "y": [summary.winner.score],
                "marker": {"color": "good", "size": 14, "symbol": "star"},
                "hoverinfo": "skip",
            }
        )
    layout = axes(name, say("score"), xaxis=slice_axis(done, name))
    layout["showlegend"] = False
    shown = visible_bands(done, name)
    layout["shapes"] = [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": band.low,
            "x1": band.high,
            "y0": 0,
            "y1": 1,
            "line": {"width": 1, "color": "band"},
            "fillcolor": "band",
            "opacity": 1 if place % 2 else 0.5,
            "layer": "below",
        }
        for place, band in enumerate(shown)
    ]
    layout["annotations"] = [
        {
            "xref": "x",
            "yref": "paper",
            "x": middle(band.low, band.high, name),
            "y": 1 + 0.07 * (place % 2),
            "yanchor": "bottom",
            "text": safe(say(f"band_{band.word}")),
            "showarrow": False,
            "font": {"size": 11},
        }
        for place, band in enumerate(shown)
    ]
    return {"data": data, "layout": layout}


def slice_axis(done: pd.DataFrame, name: str) -> dict[str, Any]:
    if name in LOG_SCALE and done[name].min() > 0:
        ticks = {"lr": [5e-5, 1e-4, 2e-4, 4e-4]}.get(name, [1, 10, 20, 50, 100, 200, 500, 1000])
        labels = [short(tick) for tick in ticks]
        return {"type": "log", "tickvals": ticks, "ticktext": labels}
    if name == "gan_mode":
        return {"type": "category"}
    return {"dtick": 1} if name == "n_layers_D" else {}


def visible_bands(done: pd.DataFrame, name: str) -> list[Band]:
    """The guide's bands as far as they reach into the values that were tried."""
    if name not in BANDS:
        return []
    low, high = float(done[name].min()), float(done[name].max())
    return [
        Band(max(band.low, low), min(band.high, high), band.word)
        for band in BANDS[name]
        if band.low < high and low < band.high
    ]


def middle(low: float, high: float, name: str) -> float:
    """Where a band's word stands: plotly wants the exponent on a logarithmic axis."""
    return math.log10(low * high) / 2 if name in LOG_SCALE else (low + high) / 2


def parallel(done: pd.DataFrame, sign: int, say: Translate) -> Figure:
    """Every completed trial as a line over its settings to its score, the better the bolder.

    Args:
        sign: 1 where a higher score is better, -1 where a lower one is.
    """
    scales = [scale(done[name], name in LOG_SCALE) for name in PARAMS]
    scales.append(scale(done["score"], False))
    names = [*PARAMS, say("score")]
    ranks = (sign * done["score"]).rank(pct=True)
    shade = ((ranks * SHADES).apply(math.ceil) - 1).clip(0, SHADES - 1)
    columns = [
        [place(value) for value in done[name]]
        for place, name in zip([s[0] for s in scales], [*PARAMS, "score"], strict=True)
    ]
    data = []
    for level in range(SHADES):
        chosen = [i for i, own in enumerate(shade) if own == level]
        xs = [[*range(len(names)), None] for _ in chosen]
        ys = [[*(column[i] for column in columns), None] for i in chosen]
        best = level == SHADES - 1
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": list(itertools.chain.from_iterable(xs)),
                "y": list(itertools.chain.from_iterable(ys)),
                "line": {"color": "good" if best else "accent", "width": 2 if best else 1},
                "opacity": 0.15 + 0.75 * level / (SHADES - 1),
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    layout = axes("", "")
    layout["xaxis"] |= {
        "tickvals": list(range(len(names))),
        "ticktext": [safe(name) for name in names],
        "range": [-0.3, len(names) - 0.4],
        "showgrid": True,
        "zeroline": False,
    }
    layout["yaxis"] |= {"visible": False, "range": [-0.08, 1.08]}
    layout["annotations"] = [
        {
            "x": place,
            "y": at,
            "text": safe(label),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 4,
            "font": {"size": 11},
        }
        for place, (_, ticks) in enumerate(scales)
        for at, label in ticks
    ]
    return {"data": data, "layout": layout}


def scale(
    values: "pd.Series[Any]", log: bool
) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """How a column's values lie between 0 and 1, and the labels along the way."""
    if values.dtype == object or not pd.api.types.is_numeric_dtype(values):
        kinds = sorted({str(value) for value in values})
        at = {
            kind: (i / (len(kinds) - 1) if len(kinds) > 1 else 0.5) for i, kind in enumerate(kinds)
        }
        return (lambda value: at[str(value)]), [(at[kind], kind) for kind in kinds]
    low, high = float(values.min()), float(values.max())
    if low == high:
        return (lambda value: 0.5), [(0.5, short(low))]
    if log and low > 0:
        ratio = math.log(high / low)
        middle = math.sqrt(low * high)
        return (
            (lambda value: math.log(float(value) / low) / ratio),
            [(0.0, short(low)), (0.5, short(middle)), (1.0, short(high))],
        )
    return (
        (lambda value: (float(value) - low) / (high - low)),
        [(0.0, short(low)), (1.0, short(high))],
    )
