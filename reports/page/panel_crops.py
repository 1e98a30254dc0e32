"""Pictures of the retouched boundary, cut from the panels that the trials left behind.

A panel is a PNG with a heading and one row a validation picture: retouched | restored | original |
original with the scored region outlined. Its cells are square and stand a small gap apart.
"""

import base64
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

HEADING = 16
GAP = 2
COLUMNS = 4
OUTLINE = (255, 64, 64)
MARGIN = 0.03
"""How much is shown around the scored region, as a part of the picture's side."""
LONGEST = 1.6
"""A view's longer side is at most so many times the shorter one."""
MOST_ROWS = 4
MOST_BYTES = 4_000_000
"""Further pictures are left out of a page once it has so many bytes of them."""
CLOSE = 0.375
"""The side of a close-up, as a part of the picture's."""


@dataclass(frozen=True)
class Cut:
    """The same part of one validation picture in all its versions, as data URIs of one size.

    `restored` has the names of those trials that left a panel. `width` and `height` in pixels.
    """

    retouched: str
    restored: dict[str, str]
    original: str
    width: int
    height: int


def boundaries(panels: Mapping[str, Path], further: Collection[str]) -> tuple[Cut, ...]:
    """The pictures of several trials' panels, cut to the scored region and its surroundings.

    Args:
        panels: by the name of the trial; one that is missing or is not shaped as a panel is left
            out.
        further: the names that are shown in more than the first picture.

    Returns:
        The first picture, and of the others as many as a page should hold; () without any panel.
    """
    found: list[Cut] = []
    sheets = sheets_of(panels)
    for place in range(min(MOST_ROWS, max(map(len, sheets.values()), default=0))):
        own = {name: rows for name, rows in sheets.items() if not place or name in further}
        made = cut(own, place, lambda row: region(row[3]))
        if made is None:
            break
        found.append(made)
        if sum(map(weight, found)) > MOST_BYTES:
            return tuple(found[: max(1, len(found) - 1)])
    return tuple(found)


def close_up(panels: Mapping[str, Path]) -> Cut | None:
    """A square of the first picture where retouching changed most, of every trial with a panel."""
    return cut(sheets_of(panels), 0, most_changed)


def sheets_of(panels: Mapping[str, Path]) -> dict[str, list[list[Image.Image]]]:
    """The cells of every panel that is one."""
    found = {name: cells(panel) for name, panel in panels.items()}
    return {name: rows for name, rows in found.items() if rows}


def cut(
    sheets: Mapping[str, list[list[Image.Image]]],
    place: int,
    choose: Callable[[list[Image.Image]], Box],
) -> Cut | None:
    """The same rectangle of one row of every panel; None where none has that row."""
    rows = {name: sheet[place] for name, sheet in sheets.items() if place < len(sheet)}
    if not rows:
        return None
    first = next(iter(rows.values()))
    box = choose(first)
    return Cut(
        retouched=data_uri(first[0].crop(box)),
        restored={
            name: data_uri(row[1].crop(box))
            for name, row in rows.items()
            if row[1].size == first[1].size
        },
        original=data_uri(first[2].crop(box)),
        width=box[2] - box[0],
        height=box[3] - box[1],
    )


def weight(made: Cut) -> int:
    """The bytes that a cut adds to a page."""
    return sum(map(len, (made.retouched, made.original, *made.restored.values())))


def most_changed(row: list[Image.Image]) -> Box:
    """The square in which the retouched picture differs most from the original."""
    retouched, original = (np.asarray(row[place], np.float64) for place in (0, 2))
    side = retouched.shape[0]
    size = max(1, round(CLOSE * side))
    total = np.zeros((side + 1, side + 1))
    total[1:, 1:] = np.abs(retouched - original).sum(axis=2).cumsum(axis=0).cumsum(axis=1)
    inside = total[size:, size:] - total[:-size, size:]
    inside = inside - total[size:, :-size] + total[:-size, :-size]
    top, left = (int(at) for at in np.unravel_index(inside.argmax(), inside.shape))
    return (left, top, left + size, top + size)


def cells(panel: Path) -> list[list[Image.Image]]:
    """A panel's cells, row by row; empty where it is missing or otherwise shaped."""
    try:
        with Image.open(panel, formats=("PNG",)) as file:
            sheet = file.convert("RGB")
    except (OSError, SyntaxError):  # Pillow says the latter of some damaged files
        return []
    side, odd = divmod(sheet.width + GAP, COLUMNS)
    side -= GAP
    rows, over = divmod(sheet.height - HEADING + GAP, side + GAP) if side > 0 else (0, 1)
    if odd or over:
        return []
    return [
        [
            sheet.crop((left, top, left + side, top + side))
            for left in range(0, sheet.width, side + GAP)
        ]
        for top in (HEADING + row * (side + GAP) for row in range(rows))
    ]


def region(outlined: Image.Image) -> Box:
    """The rectangle around the outline drawn on a picture: left, top, right, bottom."""
    side = outlined.width
    drawn = (np.asarray(outlined) == np.array(OUTLINE)).all(axis=2)
    ys, xs = np.nonzero(drawn)
    if len(xs) == 0:
        return (0, 0, side, side)
    margin = round(MARGIN * side)
    wide, high = (min(side, int(at.max() - at.min()) + 1 + 2 * margin) for at in (xs, ys))
    width, height = max(wide, round(high / LONGEST)), max(high, round(wide / LONGEST))
    left = clamp(int(xs.min() + xs.max() + 1 - width) // 2, side - width)
    top = clamp(int(ys.min() + ys.max() + 1 - height) // 2, side - height)
    return (left, top, left + width, top + height)


def clamp(value: int, most: int) -> int:
    return min(max(value, 0), most)


def data_uri(picture: Image.Image) -> str:
    """A picture without loss, to be written into a page."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, quality=60, method=1)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
