"""Write PNG with 8 or 16 bits per channel and the chunks of another file. Pillow has no 16-bit
colours and drops chunks that affect how pixels are displayed, such as gamma.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL.PngImagePlugin import putchunk

from harness.data.files.orientation import upright_exif, upright_xmp
from harness.data.files.photograph import Photograph

HEAD = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}
UP = 2  # the filter that stores the difference from the row above
BAND_BYTES = 2**20
# Chunks about colour spaces, about the storage of pixels, and about animations.
SPACES = {b"iCCP", b"cHRM", b"gAMA", b"sRGB", b"cICP"}
STORED = {b"tRNS", b"bKGD", b"hIST", b"sBIT"}
FRAMES = {b"acTL", b"fcTL", b"fdAT"}
XMP = b"XML:com.adobe.xmp\0"
OLD_EXIF = b"Raw profile type exif\0"  # ImageMagick's, before PNG had a chunk for it


def png_like(source: Path, photograph: Photograph) -> Callable[[Path], None]:
    """A function that writes a photograph with the chunks of `source`."""
    height, width = photograph.values.shape[:2]
    depth, colour = 8 * photograph.values.itemsize, COLOUR_TYPES[photograph.mode]
    dropped = set(FRAMES)
    if stored_as(source) != (depth, colour):
        dropped |= STORED
    if photograph.in_srgb and any(name == b"iCCP" for name, _ in chunks_of(source)):
        dropped |= SPACES
    kept = [chunk for chunk in kept_chunks(source) if chunk[0] not in dropped]

    def write(file: Path) -> None:
        with file.open("wb") as out:
            out.write(HEAD)
            putchunk(out, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            for name, body in kept:
                putchunk(out, name, body)
            for packed in packed_rows(photograph):
                putchunk(out, b"IDAT", packed)
            putchunk(out, b"IEND")

    return write


def packed_rows(photograph: Photograph) -> Iterator[bytes]:
    """The filtered and compressed pixels, a few rows at a time."""
    height = photograph.values.shape[0]
    row = photograph.values[0].nbytes
    packer = zlib.compressobj()
    above = np.zeros((1, row), np.uint8)
    rows = max(1, BAND_BYTES // row)
    for top in range(0, height, rows):
        band = photograph.values[top : top + rows]
        band = np.ascontiguousarray(band.astype(band.dtype.newbyteorder(">")))
        plain = band.view(np.uint8).reshape(len(band), row)
        filtered = np.full((len(band), 1 + row), UP, np.uint8)
        filtered[:, 1:] = plain - np.concatenate([above, plain[:-1]])
        above = plain[-1:]
        yield packer.compress(filtered.tobytes())
    yield packer.flush()


def chunks_of(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of every ancillary chunk."""
    with source.open("rb") as file:
        file.seek(len(HEAD))
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name[:1].isupper():
                file.seek(length + 4, 1)
            else:
                yield name, file.read(length)
                file.seek(4, 1)


def stored_as(source: Path) -> tuple[int, int]:
    """Bits per channel, and the colour type."""
    with source.open("rb") as file:
        head = file.read(26)
    return head[24], head[25]


def kept_chunks(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a file, updated for an upright picture; damaged text is left out."""
    exif: list[bytes] = []
    for name, body in chunks_of(source):
        with suppress(zlib.error, ValueError, IndexError):
            if name == b"eXIf":
                exif.insert(0, body)
            elif name in (b"tEXt", b"zTXt") and body.startswith(OLD_EXIF):
                exif.append(exif_in(body))
            else:
                yield name, upright_text(body) if body.startswith(XMP) else body
    if exif and (upright := upright_exif(exif[0])):
        yield b"eXIf", upright


def upright_text(body: bytes) -> bytes:
    """The body of an XMP chunk, updated for an upright picture."""
    packed, words = body[len(XMP)], body[len(XMP) + 2 :].split(b"\0", 2)
    text = zlib.decompress(words[2]) if packed else words[2]
    return XMP + b"\0\0" + b"\0".join([*words[:2], upright_xmp(text)])


def exif_in(body: bytes) -> bytes:
    """The EXIF in an old text chunk, where it is hexadecimal and follows three lines."""
    text = body[len(OLD_EXIF) :]
    if text[:1] == b"\0":  # a compressed one
        text = zlib.decompress(text[1:])
    return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:])).removeprefix(b"Exif\0\0")
