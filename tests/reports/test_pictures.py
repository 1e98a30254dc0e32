"""Boundaries cut from panels: the right cells, the right place, without loss."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.pictures import GAP, HEADING, LONGEST, MARGIN, OUTLINE, boundaries, region

SIDE = 64
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (120, 120, 120)]


def panel(file: Path, rows: int, restored: tuple[int, int, int] = COLOURS[1]) -> Path:
    """A panel of plain cells with the outline of a square around x 20-39, y 30-49."""
    step = SIDE + GAP
    sheet = Image.new("RGB", (4 * step - GAP, HEADING + rows * step - GAP), "white")
    for row in range(rows):
        for column, colour in enumerate([COLOURS[0], restored, *COLOURS[2:]]):
            cell = np.full((SIDE, SIDE, 3), colour, np.uint8)
            cell[40, 30] = (row, row, row)
            if column == 3:
                cell[30:50, 20:40] = OUTLINE
                cell[31:49, 21:39] = colour
            sheet.paste(Image.fromarray(cell), (column * step, HEADING + row * step))
    sheet.save(file)
    return file


def decoded(uri: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_every_view_is_its_own_cell(tmp_path: Path) -> None:
    winner = panel(tmp_path / "t001.png", 2)
    baseline = panel(tmp_path / "t002.png", 2, restored=(250, 250, 0))
    rows = boundaries(winner, baseline)
    assert len(rows) == 2
    for number, row in enumerate(rows):
        views = [row.retouched, row.winner, row.original, row.rival]
        colours = [*COLOURS[:3], (250, 250, 0)]
        for uri, colour in zip(views, colours, strict=True):
            assert uri is not None
            pixels = decoded(uri)
            assert pixels.shape == (row.height, row.width, 3)
            assert tuple(pixels[0, 0]) == colour
            assert (pixels == number).all(axis=2).sum() == 1


def test_the_cut_is_around_the_region_and_inside_the_picture(tmp_path: Path) -> None:
    (row,) = boundaries(panel(tmp_path / "t.png", 1), None)
    margin = round(MARGIN * SIDE)
    assert row.width == row.height == 20 + 2 * margin
    assert row.rival is None
    ys, xs = np.nonzero((decoded(row.original) == 0).all(axis=2))
    assert (ys[0], xs[0]) == (40 - (30 - margin), 30 - (20 - margin))


@pytest.mark.parametrize("corner", [(0, 0), (0, 54), (54, 54)])
def test_a_region_at_the_edge(corner: tuple[int, int]) -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    y, x = corner
    pixels[y : y + 10, x : x + 10] = OUTLINE
    left, top, right, bottom = region(Image.fromarray(pixels))
    assert 0 <= left <= x
    assert x + 10 <= right <= SIDE
    assert 0 <= top <= y
    assert y + 10 <= bottom <= SIDE
    assert right - left == bottom - top == 10 + 2 * round(MARGIN * SIDE)


@pytest.mark.parametrize(("width", "height"), [(50, 6), (6, 50), (40, 30)])
def test_a_long_region_is_shown_as_large_as_a_page_can(width: int, height: int) -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[8 : 8 + height, 8 : 8 + width] = OUTLINE
    left, top, right, bottom = region(Image.fromarray(pixels))
    assert left <= 8
    assert top <= 8
    assert 8 + width <= right
    assert 8 + height <= bottom
    across, down = right - left, bottom - top
    assert max(across, down) == max(width, height) + 2 * round(MARGIN * SIDE)
    assert max(across, down) / min(across, down) <= LONGEST * 1.02


def test_no_outline_shows_the_whole_picture() -> None:
    assert region(Image.new("RGB", (SIDE, SIDE))) == (0, 0, SIDE, SIDE)


def test_missing_broken_and_foreign_panels_show_nothing(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.png", tmp_path / "foreign.png"
    broken.write_bytes(panel(tmp_path / "t.png", 1).read_bytes()[:300])
    Image.new("RGB", (101, 77)).save(foreign)
    for file in (tmp_path / "missing.png", broken, foreign):
        assert boundaries(file, None) == ()
    (row,) = boundaries(tmp_path / "t.png", broken)
    assert row.rival is None
