"""The report's figures of the searched settings: each against the score, and all together."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from reports.analysis.summary import Summary
from reports.page.figure_elements import Figure, axes, points, safe, trace
from reports.record.names import PARAMS
from reports.texts.numbers import short
from reports.texts.translations import Translate

SHADES = 8
"""Number of shades into which the lines of the parallel coordinates are grouped by score."""
LABEL = {"showarrow": False, "font": {"size": 11}}
LOG_SCALE = ("lambda_L1", "lr")


class Band(NamedTuple):
    """A range of a setting's values and the guide's word for it (a key of the texts)."""

    low: float
    high: float
    word: str


BANDS = {
    "lambda_L1": (Band(10, 50, "sharper"), Band(50, 100, "balanced"), Band(200, 500, "accurate")),
    "lambda_perceptual": (
        Band(5, 10, "careful"),
        Band(10, 20, "recommended"),
        Band(20, 60, "distorts"),
    ),
    "lr": (
        Band(4.5e-5, 5.5e-5, "slow"),
        Band(9e-5, 1.1e-4, "recommended"),
        Band(1.8e-4, 2.2e-4, "fast"),
    ),
}
"""The guide names single learning rates; each is drawn as a range of 10 % to either side."""


def slice_of(done: pd.DataFrame, name: str, summary: Summary, say: Translate) -> Figure:
    """Score by one setting, with the guide's bands in the background and the winner marked.

    Trials that do not have a conditional setting are left out.
    """
    done = done[done[name].notna()]
    data = [points(done, name, "score", say("completed"), "accent", 7)]
    if (winner := summary.winner) and name in winner.params:
        star = {"color": "good", "size": 14, "symbol": "star"}
        x, y = [winner.params[name]], [winner.score]
        data.append(trace("markers", say("winner"), x, y, marker=star, hoverinfo="skip"))
    layout = axes(name, say("score"), legend=False, xaxis=slice_axis(done, name))
    bands = list(enumerate(visible_bands(done, name)))
    layout["shapes"] = [
        {
            **{"type": "rect", "xref": "x", "yref": "paper", "layer": "below"},
            **{"x0": band.low, "x1": band.high, "y0": 0, "y1": 1},
            **{"line": {"width": 1, "color": "band"}, "fillcolor": "band"},
            "opacity": 1 if place % 2 else 0.5,
        }
        for place, band in bands
    ]
    layout["annotations"] = [
        {
            **{"xref": "x", "yref": "paper", "yanchor": "bottom", **LABEL},
            "x": middle(band.low, band.high, name),
            "y": 1 + 0.07 * (place % 2),
            "text": safe(say(f"band_{band.word}")),
        }
        for place, band in bands
    ]
    return {"data": data, "layout": layout}


def slice_axis(done: pd.DataFrame, name: str) -> dict[str, Any]:
    if name in LOG_SCALE and done[name].min() > 0:
        ticks = {"lr": [5e-5, 1e-4, 2e-4, 4e-4]}.get(name, [1, 10, 20, 50, 100, 200, 500, 1000])
        return {"type": "log", "tickvals": ticks, "ticktext": [short(tick) for tick in ticks]}
    if done[name].dtype.kind not in "fiu":  # words and yes or no
        return {"type": "category"}
    return {"dtick": 1} if name == "n_layers_D" else {}


def visible_bands(done: pd.DataFrame, name: str) -> list[Band]:
    """The guide's bands, clipped to the range of the values that were tried."""
    if name not in BANDS:
        return []
    low, high = float(done[name].min()), float(done[name].max())
    return [
        Band(max(band.low, low), min(band.high, high), band.word)
        for band in BANDS[name]
        if band.low < high and low < band.high
    ]


def middle(low: float, high: float, name: str) -> float:
    """The position of a band's label: plotly expects the exponent on a logarithmic axis."""
    return math.log10(low * high) / 2 if name in LOG_SCALE else (low + high) / 2


def parallel(done: pd.DataFrame, sign: int, say: Translate) -> Figure:
    """Every completed trial as a line across its settings to its score, the better the bolder.

    Args:
        sign: 1 if a higher score is better, else -1.
    """
    columns = [*PARAMS, "score"]
    scales = [scale(done[name], name in LOG_SCALE) for name in columns]
    heights = [
        [place(value) for value in done[name]]
        for name, (place, _) in zip(columns, scales, strict=True)
    ]
    ranks = (sign * done["score"]).rank(pct=True)
    shade = ((ranks * SHADES).apply(math.ceil) - 1).clip(0, SHADES - 1)
    data = []
    for level in range(SHADES):
        lines = [i for i, own in enumerate(shade) if own == level]
        best = level == SHADES - 1
        data.append(
            {
                **{"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False},
                "x": [x for _ in lines for x in (*range(len(columns)), None)],
                "y": [y for i in lines for y in (*(column[i] for column in heights), None)],
                "line": {"color": "good" if best else "accent", "width": 2 if best else 1},
                "opacity": 0.15 + 0.75 * level / (SHADES - 1),
            }
        )
    layout: Figure = {
        "xaxis": {
            "title": {"text": ""},
            "tickvals": list(range(len(columns))),
            "ticktext": [safe(name) for name in (*PARAMS, say("score"))],
            "range": [-0.3, len(columns) - 0.4],
            **{"showgrid": True, "zeroline": False},
        },
        "yaxis": {"title": {"text": ""}, "visible": False, "range": [-0.08, 1.08]},
        "annotations": [
            {"x": place, "y": at, "text": safe(label), "xanchor": "left", "xshift": 4, **LABEL}
            for place, (_, ticks) in enumerate(scales)
            for at, label in ticks
        ],
    }
    return {"data": data, "layout": layout}


def scale(
    values: "pd.Series[Any]", log: bool
) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """A function that maps a column's values to 0..1, and the axis labels with their positions."""
    if not pd.api.types.is_numeric_dtype(values):
        kinds = sorted({str(value) for value in values})
        at = {kind: i / (len(kinds) - 1) if len(kinds) > 1 else 0.5 for i, kind in enumerate(kinds)}
        return (lambda value: at[str(value)]), [(at[kind], kind) for kind in kinds]
    low, high = float(values.min()), float(values.max())
    start, end = (0.0, short(low)), (1.0, short(high))
    if low == high:
        return (lambda _: 0.5), [(0.5, short(low))]
    if log and low > 0:
        ratio, middle = math.log(high / low), (0.5, short(math.sqrt(low * high)))
        return (lambda value: math.log(float(value) / low) / ratio), [start, middle, end]
    return (lambda value: (float(value) - low) / (high - low)), [start, end]
