"""Elements of the figures, as plain plotly data: `{"data": [...], "layout": {...}}`.

A colour is a role (accent, good, muted, warn, band, ink), which the page replaces with the colour
of its theme, light or dark. Texts are escaped here, since plotly interprets some HTML.
"""

import html
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from reports.record.names import PARAMS
from reports.texts.numbers import short

Figure = dict[str, Any]


def safe(text: object) -> str:
    return html.escape(str(text))


def trace(mode: str, name: str, x: Iterable[Any], y: Iterable[Any], **more: Any) -> dict[str, Any]:
    """A scatter trace; `mode` is `lines`, `markers` or both."""
    return {"type": "scatter", "mode": mode, "name": name, "x": list(x), "y": list(y), **more}


def points(
    frame: pd.DataFrame, x: str, y: str, name: str, colour: str, size: int, mode: str = "markers"
) -> dict[str, Any]:
    """Trials by two columns of the table; hovering shows a trial's number and settings."""
    return trace(
        mode,
        name,
        frame[x].tolist(),
        frame[y].tolist(),
        text=[hover(row) for row in frame.to_dict("records")],
        hovertemplate="%{text}<br>%{y:.4r}<extra></extra>",
        marker={"color": colour, "size": size},
    )


def hover(row: Mapping[Any, Any]) -> str:
    """A trial in a few lines."""
    recipe = f" ({safe(row['recipe'])})" if isinstance(row["recipe"], str) else ""
    settings = (f"{name} {short(row[name])}" for name in PARAMS)
    return f"<b>{row['trial']}</b>{recipe}<br>" + "<br>".join(settings)


def axes(x: str, y: str, legend: bool = True, xaxis: Mapping[str, Any] | None = None) -> Figure:
    """A layout with titled axes."""
    return {
        "xaxis": {"title": {"text": safe(x)}, **(xaxis or {})},
        "yaxis": {"title": {"text": safe(y)}},
        "showlegend": legend,
    }
