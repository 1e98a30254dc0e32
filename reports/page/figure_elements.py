"""What the figures share: plain plotly data, `{"data": [...], "layout": {...}}`.

A colour is a role (accent, good, muted, warn, band, ink): the page replaces it by that of its
theme, light or dark.
Texts that end up in a figure are escaped here, for plotly reads a little HTML.
"""

import html
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from reports.record.names import PARAMS
from reports.texts.numbers import short

Figure = dict[str, Any]
Translate = Callable[..., str]


def safe(text: object) -> str:
    return html.escape(str(text))


def points(frame: pd.DataFrame, column: str, name: str, colour: str, size: int) -> dict[str, Any]:
    """Trials as points, each telling its number and settings."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": frame["trial"].tolist(),
        "y": frame[column].tolist(),
        "text": [hover(row) for row in frame.to_dict("records")],
        "hovertemplate": "%{text}<br>%{y:.4f}<extra></extra>",
        "marker": {"color": colour, "size": size},
    }


def hover(row: Mapping[Any, Any]) -> str:
    """A trial in a few lines."""
    recipe = f" ({safe(row['recipe'])})" if isinstance(row["recipe"], str) else ""
    settings = (f"{name} {short(row[name])}" for name in PARAMS)
    return f"<b>{row['trial']}</b>{recipe}<br>" + "<br>".join(settings)


def axes(x: str, y: str, xaxis: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A layout with titled axes."""
    return {
        "xaxis": {"title": {"text": safe(x)}, **(xaxis or {})},
        "yaxis": {"title": {"text": safe(y)}},
    }


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    return value.item() if hasattr(value, "item") else value
