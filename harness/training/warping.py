"""Moving pixels by a displacement field, differentiably, at any size.

A field is `[n, 2, h, w]`, x first, in pixels, as in `harness.data.synthesis.liquify`: the moved
picture has at each place p what the picture has at p + field(p). A generator that predicts the
field which undoes a retouching has nothing to blur: it moves pixels and paints next to nothing
(Wang et al., "Detecting Photoshopped Faces by Scripting Photoshop", ICCV 2019, arXiv:1906.05856).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def move(pictures: Tensor, field: Tensor) -> Tensor:
    """`[n, c, h, w]` moved by `field`. It may overshoot the picture's range by a little."""
    height, width = pictures.shape[-2:]
    x = torch.arange(width, device=field.device) + field[:, 0]
    y = torch.arange(height, device=field.device)[:, None] + field[:, 1]
    return sample(pictures, x, y)


def sample(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`[n, c, h, w]` at places `x`, `y` `[n, rows, columns]` in pixels: `[n, c, rows, columns]`.

    Bicubic; beyond the border its pixels go on. At whole pixels it gives what is there, but for
    float32's rounding of places (about 1e-7 of the side).
    """
    height, width = maps.shape[-2:]
    # grid_sample counts from -1 to 1, from outer edge to outer edge.
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return F.grid_sample(maps, grid, mode="bicubic", padding_mode="border", align_corners=False)


def without_tremor(maps: Tensor, least: float) -> Tensor:
    """Vectors `[n, k, h, w]` shorter than `least` become exactly 0, those over twice that stay,
    and those in between fade in.

    A network's displacement is never exactly 0, and to sample a picture a twentieth of a pixel
    beside itself only softens it.
    """
    length = maps.square().sum(1, keepdim=True).sqrt()
    share = (length / least - 1).clamp(0, 1)
    return maps * (share * share * (3 - 2 * share))
