"""What can be measured on one pair, before anybody judges it."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace, shift, uniform_filter
from skimage.registration import phase_cross_correlation

from harness.data.duplicates import Signature, signature
from harness.data.flow import estimated_displacement
from harness.data.folders import PairFiles, Split
from harness.data.halves import read_halves
from harness.data.reading import Picture
from harness.errors import UserInputError

# Steps of up to this many of 255 are noise and compression, not retouching.
SLIGHT = 8
# Pixels of the part that global measures look at: enough for them, whatever the picture's size.
PART = 512
CLOSER = 0.8


@dataclass(frozen=True)
class PairFacts:
    """Measured on pictures A and B of one pair.

    Attributes:
        name: the pair's name in its folder.
        split: train, val or test.
        notes: what was converted in reading: "16 bits", "CMYK", "turned by EXIF", ...
        width: pixels of one half; `height` likewise.
        likeness: correlation of the two at 32 x 32, -1..1; a pair of one picture is near 1.
        shift: (x, y) pixels by which all of B lies beside A.
        changed: share of pixels whose colour differs by more than 8 of 255.
        sharper: ln of A's over B's fine detail (Laplacian energy), whole picture.
        sharper_outside: the same where nothing was retouched; 0 when copied untouched.
        blocks: ln of A's over B's 8 x 8 JPEG block edges.
        warp_largest: the largest displacement, share of the side.
        warp_area: share of the picture displaced by more than 0.4% of the side.
        signature: by what the picture is known again, also in a crop.
        same: A and B are the same bytes.
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
    warp_area: float
    signature: Signature
    same: bool


@dataclass(frozen=True)
class Unreadable:
    """A pair that cannot be read, and the sentence that says why."""

    name: str
    split: Split
    why: str


def measure(entry: tuple[PairFiles, Split, Path]) -> PairFacts | Unreadable:
    """Read one pair of a folder and measure it. Given: its files, its split, the folder."""
    files, split, root = entry
    try:
        a, b = read_halves(files)
        notes = tuple(note for file in files.files for note in file_notes(file, root))
    except UserInputError as error:
        return Unreadable(files.name, split, str(error))
    luma_a, luma_b = luma(a), luma(b)
    largest, area = warp_size(a, b)
    outside = ~retouched_region(luma_a, luma_b)
    details = tuple(np.square(laplace(picture)) for picture in (luma_a, luma_b))
    return PairFacts(
        name=files.name,
        split=split,
        notes=notes,
        width=a.shape[1],
        height=a.shape[0],
        likeness=likeness(luma_a, luma_b),
        shift=global_shift(luma_a, luma_b),
        changed=float((np.abs(a.astype(np.int16) - b).max(axis=2) > SLIGHT).mean()),
        sharper=energy_ratio(*details),
        sharper_outside=energy_ratio(*(detail[outside] for detail in details)),
        blocks=math.log(block_edges(luma_a) / block_edges(luma_b)),
        warp_largest=largest,
        warp_area=area,
        signature=signature(a, b),
        same=bool(np.array_equal(a, b)),
    )


def file_notes(file: Path, root: Path) -> list[str]:
    """What pix2pix's own loader would read otherwise than it is meant, or not where it seems."""
    notes = []
    with Image.open(file) as opened:
        if opened.mode.startswith("I"):
            notes.append("16 bits")
        elif opened.mode in ("CMYK", "LA", "RGBA", "P"):
            notes.append(opened.mode)
        if opened.getexif().get(0x0112, 1) != 1:
            notes.append("turned by EXIF")
    if not os.path.realpath(file).startswith(os.path.realpath(root) + os.sep):
        notes.append("a link out of the folder")
    return notes


def luma(picture: Picture) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(picture).convert("L"), np.float32)


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Correlation at 32 x 32; 1 where either is flat and they are equal, else 0."""
    small = [np.asarray(Image.fromarray(x).resize((32, 32), Image.Resampling.BOX)) for x in (a, b)]
    if min(x.std() for x in small) < 0.5:
        return float(np.abs(small[0] - small[1]).max() < SLIGHT)
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])


def global_shift(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """(x, y) pixels by which B's content lies right of and below A's, to about 0.1.

    Phase correlation of the middles proposes; it stands only if moving B back brings the pictures
    clearly closer, which it does not when only a part of B was moved.
    """
    rows, columns = (slice(max(0, (n - PART) // 2), (n + PART) // 2) for n in a.shape)
    part_a, part_b = a[rows, columns], b[rows, columns]
    if min(part_a.std(), part_b.std()) < 0.5:
        return 0.0, 0.0
    window = np.outer(*(np.hanning(n) for n in part_a.shape))
    offset, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
        (part_b - part_b.mean()) * window, (part_a - part_a.mean()) * window, upsample_factor=10
    )
    margin = int(np.abs(offset).max()) + 1
    if margin > min(part_a.shape) // 4:
        return 0.0, 0.0  # the two have too little in common to say
    inner = np.s_[margin:-margin, margin:-margin]
    moved_back = shift(part_b, -offset, order=1)
    if np.abs(part_a - moved_back)[inner].mean() > CLOSER * np.abs(part_a - part_b)[inner].mean():
        return 0.0, 0.0
    return float(offset[1]), float(offset[0])


def retouched_region(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where A and B differ after a slight blur, with a margin of 1% of the side."""
    differs = np.abs(gaussian_filter(a - b, 1.0)) > SLIGHT / 2
    around = uniform_filter(differs.astype(np.float32), max(3, round(0.03 * min(a.shape))))
    return np.asarray(around > 0.05)


def energy_ratio(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """ln of A's over B's mean, of squared Laplacians; 0 of fewer than 1,000 pixels."""
    if a.size < 1000:
        return 0.0
    return math.log((float(a.mean()) + 1) / (float(b.mean()) + 1))


def block_edges(picture: NDArray[np.float32]) -> float:
    """Steps across the 8-pixel grid beside all steps; 1 where there is no grid to be seen."""
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(picture, axis=axis)).mean(axis=1 - axis)
        ratios.append((steps[7::8].mean() + 0.1) / (steps.mean() + 0.1))
    return float(np.mean(ratios))


def warp_size(a: Picture, b: Picture) -> tuple[float, float]:
    """The largest displacement (its 99.5th percentile) and the displaced area, as shares."""
    distance = np.hypot(*estimated_displacement(a, b))
    return float(np.percentile(distance, 99.5)), float((distance > 0.004).mean())
