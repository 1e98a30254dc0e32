"""Traces of a retouching tool other than moved pixels: softening, and JPEG compression."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.data.synthesis.liquify import Field, Picture

# Share of the side: pixels that move this far are fully softened, others in proportion.
SOFT_FROM = 0.005


@dataclass(frozen=True)
class Traces:
    """Attributes:
    soft_moved: sigma in pixels of the blur of moved pixels.
    soft_everywhere: sigma of the blur of all others; `soft_moved` is at least this.
    jpeg: quality of the file that the tool writes; None: lossless.
    """

    soft_moved: float
    soft_everywhere: float
    jpeg: int | None


def draw_traces(size: int, random: np.random.Generator, jpeg: int | None) -> Traces:
    """Random traces for a picture of `size` x `size` pixels: half of the tools resample all of it,
    and half write a JPEG, unless `jpeg` is the quality for all."""
    everywhere, moved = (float(sigma) for sigma in random.uniform(0.0, (0.0025, 0.0035)) * size)
    quality = int(random.integers(75, 98))
    resamples, compresses = random.uniform(size=2) < 0.5
    if not resamples:
        everywhere = 0.0
    if jpeg is None and compresses:
        jpeg = quality
    return Traces(round(max(moved, everywhere), 3), round(everywhere, 3), jpeg)


def apply_traces(traces: Traces, picture: Picture, field: Field) -> Picture:
    """`picture` `[h, w, 3]`, already moved by `field`, with the traces applied."""
    soft = softened(picture, field, traces.soft_moved, traces.soft_everywhere)
    return recompressed(soft, traces.jpeg)


def softened(picture: Picture, field: Field, moved: float, everywhere: float = 0.0) -> Picture:
    """The picture blurred by Gaussians: sigma in pixels is `moved` where `field` moves it, and
    `everywhere` elsewhere."""
    length = np.hypot(*field) / (SOFT_FROM * min(picture.shape[:2]))
    share = np.minimum(length, 1.0)[:, :, None]
    exact = picture.astype(np.float64)
    still, blurred = (gaussian_filter(exact, (sigma, sigma, 0)) for sigma in (everywhere, moved))
    return np.asarray(np.rint(still + share * (blurred - still)), np.uint8)


def recompressed(picture: Picture, quality: int | None) -> Picture:
    """The picture after JPEG compression with that quality; unchanged if None."""
    if quality is None:
        return picture
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer, formats=("JPEG",)).convert("RGB"))
