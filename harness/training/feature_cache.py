"""Cache the perceptual term's features of originals, if the crops never change."""

import os
from collections.abc import Sequence

import psutil
import torch
from torch import Tensor

from harness.config.settings import Precision, TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.precision import mixed, training_precision

View = tuple[int, bool]
"""A whole training picture: its number, and whether it is flipped."""

# With all five layers a view of 256 px is 15 MiB in float32, one of 1024 px 232.
MOST_BYTES = 4 << 30


class TargetFeatures:
    """`(views, originals)` -> the `deep_features` of originals `[n, 3, h, w]` in [-1, 1].

    Features are computed per picture, so that they do not depend on the rest of the batch, and
    cached until `room` bytes are used up.
    """

    def __init__(self, perceptual: PerceptualLoss, precision: Precision, room: int) -> None:
        self.perceptual = perceptual
        self.precision = precision
        self.room = room
        self.cached: dict[View, Features] = {}

    def knows(self, views: Sequence[View]) -> bool:
        """Whether all are cached, so that `originals` may be None."""
        return all(view in self.cached for view in views)

    def __call__(self, views: Sequence[View], originals: Tensor | None) -> Features:
        if originals is None:
            found = [self.cached[view] for view in views]
        else:
            found = [self.of(*each) for each in zip(views, torch.split(originals, 1), strict=True)]
        return found[0] if len(found) == 1 else tuple(map(torch.cat, zip(*found, strict=True)))

    def of(self, view: View, original: Tensor) -> Features:
        """One picture's features, cached or computed."""
        if view in self.cached:
            return self.cached[view]
        device = original.device
        with (
            torch.no_grad(),
            training_precision(device, self.precision, same_shapes=False),
            mixed(device, self.precision),
        ):
            features = self.perceptual.deep_features(original)
        needed = sum(layer.nbytes for layer in features)
        if needed <= self.room:
            self.cached[view] = features
            self.room -= needed
        return features


def target_features(
    perceptual: PerceptualLoss, pairs: PairSet, settings: TrainSettings, device: torch.device
) -> TargetFeatures | None:
    """The cache for a training on `pairs`; None if crops of an original vary."""
    side = (settings.crop_size, settings.crop_size)
    whole = settings.preprocess == "none" or all(
        picture.shape[1:] == side for picture in pairs.originals
    )
    if perceptual.window is not None or not whole:
        return None
    return TargetFeatures(perceptual, settings.precision, room_on(device))


def room_on(device: torch.device) -> int:
    """Limit of the cache in bytes: a quarter of the memory available to this trial."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        share = torch.get_num_threads() / (os.cpu_count() or 1)
        free = round(psutil.virtual_memory().available * min(1.0, share))
    return min(MOST_BYTES, free // 4)
