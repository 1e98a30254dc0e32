"""A folder with every fault that a user's folder may have: each is found or handled."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from harness.cli.data import app
from harness.data.check.check import CheckResult, check, measure_all
from harness.data.check.mend import LEFT_OUT
from harness.data.files.pair_folders import find_pairs

Pair = tuple[np.ndarray, np.ndarray]
Plant = Callable[[Path, Pair], None]


def save(file: Path, a: np.ndarray, b: np.ndarray, **how: object) -> None:
    Image.fromarray(np.hstack([a, b])).save(file, **how)


def truncated(file: Path, pair: Pair) -> None:
    save(file, *pair)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def odd_width(file: Path, pair: Pair) -> None:
    Image.fromarray(np.hstack(pair)[:, 1:]).save(file)


def swapped(file: Path, pair: Pair) -> None:
    save(file, pair[1], pair[0])


def shifted(file: Path, pair: Pair) -> None:
    save(file, pair[0], np.roll(pair[1], 3, axis=1))


def identical(file: Path, pair: Pair) -> None:
    save(file, pair[1], pair[1])


def two_pictures(file: Path, pair: Pair) -> None:
    save(file, pair[0], pair[1][::-1, ::-1])


def sixteen_bits(file: Path, pair: Pair) -> None:
    grey = np.hstack(pair)[:, :, 0].astype(np.uint16) * 257
    Image.fromarray(grey).save(file)


def cmyk(file: Path, pair: Pair) -> None:
    Image.fromarray(np.hstack(pair)).convert("CMYK").save(file, quality=98)


def turned(file: Path, pair: Pair) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.rot90(np.hstack(pair), -1).copy()).save(file, exif=exif)


def animated(file: Path, pair: Pair) -> None:
    frames = [Image.fromarray(np.hstack(both)) for both in (pair, pair[::-1])]
    frames[0].save(file, save_all=True, append_images=frames[1:])


def empty(file: Path, pair: Pair) -> None:
    file.touch()


def bomb(file: Path, pair: Pair) -> None:
    """A valid picture of 12,000 x 12,000 pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * 12_000)
    rows = b"".join(packer.compress(row) for _ in range(12_000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def link_out(file: Path, pair: Pair) -> None:
    outside = file.parent.parent.parent / "outside.png"
    save(outside, *pair)
    file.symlink_to(outside)


def dead_link(file: Path, pair: Pair) -> None:
    file.symlink_to(file.parent / "nowhere.png")


def sound(file: Path, pair: Pair) -> None:
    save(file, *pair)


# name -> function that plants the fault, kind of finding (None: no finding), part of its text.
FAULTS: dict[str, tuple[Plant, str | None, str]] = {
    "truncated.png": (truncated, "unreadable", "truncated"),
    "odd width.png": (odd_width, "unreadable", "odd number"),
    "swapped.png": (swapped, "swapped", "B is sharper"),
    "shifted.png": (shifted, "shifted", "+3.0 px right"),
    "identical.png": (identical, "identical", "same picture"),
    "two pictures.png": (two_pictures, "unlike", "not of one picture"),
    "16 bits.png": (sixteen_bits, "converted", "16 bits"),
    "cmyk.jpg": (cmyk, "converted", "CMYK"),
    "turned.png": (turned, "converted", "turned by EXIF"),
    "animated.png": (animated, "unreadable", "2 frames"),
    "empty.png": (empty, "unreadable", "is empty"),
    "bomb.png": (bomb, "unreadable", "12000 x 12000"),
    "link out.png": (link_out, "converted", "link out of the folder"),
    "dead link.png": (dead_link, "unreadable", "broken link"),
    'it\'s "so".png': (sound, None, ""),
    "초상화.png": (sound, None, ""),
    "two\nlines.png": (sound, None, ""),
    "two\nlines and empty.png": (empty, "unreadable", "is empty"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, halves: list[Pair]) -> Path:
    """Faults among sound pairs, the first of which is also in val/. B is always softer."""
    folder = tmp_path_factory.mktemp("faulty") / "data"
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
    softer = [(b, gaussian_filter(a, (0.7, 0.7, 0))) for a, b in halves]
    for number, (name, (plant, *_)) in enumerate(FAULTS.items()):
        plant(folder / "train" / name, softer[number % len(softer)])
    for number in range(3):
        a, b = softer[-1 - number]
        save(folder / "train" / f"sound {number}.png", a[::-1], b[::-1])
    shutil.copy(folder / "train" / "sound 0.png", folder / "val" / "again.png")
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> CheckResult:
    found = find_pairs(folder)
    return check(found, measure_all(found, 1), None)


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault(result: CheckResult, name: str) -> None:
    _, kind, words = FAULTS[name]
    found = {f.kind: f for f in result.findings if f.name == f"train/{name}"}
    if kind is None:
        assert not found.keys() & {"unreadable", "converted", "unlike", "swapped", "shifted"}
        assert any(pair.name == f"train/{name}" for pair in result.pairs)
    else:
        assert words in found[kind].what
        assert found[kind].do


def test_duplicate_across_splits(result: CheckResult) -> None:
    assert [f.name for f in result.findings if f.kind == "duplicate"] == ["val/again.png"]
    assert result.seen_in_training == {"train/sound 0.png"}


def test_no_fault_is_a_traceback_and_every_line_is_one_line(folder: Path, tmp_path: Path) -> None:
    inside = CliRunner().invoke(app, ["check", str(folder), "--fix", str(folder / "fixed")])
    assert "so that its pairs would be read as that folder's" in str(inside.exception)
    assert inside.output == ""
    outside = [str(tmp_path / name) for name in ("page.html", "fixed")]
    ran = CliRunner().invoke(app, ["check", str(folder), "-o", outside[0], "--fix", outside[1]])
    assert isinstance(ran.exception, SystemExit)
    assert ran.exit_code == 2
    lines = ran.stdout.splitlines()
    *found, written, page = lines[3:]
    assert all(line.split(":")[0] in ("error", "warning", "note") for line in found), lines
    assert "pairs written" in written
    assert page == f"page: {outside[0]}"
    useless = [kind for _, kind, _ in FAULTS.values() if kind in LEFT_OUT]
    # One of the four sound files is left out, since it is also in val/ under another name.
    usable = len(FAULTS) - len(useless) + 3
    assert len(list((tmp_path / "fixed").glob("*/*.png"))) == usable
