"""`boundary_sharpness`: the sharpness and fidelity of a restored picture where it was warped.

    Y      luma in [0, 1];  L_s = s^2 * Laplacian(Gauss_s(Y)), s = 0, 1, 2 px, on the full picture
    V_s    variance of L_s in a Gaussian window of 1% of the short side, inside the mask only
    r_s    ln((V_s + c_s) / (V_s of the original + c_s)),  c_s: the variance of invisible noise
    D      mean over s and mask of max(0, -r_s): missing detail (blur)
    E      mean over s and mask of max(0,  r_s): excess detail (noise, ringing, checkerboard)
    Lrel   LPIPS in the mask, relative to that of the input: 1 = no better than doing nothing
    score  exp(-(D + E + Lrel)), in (0, 1], higher is better; that of a set is the mean

The mask is the warped region dilated by 2% of the short side. For LPIPS, the pixels outside the
mask are replaced by the original's. `python -m benchmarks.validate_score` tabulates how the score
reacts to known defects.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from objectives import guards
from objectives.guards import masked_mean
from objectives.laplacian import (
    REACH,
    SCALES,
    LocalVariance,
    floors,
    gaussian_blur,
    gaussian_radius,
    laplacians,
    luma,
    window_sigma,
)
from objectives.lpips import LpipsNetwork, LpipsTarget, Net
from objectives.masks import SMALLEST_CORE, dilate, ring
from objectives.patches import Rectangle
from objectives.score import NothingToScoreError, Reference, Score, aggregate

TOO_SMALL = f"its warped region is under {SMALLEST_CORE:.2%} of its area"
LPIPS_FLOOR = 1e-3
# Without the input, a blurred original replaces it; its LPIPS is about that of a liquify warp.
STAND_IN_BLUR = 0.0125
# Pixels per batch: bounds memory for any number of pictures, and keeps a CPU's intermediate results
# in its cache.
BATCH_PIXELS = {"cpu": 2**18, "cuda": 2**21}
# Sides of the cropped rectangle are multiples of this, since blur matrices are cached per side.
PART_STEP = 32


class BoundarySharpness:
    """The objective; its networks are built once and shared by all references.

    Args:
        weights: of LPIPS's trunk, "pretrained" or "random"; their scores are not comparable.
        device: a torch device.
        net: LPIPS's trunk: alex, vgg or squeeze; their scores are not comparable, so the last two
            are part of the objective's name.

    Raises:
        FileNotFoundError: pretrained weights that are not in torchvision's cache.
    """

    direction: Literal["maximize", "minimize"] = "maximize"
    value_range = (0.0, 1.0)

    def __init__(
        self, weights: str = "pretrained", device: str | torch.device = "cpu", net: Net = "alex"
    ) -> None:
        self.name = "boundary_sharpness" + ("" if net == "alex" else f"_{net}")
        self.weights = weights
        self.device = torch.device(device)
        self.network = LpipsNetwork(net, weights).to(self.device)

    def against(self, reference: Reference) -> Callable[[Tensor], Score]:
        """Prepare the originals; the scorer takes restored pictures in the same order.

        Pictures whose warped region is under 0.05% of the area get no score (their row says so) and
        are left out of every mean. If the reference has no inputs, `lpips_noop` is that of the
        original blurred in the mask by 1.25% of the short side.

        Raises:
            NothingToScoreError: no picture has a warped region.
            ValueError: shapes do not match, pixels are not in [0, 1], or pictures are too small.
        """
        check_reference(reference)
        pixels = BATCH_PIXELS["cuda" if self.device.type == "cuda" else "cpu"]
        size = max(1, pixels // math.prod(reference.targets.shape[-2:]))
        count = len(reference.names)
        batches = [
            PreparedBatch.of(self.network, reference, slice(start, start + size), self.device)
            for start in range(0, count, size)
        ]
        if not any(bool(batch.has_core.any()) for batch in batches):
            raise NothingToScoreError(
                f"No picture has a warped region of at least {SMALLEST_CORE:.2%} of its area: "
                "there is nothing to score."
            )
        return SetScorer(reference.names, tuple(reference.targets.shape), batches, size)


def surroundings(masks: Tensor, margin: int) -> Rectangle:
    """The rectangle around all masks `[n, 1, h, w]` and `margin` pixels; everything if none is set.

    Inside the masks, filters with a radius of up to `margin` give the same values in this rectangle
    as on whole pictures.
    """
    union = masks.any(0)[0]
    height, width = union.shape
    rows = padded_span(union.any(1).nonzero(), margin, height)
    return rows, padded_span(union.any(0).nonzero(), margin, width)


def padded_span(indices: Tensor, margin: int, side: int) -> slice:
    """The span of `indices`, widened by `margin` and then to a multiple of `PART_STEP`, but not
    beyond `side`."""
    if not len(indices):
        return slice(0, side)
    first = max(0, int(indices.min()) - margin)
    length = int(indices.max()) + margin + 1 - first
    length = min(side, PART_STEP * math.ceil(length / PART_STEP))
    first = min(first, side - length)
    return slice(first, first + length)


@dataclass(frozen=True)
class PreparedBatch:
    """Everything that depends only on a batch of originals, on the device.

    Sharpness and colour need only the pictures near the mask, the rectangle `crop`. Its size is
    that of all maps but `targets` and `mask`. `mask_weights` and `ring_weights` are 0 or 1.
    """

    targets: Tensor
    mask: Tensor
    has_core: Tensor
    crop: Rectangle
    mask_weights: Tensor
    ring_weights: Tensor
    window: LocalVariance
    floors: Tensor
    detail: Tensor
    laplacian_variance: Tensor
    slopes: Tensor
    lab: Tensor
    lpips: LpipsTarget
    noop: dict[str, Tensor]

    @classmethod
    def of(
        cls, network: LpipsNetwork, reference: Reference, batch: slice, device: torch.device
    ) -> "PreparedBatch":
        """Prepare one `batch` of the reference."""
        targets = reference.targets[batch].to(device, torch.float32)
        core = reference.masks[batch].to(device)
        mask, edge = dilate(core), ring(core)
        sigma = window_sigma(min(targets.shape[-2:]))
        crop = surroundings(mask, max(REACH, gaussian_radius(sigma)))
        window = LocalVariance(mask[..., *crop], sigma)
        y = luma(targets[..., *crop])
        variance = window(laplacians(y))
        noise_floors = torch.tensor(floors(), device=device).view(1, -1, 1, 1)
        lpips = LpipsTarget.of(network, targets, mask, {"mask": mask, "ring": edge})
        if reference.inputs is None:
            inputs = gaussian_blur(targets, STAND_IN_BLUR * min(targets.shape[-2:]))
        else:
            inputs = reference.inputs[batch].to(device, torch.float32)
        with torch.no_grad():
            noop = lpips(inputs)
        mask_weights = mask[..., *crop].float()
        return cls(
            targets=targets,
            mask=mask,
            has_core=core.float().mean((1, 2, 3)) >= SMALLEST_CORE,
            crop=crop,
            mask_weights=mask_weights,
            ring_weights=edge[..., *crop].float(),
            window=window,
            floors=noise_floors,
            detail=(variance + noise_floors).log(),
            laplacian_variance=masked_mean(variance[:, :1], mask_weights)[:, 0],
            slopes=guards.gradients(y),
            lab=guards.to_lab(masked_pixels(targets[..., *crop], mask[..., *crop])),
            lpips=lpips,
            noop=noop,
        )

    def measure(self, restored: Tensor) -> dict[str, Tensor]:
        """Every component, `[n]` each; those of the score are differentiable.

        Args:
            restored: `[n, 3, h, w]` in [0, 1], on the device.
        """
        y = luma(restored[..., *self.crop])
        variance = self.window(laplacians(y))
        r = (variance + self.floors).log() - self.detail
        distances = self.lpips(restored)
        components: dict[str, Tensor] = {}
        for region, weights in (("mask", self.mask_weights), ("ring", self.ring_weights)):
            deficit = masked_mean((-r).clamp_min(0), weights).mean(1)
            excess = masked_mean(r.clamp_min(0), weights).mean(1)
            relative = distances[region] / self.noop[region].clamp_min(LPIPS_FLOOR)
            score = torch.exp(-(deficit + excess + relative))
            prefix = "" if region == "mask" else "ring_"
            components |= {
                f"{prefix}score": score,
                f"{prefix}D": deficit,
                f"{prefix}E": excess,
                f"{prefix}Lrel": relative,
                f"{prefix}lpips": distances[region],
                f"{prefix}lpips_noop": self.noop[region],
            }
        mean_r = masked_mean(r, self.mask_weights)
        components |= {f"r_{s}": mean_r[:, k] for k, s in enumerate(SCALES)}
        return components | self.logged_only(restored, y, variance)

    def logged_only(self, restored: Tensor, y: Tensor, variance: Tensor) -> dict[str, Tensor]:
        """Components that are logged but not part of the score."""
        variance_in_mask = masked_mean(variance[:, :1], self.mask_weights)[:, 0]
        mask = self.mask.float()
        error = (restored - self.targets).abs().mean(1, keepdim=True)
        return {
            "laplacian_variance": variance_in_mask,
            "laplacian_variance_target": self.laplacian_variance,
            "laplacian_ratio": variance_in_mask / self.laplacian_variance.clamp_min(1e-12),
            "mae": masked_mean(error, mask)[:, 0],
            "mae_outside": masked_mean(error, 1 - mask)[:, 0],
            "ciede2000": self.colour_error(restored[..., *self.crop]),
            "structure_error": guards.structure_error(
                guards.gradients(y), self.slopes, self.mask_weights
            ),
            "mask_fraction": mask.mean((1, 2, 3)),
        }

    def colour_error(self, restored: Tensor) -> Tensor:
        """Mean CIEDE2000 in the mask, `[n]`, of restored pictures cropped to `crop`."""
        mask = self.mask[..., *self.crop]
        lab = guards.to_lab(masked_pixels(restored.detach(), mask))
        error = torch.zeros_like(self.mask_weights)
        error[mask] = guards.ciede2000(lab, self.lab)
        return masked_mean(error, self.mask_weights)[:, 0]


@dataclass(frozen=True)
class SetScorer:
    """Scores the restored pictures of the whole set."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    batches: Sequence[PreparedBatch]
    batch_size: int

    def __call__(self, restored: Tensor) -> Score:
        """Score `[n, 3, h, w]` in [0, 1], in the order of the reference.

        If a picture is not finite, its score is NaN, and so is that of the set.

        Raises:
            ValueError: the shape is not that of the reference.
        """
        if tuple(restored.shape) != self.shape:
            raise ValueError(
                f"The restored pictures are {list(restored.shape)}, their originals "
                f"{list(self.shape)}: they must match."
            )
        with torch.no_grad():
            measured = [
                batch.measure(pictures.to(batch.targets.device, torch.float32))
                for batch, pictures in zip(
                    self.batches, torch.split(restored, self.batch_size), strict=True
                )
            ]
        columns = {key: torch.cat([row[key] for row in measured]).tolist() for key in measured[0]}
        scored = torch.cat([batch.has_core for batch in self.batches]).tolist()
        rows: list[dict[str, float | str]] = [
            {"name": name, **{key: column[k] for key, column in columns.items()}}
            if scored[k]
            else {"name": name, "skipped": TOO_SMALL}
            for k, name in enumerate(self.names)
        ]
        return aggregate(rows, BoundarySharpness.direction)


def masked_pixels(pictures: Tensor, mask: Tensor) -> Tensor:
    """The pixels `[m, 3]` of `[n, 3, h, w]` inside `mask` `[n, 1, h, w]`, picture by picture."""
    # Each channel stays contiguous in memory, which makes sums over pixels faster.
    return pictures.transpose(0, 1)[:, mask[:, 0]].T


def check_reference(reference: Reference) -> None:
    """Validate that the parts of a reference fit together.

    Raises:
        ValueError: they do not; the message names the part.
    """
    targets, masks, inputs = reference.targets, reference.masks, reference.inputs
    if targets.ndim != 4 or targets.shape[1] != 3 or not len(targets):
        raise ValueError(f"Originals must be [n, 3, h, w] with n > 0, not {list(targets.shape)}.")
    count, _, height, width = targets.shape
    if len(reference.names) != count:
        raise ValueError(f"There are {len(reference.names)} names for {count} originals.")
    if tuple(masks.shape) != (count, 1, height, width) or masks.dtype != torch.bool:
        raise ValueError(
            f"Masks must be bool {[count, 1, height, width]}, not {masks.dtype} "
            f"{list(masks.shape)}."
        )
    if inputs is not None and inputs.shape != targets.shape:
        raise ValueError(
            f"The inputs are {list(inputs.shape)}, the originals {list(targets.shape)}."
        )
    for name, pictures in (("originals", targets), ("inputs", inputs)):
        if pictures is None:
            continue
        low, high = float(pictures.min()), float(pictures.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # also false for NaN
            raise ValueError(f"The {name} must be in [0, 1]; they range from {low:g} to {high:g}.")
