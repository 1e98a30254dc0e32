"""The built-in pairs: photographs of scikit-image's wheel, liquified as one retoucher would.

Every window is warped at the same relative place, where a portrait has its jaw, so that the warp
is consistent as one person's work is. Training, validation and test never share a pixel.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from harness.data.pairs.pair_set import PairSet
from harness.data.pairs.sizing import to_tensor
from harness.data.synthesis.liquify import displacement, inverse_displacement, resample
from harness.data.synthesis.retouch import Face, slim_jaw
from objectives.masks import region_from_field

MAX_ENLARGEMENT = 1.2
# The widest window beside the narrowest that is sharp enough: pictures of varied scale.
SCALE_RANGE = 2.5
CANDIDATES = 48


@dataclass(frozen=True)
class Window:
    """A square of a photograph, in its pixels."""

    left: int
    top: int
    side: int

    def overlap(self, other: "Window") -> float:
        """Shared area as a share of the smaller window."""
        width = min(self.left + self.side, other.left + other.side) - max(self.left, other.left)
        height = min(self.top + self.side, other.top + other.side) - max(self.top, other.top)
        return max(0, width) * max(0, height) / min(self.side, other.side) ** 2


@dataclass(frozen=True)
class Region:
    """A part of a photograph (left, top, right, bottom) and how many windows to take from it."""

    file: str
    box: tuple[int, int, int, int]
    windows: int
    first: Window | None = None


# The faces come first: the astronaut's to validate on, the cat's to train on.
VAL = (Region("astronaut.png", (0, 0, 512, 512), 12, Window(130, 38, 186)),)
TRAIN = (
    Region("chelsea.png", (0, 0, 451, 300), 12, Window(90, 0, 300)),
    Region("coffee.png", (0, 0, 380, 400), 10),
    Region("motorcycle_left.png", (0, 0, 520, 500), 14),
    Region("rocket.jpg", (0, 0, 416, 427), 6),
    Region("ihc.png", (0, 0, 296, 512), 10),
    Region("retina.jpg", (0, 0, 800, 1411), 6),
    Region("hubble_deep_field.jpg", (0, 0, 560, 872), 6),
)
TEST = (
    Region("coffee.png", (380, 0, 600, 400), 3),
    Region("motorcycle_left.png", (520, 0, 741, 500), 4),
    Region("rocket.jpg", (416, 0, 640, 427), 1),
    Region("ihc.png", (296, 0, 512, 512), 2),
    Region("retina.jpg", (800, 0, 1411, 1411), 1),
    Region("hubble_deep_field.jpg", (560, 0, 1000, 872), 1),
)


def built_in_pairs(size: int) -> dict[str, PairSet]:
    """The `train`, `val` and `test` pairs at `size` x `size` pixels; always the same.

    Raises:
        ValueError: no photograph is large enough to be sharp at `size`.
    """
    largest = int(512 * MAX_ENLARGEMENT)
    if size > largest:
        raise ValueError(
            f"the built-in photographs are sharp up to {largest} pixels and crop_size or load_size "
            f"asks for {size}: give your own pairs with --data, or choose a smaller profile"
        )
    return {
        split: pairs_of(regions, size, np.random.default_rng(number), undo=split != "train")
        for number, (split, regions) in enumerate((("train", TRAIN), ("val", VAL), ("test", TEST)))
    }


def pairs_of(
    regions: Sequence[Region], size: int, random: np.random.Generator, undo: bool
) -> PairSet:
    """Every window of `regions`, scaled to `size` and warped, and if asked for warped back."""
    names, retouched, originals, masks, undone = [], [], [], [], []
    for region in regions:
        file = photograph_file(region.file)
        photograph = Image.open(file, formats=("PNG", "JPEG")).convert("RGB")
        for number, window in enumerate(choose_windows(region, photograph, size, random)):
            original = scaled(photograph, window, size)
            strokes = slim_jaw(middle_face(size), random)
            field = displacement(strokes, size, size)
            warped = resample(original, field)
            names.append(f"{Path(region.file).stem}-{number:02d}")
            originals.append(to_tensor(original))
            retouched.append(to_tensor(warped))
            masks.append(region_from_field(torch.from_numpy(field)))
            if undo:
                back = inverse_displacement(strokes, size, size)
                undone.append(to_tensor(resample(warped, back)))
    return PairSet(tuple(names), tuple(retouched), tuple(originals), tuple(masks), tuple(undone))


def photograph_file(name: str) -> Path:
    """A photograph inside the installed wheel: its path, without importing scikit-image."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / name


def middle_face(size: int) -> Face:
    """Where every window is taken to have its face."""
    return Face(x=0.5 * size, y=0.44 * size, half_width=0.2 * size, half_height=0.3 * size)


def choose_windows(
    region: Region, photograph: Image.Image, size: int, random: np.random.Generator
) -> Iterator[Window]:
    """Windows that overlap little and hold detail, of varied scale, sharp at `size`.

    Each is the best of several drawn ones. None where the region is too small for `size`.
    """
    left, top, right, bottom = region.box
    smallest = math.ceil(size / MAX_ENLARGEMENT)
    largest = min(right - left, bottom - top, round(SCALE_RANGE * smallest))
    if smallest > largest:
        return
    luma = np.asarray(photograph.convert("L"), np.float32)
    chosen: list[Window] = []
    if region.first is not None:
        chosen.append(at_least(region.first, smallest, region.box))
        yield chosen[0]

    def merit(window: Window) -> float:
        crowding = sum(window.overlap(other) for other in chosen)
        return min(1.0, detail(luma, window) / 16) - crowding

    while len(chosen) < region.windows:
        drawn = [draw(region.box, smallest, largest, random) for _ in range(CANDIDATES)]
        chosen.append(max(drawn, key=merit))
        yield chosen[-1]


def draw(
    box: tuple[int, int, int, int], smallest: int, largest: int, random: np.random.Generator
) -> Window:
    """A window within `box`, its side drawn evenly over scales."""
    side = round(smallest * (largest / smallest) ** random.uniform())
    left = int(random.integers(box[0], box[2] - side + 1))
    top = int(random.integers(box[1], box[3] - side + 1))
    return Window(left, top, side)


def at_least(window: Window, side: int, box: tuple[int, int, int, int]) -> Window:
    """`window`, grown about its middle to `side` where it is smaller, and kept inside `box`."""
    side = max(side, window.side)
    grown = (side - window.side) // 2
    left = min(max(window.left - grown, box[0]), box[2] - side)
    top = min(max(window.top - grown, box[1]), box[3] - side)
    return Window(left, top, side)


def detail(luma: np.ndarray, window: Window) -> float:
    """Mean absolute step between neighbours in the lower half, where the jaw is warped."""
    part = luma[
        window.top + window.side // 2 : window.top + window.side,
        window.left : window.left + window.side,
    ]
    return float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())


def scaled(photograph: Image.Image, window: Window, size: int) -> np.ndarray:
    """The window at `size` x `size`, bytes `[size, size, 3]`, antialiased."""
    box = (window.left, window.top, window.left + window.side, window.top + window.side)
    return np.array(photograph.resize((size, size), Image.Resampling.LANCZOS, box=box))
