"""16-bit files that use fewer bits: one depth for the whole folder, estimated from values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gradient import png
from PIL import Image
from planting import WritePairs
from typer.testing import CliRunner

from harness.cli.app import app
from harness.config.profiles import QUICK
from harness.data.check.check import check, measure_all
from harness.data.check.facts import file_notes
from harness.data.files.bit_depth import OtherDepthError, bits_for, scaled
from harness.data.files.folder_bit_depth import bits_of, depth_remark, with_bits
from harness.data.files.pair_folders import find_pairs
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import read_mask, read_picture
from harness.data.pairs.pair_set import load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.synthesis.make_pairs import MakePlan, make_pairs
from harness.errors import UserInputError

Save = Callable[[np.ndarray, Path], None]


def save_grey(values: np.ndarray, file: Path) -> None:
    Image.fromarray(values[..., 0].astype(np.uint16)).save(file)


def save_colour(values: np.ndarray, file: Path) -> None:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    file.write_bytes(png(values.shape[1], values.shape[0], 16, rows))


def widened(picture: np.ndarray, bits: int) -> np.ndarray:
    """Bytes as values of a camera with `bits` bits."""
    return np.rint(picture / 255 * (2**bits - 1)).astype(np.uint16)


@pytest.fixture
def bright(halves: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    picture = halves[0][1].copy()
    picture[0, 0] = 255
    return picture


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("save", [save_grey, save_colour])
def test_values_of_fewer_bits_are_read_at_their_brightness(
    tmp_path: Path, bright: np.ndarray, bits: int, save: Save
) -> None:
    file = tmp_path / "p.png"
    save(widened(bright, bits), file)
    assert bits_of([file]) == bits
    expected = np.repeat(bright[..., :1], 3, axis=2) if save is save_grey else bright
    # Pillow truncates 16-bit colours; the others are rounded.
    assert np.abs(read_picture(file, bits).astype(int) - expected).max() <= 1


def test_alpha_has_a_range_of_its_own(tmp_path: Path, bright: np.ndarray) -> None:
    values = np.dstack([widened(bright, 12), np.full(bright.shape[:2], 65535, np.uint16)])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = png(128, 128, 16, rows, colour_type=6)
    (tmp_path / "p.png").write_bytes(body)
    assert bits_of([tmp_path / "p.png"]) == 12
    assert np.abs(read_picture(tmp_path / "p.png", 12).astype(int) - bright).max() <= 1


def test_one_depth_for_all_of_a_folder(tmp_path: Path, bright: np.ndarray) -> None:
    dark = bright // 20
    for name, picture in (("A/1.png", dark), ("B/1.png", dark), ("A/2.png", dark)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_grey(widened(picture, 12), tmp_path / name)
    save_grey(widened(bright, 12), tmp_path / "B/2.png")
    pairs = with_bits(find_pairs(tmp_path)).splits["train"]
    assert {pair.bits for pair in pairs} == {12}
    for half in read_halves(pairs[0]):
        assert np.abs(half[..., 0].astype(int) - dark[..., 0]).max() <= 1
    save_grey(widened(bright, 16), tmp_path / "A/2.png")
    assert {pair.bits for pair in with_bits(find_pairs(tmp_path)).splits["train"]} == {16}


def test_eight_bit_and_black_pictures_do_not_affect_the_depth(
    tmp_path: Path, bright: np.ndarray
) -> None:
    Image.fromarray(bright).save(tmp_path / "8.png")
    save_grey(np.zeros_like(bright), tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    files = sorted(tmp_path.iterdir())
    assert bits_of(files) == 16
    assert depth_remark(16) == ""
    save_grey(widened(bright, 12), tmp_path / "12.png")
    assert bits_of(sorted(tmp_path.iterdir())) == 12
    assert "12-bit, a guess" in depth_remark(12)


def test_the_pictures_that_tell_the_depth_are_spread_over_the_folder(
    tmp_path: Path, bright: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}.png" for number in range(5)]
    for file in files:
        save_grey(widened(bright // 20, 12), file)
    monkeypatch.setattr("harness.data.files.folder_bit_depth.SAMPLE_SIZE", 2)
    for number, bits in ((1, 8), (3, 12)):  # of every third one is opened
        save_grey(widened(bright, 12), files[number])
        assert bits_of(files) == bits


def test_a_picture_beyond_the_depth_of_the_others_is_refused_not_clipped(
    tmp_path: Path, bright: np.ndarray
) -> None:
    for save in (save_grey, save_colour):
        save(widened(bright, 16), tmp_path / "p.png")
        with pytest.raises(UserInputError, match=r"p\.png cannot be scaled.*end at 4095"):
            read_picture(tmp_path / "p.png", 12)
    Image.fromarray(np.full((64, 64), 70_000, np.int32)).save(tmp_path / "p.tif")
    with pytest.raises(UserInputError, match=r"p\.tif cannot be scaled.*70000"):
        read_picture(tmp_path / "p.tif")


def test_check_fix_and_search_read_pictures_at_their_brightness(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder, eight = tmp_path / "wide", write_pairs(tmp_path / "eight", train=4, val=2)
    for file in eight.rglob("*.png"):
        wide = folder / file.relative_to(eight)
        wide.parent.mkdir(parents=True, exist_ok=True)
        save_colour(widened(np.asarray(Image.open(file)), 12), wide)
    found = with_bits(find_pairs(folder))
    result = check(found, measure_all(found, 1), None)
    noted = [finding.what for finding in result.findings if finding.kind == "converted"]
    assert len(noted) == 6
    assert all("16 bits read as 12 bits (a guess)" in what for what in noted)
    words = ["data", "check", str(folder), "--fix", str(tmp_path / "fixed")]
    assert CliRunner().invoke(app, words).exit_code == 0
    for number, file in enumerate(sorted((eight / "val").iterdir())):
        (mended,) = (tmp_path / "fixed" / "val").glob(f"{number:05d}-*")
        assert np.abs(read_picture(mended).astype(int) - read_picture(file)).max() <= 1
    data = prepare_data(folder, "AtoB", QUICK, tmp_path / "cache")
    same = prepare_data(eight, "AtoB", QUICK, tmp_path / "cache")
    assert "read as 12-bit, a guess" in data.source
    assert "guess" not in same.source
    ours, theirs = (load_dataset(each.file).val.originals for each in (data, same))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.int() - other.int()).abs().max() <= 2


def test_originals_of_12_bits_make_pairs_that_are_not_black(
    tmp_path: Path, bright: np.ndarray
) -> None:
    (tmp_path / "in").mkdir()
    save_colour(widened(bright, 12), tmp_path / "in" / "p.png")
    remarks: list[str] = []
    out = make_pairs(tmp_path / "in", 1, MakePlan(tmp_path / "out", 96, 0), 1, remarks.append)
    assert read_picture(next(out.glob("*/*.png"))).mean() > 0.8 * bright.mean()
    assert ["12-bit" in remark for remark in remarks] == [True]


@pytest.mark.parametrize("white", [255, 4095, 65535])
def test_a_16_bit_mask_is_white_where_it_is_brightest(tmp_path: Path, white: int) -> None:
    drawn = np.zeros((40, 40), np.uint16)
    drawn[:, 20:] = white
    Image.fromarray(drawn).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", 40, 40).mean() == 0.5


def test_notes_name_16_bits_of_colour(tmp_path: Path, bright: np.ndarray) -> None:
    save_colour(widened(bright, 16), tmp_path / "p.png")
    assert file_notes(tmp_path / "p.png", tmp_path) == ["16 bits"]


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_every_value_becomes_the_nearest_of_255(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.int64).astype(np.uint16)
    away = scaled(values, bits) / 255 - values / (2**bits - 1)
    assert np.abs(away).max() <= 0.5 / 255 + 1e-6


def test_a_value_belongs_to_the_smallest_depth_that_holds_it() -> None:
    known = {1: 8, 255: 8, 256: 10, 1023: 10, 1024: 12, 4096: 14, 16383: 14, 16384: 16, 0: 16}
    assert {value: bits_for(value) for value in known} == known
    for value in (4096, -1):
        with pytest.raises(OtherDepthError, match="and 12-bit values end at 4095"):
            scaled(np.array([0, value], np.int32), 12)
