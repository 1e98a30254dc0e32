"""Every kind of picture file: read correctly, or refused with one sentence."""

import ast
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from gradient import GRADIENT, png
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

import harness
from harness.data.check.facts import file_notes
from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import (
    MAX_PIXELS,
    opened_picture,
    read_mask,
    read_picture,
    split_halves,
)
from harness.data.synthesis.displacement_files import read_field, save_fields, warped_back
from harness.errors import UserInputError

OPENERS = {"Image.open", "PIL.Image.open", "imread", "io.imread", "skimage.io.imread"}


def claimed_png(file: Path, width: int, height: int) -> None:
    """A PNG whose header claims a larger size than its data has."""
    file.write_bytes(png(width, height, 8, b""))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(GRADIENT).copy()).save(tmp_path / "p.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "p.png"), GRADIENT)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0II*\0" + b"\xff" * 40,
        b"Exif\0\0II*\0" + struct.pack("<LH", 8, 65_000) + b"\x12\x01" * 10,
        b"Exif\0\0II*\0" + struct.pack("<LHHHLLL", 8, 1, 270, 2, 1000, 0x7FFFFFFF, 0),
        b"Exif\0\0hello",
    ],
    ids=["noise", "cut off", "far away", "text"],
)
def test_damaged_exif_is_ignored_without_a_word(tmp_path: Path, exif: bytes) -> None:
    Image.new("RGB", (50, 40), "red").save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (40, 50, 3)


def make_truncated(file: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:2000])


def make_animated(file: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(file, save_all=True, append_images=frames[1:])


def make_float(file: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.float32)).save(file)


FAULTS = {
    "p.png is empty": lambda file: file.write_bytes(b""),
    "p.png is no picture": lambda file: file.write_text("hello"),
    "p.png cannot be read": make_truncated,
    "p.png holds 2 frames": make_animated,
    "p.png says it has 11000 x 11000": lambda file: claimed_png(file, 11_000, 11_000),
    "p.png says it has more than the 120,000,000": lambda file: claimed_png(file, 60_000, 60_000),
    "p.png does not exist": lambda file: file.symlink_to(file.parent / "nowhere.png"),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_planted_fault_is_one_sentence(tmp_path: Path, sentence: str) -> None:
    file = tmp_path / "p.png"
    FAULTS[sentence](file)
    with pytest.raises(UserInputError) as caught:
        read_picture(file)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(6000, 4000), (11_648, 8736), (2 * 7700, 7700)])
def test_the_sizes_of_cameras_are_not_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    claimed_png(tmp_path / "p.png", *size)
    with opened_picture(tmp_path / "p.png") as opened:
        assert opened.size == size


def test_missing_permission_is_not_reported_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, formats: tuple[str, ...]) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    (tmp_path / "a.png").touch()
    with pytest.raises(UserInputError, match=r"a\.png may not be read \(Permission denied\)"):
        read_picture(tmp_path / "a.png")


def test_the_first_picture_of_a_phones_jpeg_is_read(tmp_path: Path) -> None:
    file = tmp_path / "p.jpg"
    preview = Image.new("RGB", (32, 24), "blue")
    Image.fromarray(GRADIENT).save(file, "MPO", save_all=True, append_images=[preview], quality=98)
    with Image.open(file) as opened:
        assert opened.n_frames == 2
    assert np.abs(read_picture(file).astype(int) - GRADIENT).max() < 12
    assert file_notes(file, tmp_path) == ["the first of several pictures"]


@pytest.mark.parametrize(("kind", "read"), [(1, True), (4, True), (2, False), (0, False)])
def test_reduced_copies_and_masks_in_a_tiff_are_not_pages(
    tmp_path: Path, kind: int, read: bool
) -> None:
    file = tmp_path / "p.tif"
    second = TiffImagePlugin.ImageFileDirectory_v2()
    second[254] = kind
    with TiffImagePlugin.AppendingTiffWriter(str(file), new=True) as writer:
        Image.fromarray(GRADIENT).save(writer, "TIFF")
        writer.newFrame()
        Image.new("RGB", (16, 12), "blue").save(writer, "TIFF", tiffinfo=second)
    with Image.open(file) as opened:
        assert opened.n_frames == 2
    if read:
        assert np.array_equal(read_picture(file), GRADIENT)
        return
    with pytest.raises(UserInputError, match="holds 2 frames"):
        read_picture(file)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n%%EOF\n"


def test_postscript_with_a_picture_suffix_reaches_no_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *words, **_: ran.append(words))
    monkeypatch.setattr("subprocess.check_call", lambda *words, **_: ran.append(words))
    (tmp_path / "p.png").write_bytes(POSTSCRIPT)
    for read in (read_picture, lambda file: read_mask(file, 64, 64)):
        with pytest.raises(UserInputError, match="is no picture in a supported format"):
            read(tmp_path / "p.png")
    assert ran == []


@pytest.mark.parametrize("suffix", ["GIF", "PCX", "TGA", "ICO", "EPS"])
def test_only_named_formats_are_opened(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GRADIENT).save(tmp_path / "p.png", suffix)
    with pytest.raises(UserInputError, match=r"p\.png is no picture in a supported format"):
        read_picture(tmp_path / "p.png")


def test_special_files_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "null.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s.png"))
        for name in ("pipe.png", "null.png", "s.png"):
            with pytest.raises(UserInputError, match=f"{name} is a pipe, a socket or a device"):
                read_picture(tmp_path / name)
    with pytest.raises(UserInputError, match=r"folder\.png is a folder"):
        read_picture(tmp_path / "folder.png")
    os.mkfifo(tmp_path / "f.npz")
    with pytest.raises(UserInputError, match=r"f\.npz is not a file of displacement fields"):
        read_field(tmp_path / "f.npz", "field", 64, 64)


def test_no_code_opens_a_picture_of_any_format() -> None:
    """`Image.open` without `formats` would try all of Pillow's decoders."""
    root = Path(harness.__file__).parent.parent
    calls = [
        (file, node)
        for package in ("harness", "objectives", "reports", "search_spaces")
        for file in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENERS
    ]
    assert len(calls) >= 5
    for file, call in calls:
        assert "formats" in {word.arg for word in call.keywords}, f"{file}:{call.lineno}"


def test_a_mask_without_white_is_refused_by_its_values(tmp_path: Path) -> None:
    drawn = np.zeros((40, 40), np.uint8)
    drawn[:, 20:] = 1
    Image.fromarray(drawn).save(tmp_path / "m.png")
    with pytest.raises(UserInputError, match=r"m\.png has no white in it .* is 1 of 255"):
        read_mask(tmp_path / "m.png", 40, 40)
    Image.fromarray(drawn * 0).save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png", 40, 40).any()


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    make_float(tmp_path / "p.tif")
    with pytest.raises(UserInputError, match="floating-point"):
        read_picture(tmp_path / "p.tif")


@pytest.mark.parametrize("name", ["a b.png", 'it\'s "so".png', "초상화.png", "two\nlines.png"])
def test_any_name_is_read_and_printed_on_one_line(tmp_path: Path, name: str) -> None:
    Image.fromarray(GRADIENT).save(tmp_path / name, "PNG")
    assert read_picture(tmp_path / name).shape == (48, 64, 3)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserInputError) as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_halves_are_split_in_the_middle_or_refused() -> None:
    a, b = split_halves(np.hstack([GRADIENT, GRADIENT // 2]), Path("p.png"))
    assert np.array_equal(a, GRADIENT)
    assert np.array_equal(b, GRADIENT // 2)
    with pytest.raises(UserInputError, match=r"odd number.* --originals DIR"):
        split_halves(GRADIENT[:, :63], Path("p.png"))
    for part in (GRADIENT[:31], GRADIENT[:, :62]):
        with pytest.raises(UserInputError, match="halves are under 32 pixels a side, too small"):
            split_halves(part, Path("p.png"))
    assert split_halves(GRADIENT[:32], Path("p.png"))[1].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        (((64, 48), (64, 40)), r"a\.png and .*b\.png are 64 x 48 and 64 x 40: A and B of a pair"),
        (((31, 48), (31, 48)), r"a\.png is under 32 pixels a side: too small"),
        (((48, 31), (48, 31)), r"a\.png is under 32 pixels a side: too small"),
        (((32, 48), (32, 48)), ""),
    ],
)
def test_two_files_of_a_pair_have_one_size(
    sizes: tuple[tuple[int, int], ...], sentence: str, tmp_path: Path
) -> None:
    for name, size in zip("ab", sizes, strict=True):
        Image.new("RGB", size, "red" if name == "a" else "blue").save(tmp_path / f"{name}.png")
    pair = PairFiles("p", tmp_path / "a.png", tmp_path / "b.png")
    if sentence:
        with pytest.raises(UserInputError, match=sentence):
            read_halves(pair)
    else:
        assert [half[0, 0].tolist() for half in read_halves(pair)] == [[255, 0, 0], [0, 0, 255]]


def test_white_in_a_mask_is_what_is_more_white_than_black(tmp_path: Path) -> None:
    drawn = np.repeat(np.array([[0, 127, 128, 255]], np.uint8), 10, 1).repeat(40, 0)
    Image.fromarray(drawn).save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", 40, 40), drawn >= 128)


def test_a_mask_is_scaled_to_its_pair(tmp_path: Path) -> None:
    drawn = np.zeros((40, 40), np.uint8)
    drawn[:, 20:] = 255
    Image.fromarray(drawn).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png", 80, 120)
    assert mask.shape == (80, 120)
    assert mask[:, 61:].all()
    assert not mask[:, :59].any()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from([".png", ".jpg", ".webp", ".tif", ".bmp"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    keep=st.floats(0.2, 1),
)
def test_damaged_pictures_raise_no_other_error(
    tmp_path: Path, suffix: str, changes: list[tuple[float, int]], keep: float
) -> None:
    file = tmp_path / f"p{suffix}"
    Image.fromarray(GRADIENT).save(file)
    damaged = bytearray(file.read_bytes())
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    file.write_bytes(damaged[: int(keep * len(damaged))])
    with suppress(UserInputError):
        read_mask(file, 48, 64)
        file_notes(file, tmp_path)
        picture = read_picture(file)
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert picture.shape[0] * picture.shape[1] <= MAX_PIXELS


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.floats(0.2, 1),
)
def test_damaged_fields_raise_no_other_error(
    tmp_path: Path, changes: list[tuple[float, int]], keep: float
) -> None:
    file = tmp_path / "p.npz"
    field = np.zeros((2, 48, 64), np.float32)
    field[:, 20:30] = 1.5
    save_fields(file, field, -field)
    damaged = bytearray(file.read_bytes())
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    file.write_bytes(damaged[: int(keep * len(damaged))])
    with suppress(UserInputError):
        assert warped_back(GRADIENT, file, "AtoB").shape == GRADIENT.shape


@pytest.mark.parametrize(
    ("shape", "value"), [((2, 48, 64), np.nan), ((2, 64, 48), 0), ((1, 48, 64), 0)]
)
def test_fields_that_do_not_fit_their_pair_are_refused(
    shape: tuple[int, int, int], value: float, tmp_path: Path
) -> None:
    field = np.zeros(shape, np.float32)
    field[0, 5, 5] = value
    save_fields(tmp_path / "p.npz", field, field)
    with pytest.raises(UserInputError, match=r"p\.npz does not fit its pair of 64 x 48: remove it"):
        read_field(tmp_path / "p.npz", "field", 48, 64)


def test_oversized_fields_are_not_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = np.zeros((2, 3000, 3000), np.float16)
    save_fields(tmp_path / "p.npz", huge, huge)
    monkeypatch.setattr("numpy.lib.npyio.NpzFile.__getitem__", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(UserInputError, match=r"p\.npz is not a file of displacement fields"):
        read_field(tmp_path / "p.npz", "inverse", 48, 64)
