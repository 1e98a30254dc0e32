"""A cache for the perceptual term's features of originals, for trainings without varying crops."""

import os
from collections.abc import Sequence

import psutil
import torch
from torch import Tensor

from harness.config.settings import Precision, TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.precision import mixed_precision, training_precision

View = tuple[int, bool]
"""A whole training picture: its number, and whether it is flipped."""

# With all five layers, the features of a 256 px view take 15 MiB in float32, of a 1024 px one 232.
MOST_BYTES = 4 << 30


class TargetFeatures:
    """`(views, originals)` -> the `deep_features` of originals `[n, 3, h, w]` in [-1, 1].

    Features are computed picture by picture, so that they do not depend on the rest of the batch,
    and cached up to `limit` bytes.
    """

    def __init__(self, perceptual: PerceptualLoss, precision: Precision, limit: int) -> None:
        self.perceptual = perceptual
        self.precision = precision
        self.free_bytes = limit
        self.cached: dict[View, Features] = {}

    def has_all(self, views: Sequence[View]) -> bool:
        """Whether all views are cached, so that `originals` may be None."""
        return all(view in self.cached for view in views)

    def __call__(self, views: Sequence[View], originals: Tensor | None) -> Features:
        if originals is None:
            found = [self.cached[view] for view in views]
        else:
            pictures = torch.split(originals, 1)
            found = [self.features_of(*each) for each in zip(views, pictures, strict=True)]
        return found[0] if len(found) == 1 else tuple(map(torch.cat, zip(*found, strict=True)))

    def features_of(self, view: View, original: Tensor) -> Features:
        """One picture's features, cached or computed."""
        if view in self.cached:
            return self.cached[view]
        device = original.device
        with (
            torch.no_grad(),
            training_precision(device, self.precision, same_shapes=False),
            mixed_precision(device, self.precision),
        ):
            features = self.perceptual.deep_features(original)
        needed = sum(layer.nbytes for layer in features)
        if needed <= self.free_bytes:
            self.cached[view] = features
            self.free_bytes -= needed
        return features


def target_features(
    perceptual: PerceptualLoss, pairs: PairSet, settings: TrainSettings, device: torch.device
) -> TargetFeatures | None:
    """The cache for a training on `pairs`; None if crops of an original vary."""
    side = (settings.crop_size, settings.crop_size)
    uncropped = settings.preprocess == "none" or all(
        picture.shape[1:] == side for picture in pairs.originals
    )
    if perceptual.window is not None or not uncropped:
        return None
    return TargetFeatures(perceptual, settings.precision, cache_limit(device))


def cache_limit(device: torch.device) -> int:
    """The cache's limit in bytes: at most a quarter of the memory available to this trial."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        share = torch.get_num_threads() / (os.cpu_count() or 1)
        free = round(psutil.virtual_memory().available * min(1.0, share))
    return min(MOST_BYTES, free // 4)
