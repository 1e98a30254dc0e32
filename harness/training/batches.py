"""Training batches: pairs are stored on the device as bytes, and cropped and flipped there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import NamedTuple, Self

import torch
from torch import Tensor

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.feature_cache import TargetFeatures
from harness.training.perceptual import Features


class Batch(NamedTuple):
    """Retouched pictures and their originals, float `[n, 3, h, w]` in [-1, 1].

    Attributes:
        original_features: the perceptual term's deep features of `original`, if cached.
    """

    retouched: Tensor
    original: Tensor
    original_features: Features | None = None


# Larger data sets stay in host memory, and each batch is copied to the device.
MOST_DEVICE_BYTES = 8 << 30


class Batches:
    """Batches in the order of `draws`, cut while iterating.

    Attributes:
        pairs: on `device` if they fit.
        draws: which crops the batches consist of; a captured step cuts them itself.
    """

    def __init__(
        self,
        pairs: PairSet,
        settings: TrainSettings,
        device: torch.device,
        draws: "Iterator[Draw]",
        targets: TargetFeatures | None,
    ) -> None:
        self.pairs = on_device(pairs, device)
        self.settings = settings
        self.device = device
        self.draws = draws
        self.targets = targets

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        return self.cut(next(self.draws))

    def peek(self) -> "Draw":
        """The next draw, without consuming it."""
        first = next(self.draws)
        self.draws = chain([first], self.draws)
        return first

    def cut(self, draw: "Draw") -> Batch:
        """Cut a draw out of the pairs: a batch on the device."""
        retouched, original = (
            self.stack_side(draw, side) for side in (self.pairs.retouched, self.pairs.originals)
        )
        return Batch(retouched, original, self.features(draw, original))

    def stack_side(self, draw: "Draw", pictures: tuple[Tensor, ...]) -> Tensor:
        return to_signed(
            torch.stack([cut(pictures[index]) for index, cut in draw]).to(
                self.device, memory_format=torch.channels_last
            )
        )

    def features(self, draw: "Draw", original: Tensor | None = None) -> Features | None:
        """The features of a draw's originals, which are cut unless they are cached or given."""
        if self.targets is None:
            return None
        views = [(index, cut.flip) for index, cut in draw]
        if original is None and not self.targets.has_all(views):
            original = self.stack_side(draw, self.pairs.originals)
        return self.targets(views, original)


def batches(
    pairs: PairSet,
    settings: TrainSettings,
    device: torch.device,
    seed: int,
    targets: TargetFeatures | None = None,
) -> Batches:
    """Endless batches, float `[n, 3, crop, crop]`, with features from `targets` if given.

    Every epoch contains each pair once, in a new random order; both pictures of a pair get the same
    crop and flip. The same seed gives the same batches, whatever the trial's parameters.
    """
    random = torch.Generator().manual_seed(seed)

    def draws() -> "Iterator[Draw]":
        waiting: list[int] = []
        while True:
            while len(waiting) < settings.batch_size:
                waiting += torch.randperm(len(pairs), generator=random).tolist()
            chosen, waiting = waiting[: settings.batch_size], waiting[settings.batch_size :]
            yield draw(pairs, chosen, settings, random)

    return Batches(pairs, settings, device, draws(), targets)


def epoch_batches(
    pairs: PairSet,
    settings: TrainSettings,
    device: torch.device,
    random: torch.Generator,
    targets: TargetFeatures | None = None,
) -> Batches:
    """The batches of one epoch, as in `batches`; the last one may be smaller.

    All randomness comes from `random`: with its state restored, the same epochs follow.
    """

    def draws() -> "Iterator[Draw]":
        order: list[int] = torch.randperm(len(pairs), generator=random).tolist()
        for start in range(0, len(order), settings.batch_size):
            yield draw(pairs, order[start : start + settings.batch_size], settings, random)

    return Batches(pairs, settings, device, draws(), targets)


@dataclass(frozen=True, kw_only=True)
class DevicePairs(PairSet):
    """Pairs on a GPU, whose pictures are views of one tensor.

    Attributes:
        both: uint8 `[2, bytes]`: all retouched pictures, one after another, and all originals.
        starts: the offset of each picture's first byte.
    """

    both: Tensor
    starts: tuple[int, ...]

    def layout_of(self, index: int, cut: "Cut") -> tuple[int, int, int, int]:
        """The offset of a cut's first byte, and its strides: of channels, rows and columns."""
        _, height, width = self.retouched[index].shape
        top, left, right = cut.rows.start, cut.columns.start, cut.columns.stop - 1
        column = right if cut.flip else left
        start = self.starts[index] + top * width + column
        return start, height * width, width, -1 if cut.flip else 1


def on_device(pairs: PairSet, device: torch.device) -> PairSet:
    """Move the pairs, as bytes, to a GPU, unless they are too large or already there."""
    sides = (pairs.retouched, pairs.originals)
    sizes = [picture.numel() for picture in pairs.retouched]
    too_large = 2 * sum(sizes) > MOST_DEVICE_BYTES
    if device.type == "cpu" or isinstance(pairs, DevicePairs) or too_large:
        return pairs
    both = torch.empty(2, sum(sizes), dtype=torch.uint8, device=device)
    starts = tuple(accumulate(sizes, initial=0))[:-1]
    retouched, originals = (
        tuple(
            target[start : start + size].view(picture.shape).copy_(picture)
            for start, size, picture in zip(starts, sizes, pictures, strict=True)
        )
        for target, pictures in zip(both, sides, strict=True)
    )
    return DevicePairs(
        pairs.names, retouched, originals, pairs.masks, pairs.undone, both=both, starts=starts
    )


@dataclass(frozen=True)
class Cut:
    """A crop and an optional horizontal flip, shared by both pictures of a pair."""

    rows: slice
    columns: slice
    flip: bool

    def __call__(self, picture: Tensor) -> Tensor:
        cut = picture[:, self.rows, self.columns]
        return cut.flip(-1) if self.flip else cut


Draw = list[tuple[int, Cut]]
"""The pairs of a batch by number, each with its cut."""


def draw(
    pairs: PairSet, chosen: list[int], settings: TrainSettings, random: torch.Generator
) -> Draw:
    """Draw a cut of each chosen pair."""
    return [(index, draw_cut(pairs.retouched[index].shape, settings, random)) for index in chosen]


def draw_cut(shape: torch.Size, settings: TrainSettings, random: torch.Generator) -> Cut:
    """Draw a crop and flip for a picture of `shape` `[3, h, w]`.

    With preprocess none there is no crop, so a batch needs pictures of one size.
    """
    if settings.preprocess == "none":
        rows, columns = slice(None), slice(None)
    else:
        size = settings.crop_size
        top, left = (
            int(torch.randint(side - size + 1, (), generator=random)) for side in shape[1:]
        )
        rows, columns = slice(top, top + size), slice(left, left + size)
    flip = settings.flip and bool(torch.randint(2, (), generator=random))
    return Cut(rows, columns, flip)


def to_signed(picture: Tensor) -> Tensor:
    """Bytes 0..255 -> float in [-1, 1]."""
    return picture.float().div_(127.5).sub_(1)


def to_unit(picture: Tensor) -> Tensor:
    """Float in [-1, 1] -> float in [0, 1]."""
    return picture.add(1).div(2).clamp(0, 1)
