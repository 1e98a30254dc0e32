"""The perceptual term: the L1 distance between VGG features of two pictures.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer" (2016), in the form of pix2pixHD:
relu1_1 ... relu5_1 of VGG19, with larger weights for deeper layers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config.settings import Weights
from harness.training.fast_convolutions import to_channels_last
from harness.training.losses import upcast_bfloat16
from objectives.weights import build_trunk

Features = tuple[Tensor, ...]
"""Activations of a batch, `[n, c, h, w]` each, in the precision of the forward pass."""

# The index of each activation in torchvision's `vgg19().features`, and pix2pixHD's weights.
VGG19_LAYERS = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29}
LAYER_WEIGHTS = {
    "relu1_1": 1 / 32,
    "relu2_1": 1 / 16,
    "relu3_1": 1 / 8,
    "relu4_1": 1 / 4,
    "relu5_1": 1.0,
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PerceptualLoss(nn.Module):
    """`(restored, original)`, both `[n, 3, h, w]` in [-1, 1] -> a scalar, 0 for equal pictures.

    `original_features`, if given, are cached `deep_features` of `original`: the loss is the same,
    without most of a forward pass. They must be those of the whole picture.

    Args:
        layers: the VGG19 activations to compare; for fewer than all five, the weights are scaled to
            the same sum.
        weights: ImageNet's ("pretrained"), or a seeded random trunk.
        window: side in pixels of the square that is compared, at a new random position (from the
            device's global generator) in every call; None: the whole picture. The expected value
            is the same (away from the border), at a fraction of the cost.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: tuple[str, ...], weights: Weights, window: int | None) -> None:
        super().__init__()
        deepest = max(VGG19_LAYERS[layer] for layer in layers)
        trunk = build_trunk("vgg19", weights)[: deepest + 1]
        for module in trunk:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.trunk = trunk.eval().requires_grad_(False)
        to_channels_last(self.trunk)
        scale = sum(LAYER_WEIGHTS.values()) / sum(LAYER_WEIGHTS[layer] for layer in layers)
        self.layer_weights = {VGG19_LAYERS[name]: LAYER_WEIGHTS[name] * scale for name in layers}
        self.window = window
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        if weights == "random":
            self.calibrate()

    def forward(
        self, restored: Tensor, original: Tensor, original_features: Features | None = None
    ) -> Tensor:
        restored, original = self.random_window(restored, original)
        with torch.no_grad():
            if original_features is None:
                expected = self.features(original)
            else:
                expected = (*self.features(original, limit=1), *original_features)
        actual = self.features(restored)
        terms = [
            weight * distance(upcast_bfloat16(a), upcast_bfloat16(b))
            for a, b, weight in zip(actual, expected, self.layer_weights.values(), strict=True)
        ]
        return torch.stack(terms).sum()

    def random_window(self, *pictures: Tensor) -> tuple[Tensor, ...]:
        """Cut the same random window out of pictures `[..., h, w]`, if `window` is set."""
        if self.window is None:
            return pictures
        rows, columns = (
            torch.randint(side - self.window + 1, (1,), device=pictures[0].device)
            + torch.arange(self.window, device=pictures[0].device)
            for side in pictures[0].shape[-2:]
        )
        return tuple(each.index_select(-2, rows).index_select(-1, columns) for each in pictures)

    def calibrate(self) -> None:
        """Scale a random trunk's layers to a mean activation of 1 on a fixed noise picture.

        Otherwise activations would be an order of magnitude smaller than with ImageNet's weights,
        and `lambda_perceptual` would have hardly any effect.
        """
        noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            for index, activation in zip(self.layer_weights, self.features(noise), strict=True):
                self.layer_weights[index] /= float(activation.mean())

    def deep_features(self, picture: Tensor) -> Features:
        """The features to cache: all but the first, which is the largest and the cheapest."""
        return self.features(picture)[1:]

    def features(self, picture: Tensor, limit: int | None = None) -> Features:
        """The compared activations of pictures in [-1, 1], after ImageNet's normalisation.

        Args:
            limit: how many to compute, from the first; None: all.
        """
        x = ((picture + 1) / 2 - self.mean) / self.std
        activations = []
        for index, module in enumerate(self.trunk):
            # For a small picture the first convolution returns channels-first.
            x = module(x).contiguous(memory_format=torch.channels_last)
            if index in self.layer_weights:
                activations.append(x)
            if len(activations) == limit:
                break
        return tuple(activations)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """The mean L1 distance of `[n, c, h, w]`, a scalar; keeps its gradient channels-last."""
    return F.l1_loss(a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1))
