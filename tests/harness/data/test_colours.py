"""Pictures become 8-bit sRGB: depths, grey, alpha, palettes, inks, colour profiles."""

import struct
from pathlib import Path

import numpy as np
import pytest
from gradient import GRADIENT, png
from PIL import Image, ImageCms

from harness.data.files.picture_reading import (
    read_picture,
)


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


WHITE = xyz(0.9642, 1.0, 0.8249)


def linear_profile() -> bytes:
    """A colour profile with sRGB's primaries and no gamma."""
    primaries = {
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
    }
    curves = {name: b"curv" + bytes(8) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return colour_profile(b"mntrRGB XYZ ", primaries | curves)


def grey_ink_profile() -> bytes:
    """A colour profile for CMYK in which every mixture of inks is the same light grey."""
    identity = (65536 * (n % 4 == 0) for n in range(9))
    ramp = bytes(range(256))
    table = struct.pack(">4s4x4B9i", b"mft1", 4, 3, 2, 0, *identity)
    table += 4 * ramp + 2**4 * bytes([200, 128, 128]) + 3 * ramp
    return colour_profile(b"prtrCMYKLab ", {b"A2B0": table})


def colour_profile(kind: bytes, values: dict[bytes, bytes]) -> bytes:
    """A colour profile (ICC version 2); `kind`: its class, its colours, and what they become."""
    name = b"made here\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"wtpt": WHITE,
        **values,
    }
    directory, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        directory += tag + struct.pack(">II", start + len(body), len(data))
        body += padded
    header = struct.pack(">I4xI12s", start + len(body), 0x02400000, kind)
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + body


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".bmp"])
def test_lossless_formats_give_their_bytes(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"p{suffix}"
    Image.fromarray(GRADIENT).save(file, **({"lossless": True} if suffix == ".webp" else {}))
    assert np.array_equal(read_picture(file), GRADIENT)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    wide = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(wide).save(tmp_path / f"p{suffix}")
    picture = read_picture(tmp_path / f"p{suffix}")
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture[:, :, 0] - wide / 257).max() <= 0.5


def test_16_bits_of_colour_are_scaled_too(tmp_path: Path) -> None:
    wide = (np.arange(48 * 64 * 3, dtype=np.uint16) * 7).reshape(48, 64, 3)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    (tmp_path / "p.png").write_bytes(png(64, 48, 16, rows))
    assert np.abs(read_picture(tmp_path / "p.png") - wide / 257).max() < 1


def test_grey_alpha_and_palette_become_rgb(tmp_path: Path) -> None:
    clear = np.dstack([GRADIENT, np.zeros((48, 64), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    half = np.full((48, 64, 4), (100, 0, 255, 51), np.uint8)
    Image.fromarray(half).save(tmp_path / "half.png")
    assert np.abs(read_picture(tmp_path / "half.png") - (224.0, 204.0, 255.0)).max() <= 1
    Image.fromarray(half[..., :3]).save(tmp_path / "colour.png", transparency=(100, 0, 255))
    assert (read_picture(tmp_path / "colour.png") == 255).all()
    Image.fromarray(GRADIENT[:, :, 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_picture(tmp_path / "grey.png")[:, :, 2], GRADIENT[:, :, 0])
    Image.fromarray(GRADIENT).quantize(200).save(tmp_path / "palette.png")
    assert np.abs(read_picture(tmp_path / "palette.png").astype(int) - GRADIENT).mean() < 6


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT).convert("CMYK").save(tmp_path / "p.jpg", quality=98)
    assert np.abs(read_picture(tmp_path / "p.jpg").astype(int) - GRADIENT).mean() < 4
    profile = grey_ink_profile()
    Image.fromarray(GRADIENT).convert("CMYK").save(tmp_path / "g.tif", icc_profile=profile)
    assert np.abs(read_picture(tmp_path / "g.tif").astype(int) - 176).max() <= 2


def test_a_colour_profile_is_converted_and_a_broken_one_ignored(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(GRADIENT).save(tmp_path / "srgb.png", icc_profile=srgb)
    assert np.abs(read_picture(tmp_path / "srgb.png").astype(int) - GRADIENT).max() <= 1
    Image.fromarray(GRADIENT).save(tmp_path / "linear.png", icc_profile=linear_profile())
    light = GRADIENT / 255
    gamma = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(read_picture(tmp_path / "linear.png") - 255 * gamma).max() <= 3
    Image.fromarray(GRADIENT).save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert np.array_equal(read_picture(tmp_path / "broken.png"), GRADIENT)
