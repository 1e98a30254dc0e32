"""Move pixels by a displacement field, differentiably, at any size.

A field is `[n, 2, h, w]`, x first, in pixels, as in `harness.data.synthesis.liquify`: the moved
picture has at each position p the value of the picture at p + field(p). A generator that predicts
the field that undoes a retouching hardly blurs, since it moves pixels instead of painting them
(Wang et al., "Detecting Photoshopped Faces by Scripting Photoshop", ICCV 2019, arXiv:1906.05856).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def move(pictures: Tensor, field: Tensor) -> Tensor:
    """Move pictures `[n, c, h, w]` by `field`; bicubic, so values may slightly overshoot."""
    height, width = pictures.shape[-2:]
    x = torch.arange(width, device=field.device) + field[:, 0]
    y = torch.arange(height, device=field.device)[:, None] + field[:, 1]
    return sample(pictures, x, y)


def sample(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Sample `[n, c, h, w]` at `x`, `y` `[n, rows, columns]` in pixels: `[n, c, rows, columns]`.

    Bicubic, with border pixels replicated. At whole pixels it returns their values, up to float32
    rounding of positions (about 1e-7 of the side).
    """
    height, width = maps.shape[-2:]
    # grid_sample's coordinates are -1 to 1, from outer edge to outer edge.
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return F.grid_sample(maps, grid, mode="bicubic", padding_mode="border", align_corners=False)


def suppress_short(maps: Tensor, threshold: float) -> Tensor:
    """Set vectors over the channels of `[n, k, h, w]` that are shorter than `threshold` to 0.

    Those longer than twice that stay unchanged, with a smooth transition in between. A network's
    displacement is never exactly 0, and sampling at an offset of a twentieth of a pixel only
    softens the picture.
    """
    length = maps.square().sum(1, keepdim=True).sqrt()
    share = (length / threshold - 1).clamp(0, 1)
    return maps * (share * share * (3 - 2 * share))
