"""Local Laplacian variance: the amount of fine detail in a picture, at three scales."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

SCALES = (0, 1, 2)
WINDOW = 0.01
# In pixels: 1% of a picture under 200 px would be too few pixels for a variance.
SMALLEST_WINDOW = 2.0
# Amplitude (of 1) below which detail is invisible; keeps the ratios of flat regions finite.
NOISE_FLOOR = 2 / 255
# Block size for multiplying a blur matrix. It is zero except for a band along its diagonal, so
# blocks skip most of the zeros.
BAND = 64


def luma(pictures: Tensor) -> Tensor:
    """BT.601 luma `[n, 1, h, w]` in [0, 1] of pictures `[n, 3, h, w]` in [0, 1]."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device, dtype=pictures.dtype)
    return (pictures * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


def laplacians(y: Tensor, scales: Sequence[int] = SCALES) -> Tensor:
    """`s^2 * Laplacian(Gauss_s(y))` for every scale s (0: the plain 4-neighbour Laplacian).

    Args:
        y: `[n, 1, h, w]` in [0, 1].

    Returns:
        `[n, k, h, w]`, one channel per scale. The factor s^2 normalises scales (Lindeberg 1998).
    """
    smooth = [y if s == 0 else gaussian_blur(y, float(s)) for s in scales]
    padded = F.pad(torch.cat(smooth, 1), (1, 1, 1, 1), mode="reflect")
    middle = padded[..., 1:-1, 1:-1]
    neighbours = (
        padded[..., :-2, 1:-1]
        + padded[..., 2:, 1:-1]
        + padded[..., 1:-1, :-2]
        + padded[..., 1:-1, 2:]
    )
    factors = torch.tensor([max(1, s * s) for s in scales], device=y.device, dtype=y.dtype)
    return (neighbours - 4 * middle) * factors.view(1, -1, 1, 1)


def noise_response(scale: int) -> float:
    """`||kernel_s||^2`: the variance of white noise of variance 1 after the filter."""
    if scale == 0:
        return 20.0  # 4 * 1^2 + 4^2
    side = 2 * gaussian_radius(scale) + 5
    impulse = torch.zeros(1, 1, side, side, dtype=torch.float64)
    impulse[0, 0, side // 2, side // 2] = 1
    return float(laplacians(impulse)[0, SCALES.index(scale)].square().sum())


def floors() -> tuple[float, ...]:
    """`c_s` of the score: the variance of barely visible noise at each scale."""
    return tuple(noise_response(s) * NOISE_FLOOR**2 for s in SCALES)


def window_sigma(side: int) -> float:
    """Sigma in pixels of the variance window, for a picture with this short side."""
    return max(SMALLEST_WINDOW, WINDOW * side)


class LocalVariance:
    """Variance of a map in a Gaussian window, inside a mask only.

    Mask-normalised convolution (Knutsson and Westin 1993): pixels outside the mask have weight 0,
    so they do not affect values inside it.

    Args:
        masks: bool `[n, 1, h, w]`; values outside them are meaningless.
        sigma: of the window, in pixels.
    """

    def __init__(self, masks: Tensor, sigma: float) -> None:
        self.weight = masks.float()
        self.sigma = sigma
        self.norm = gaussian_blur(self.weight, self.sigma).clamp_min(1e-6)

    def __call__(self, maps: Tensor) -> Tensor:
        """Local variances of `[n, k, h, w]`, same shape, at least 0."""
        inside = maps * self.weight
        moments = gaussian_blur(torch.cat([inside, inside * maps], 1), self.sigma) / self.norm
        mean, square = moments.chunk(2, 1)
        return (square - mean * mean).clamp_min(0)


def gaussian_blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur every map of `[n, k, h, w]` by a Gaussian of `sigma` pixels, mirrored at the border.

    Differentiable. The kernel is cut off at three sigma, or at the size of the picture.
    """
    down, across = (blur_matrix(side, sigma, maps.device, maps.dtype) for side in maps.shape[-2:])
    rows, columns = (bands(side, gaussian_radius(sigma)) for side in maps.shape[-2:])
    blurred = [maps[..., near] @ across[band, near].T for band, near in columns]
    maps = torch.cat(blurred, -1)
    return torch.cat([down[band, near] @ maps[..., near, :] for band, near in rows], -2)


def bands(side: int, reach: int) -> list[tuple[slice, slice]]:
    """Split a line of `side` pixels into bands, each with its surroundings up to `reach`."""
    starts = range(0, side, BAND)
    return [
        (slice(a, min(a + BAND, side)), slice(max(0, a - reach), min(a + BAND + reach, side)))
        for a in starts
    ]


@lru_cache(maxsize=64)
def blur_matrix(side: int, sigma: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The matrix `[side, side]` that blurs a line of `side` pixels.

    Matrix products are several times faster here than single-channel convolutions.
    """
    radius = min(gaussian_radius(sigma), side - 1)
    steps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (steps.double() / sigma) ** 2)
    sources = torch.arange(side)[:, None] + steps
    mirrored = (side - 1) - ((side - 1) - sources.abs()).abs()
    matrix = torch.zeros(side, side, dtype=torch.float64)
    matrix.scatter_add_(1, mirrored, (kernel / kernel.sum()).expand(side, -1))
    return matrix.to(device, dtype)


def gaussian_radius(sigma: float) -> int:
    """The radius in pixels of a Gaussian kernel of `sigma`."""
    return max(1, math.ceil(3 * sigma))


REACH = gaussian_radius(max(SCALES)) + 1
"""The radius in pixels of the filter of `laplacians`."""
