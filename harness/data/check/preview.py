"""A contact sheet of pairs: A, B, their difference, the displacement, and the mask's outline."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

from harness.config.settings import Direction
from harness.data.check.flow import estimated_displacement
from harness.data.files.listing import Remark, no_remark
from harness.data.files.pair_folders import PairFiles, PairFolder, evenly
from harness.data.files.pair_reading import DIFFERENCE_SCALE, difference, read_halves
from harness.data.files.picture_reading import Picture, read_mask
from harness.data.pairs.sizing import to_tensor
from harness.errors import UserInputError, inline
from objectives.masks import region_from_pair

SIDE = 256
CAPTION = 24
FONT_SIZE = 14
MOST_ROWS = 8
ARROWS = 16
# Arrows are drawn longer than the displacement, which is only a few pixels.
ARROW_SCALE = 3.0
ARROW_HEAD = 5.0
COLUMNS = (
    "A",
    "B",
    f"difference (x {DIFFERENCE_SCALE})",
    f"displacement (x {ARROW_SCALE:g})",
    "mask",
)


def spread(folder: PairFolder) -> tuple[PairFiles, ...]:
    """At most eight pairs, evenly spaced over all pairs of the folder."""
    return evenly([files for split in folder.splits.values() for files in split], MOST_ROWS)


def preview(
    pairs: Sequence[PairFiles], direction: Direction, remark: Remark = no_remark
) -> Image.Image:
    """One row per pair, under its name: A | B | difference | displacement | mask outline.

    Args:
        remark: receives a sentence about each pair that cannot be read, and is left out.

    Raises:
        UserInputError: none can be read.
    """
    rows: list[Picture] = []
    named: list[str] = []
    for files in pairs:
        try:
            rows.append(preview_row(files, direction))
            named.append(inline(Path(files.name)))
        except UserInputError as error:
            remark(f"Left out: {error}")
    if not rows:
        raise UserInputError("No pair can be read: there is nothing to show.")
    sheet = Image.new(
        "RGB", (SIDE * len(COLUMNS), CAPTION + sum(CAPTION + len(row) for row in rows)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    roles = {direction[0]: "retouched", direction[-1]: "original"}
    for number, title in enumerate(COLUMNS):
        caption = f"{title}: {roles[title]}" if title in roles else title
        draw.text((number * SIDE + 6, 4), caption, "black", font_size=FONT_SIZE)
    top = CAPTION
    for name, row in zip(named, rows, strict=True):
        draw.text((6, top + 4), name, "black", font_size=FONT_SIZE)
        sheet.paste(Image.fromarray(row), (0, top + CAPTION))
        top += CAPTION + len(row)
    return sheet


def preview_row(files: PairFiles, direction: Direction) -> Picture:
    """The five pictures of one pair side by side, each 256 wide: `[h, 1280, 3]`."""
    a, b = (fitted(picture) for picture in read_halves(files))
    height, width = a.shape[:2]
    retouched, original = (a, b) if direction == "AtoB" else (b, a)
    if files.mask is not None:
        mask = read_mask(files.mask, height, width)
    else:
        mask = region_from_pair(to_tensor(retouched), to_tensor(original))[0].numpy()
    return np.hstack(
        [a, b, difference(a, b), arrows(retouched, original), outlined(original, mask)]
    )


def fitted(picture: Picture) -> Picture:
    """The picture resized to a width of 256."""
    height = max(1, round(picture.shape[0] * SIDE / picture.shape[1]))
    return np.array(Image.fromarray(picture).resize((SIDE, height), Image.Resampling.LANCZOS))


def arrows(retouched: Picture, original: Picture) -> Picture:
    """The original, lightened, with arrows (x 3) along which the retouching moved things."""
    field = estimated_displacement(retouched, original)
    height, width = original.shape[:2]
    canvas = Image.fromarray((original // 3 + 170).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for row in range(ARROWS // 2, height, ARROWS):
        for column in range(ARROWS // 2, width, ARROWS):
            cell = (slice(None), row * field.shape[1] // height, column * field.shape[2] // width)
            dx, dy = -field[cell] * (width, height) * ARROW_SCALE
            if np.hypot(dx, dy) < 0.004 * ARROW_SCALE * width:
                continue
            draw_arrow(draw, (column, row), (dx, dy))
    return np.array(canvas)


def draw_arrow(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], reach: tuple[float, float]
) -> None:
    """Draw a red arrow from `start` to `start` + `reach`."""
    (x, y), (dx, dy) = start, reach
    length = math.hypot(dx, dy)
    head = min(ARROW_HEAD, length) / length
    neck_x, neck_y = x + dx * (1 - head), y + dy * (1 - head)
    side_x, side_y = -dy * head / 2, dx * head / 2
    draw.line((x, y, neck_x, neck_y), fill="red", width=1)
    draw.polygon(
        (
            (x + dx, y + dy),
            (neck_x + side_x, neck_y + side_y),
            (neck_x - side_x, neck_y - side_y),
        ),
        fill="red",
    )


def outlined(picture: Picture, mask: NDArray[np.bool_]) -> Picture:
    """The picture with the edge of the mask in green."""
    edge = mask & ~binary_erosion(mask, iterations=2)
    out = picture.copy()
    out[edge] = (0, 230, 0)
    return out
