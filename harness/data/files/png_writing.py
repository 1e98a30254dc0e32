"""PNG of 8 and 16 bits a channel, with the chunks of another file. Pillow has no colours of 16 bits
and drops chunks, such as gamma, that say how pixels are seen.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL.PngImagePlugin import putchunk

from harness.data.files.orientation import upright_exif, upright_xmp
from harness.data.files.photograph import Photograph

HEAD = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}
UP = 2  # the filter that keeps each row's difference from the one above
BAND_BYTES = 2**20
# Chunks of colour spaces; of how pixels were stored; of animations.
SPACES = {b"iCCP", b"cHRM", b"gAMA", b"sRGB", b"cICP"}
STORED = {b"tRNS", b"bKGD", b"hIST", b"sBIT"}
FRAMES = {b"acTL", b"fcTL", b"fdAT"}
XMP = b"XML:com.adobe.xmp\0"
OLD_EXIF = b"Raw profile type exif\0"  # ImageMagick's, before PNG had a chunk for it


def png_like(source: Path, photograph: Photograph) -> Callable[[Path], None]:
    """What writes a photograph with the chunks of `source`."""
    height, width = photograph.values.shape[:2]
    depth, colour = 8 * photograph.values.itemsize, COLOUR_TYPES[photograph.mode]
    chunks = list(chunks_of(source))
    names = {name for name, _ in chunks}
    dropped = set(FRAMES)
    if photograph.in_srgb and b"iCCP" in names:
        dropped |= SPACES
    if stored_as(source) != (depth, colour):
        dropped |= STORED
    kept = [(name, still_true(name, body)) for name, body in chunks if name not in dropped]
    old = [body for name, body in kept if name in (b"tEXt", b"zTXt") and body.startswith(OLD_EXIF)]
    kept = [(name, body) for name, body in kept if body not in old]
    if old and b"eXIf" not in names:
        kept.append((b"eXIf", upright_exif(exif_in(old[0]))))

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
    """The pixels, filtered and compressed, a few rows at a time."""
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
    """Name and body of every chunk that is not of the picture itself."""
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
    """Bits a channel and colour type."""
    with source.open("rb") as file:
        head = file.read(26)
    return head[24], head[25]


def still_true(name: bytes, body: bytes) -> bytes:
    """A chunk's body, for a picture that is upright."""
    if name == b"eXIf":
        return upright_exif(body)
    if name == b"iTXt" and body.startswith(XMP):
        packed, languages = body[len(XMP)], body[len(XMP) + 2 :].split(b"\0", 2)
        text = zlib.decompress(languages[2]) if packed else languages[2]
        return XMP + b"\0\0" + b"\0".join([*languages[:2], upright_xmp(text)])
    return body


def exif_in(body: bytes) -> bytes:
    """The EXIF of an old text chunk, in which it is written in hexadecimal after three lines."""
    text = body[len(OLD_EXIF) :]
    if text[:1] == b"\0":  # a compressed one
        text = zlib.decompress(text[1:])
    return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:])).removeprefix(b"Exif\0\0")
