"""The built-in pairs: windows of scikit-image's photographs, liquified as by one retoucher.

In every window a jaw is slimmed where a portrait has one: place, size, strength, direction and
symmetry vary, and moved pixels are softened a little, as tools do. Training, validation and test
use different photographs.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from harness.data.files.picture_reading import MAX_ENLARGEMENT
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.pair_set import PairSet, TrainingPair
from harness.data.pairs.sizing import to_tensor
from harness.data.synthesis.liquify import Stroke, displacement, inverse_displacement, resample
from harness.data.synthesis.retouch import Face, middle_face, slim_jaw, turned
from harness.data.synthesis.traces import softened
from objectives.masks import region_from_field

# Ratio of the widest window to the narrowest one that is sharp, for pictures of varied scale.
SCALE_RANGE = 2.5
CANDIDATES = 48
# Sigma of the blur of what is moved, as a share of the side.
SOFTNESS = 0.0035


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
class Photograph:
    """A photograph, the number of its windows, and a fixed first window if any."""

    file: str
    windows: int
    first: Window | None = None


# No photograph is in two splits. The first windows are faces: the cat's to train on, the
# astronaut's to validate with. Fine textures help a network to learn displacements.
TRAIN = (
    Photograph("chelsea.png", 14, Window(90, 0, 300)),
    Photograph("motorcycle_left.png", 18),
    Photograph("ihc.png", 14),
    Photograph("retina.jpg", 10),
    Photograph("hubble_deep_field.jpg", 8),
    Photograph("grass.png", 8),
    Photograph("gravel.png", 8),
    Photograph("brick.png", 6),
    Photograph("coins.png", 10),
)
VAL = (Photograph("astronaut.png", 12, Window(130, 38, 186)),)
TEST = (
    Photograph("coffee.png", 10),
    Photograph("rocket.jpg", 6),
    Photograph("camera.png", 8),
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
        split: pairs_of(photographs, size, np.random.default_rng(number), undo=split != "train")
        for number, (split, photographs) in enumerate(
            (("train", TRAIN), ("val", VAL), ("test", TEST))
        )
    }


def pairs_of(
    photographs: Sequence[Photograph], size: int, random: np.random.Generator, undo: bool
) -> PairSet:
    """A pair for every window: scaled to `size`, warped, softened; if `undo`, also warped back."""
    pairs = []
    for entry in photographs:
        file = scikit_image_file(entry.file)
        photograph = Image.open(file, formats=("PNG", "JPEG")).convert("RGB")
        for number, window in enumerate(choose_windows(entry, photograph, size, random)):
            original = scaled(photograph, window, size)
            strokes = some_jaw(size, random)
            field = displacement(strokes, size, size)
            warped = softened(resample(original, field), field, SOFTNESS * size)
            name = f"{Path(entry.file).stem}-{number:02d}"
            mask = region_from_field(torch.from_numpy(field))
            undone = None
            if undo:
                undone = to_tensor(resample(warped, inverse_displacement(strokes, size, size)))
            pair = TrainingPair(name, to_tensor(warped), to_tensor(original), mask, undone)
            pairs.append(pair)
    return PairSet.of(pairs)


def some_jaw(size: int, random: np.random.Generator) -> tuple[Stroke, ...]:
    """`slim_jaw` of a face near the window's middle, with random variation."""
    middle = middle_face(size)
    x, y = random.uniform(-0.045, 0.045, 2) * size
    wide, high = np.exp(random.uniform(-0.1, 0.1, 2))
    face = Face(middle.x + x, middle.y + y, middle.half_width * wide, middle.half_height * high)
    strokes = slim_jaw(face, random, random.uniform(0.6, 1.3), spread=0.33)
    return tuple(turned(stroke, random.uniform(-0.3, 0.3)) for stroke in strokes)


def choose_windows(
    entry: Photograph, photograph: Image.Image, size: int, random: np.random.Generator
) -> Iterator[Window]:
    """Windows with detail and little overlap, of varied scale, sharp at `size`.

    Each is the best of several random ones. Empty if the photograph is too small for `size`.
    """
    smallest = math.ceil(size / MAX_ENLARGEMENT)
    largest = min(*photograph.size, round(SCALE_RANGE * smallest))
    if smallest > largest:
        return
    luma = np.asarray(photograph.convert("L"), np.float32)
    chosen: list[Window] = []
    if entry.first is not None:
        chosen.append(at_least(entry.first, smallest, photograph.size))
        yield chosen[0]

    def merit(window: Window) -> float:
        crowding = sum(window.overlap(other) for other in chosen)
        return min(1.0, detail(luma, window) / 16) - crowding

    while len(chosen) < entry.windows:
        drawn = [draw(photograph.size, smallest, largest, random) for _ in range(CANDIDATES)]
        chosen.append(max(drawn, key=merit))
        yield chosen[-1]


def draw(size: tuple[int, int], smallest: int, largest: int, random: np.random.Generator) -> Window:
    """A random window in a picture of `size` (width, height), its scale log-uniform."""
    side = round(smallest * (largest / smallest) ** random.uniform())
    left = int(random.integers(0, size[0] - side + 1))
    top = int(random.integers(0, size[1] - side + 1))
    return Window(left, top, side)


def at_least(window: Window, side: int, size: tuple[int, int]) -> Window:
    """`window`, enlarged to at least `side`, inside a picture of `size` (width, height)."""
    side = max(side, window.side)
    grown = (side - window.side) // 2
    left = min(max(window.left - grown, 0), size[0] - side)
    top = min(max(window.top - grown, 0), size[1] - side)
    return Window(left, top, side)


def detail(luma: np.ndarray, window: Window) -> float:
    """Mean absolute difference of neighbours in the lower half, where the jaw is warped."""
    part = luma[
        window.top + window.side // 2 : window.top + window.side,
        window.left : window.left + window.side,
    ]
    return float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())


def scaled(photograph: Image.Image, window: Window, size: int) -> np.ndarray:
    """The window at `size` x `size`, bytes `[size, size, 3]`, antialiased."""
    box = (window.left, window.top, window.left + window.side, window.top + window.side)
    return np.array(photograph.resize((size, size), Image.Resampling.LANCZOS, box=box))
