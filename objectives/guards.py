"""Metrics that are logged in addition to the score, so that a good score cannot hide a defect:
colour error (CIEDE2000) and displaced edges.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from objectives.laplacian import gaussian_blur

TINY = 1e-12
D65 = (0.95047, 1.0, 1.08883)
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def masked_mean(maps: Tensor, masks: Tensor) -> Tensor:
    """Mean of `[n, k, h, w]` over each picture's mask `[n, 1, h, w]`: `[n, k]`; 0 if empty."""
    weight = masks.to(maps.dtype).flatten(2)
    return (maps.flatten(2) @ weight.mT).squeeze(2) / weight.sum(2).clamp_min(1)


def gradients(y: Tensor) -> Tensor:
    """Gradients `[n, 2, h, w]` (x, y) of luma `[n, 1, h, w]`, at a scale of one pixel."""
    smooth = F.pad(gaussian_blur(y, 1.0), (1, 1, 1, 1), mode="reflect")
    across = smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2]
    down = smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]
    return torch.cat([across, down], 1) / 2


def structure_error(slopes: Tensor, target: Tensor, masks: Tensor) -> Tensor:
    """The mismatch of edges, `[n]` in [0, 1]; 0: all edges are where they should be.

    `sum |g - g'| / sum (|g| + |g'|)` over the mask: 1 if no edge of one picture matches an edge of
    the other. Gradients below a noise floor of 1/255 have little weight.

    Args:
        slopes, target: gradients `[n, 2, h, w]` of the picture and of its original.
    """
    difference = vector_length(slopes - target)
    total = vector_length(slopes) + vector_length(target) + 1 / 255
    return (masked_mean(difference, masks) / masked_mean(total, masks).clamp_min(1 / 255)).squeeze(
        1
    )


def vector_length(vectors: Tensor) -> Tensor:
    """Euclidean length over channels, `[n, 2, h, w]` -> `[n, 1, h, w]`; finite gradient at 0."""
    return (vectors.square().sum(1, keepdim=True) + 1e-12).sqrt() - 1e-6


def to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB `[..., 3]` in [0, 1] to CIE L*a*b* (D65, 2 degrees), `[..., 3]`."""
    rgb = rgb.clamp(0, 1)
    curved = ((rgb + 0.055) / 1.055) ** 2.4
    red, green, blue = select(rgb > 0.04045, curved, rgb / 12.92).unbind(-1)
    x, y, z = (
        lab_curve((r * red + g * green + b * blue) / white)
        for (r, g, b), white in zip(SRGB_TO_XYZ, D65, strict=True)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_curve(t: Tensor) -> Tensor:
    """The function f of CIE 1976: a cube root, linear near 0."""
    return select(t > 0.008856, t.clamp_min(0.008856) ** (1 / 3), 7.787 * t + 16 / 116)


def select(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`torch.where` for finite values, twice as fast on a CPU."""
    return b + condition.to(a.dtype) * (a - b)


def ciede2000(lab: Tensor, other: Tensor) -> Tensor:
    """Colour difference of `[..., 3]` Lab values; about 1 is just visible. kL = kC = kH = 1.

    Source: Sharma, Wu and Dalal (2005), "The CIEDE2000 Color-Difference Formula", equations 2-22.
    """
    (L1, a1, b1), (L2, a2, b2) = lab.unbind(-1), other.unbind(-1)
    C7 = seventh_power((chroma_of(a1, b1) + chroma_of(a2, b2)) / 2)
    stretch = 1.5 - 0.5 * (C7 / (C7 + 25.0**7)).sqrt()
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = chroma_of(a1, b1), chroma_of(a2, b2)
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    # Hues as unit vectors instead of angles: the mean hue is the direction of their sum.
    c, s = (x1 / C1.clamp_min(TINY) + x2 / C2.clamp_min(TINY) for x1, x2 in ((a1, a2), (b1, b2)))
    norm = chroma_of(c, s).clamp_min(TINY)
    c, s = c / norm, s / norm
    c2, s2 = 2 * c * c - 1, 2 * s * c
    c3, s3 = c * (4 * c * c - 3), s * (3 - 4 * s * s)
    c4, s4 = 2 * c2 * c2 - 1, 2 * s2 * c2
    T = 1 - 0.17 * cos_minus(c, s, 30) + 0.24 * c2 + 0.32 * cos_minus(c3, s3, -6)
    T = T - 0.20 * cos_minus(c4, s4, 63)
    # The hue minus 275 degrees.
    hue = torch.atan2(cos_minus(s, -c, 275), cos_minus(c, s, 275)) * (180 / math.pi)
    rotation = torch.sin(math.pi / 3 * torch.exp(-((hue / 25) ** 2)))
    C7 = seventh_power(C)
    R = -2 * (C7 / (C7 + 25.0**7)).sqrt() * rotation
    SL = 1 + 0.015 * (L - 50) ** 2 / (20 + (L - 50) ** 2).sqrt()
    SC, SH = 1 + 0.045 * C, 1 + 0.015 * C * T
    lightness, chroma, tone = (L2 - L1) / SL, (C2 - C1) / SC, hue_difference(a1, b1, a2, b2) / SH
    return (lightness**2 + chroma**2 + tone**2 + R * chroma * tone).clamp_min(0).sqrt()


def hue_difference(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> Tensor:
    """`2 sqrt(C1 C2) sin(dh / 2)`, where dh is the signed hue angle from the first colour."""
    dot, cross = a1 * a2 + b1 * b2, a1 * b2 - a2 * b1
    product = chroma_of(a1, b1) * chroma_of(a2, b2)
    # Two equivalent formulas: use the one without cancellation.
    acute = cross * (2 / (product + dot).clamp_min(TINY)).sqrt()
    obtuse = (2 * (product - dot)).clamp_min(0).sqrt().copysign(cross)
    return select(dot > 0, acute, obtuse)


def cos_minus(c: Tensor, s: Tensor, degrees: float) -> Tensor:
    """`cos(h - degrees)` of a hue h given by its cosine and sine."""
    angle = math.radians(degrees)
    return c * math.cos(angle) + s * math.sin(angle)


def chroma_of(a: Tensor, b: Tensor) -> Tensor:
    """The length of (a, b); several times faster than `torch.hypot`."""
    return (a * a + b * b).sqrt()


def seventh_power(x: Tensor) -> Tensor:
    """`x**7`, several times faster than the operator."""
    third = x * x * x
    return third * third * x
