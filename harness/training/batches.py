"""Training batches: pairs are stored as bytes on the device, and cropped and flipped there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

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


def batches(
    pairs: PairSet,
    settings: TrainSettings,
    device: torch.device,
    seed: int,
    targets: TargetFeatures | None = None,
) -> Iterator[Batch]:
    """Endless batches, float `[n, 3, crop, crop]`, with features from `targets` if given.

    Every epoch has each picture once, in a new random order; both halves of a pair get the same
    crop and flip. The same seed gives the same batches, whatever the trial's parameters.
    """
    pairs = on_device(pairs, device)
    random = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < settings.batch_size:
            waiting += torch.randperm(len(pairs), generator=random).tolist()
        chosen, waiting = waiting[: settings.batch_size], waiting[settings.batch_size :]
        yield cut_batch(pairs, chosen, settings, device, random, targets)


def epoch_batches(
    pairs: PairSet,
    settings: TrainSettings,
    device: torch.device,
    random: torch.Generator,
    targets: TargetFeatures | None = None,
) -> Iterator[Batch]:
    """The batches of one epoch, as in `batches`; the last one may be smaller.

    All randomness comes from `random`: with its state restored, the same epochs follow.
    """
    order: list[int] = torch.randperm(len(pairs), generator=random).tolist()
    for start in range(0, len(order), settings.batch_size):
        chosen = order[start : start + settings.batch_size]
        yield cut_batch(pairs, chosen, settings, device, random, targets)


def on_device(pairs: PairSet, device: torch.device) -> PairSet:
    """Move the pairs, as bytes, to `device`, unless they are too large."""
    size = sum(picture.numel() for picture in (*pairs.retouched, *pairs.originals))
    if size > MOST_DEVICE_BYTES:
        return pairs
    return replace(
        pairs,
        retouched=tuple(picture.to(device) for picture in pairs.retouched),
        originals=tuple(picture.to(device) for picture in pairs.originals),
    )


def cut_batch(
    pairs: PairSet,
    chosen: list[int],
    settings: TrainSettings,
    device: torch.device,
    random: torch.Generator,
    targets: TargetFeatures | None,
) -> Batch:
    """The chosen pairs, cropped and flipped, as a batch on `device`."""
    cuts = [draw_cut(pairs.retouched[index].shape, settings, random) for index in chosen]
    retouched, original = (
        to_signed(
            torch.stack([cut(side[k]) for k, cut in zip(chosen, cuts, strict=True)]).to(
                device, memory_format=torch.channels_last
            )
        )
        for side in (pairs.retouched, pairs.originals)
    )
    views = [(index, cut.flip) for index, cut in zip(chosen, cuts, strict=True)]
    return Batch(retouched, original, None if targets is None else targets(views, original))


@dataclass(frozen=True)
class Cut:
    """A crop and an optional flip, shared by both halves of a pair."""

    rows: slice
    columns: slice
    flip: bool

    def __call__(self, picture: Tensor) -> Tensor:
        cut = picture[:, self.rows, self.columns]
        return cut.flip(-1) if self.flip else cut


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
