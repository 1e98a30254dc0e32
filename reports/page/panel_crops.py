"""Pictures of the retouched boundary, cropped from the panels that trials write.

A panel is a PNG with a heading and one row per validation picture: retouched | restored | original
| original with the scored region outlined. Its cells are square with a small gap between them. Its
text chunk `regions` has the box around each row's scored region; panels of earlier versions lack
it, and are shown uncropped.
"""

import base64
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

HEADING = 16
GAP = 2
COLUMNS = 4
REGIONS = TypeAdapter(list[Box])
MARGIN = 0.03
"""How much is shown around the scored region, as a fraction of the picture's side."""
MAX_ASPECT = 1.6
"""Maximum ratio of a view's longer side to its shorter one."""
MAX_ROWS = 4
MAX_BYTES = 4_000_000
"""Size of a page's pictures, in bytes, above which further ones are left out."""
CLOSE = 0.375
"""Side of a close-up, as a fraction of the picture's."""


class Row(NamedTuple):
    """The cells of a validation picture, and the box around its scored region."""

    retouched: Image.Image
    restored: Image.Image
    original: Image.Image
    region: Box


@dataclass(frozen=True)
class Cut:
    """The same crop of one validation picture in all its versions, as data URIs of equal size.

    Attributes:
        restored: by name, of the trials that have a panel.
        width, height: in pixels.
    """

    retouched: str
    restored: dict[str, str]
    original: str
    width: int
    height: int


def boundaries(panels: Mapping[str, Path], further: Collection[str]) -> tuple[Cut, ...]:
    """The pictures of several trials' panels, cropped to the scored region and its surroundings.

    Args:
        panels: files by the name of the trial; one that is missing or does not have the shape of a
            panel is left out.
        further: names of the trials that are also in the pictures after the first.

    Returns:
        The first picture, and as many others as a page should have; empty without any panel.
    """
    found: list[Cut] = []
    sheets = sheets_of(panels)
    for place in range(min(MAX_ROWS, max(map(len, sheets.values()), default=0))):
        own = {name: rows for name, rows in sheets.items() if not place or name in further}
        made = cut(own, place, lambda row: surroundings(row.region, row.original.width))
        if made is None:
            break
        found.append(made)
        if sum(map(weight, found)) > MAX_BYTES:
            return tuple(found[: max(1, len(found) - 1)])
    return tuple(found)


def close_up(panels: Mapping[str, Path]) -> Cut | None:
    """The square of the first picture where retouching changed most, per trial with a panel."""
    return cut(sheets_of(panels), 0, most_changed)


def sheets_of(panels: Mapping[str, Path]) -> dict[str, list[Row]]:
    """The rows of every valid panel."""
    found = {name: rows_of(panel) for name, panel in panels.items()}
    return {name: rows for name, rows in found.items() if rows}


def cut(
    sheets: Mapping[str, list[Row]],
    place: int,
    choose: Callable[[Row], Box],
) -> Cut | None:
    """The same rectangle of one row of every panel; None if no panel has that row."""
    rows = {name: sheet[place] for name, sheet in sheets.items() if place < len(sheet)}
    if not rows:
        return None
    # Rows of earlier versions' panels have the whole picture as their region.
    first = min(rows.values(), key=lambda row: area(row.region))
    box = choose(first)
    return Cut(
        retouched=data_uri(first.retouched.crop(box)),
        restored={
            name: data_uri(row.restored.crop(box))
            for name, row in rows.items()
            if row.restored.size == first.restored.size
        },
        original=data_uri(first.original.crop(box)),
        width=box[2] - box[0],
        height=box[3] - box[1],
    )


def weight(made: Cut) -> int:
    """The bytes that a cut adds to a page."""
    return sum(map(len, (made.retouched, made.original, *made.restored.values())))


def most_changed(row: Row) -> Box:
    """The square in which the retouched picture differs most from the original."""
    retouched, original = (np.asarray(cell, np.float64) for cell in (row.retouched, row.original))
    side = retouched.shape[0]
    size = max(1, round(CLOSE * side))
    total = np.zeros((side + 1, side + 1))
    total[1:, 1:] = np.abs(retouched - original).sum(axis=2).cumsum(axis=0).cumsum(axis=1)
    inside = total[size:, size:] - total[:-size, size:]
    inside = inside - total[size:, :-size] + total[:-size, :-size]
    top, left = (int(at) for at in np.unravel_index(inside.argmax(), inside.shape))
    return (left, top, left + size, top + size)


def rows_of(panel: Path) -> list[Row]:
    """A panel's rows; empty if it is missing, damaged or of another shape."""
    try:
        with Image.open(panel, formats=("PNG",)) as file:
            sheet = file.convert("RGB")
            regions = REGIONS.validate_json(file.info.get("regions", "[]"))
    except (OSError, SyntaxError, ValueError):  # Pillow raises SyntaxError for some damaged files
        return []
    step, odd = divmod(sheet.width + GAP, COLUMNS)
    count, over = divmod(sheet.height - HEADING + GAP, step) if step > GAP else (0, 1)
    if odd or over:
        return []
    side = step - GAP
    regions = regions if len(regions) == count else [(0, 0, side, side)] * count

    def cell(row: int, column: int) -> Image.Image:
        left, top = column * step, HEADING + row * step
        return sheet.crop((left, top, left + side, top + side))

    return [Row(cell(at, 0), cell(at, 1), cell(at, 2), regions[at]) for at in range(count)]


def area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def surroundings(region: Box, side: int) -> Box:
    """A region with a margin, of limited aspect ratio, inside a picture."""
    left, top, right, bottom = (clamp(at, side) for at in region)
    margin = round(MARGIN * side)
    wide, high = (min(side, max(1, at) + 2 * margin) for at in (right - left, bottom - top))
    width, height = max(wide, round(high / MAX_ASPECT)), max(high, round(wide / MAX_ASPECT))
    left = clamp((left + right - width) // 2, side - width)
    top = clamp((top + bottom - height) // 2, side - height)
    return (left, top, left + width, top + height)


def clamp(value: int, most: int) -> int:
    return min(max(value, 0), most)


def data_uri(picture: Image.Image) -> str:
    """A picture as a lossless data URI."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, quality=60, method=1)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
