"""Pictures of the retouched boundary, cut from the panels that the trials left behind.

A panel is a PNG with a heading and one row a validation picture: retouched | restored | original |
original with the scored region outlined. Its cells are square and stand a small gap apart.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HEADING = 16
GAP = 2
COLUMNS = 4
OUTLINE = (255, 64, 64)
MARGIN = 0.03
"""How much is shown around the scored region, as a part of the picture's side."""
LONGEST = 1.6
"""A view's longer side is at most so many times the shorter one."""
MOST_ROWS = 4


@dataclass(frozen=True)
class Boundary:
    """One validation picture around its retouched region, as data URIs of one size.

    `rival` is None where the other setting left no panel. `width` and `height` in pixels.
    """

    retouched: str
    rival: str | None
    winner: str
    original: str
    width: int
    height: int


def boundaries(winner: Path, rival: Path | None) -> tuple[Boundary, ...]:
    """The pictures of two trials' panels, cut to the scored region and its surroundings.

    Empty where the winner's panel is missing or is not shaped as a panel is.
    """
    rows = cells(winner)
    others = cells(rival) if rival is not None else []
    found = []
    for place, (retouched, restored, original, outlined) in enumerate(rows[:MOST_ROWS]):
        box = region(outlined)
        other = others[place][1] if place < len(others) else None
        fits = other is not None and other.size == restored.size
        found.append(
            Boundary(
                retouched=data_uri(retouched.crop(box)),
                rival=data_uri(other.crop(box)) if other is not None and fits else None,
                winner=data_uri(restored.crop(box)),
                original=data_uri(original.crop(box)),
                width=box[2] - box[0],
                height=box[3] - box[1],
            )
        )
    return tuple(found)


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


def region(outlined: Image.Image) -> tuple[int, int, int, int]:
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
