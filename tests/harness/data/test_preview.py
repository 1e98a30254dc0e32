"""The preview of pairs: which ones, their rows, captions and arrows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from harness.data.check.preview import arrows, preview, spread
from harness.data.files.pair_folders import PairFiles, PairFolder, Split, find_pairs
from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.liquify import Stroke, displacement, resample
from harness.errors import UserInputError


def test_the_previewed_pairs_are_spread_over_all_splits() -> None:
    files = [PairFiles(f"{number}.png", Path("p.png")) for number in range(20)]
    splits: dict[Split, tuple[PairFiles, ...]] = {
        "train": tuple(files[:18]),
        "val": tuple(files[18:]),
    }
    shown = spread(PairFolder(Path("data"), "aligned", splits))
    assert [pair.name for pair in shown] == [f"{n}.png" for n in (0, 2, 5, 7, 10, 12, 15, 17)]


def test_preview_rows_show_the_warp(made: Path) -> None:
    *pairs, last = spread(find_pairs(made))
    gone, said = replace(last, a=made / "gone.png"), list[str]()
    sheet = np.asarray(preview([gone, *pairs, last], "AtoB", said.append))
    assert said == [f"Left out: {made / 'gone.png'} does not exist (or is a broken link)."]
    with pytest.raises(UserInputError, match="No pair can be read"):
        preview([gone], "AtoB")
    assert sheet.shape == (24 + 6 * (24 + 256), 5 * 256, 3)
    red = (sheet == (255, 0, 0)).all(axis=2)
    green = (sheet == (0, 230, 0)).all(axis=2)
    assert red[:, 768:1024].sum() > 200
    assert not red[:, 1024:].any()
    assert green[:, 1024:].sum() > 200


def test_the_preview_of_swapped_pairs_differs_in_its_captions_and_halves_alone(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda _, at, text, *more, **how: said.append(text)
    )
    pair = find_pairs(made).splits["val"][0]
    with Image.open(pair.a) as opened:
        both = np.asarray(opened)
    Image.fromarray(np.hstack([both[:, 192:], both[:, :192]])).save(tmp_path / "swapped.png")
    swapped = replace(pair, a=tmp_path / "swapped.png")
    one, other = (
        np.asarray(preview([files], direction))
        for files, direction in ((pair, "AtoB"), (swapped, "BtoA"))
    )
    assert said[:2] + said[6:8] == ["A: retouched", "B: original", "A: original", "B: retouched"]
    assert np.array_equal(one[:, :512], np.hstack([other[:, 256:512], other[:, :256]]))
    assert np.array_equal(one[:, 512:], other[:, 512:])


def test_arrows_point_where_things_went() -> None:
    astronaut = np.asarray(Image.open(scikit_image_file("astronaut.png")))[:256, 100:356]
    field = displacement([Stroke((128, 110), (80, 80), push=(14, 0))], 256, 256)
    drawn = arrows(resample(astronaut, field), astronaut)
    red = (drawn == (255, 0, 0)).all(axis=2)
    rows, columns = np.nonzero(red)
    # Every arrow starts on a grid of 16 pixels, at 8; what is drawn beyond lies to its right.
    assert np.abs(rows.mean() - 110) < 15
    reach = (columns - 8) % 16
    assert ((reach > 3) & (reach <= 8)).sum() > 1.5 * ((reach > 8) & (reach < 13)).sum()


def test_arrows_are_three_times_as_long_as_the_displacement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which is a share of the width and one of the height: unequal, as the sides are."""
    field = np.ones((2, 128, 128)) * [[[0.02]], [[0.03]]]
    drawn: list[tuple[float, ...]] = []
    monkeypatch.setattr("harness.data.check.preview.estimated_displacement", lambda *_: field)
    monkeypatch.setattr(
        "harness.data.check.preview.draw_arrow",
        lambda _, start, reach: drawn.append((*start, *reach)),
    )
    wide = np.zeros((64, 256, 3), np.uint8)
    arrows(wide, wide)
    assert len(drawn) == 4 * 16
    assert drawn[1] == pytest.approx((24, 8, -0.02 * 256 * 3, -0.03 * 64 * 3))
