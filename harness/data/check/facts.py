"""Measurements of one pair, from which findings are derived."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, shift, uniform_filter
from skimage.registration import phase_cross_correlation

from harness.data.check.flow import estimated_displacement
from harness.data.check.texture import BAND, Texture, texture
from harness.data.files.bit_depth import WIDEST, is_wide
from harness.data.files.duplicates import Signature, signature
from harness.data.files.pair_folders import PairFiles, Split
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import Picture, opened_picture, read_mask
from harness.data.synthesis.displacement_files import read_field
from harness.errors import UserInputError

# Differences of up to this many levels of 255 are noise and compression, not retouching.
SLIGHT = 8
ORIENTATION = 0x0112  # EXIF tag; 1 is upright
# Side in pixels of the central part that the global shift is measured on.
PART = 512
CLOSER = 0.8
FEWEST_OUTSIDE = 1000
# Pillow's modes that other loaders misread, in words.
MODES = {"CMYK": "CMYK", "LA": "alpha", "RGBA": "alpha", "P": "palette"}


@dataclass(frozen=True)
class PairFacts:
    """Measured on pictures A and B of one pair.

    Attributes:
        name: the pair's name in its folder.
        split: train, val or test.
        notes: conversions done while reading: "16 bits", "CMYK", "turned by EXIF", ...
        width: pixels of one half; `height` likewise.
        likeness: correlation of A and B at 32 x 32, -1..1; near 1 for a pair of one picture.
        shift: (x, y) pixels by which B as a whole is shifted relative to A.
        changed: share of pixels whose colour differs by more than 8 of 255.
        sharper: ln of the ratio A / B of fine detail (Laplacian energy), whole picture.
        sharper_outside: the same outside the retouched region; 0 if that is an exact copy.
        blocks: ln of the ratio A / B of the edges of 8 x 8 JPEG blocks.
        warp_largest: the largest displacement, as a share of the side.
        signature: identifies the picture, also in a crop of it.
        same: A and B are identical.
        masked: share of the picture that is white in the user's mask; None without a mask.
    """

    name: str
    split: Split
    notes: tuple[str, ...]
    width: int
    height: int
    likeness: float
    shift: tuple[float, float]
    changed: float
    sharper: float
    sharper_outside: float
    blocks: float
    warp_largest: float
    signature: Signature
    same: bool
    masked: float | None


@dataclass(frozen=True)
class Unreadable:
    """A pair that cannot be read, and the reason, as a sentence for the user."""

    name: str
    split: Split
    why: str


def measure(entry: tuple[PairFiles, Split, Path]) -> PairFacts | Unreadable:
    """Read and measure one pair. `entry`: its files, its split, the folder."""
    files, split, root = entry
    try:
        a, b = read_halves(files)
        mask = None if files.mask is None else read_mask(files.mask, *a.shape[:2])
        if files.field is not None and split != "train":
            read_field(files.field, "inverse", *a.shape[:2])
        pictures = [file for file in (files.a, files.b) if file is not None]
        notes = tuple(note for file in pictures for note in file_notes(file, root, files.bits))
    except UserInputError as error:
        return Unreadable(files.name, split, str(error))
    # Computed once: all measures but one need only the luma.
    luma_a, luma_b = luma(a), luma(b)
    textures = texture(luma_a), texture(luma_b)
    whole, outside = detail_ratios(*textures)
    return PairFacts(
        name=files.name,
        split=split,
        notes=notes,
        width=a.shape[1],
        height=a.shape[0],
        likeness=likeness(*textures),
        shift=global_shift(luma_a, luma_b),
        changed=changed_share(a, b),
        sharper=whole,
        sharper_outside=outside,
        blocks=math.log(textures[0].blocks / textures[1].blocks),
        warp_largest=largest_displacement(luma_a, luma_b),
        signature=signature(luma_a, luma_b),
        same=bool(np.array_equal(a, b)),
        masked=None if mask is None else float(mask.mean()),
    )


def file_notes(file: Path, root: Path, bits: int = WIDEST) -> list[str]:
    """Properties of a file that pix2pix's own loader may read incorrectly."""
    notes = []
    with opened_picture(file) as opened:
        if is_wide(opened):
            guess = "" if bits == WIDEST else f" read as {bits} bits (a guess)"
            notes.append(f"16 bits{guess}")
        elif opened.mode in MODES:
            notes.append(MODES[opened.mode])
        if opened.format == "MPO":
            notes.append("the first of several pictures")
        if opened.getexif().get(ORIENTATION, 1) != 1:
            notes.append("turned by EXIF")
    if not os.path.realpath(file).startswith(os.path.realpath(root) + os.sep):
        notes.append("a link out of the folder")
    return notes


def luma(picture: Picture) -> Picture:
    """The picture's luma `[h, w]`, bytes."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def likeness(a: Texture, b: Texture) -> float:
    """Correlation at 32 x 32; if either is flat, 1 if they are equal, else 0."""
    small = [
        np.asarray(Image.fromarray(one.tone).resize((32, 32), Image.Resampling.BOX))
        for one in (a, b)
    ]
    if min(one.std() for one in small) < 0.5:
        return float(np.abs(small[0] - small[1]).max() < SLIGHT)
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])


def changed_share(a: Picture, b: Picture) -> float:
    """Share of pixels that differ visibly in some channel, of pictures `[h, w, 3]`."""
    changed = 0
    for top in range(0, len(a), BAND):
        rows = slice(top, top + BAND)
        steps = np.maximum(a[rows], b[rows]) - np.minimum(a[rows], b[rows]) > SLIGHT
        changed += int(np.count_nonzero(steps[..., 0] | steps[..., 1] | steps[..., 2]))
    return changed / a[..., 0].size


def global_shift(a: Picture, b: Picture) -> tuple[float, float]:
    """(x, y) pixels by which B's content is right of and below A's, to about 0.1.

    Phase correlation of the central parts proposes a shift. It is accepted only if shifting B back
    clearly reduces the difference, which is not so if only a part of B was moved.
    """
    rows, columns = (slice(max(0, (n - PART) // 2), (n + PART) // 2) for n in a.shape)
    part_a, part_b = (luma[rows, columns].astype(np.float32) for luma in (a, b))
    if min(part_a.std(), part_b.std()) < 0.5:
        return 0.0, 0.0
    window = np.outer(*(np.hanning(n) for n in part_a.shape)).astype(np.float32)
    windowed = [(part - part.mean()) * window for part in (part_b, part_a)]
    # To whole pixels first: most pairs are aligned and need no finer search.
    if not offset_between(windowed, 1).any():
        return 0.0, 0.0
    offset = offset_between(windowed, 10)
    margin = int(np.abs(offset).max()) + 1
    if margin > min(part_a.shape) // 4:
        return 0.0, 0.0  # the overlap is too small for a reliable result
    inner = np.s_[margin:-margin, margin:-margin]
    moved_back = shift(part_b, -offset, order=1)
    if np.abs(part_a - moved_back)[inner].mean() > CLOSER * np.abs(part_a - part_b)[inner].mean():
        return 0.0, 0.0
    return float(offset[1]), float(offset[0])


def offset_between(pair: Sequence[NDArray[np.float32]], parts: int) -> NDArray[np.float64]:
    """(rows, columns) from the second to the first, to a resolution of 1 / `parts` pixel."""
    offset, _, _ = phase_cross_correlation(*pair, upsample_factor=parts)  # type: ignore[no-untyped-call]
    return np.asarray(offset, np.float64)


def detail_ratios(a: Texture, b: Texture) -> tuple[float, float]:
    """ln of the ratio A / B of fine detail: everywhere, and outside the retouched region."""
    outside = ~retouched_cells(a, b)
    whole = energy_ratio(a.detail, b.detail)
    if outside.sum() * a.cell**2 < FEWEST_OUTSIDE:
        return whole, 0.0
    return whole, energy_ratio(a.detail[outside], b.detail[outside])


def retouched_cells(a: Texture, b: Texture) -> NDArray[np.bool_]:
    """Cells where A and B differ after a blur of one pixel, with a margin of 1% of the side."""
    blurred = gaussian_filter(a.tone - b.tone, 1 / a.cell)
    differs = (np.abs(blurred) > SLIGHT / 2).astype(np.float32)
    around = uniform_filter(differs, max(3, round(0.03 * min(differs.shape))))
    return np.asarray(around > 0.05)


def energy_ratio(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """ln of the ratio of the means of A and B."""
    return math.log((float(a.mean()) + 1) / (float(b.mean()) + 1))


def largest_displacement(a: Picture, b: Picture) -> float:
    """The largest displacement (its 99.5th percentile), as a share of the side."""
    return float(np.percentile(np.hypot(*estimated_displacement(a, b)), 99.5))
