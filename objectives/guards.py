"""What is logged beside the score, so that a good score cannot hide another fault.

Colour (CIEDE2000), fidelity outside the mask, and edges in the wrong place.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from objectives.laplacian import gaussian_blur

D65 = (0.95047, 1.0, 1.08883)
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def masked_mean(maps: Tensor, masks: Tensor) -> Tensor:
    """Mean of `[n, k, h, w]` over each picture's mask `[n, 1, h, w]`: `[n, k]`; 0 where empty."""
    weight = masks.to(maps.dtype).flatten(2)
    return (maps.flatten(2) @ weight.mT).squeeze(2) / weight.sum(2).clamp_min(1)


def gradients(y: Tensor) -> Tensor:
    """Luma `[n, 1, h, w]` -> its slopes `[n, 2, h, w]` (x, y) at a scale of one pixel."""
    smooth = F.pad(gaussian_blur(y, 1.0), (1, 1, 1, 1), mode="reflect")
    across = smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2]
    down = smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]
    return torch.cat([across, down], 1) / 2


def structure_error(slopes: Tensor, wanted: Tensor, masks: Tensor) -> Tensor:
    """How far edges are from where they belong, `[n]` in [0, 1]; 0: every edge in its place.

    `sum |g - g'| / sum (|g| + |g'|)` over the mask: 1 where no edge of one is matched by an edge
    of the other. Slopes under a noise floor of 1/255 count little.

    Args:
        slopes, wanted: gradients `[n, 2, h, w]` of the picture and of its original.
    """
    apart = length(slopes - wanted)
    both = length(slopes) + length(wanted) + 1 / 255
    return (masked_mean(apart, masks) / masked_mean(both, masks).clamp_min(1 / 255)).squeeze(1)


def length(vectors: Tensor) -> Tensor:
    """Euclidean length over channels, `[n, 2, h, w]` -> `[n, 1, h, w]`, finite slope at 0."""
    return (vectors.square().sum(1, keepdim=True) + 1e-12).sqrt() - 1e-6


def to_lab(rgb: Tensor) -> Tensor:
    """sRGB `[..., 3]` in [0, 1] -> CIE L*a*b* (D65, 2 degrees), `[..., 3]`."""
    rgb = rgb.clamp(0, 1)
    linear = torch.where(
        rgb > 0.04045, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92
    )
    matrix = torch.tensor(SRGB_TO_XYZ, device=rgb.device, dtype=rgb.dtype)
    white = torch.tensor(D65, device=rgb.device, dtype=rgb.dtype)
    t = linear @ matrix.T / white
    f = torch.where(t > 0.008856, t.clamp_min(0.008856) ** (1 / 3), 7.787 * t + 16 / 116)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def ciede2000(lab: Tensor, other: Tensor) -> Tensor:
    """Colour difference of `[..., 3]` Lab values: about 1 is just visible; kL = kC = kH = 1.

    Source: Sharma, Wu and Dalal (2005), "The CIEDE2000 Color-Difference Formula", equations 2-22.
    """
    (L1, a1, b1), (L2, a2, b2) = lab.unbind(-1), other.unbind(-1)
    C7 = seventh((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    stretch = 1.5 - 0.5 * (C7 / (C7 + 25.0**7)).sqrt()
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    turn = 2 * math.pi
    h1, h2 = torch.atan2(b1, a1) % turn, torch.atan2(b2, a2) % turn
    grey = C1 * C2 == 0
    dh = torch.where(grey, 0.0, (h2 - h1 + math.pi) % turn - math.pi)
    dL, dC = L2 - L1, C2 - C1
    dH = 2 * (C1 * C2).sqrt() * torch.sin(dh / 2)
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    h = (h1 + h2) / 2 + torch.where((h1 - h2).abs() > math.pi, math.pi, 0.0)
    h = torch.where(grey, h1 + h2, h)
    degrees = math.pi / 180
    T = (
        1
        - 0.17 * torch.cos(h - 30 * degrees)
        + 0.24 * torch.cos(2 * h)
        + 0.32 * torch.cos(3 * h + 6 * degrees)
        - 0.20 * torch.cos(4 * h - 63 * degrees)
    )
    hue = (h / degrees) % 360
    rotation = torch.sin(60 * degrees * torch.exp(-(((hue - 275) / 25) ** 2)))
    C7 = seventh(C)
    R = -2 * (C7 / (C7 + 25.0**7)).sqrt() * rotation
    SL = 1 + 0.015 * (L - 50) ** 2 / (20 + (L - 50) ** 2).sqrt()
    SC, SH = 1 + 0.045 * C, 1 + 0.015 * C * T
    lightness, chroma, tone = dL / SL, dC / SC, dH / SH
    return (lightness**2 + chroma**2 + tone**2 + R * chroma * tone).clamp_min(0).sqrt()


def seventh(x: Tensor) -> Tensor:
    """`x**7`, several times faster."""
    third = x * x * x
    return third * third * x
