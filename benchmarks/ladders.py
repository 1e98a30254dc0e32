"""Distortions of known kind and strength, applied to originals inside a mask.

Pictures are float `[n, 3, h, w]` in [0, 1], masks bool `[n, 1, h, w]`; each distortion returns
whole pictures, to be composited by `inside`.
"""

import io
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from harness.data.synthesis.liquify import resample
from objectives.guards import masked_mean
from objectives.laplacian import gaussian_blur, laplacians, luma

Distortion = Callable[[Tensor], Tensor]
JITTER_PIXELS = 1.5
ENSEMBLE = 16


def inside(distorted: Tensor, originals: Tensor, masks: Tensor) -> Tensor:
    """The distorted picture in the mask, the original elsewhere, in [0, 1]."""
    return torch.where(masks, distorted, originals).clamp(0, 1)


def blur(sigma: float) -> Distortion:
    return lambda x: gaussian_blur(x, sigma)


def noise(deviation: float) -> Distortion:
    """Gaussian noise, independent in every pixel and channel."""

    def distort(x: Tensor) -> Tensor:
        drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        return (x + deviation * drawn).clamp(0, 1)

    return distort


def checkerboard(amplitude: float) -> Distortion:
    """The artefact of a transposed convolution of stride 2: a pattern of period two."""

    def distort(x: Tensor) -> Tensor:
        rows, columns = (torch.arange(side) for side in x.shape[-2:])
        sign = 1 - 2 * ((rows[:, None] + columns) % 2)
        return (x + amplitude * sign).clamp(0, 1)

    return distort


def unsharp(amount: float) -> Distortion:
    """Unsharp masking at a radius of one pixel."""
    return lambda x: (x + amount * (x - gaussian_blur(x, 1.0))).clamp(0, 1)


def jpeg(quality: int) -> Distortion:
    def distort(x: Tensor) -> Tensor:
        out = []
        for picture in as_bytes(x):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=quality)
            out.append(np.asarray(Image.open(file)))
        return as_pictures(out)

    return distort


def shift(pixels: int) -> Distortion:
    """Shifted sideways."""
    return lambda x: torch.roll(x, pixels, 3)


def jitter(seed: int = 0) -> Distortion:
    """Sharp but slightly misplaced: warped by a smooth random field of 1.5 pixels (rms)."""

    def distort(x: Tensor) -> Tensor:
        random = np.random.default_rng(seed)
        height, width = x.shape[-2:]
        out = []
        for picture in as_bytes(x):
            field = random.standard_normal((2, height, width))
            field = gaussian_filter(field, (0, 0.04 * height, 0.04 * height), mode="wrap")
            field *= JITTER_PIXELS / np.sqrt((field**2).sum(0).mean())
            out.append(resample(picture, field.astype(np.float32)))
        return as_pictures(out)

    return distort


def ensemble(x: Tensor) -> Tensor:
    """The mean of many jittered pictures: the blur of a model trained on L1."""
    return torch.stack([jitter(seed)(x) for seed in range(ENSEMBLE)]).mean(0)


def disguised(sigma: float, kind: Callable[[float], Distortion], masks: Tensor) -> Distortion:
    """Blur, then `kind` at the strength that restores the original's Laplacian variance.

    The strength is found by bisection per picture; if none suffices, it is the maximum.
    """

    def distort(x: Tensor) -> Tensor:
        blurred = blur(sigma)(x)
        return torch.cat(
            [
                match(b, o, m, kind)
                for b, o, m in zip(*(t.split(1) for t in (blurred, x, masks)), strict=True)
            ]
        )

    return distort


def match(
    blurred: Tensor, original: Tensor, mask: Tensor, kind: Callable[[float], Distortion]
) -> Tensor:
    target = laplacian_variance(original, mask)
    low, high = 0.0, 64.0
    for _ in range(24):
        middle = (low + high) / 2
        if laplacian_variance(kind(middle)(blurred), mask) < target:
            low = middle
        else:
            high = middle
    return kind(high)(blurred)


def laplacian_variance(picture: Tensor, mask: Tensor) -> float:
    """Variance of the plain Laplacian over the whole mask."""
    laplacian = laplacians(luma(picture), (0,))
    mean = masked_mean(laplacian, mask)
    return float(masked_mean(laplacian.square(), mask) - mean.square())


def ladders() -> Iterator[tuple[str, tuple[tuple[str, Distortion], ...]]]:
    """Every ladder: its name and its rungs (label, distortion), from weak to strong."""
    yield "blur", tuple((f"{s:g}", blur(s)) for s in (0.5, 0.7, 1, 1.4, 2, 3, 5, 8))
    yield "noise", tuple((f"{s:g}", noise(s)) for s in (0.01, 0.02, 0.04, 0.08))
    yield "checkerboard", tuple((f"{s:g}", checkerboard(s)) for s in (0.01, 0.02, 0.04, 0.08))
    yield "unsharp", tuple((f"{s:g}", unsharp(s)) for s in (0.5, 1, 2, 4))
    yield "JPEG", tuple((f"{q}", jpeg(q)) for q in (95, 85, 70, 50, 30))
    yield "shift", tuple((f"{p}", shift(p)) for p in (1, 2))


def as_bytes(pictures: Tensor) -> list[np.ndarray]:
    return list((pictures * 255).round().byte().permute(0, 2, 3, 1).numpy())


def as_pictures(pictures: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
