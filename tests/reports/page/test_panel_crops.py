"""Boundaries cut from panels: the right cells, the right place, without loss."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reports.page.panel_crops import (
    GAP,
    HEADING,
    MARGIN,
    MAX_ASPECT,
    boundaries,
    close_up,
    surroundings,
    weight,
)

SIDE = 64
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (120, 120, 120)]


def panel(file: Path, rows: int, restored: tuple[int, int, int] = COLOURS[1]) -> Path:
    """A panel of plain cells whose scored region is the square x 20-39, y 30-49."""
    step = SIDE + GAP
    sheet = Image.new("RGB", (4 * step - GAP, HEADING + rows * step - GAP), "white")
    for row in range(rows):
        for column, colour in enumerate([COLOURS[0], restored, *COLOURS[2:]]):
            cell = np.full((SIDE, SIDE, 3), colour, np.uint8)
            cell[40, 30] = (row, row, row)
            sheet.paste(Image.fromarray(cell), (column * step, HEADING + row * step))
    info = PngInfo()
    info.add_text("regions", json.dumps([(20, 30, 40, 50)] * rows))
    sheet.save(file, pnginfo=info)
    return file


def decoded(uri: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_every_view_is_its_own_cell(tmp_path: Path) -> None:
    panels = {
        "t001": panel(tmp_path / "t001.png", 2),
        "t002": panel(tmp_path / "t002.png", 2, restored=(250, 250, 0)),
    }
    rows = boundaries(panels, panels)
    assert len(rows) == 2
    for number, row in enumerate(rows):
        views = [row.retouched, row.restored["t001"], row.original, row.restored["t002"]]
        colours = [*COLOURS[:3], (250, 250, 0)]
        for uri, colour in zip(views, colours, strict=True):
            pixels = decoded(uri)
            assert pixels.shape == (row.height, row.width, 3)
            assert tuple(pixels[0, 0]) == colour
            assert (pixels == number).all(axis=2).sum() == 1


def test_the_first_picture_has_every_trial_and_the_others_those_that_are_named(
    tmp_path: Path,
) -> None:
    panels = {name: panel(tmp_path / f"{name}.png", 3) for name in ("t001", "t002", "t003")}
    first, *others = boundaries(panels, ["t001", "t003"])
    assert list(first.restored) == ["t001", "t002", "t003"]
    assert [list(row.restored) for row in others] == [["t001", "t003"]] * 2


def test_further_pictures_are_left_out_of_a_page_that_would_grow_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = {"t001": panel(tmp_path / "t001.png", 5)}
    rows = boundaries(panels, panels)
    assert len(rows) == 4
    monkeypatch.setattr("reports.page.panel_crops.MAX_BYTES", weight(rows[0]) + weight(rows[1]))
    assert len(boundaries(panels, panels)) == 2
    monkeypatch.setattr("reports.page.panel_crops.MAX_BYTES", 0)
    assert len(boundaries(panels, panels)) == 1


def test_the_close_up_is_where_retouching_changed_most(tmp_path: Path) -> None:
    """Of every trial the same square; the retouched picture differs in one corner alone."""
    panels = {}
    for name, colour in (("t001", COLOURS[1]), ("t002", (250, 250, 0))):
        file = panel(tmp_path / f"{name}.png", 1, restored=colour)
        with Image.open(file) as sheet:
            changed = sheet.convert("RGB")
        same = Image.new("RGB", (SIDE, SIDE), COLOURS[2])
        changed.paste(same, (0, HEADING))
        changed.paste(Image.new("RGB", (9, 9), "white"), (50, HEADING + 5))
        changed.save(file)
        panels[name] = file
    found = close_up(panels)
    assert found is not None
    assert (found.width, found.height) == (24, 24)  # 0.375 of 64
    assert (decoded(found.retouched) == 255).all(axis=2).sum() == 81
    for name, colour in (("t001", COLOURS[1]), ("t002", (250, 250, 0))):
        assert tuple(decoded(found.restored[name])[0, 0]) == colour
    assert tuple(decoded(found.original)[0, 0]) == COLOURS[2]


def test_the_cut_is_around_the_region_and_inside_the_picture(tmp_path: Path) -> None:
    (row,) = boundaries({"t001": panel(tmp_path / "t.png", 1)}, ())
    margin = round(MARGIN * SIDE)
    assert row.width == row.height == 20 + 2 * margin
    ys, xs = np.nonzero((decoded(row.original) == 0).all(axis=2))
    assert (ys[0], xs[0]) == (40 - (30 - margin), 30 - (20 - margin))


@pytest.mark.parametrize("corner", [(0, 0), (0, 54), (54, 54)])
def test_a_region_at_the_edge(corner: tuple[int, int]) -> None:
    y, x = corner
    left, top, right, bottom = surroundings((x, y, x + 10, y + 10), SIDE)
    assert 0 <= left <= x
    assert x + 10 <= right <= SIDE
    assert 0 <= top <= y
    assert y + 10 <= bottom <= SIDE
    assert right - left == bottom - top == 10 + 2 * round(MARGIN * SIDE)


@pytest.mark.parametrize(("width", "height"), [(50, 6), (6, 50), (40, 30)])
def test_a_long_region_is_shown_as_large_as_a_page_can(width: int, height: int) -> None:
    left, top, right, bottom = surroundings((8, 8, 8 + width, 8 + height), SIDE)
    assert left <= 8
    assert top <= 8
    assert 8 + width <= right
    assert 8 + height <= bottom
    across, down = right - left, bottom - top
    assert max(across, down) == max(width, height) + 2 * round(MARGIN * SIDE)
    assert max(across, down) / min(across, down) <= MAX_ASPECT * 1.02


def test_a_region_that_is_not_recorded_shows_the_whole_picture(tmp_path: Path) -> None:
    """Unless another trial's panel of the same pictures has it."""
    earlier, later = tmp_path / "t001.png", panel(tmp_path / "t002.png", 1)
    with Image.open(later) as sheet:
        Image.fromarray(np.asarray(sheet)).save(earlier)
    (row,) = boundaries({"t001": earlier}, ())
    assert (row.width, row.height) == (SIDE, SIDE)
    (row,) = boundaries({"t001": earlier, "t002": later}, ())
    assert (row.width, row.height) == (24, 24)
    assert row.restored.keys() == {"t001", "t002"}


@pytest.mark.parametrize("text", ["", "{}", "[[0]]", "[[900, 900, -5, -5]]"])
def test_a_region_that_makes_no_sense_does_no_harm(tmp_path: Path, text: str) -> None:
    file, info = tmp_path / "t001.png", PngInfo()
    info.add_text("regions", text)
    with Image.open(panel(file, 1)) as sheet:
        sheet.save(file, pnginfo=info)
    for row in boundaries({"t001": file}, ()):
        assert 0 < row.width <= SIDE


def test_missing_broken_and_foreign_panels_show_nothing(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.png", tmp_path / "foreign.png"
    broken.write_bytes(panel(tmp_path / "t.png", 1).read_bytes()[:300])
    Image.new("RGB", (101, 77)).save(foreign)
    for file in (tmp_path / "missing.png", broken, foreign):
        assert boundaries({"t001": file}, ()) == ()
        assert close_up({"t001": file}) is None
        (row,) = boundaries({"t001": file, "t002": tmp_path / "t.png"}, ())
        assert list(row.restored) == ["t002"]
