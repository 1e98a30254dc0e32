"""A picture's original values are read and written back exactly, with its metadata."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from harness.data.files.orientation import upright_exif, upright_xmp
from harness.data.files.photograph import Photograph, read_photograph, upright
from harness.data.files.picture_reading import read_picture
from harness.data.files.picture_writing import write_like
from harness.data.files.scikit_image import scikit_image_file
from harness.errors import UserInputError

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
ORIENTATION, DESCRIPTION, EXIF, EXPOSURE, GPS = 0x0112, 0x010E, 0x8769, 0x829A, 0x8825


def sample(mode: str = "RGB") -> Image.Image:
    """A part of a photograph with odd sides; alpha and key ink vary."""
    with Image.open(scikit_image_file("astronaut.png"), formats=("PNG",)) as opened:
        part = opened.convert("RGB").crop((150, 20, 251, 97))
    if mode.endswith("A"):
        part.putalpha(part.convert("L").point(lambda value: 0 if value < 90 else value))
    return part.convert(mode)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ORIENTATION], tags[DESCRIPTION] = orientation, "a portrait"
    tags[EXIF], tags[GPS] = {EXPOSURE: 0.01}, {1: "N"}
    return tags.tobytes()


def rewritten(file: Path) -> Path:
    """The picture read and written again."""
    copy = file.with_name(f"copy-{file.name}")
    write_like(file, read_photograph(file), copy)
    return copy


def pixels(file: Path) -> NDArray[Any]:
    """The values as Pillow reads them, upright."""
    with Image.open(file, formats=None) as opened:
        return np.asarray(ImageOps.exif_transpose(opened))


LOSSLESS = [
    (mode, suffix)
    for suffix, modes in {
        ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        ".tif": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
        ".webp": ("RGB", "RGBA"),
        ".bmp": ("1", "L", "P", "RGB"),
        ".ppm": ("L", "RGB"),
    }.items()
    for mode in modes
]


@pytest.mark.parametrize(("mode", "suffix"), LOSSLESS)
def test_all_bits_are_preserved_in_the_same_format(mode: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"p{suffix}"
    if mode == "I;16":
        grey = np.asarray(sample("L"), np.uint16) * 256
        Image.fromarray(grey + np.arange(101, dtype=np.uint16)).save(file)
    elif mode == "P":
        sample().quantize(64).save(file)
    else:
        sample(mode).save(file)
    copy = rewritten(file)
    with Image.open(file) as before, Image.open(copy) as after:
        assert after.format == before.format
        plain = {"1": "L", "P": "RGB"}.get(mode, mode)
        assert after.mode == plain
        assert np.array_equal(np.asarray(before.convert(plain)), np.asarray(after))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", ".png"), ("RGBA", ".png"), ("RGB", ".tif"), ("RGBA", ".tif"), ("CMYK", ".tif")],
)
def test_16_bits_of_colour_are_written_and_read(mode: str, suffix: str, tmp_path: Path) -> None:
    """Also checked by Pillow itself, which reads the high bytes of the values."""
    file, wide = tmp_path / f"p{suffix}", tmp_path / f"wide{suffix}"
    sample().save(file)
    random = np.random.default_rng(0)
    values = random.integers(0, 65536, (61, 47, len(mode)), dtype=np.uint16)
    write_like(file, Photograph(values, mode), wide)
    again = read_photograph(rewritten(wide))
    assert again.mode == mode
    assert np.array_equal(again.values, values)
    assert np.array_equal(pixels(wide), values >> 8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_is_written_in_parts_of_a_megabyte(suffix: str, tmp_path: Path) -> None:
    file, wide = tmp_path / f"p{suffix}", tmp_path / f"wide{suffix}"
    sample().save(file)
    values = np.arange(3 * 2**18, dtype=np.uint16).reshape(512, 512, 3) * 7  # 1.5 MiB
    write_like(file, Photograph(values, "RGB"), wide)
    assert np.array_equal(read_photograph(wide).values, values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_pixels_are_upright_and_the_metadata_agrees(
    orientation: int, suffix: str, tmp_path: Path
) -> None:
    file = tmp_path / f"p{suffix}"
    known: dict[str, Any] = {"exif": exif(orientation), "icc_profile": PROFILE}
    if suffix in (".jpg", ".webp"):
        known["xmp"] = XMP.replace(b"6", b"%d" % orientation)
    if suffix == ".jpg":
        known |= {"quality": 97, "subsampling": 0}
    elif suffix == ".webp":
        known["lossless"] = True
    else:
        known["dpi"] = (300, 300)
    sample().save(file, **known)
    copy = rewritten(file)
    apart = np.abs(pixels(copy).astype(int) - pixels(file))
    assert apart.max() <= (12 if suffix == ".jpg" else 0)
    assert np.array_equal(read_picture(file).shape, read_picture(copy).shape)
    with Image.open(copy) as after:
        after.load()
        tags = after.getexif()
        assert tags[ORIENTATION] == 1
        assert tags[DESCRIPTION] == "a portrait"
        assert float(tags.get_ifd(EXIF)[EXPOSURE]) == pytest.approx(0.01)
        assert tags.get_ifd(GPS)[1] == "N"
        assert after.info["icc_profile"] == PROFILE
        if "xmp" in known:
            assert b'tiff:Orientation="1"' in after.info["xmp"]
        if "dpi" in known:
            assert after.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_rotation_equals_pillow_s() -> None:
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for orientation in range(1, 9):
        picture = Image.fromarray(values)
        picture.getexif()[ORIENTATION] = orientation
        expected = np.asarray(ImageOps.exif_transpose(picture))
        assert np.array_equal(upright(values, orientation), expected), orientation


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("quality", [80, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_is_encoded_with_its_own_settings(
    quality: int, subsampling: int, orientation: int, tmp_path: Path
) -> None:
    """With the same quantisation tables, few values change by more than two levels."""
    file = tmp_path / "p.jpg"
    portrait = sample().resize((192, 144), Image.Resampling.BICUBIC)
    portrait.save(file, quality=quality, subsampling=subsampling, exif=exif(orientation))
    copy = rewritten(file)
    apart = np.abs(pixels(copy).astype(int) - pixels(file))
    assert apart.mean() < 0.5
    assert (apart > 2).mean() < 0.025
    with Image.open(file) as before, Image.open(copy) as after:
        assert isinstance(before, JpegImagePlugin.JpegImageFile)
        assert isinstance(after, JpegImagePlugin.JpegImageFile)
        for number, table in before.quantization.items():
            own = np.reshape(table, (8, 8))
            wanted = own if orientation == 1 else own.T  # turned, with the picture
            assert np.array_equal(np.reshape(after.quantization[number], (8, 8)), wanted)
        sampling = JpegImagePlugin.get_sampling
        assert sampling(before) == subsampling
        half_high = orientation == 6 and subsampling == 1  # which Pillow cannot write
        assert sampling(after) == (0 if half_high else subsampling)


@pytest.mark.parametrize("progressive", [True, False])
def test_captions_and_order_of_a_jpeg_are_preserved(progressive: bool, tmp_path: Path) -> None:
    caption = b"Photoshop 3.0\08BIM\x04\x04\0\0" + struct.pack(">L", 4) + b"mine"
    extra = b"\xff\xed" + struct.pack(">H", len(caption) + 2) + caption
    file = tmp_path / "p.jpg"
    sample().save(file, progressive=progressive, comment="by hand", extra=extra)
    with Image.open(rewritten(file)) as after:
        assert isinstance(after, JpegImagePlugin.JpegImageFile)
        assert after.info["comment"] == b"by hand"
        assert ("APP13", caption) in after.applist
        assert bool(after.info.get("progressive")) == progressive


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_a_profile_does_not_belong_to_converted_pixels(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"p{suffix}"
    sample().save(file, icc_profile=PROFILE)
    for in_srgb in (True, False):
        write_like(file, Photograph(np.asarray(sample()), "RGB", in_srgb), tmp_path / "copy")
        with Image.open(tmp_path / "copy") as after:
            assert ("icc_profile" in after.info) != in_srgb


def test_a_phone_s_jpeg_is_written_with_its_first_picture(tmp_path: Path) -> None:
    file = tmp_path / "p.jpg"
    sample().save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))], quality=98)
    with Image.open(rewritten(file)) as after:
        assert after.format == "JPEG"
        assert after.size == (101, 77)


def test_png_chunks_that_affect_display_are_preserved(tmp_path: Path) -> None:
    """Chunks of a profile are dropped if the pixels have been converted to sRGB."""
    file, copy = tmp_path / "p.png", tmp_path / "copy.png"
    words = PngImagePlugin.PngInfo()
    words.add(b"gAMA", struct.pack(">I", 100_000))
    words.add_itxt("Title", "초상", zip=True)
    words.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    sample().save(file, pnginfo=words, icc_profile=PROFILE)
    with Image.open(rewritten(file)) as after:
        assert isinstance(after, PngImagePlugin.PngImageFile)
        assert after.info["gamma"] == 1.0
        assert after.text["Title"] == "초상"
        assert 'tiff:Orientation="1"' in after.text["XML:com.adobe.xmp"]
    write_like(file, Photograph(read_picture(file), "RGB", in_srgb=True), copy)
    with Image.open(copy) as after:
        assert {"gamma", "icc_profile"}.isdisjoint(after.info)
        assert after.info["Title"] == "초상"
    sample().save(file, pnginfo=words, icc_profile=None)  # without a profile nothing is converted
    write_like(file, Photograph(read_picture(file), "RGB", in_srgb=True), copy)
    with Image.open(copy) as after:
        assert after.info["gamma"] == 1.0


def test_exif_in_the_text_of_an_old_png_is_preserved(tmp_path: Path) -> None:
    file = tmp_path / "p.png"
    body = exif(6)
    words = PngImagePlugin.PngInfo()
    words.add_text("Raw profile type exif", f"\nexif\n{len(body):8}\n{body.hex()}\n", zip=True)
    sample().save(file, pnginfo=words)
    copy = rewritten(file)
    assert np.array_equal(pixels(copy), pixels(file))
    with Image.open(copy) as after:
        assert after.getexif()[ORIENTATION] == 1
        assert after.getexif()[DESCRIPTION] == "a portrait"
        assert "Raw profile type exif" not in after.info
    newer = Image.Exif()
    newer[DESCRIPTION] = "newer"
    sample().save(file, pnginfo=words, exif=newer)
    with Image.open(rewritten(file)) as after:
        assert after.getexif()[DESCRIPTION] == "newer"


@pytest.mark.parametrize("damaged", [b"eXIf", b"iTXt", b"zTXt"])
def test_damaged_words_of_a_png_are_left_out(damaged: bytes, tmp_path: Path) -> None:
    """Its pixels and the other words are kept."""
    file = tmp_path / "p.png"
    sample().save(file, icc_profile=PROFILE)
    body = {
        b"eXIf": b"no exif",
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0not deflated",
        b"zTXt": b"Raw profile type exif\0\0not deflated",
    }[damaged]
    chunk = struct.pack(">I", len(body)) + damaged + body
    chunk += struct.pack(">I", zlib.crc32(damaged + body))
    whole = file.read_bytes()
    file.write_bytes(whole[:33] + chunk + whole[33:])
    values = np.asarray(sample())
    write_like(file, Photograph(values, "RGB"), tmp_path / "copy.png")
    assert np.array_equal(read_picture(tmp_path / "copy.png"), values)
    assert damaged not in (tmp_path / "copy.png").read_bytes()
    with Image.open(tmp_path / "copy.png") as after:
        assert after.info["icc_profile"] == PROFILE


def test_a_transparent_colour_is_preserved_or_becomes_alpha(tmp_path: Path) -> None:
    sample().save(tmp_path / "rgb.png", transparency=(1, 2, 3))
    with Image.open(rewritten(tmp_path / "rgb.png")) as after:
        assert (after.mode, after.info["transparency"]) == ("RGB", (1, 2, 3))
    indexed = sample().quantize(8)
    indexed.save(tmp_path / "indexed.png", transparency=3)
    copy = rewritten(tmp_path / "indexed.png")
    assert b"tRNS" not in copy.read_bytes()  # not allowed beside alpha
    with Image.open(copy) as after:
        assert after.mode == "RGBA"
        clear = np.asarray(indexed) == 3
        assert ((np.asarray(after)[..., 3] == 0) == clear).all()


def test_tiff_tags_are_preserved_and_layers_are_dropped(tmp_path: Path) -> None:
    """Photoshop's layers contain the old picture, and would be displayed instead."""
    file = tmp_path / "p.tif"
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[315] = "화가".encode()
    tags.tagtype[315] = 2
    tags[37724] = b"Adobe Photoshop Document Data Block"
    tags.tagtype[37724] = 7
    tags[700], tags.tagtype[700] = XMP, 1
    sample().save(file, tiffinfo=tags, compression="tiff_lzw", dpi=(240, 240))
    with Image.open(rewritten(file)) as after:
        assert isinstance(after, TiffImagePlugin.TiffImageFile)
        assert str(after.tag_v2[315]).encode("latin-1").decode() == "화가"
        assert after.info["dpi"] == (240, 240)
        assert 37724 not in after.tag_v2
        assert after.tag_v2[700] == XMP.replace(b'"6"', b'"1"')
        assert after.tag_v2[259] == 8


def made_exif(order: str) -> bytes:
    """EXIF of a camera, with a thumbnail behind it."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HL", 42, 8)
    entries = [(ORIENTATION, 3, 1, 8), (0x0131, 4, 1, 77)]
    body = b"".join(
        struct.pack(f"{order}HHLHH" if kind == 3 else f"{order}HHLL", tag, kind, count, value, *pad)
        for tag, kind, count, value in entries
        for pad in [(0,) if kind == 3 else ()]
    )
    return b"Exif\0\0" + head + struct.pack(f"{order}H", 2) + body + struct.pack(f"{order}L", 99)


@pytest.mark.parametrize("order", "<>")
def test_only_orientation_and_thumbnail_of_exif_change(order: str) -> None:
    before = made_exif(order)
    after = upright_exif(before + b"notes")
    read = Image.Exif()
    read.load(after)
    assert dict(read) == {ORIENTATION: 1, 0x0131: 77}
    assert after.endswith(struct.pack(f"{order}L", 0) + b"notes")
    assert sum(a != b for a, b in zip(before + b"notes", after, strict=True)) == 2
    for length in range(len(before)):
        assert upright_exif(before[:length]) == b""
    assert upright_exif(b"Exif\0\0X" + before[7:]) == b""


@pytest.mark.parametrize(
    "words", [b'a tiff:Orientation="%d"', b"a tiff:Orientation = '%d'", b"<tiff:Orientation>%d</"]
)
def test_xmp_is_upright_however_it_is_written(words: bytes) -> None:
    assert upright_xmp(words % 6) == words % 1
    assert upright_xmp(b"exif:Orientation='6'") == b"exif:Orientation='6'"


def float_tiff(file: Path) -> None:
    Image.fromarray(np.zeros((40, 40), np.float32)).save(file, "TIFF")


def deep_grey_with_alpha(file: Path) -> None:
    random = np.random.default_rng(0)
    sample("LA").save(file, "PNG")
    values = random.integers(0, 65536, (40, 40, 2), dtype=np.uint16)
    write_like(file, Photograph(values, "LA"), file)


def tiff_with_a_selection(file: Path) -> None:
    sample("RGBA").save(file, "TIFF")
    alpha, selection = (struct.pack("<HHLHH", 338, 3, 1, kind, 0) for kind in (2, 0))
    body = file.read_bytes()
    assert alpha in body
    file.write_bytes(body.replace(alpha, selection))


def deep_ppm(file: Path) -> None:
    file.write_bytes(b"P6 40 40 1023\n" + bytes(40 * 40 * 6))


def clear_bmp(file: Path) -> None:
    masks = struct.pack("<4L", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<LllHHLLllLL", 108, 40, 40, 1, 32, 3, 6400, 0, 0, 0, 0) + masks
    head = head.ljust(108, b"\0")
    file.write_bytes(b"BM" + struct.pack("<LLL", 122 + 6400, 0, 122) + head + bytes(6400))


def pages(file: Path) -> None:
    sample().save(file, "TIFF", save_all=True, append_images=[sample()])


REFUSED = {
    "floating-point pixels": float_tiff,
    "pixels of 32 or signed bits": lambda file: sample("I").save(file, "TIFF"),
    "pixels of the kind LAB": lambda file: sample("LAB").save(file, "TIFF"),
    "16 bits of grey with transparency": deep_grey_with_alpha,
    "extra channels": tiff_with_a_selection,
    "more than 8 bits in a PPM": deep_ppm,
    "a BMP with transparency": clear_bmp,
    "2 frames": pages,
}


@pytest.mark.parametrize("what", REFUSED)
def test_lossy_kinds_are_refused(what: str, tmp_path: Path) -> None:
    file = tmp_path / "p.tif"
    REFUSED[what](file)
    with pytest.raises(UserInputError, match=rf"p\.tif holds {what}") as caught:
        read_photograph(file)
    assert "\n" not in str(caught.value)


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".tif", ".webp", ".bmp"):
        file = tmp_path / f"p{suffix}"
        sample().save(file)
        file.write_bytes(file.read_bytes()[:-900])
        with pytest.raises(UserInputError, match=f"p{suffix} cannot be read as a picture"):
            read_photograph(file)


def test_exif_of_several_segments_is_kept(tmp_path: Path) -> None:
    """Phones and editors store previews in it, which make it longer than a segment of a JPEG."""
    body = exif(1).removeprefix(b"Exif\0\0") + bytes(70_000)
    sample().save(tmp_path / "plain.jpg")
    plain = (tmp_path / "plain.jpg").read_bytes()
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part
        for part in (body[:65_000], body[65_000:])
    )
    file = tmp_path / "long.jpg"
    file.write_bytes(plain[:2] + segments + plain[2:])
    with Image.open(rewritten(file), formats=("JPEG",)) as opened:
        assert len(opened.info["exif"]) == len(body) + 6
        assert opened.getexif()[DESCRIPTION] == "a portrait"


def test_grey_of_16_bits_with_white_as_0_is_refused_where_it_could_not_be_kept(
    tmp_path: Path,
) -> None:
    values = np.full((40, 40), 60_000, np.uint16)
    Image.fromarray(values).save(tmp_path / "inverted.tif", tiffinfo={262: 0})
    with pytest.raises(UserInputError, match="white stored as 0"):
        read_photograph(tmp_path / "inverted.tif")
    assert int(read_picture(tmp_path / "inverted.tif")[0, 0, 0]) == 255 - round(60_000 / 257)


def test_grey_of_8_bits_with_white_as_0_is_written_with_black_as_0(tmp_path: Path) -> None:
    file = tmp_path / "inverted.tif"
    Image.fromarray(np.full((40, 40), 50, np.uint8)).save(file, tiffinfo={262: 0})
    with Image.open(file, formats=("TIFF",)) as opened:
        assert opened.tag_v2[262] == 0
    assert (read_photograph(file).values == 50).all()
    assert (read_photograph(rewritten(file)).values == 50).all()
