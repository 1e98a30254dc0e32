"""The score written with plain libraries, picture by picture, without caching.

With the `lpips` package, scipy's filters and scikit-image's colour difference: the peer for the
speed of `objectives`, and the reference for its values.
"""

import warnings

import lpips
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from objectives.boundary_sharpness import LPIPS_FLOOR
from objectives.laplacian import SCALES, SMALLEST_WINDOW, WINDOW, floors, gaussian_radius
from objectives.lpips import LpipsNetwork
from objectives.masks import dilate, ring
from objectives.score import Reference

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Array = NDArray[np.float32]


def plain_network() -> lpips.LPIPS:
    """The package's network with the very weights that ours has, spatial maps out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        package = lpips.LPIPS(pnet_rand=True, spatial=True, verbose=False)
    ours = LpipsNetwork("alex", "random")
    for part, other in zip(ours.slices, package.net.children(), strict=True):
        values = zip(other.state_dict(), part.state_dict().values(), strict=True)
        other.load_state_dict(dict(values))
    return package


def plain_noop(package: lpips.LPIPS, reference: Reference) -> list[dict[str, float]]:
    """LPIPS of the inputs in the mask and on the ring, by picture."""
    assert reference.inputs is not None
    out = []
    for number in range(len(reference.names)):
        original, undone = reference.targets[number], reference.inputs[number]
        mask, rim = regions(reference, number)
        out.append(plain_lpips(package, undone, original, mask, rim))
    return out


def plain_rows(
    package: lpips.LPIPS, reference: Reference, restored: Tensor, noop: list[dict[str, float]]
) -> list[dict[str, float]]:
    """Every figure of `BoundarySharpness` for every picture."""
    return [
        plain_row(package, restored[k], reference.targets[k], *regions(reference, k), noop[k])
        for k in range(len(reference.names))
    ]


def regions(reference: Reference, number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The dilated mask and the ring of one picture, `[h, w]`."""
    core = reference.masks[number]
    return dilate(core)[0].numpy(), ring(core)[0].numpy()


def plain_row(
    package: lpips.LPIPS,
    restored: Tensor,
    original: Tensor,
    mask: NDArray[np.bool_],
    rim: NDArray[np.bool_],
    noop: dict[str, float],
) -> dict[str, float]:
    """The figures of one picture, pictures `[3, h, w]` in [0, 1]."""
    ours, theirs = (x.permute(1, 2, 0).numpy() for x in (restored, original))
    y, wanted = (x @ LUMA for x in (ours, theirs))
    variances = [(local_variance(y, s, mask), local_variance(wanted, s, mask)) for s in SCALES]
    logs = [
        np.log((own + floor) / (other + floor))
        for (own, other), floor in zip(variances, floors(), strict=True)
    ]
    seen = plain_lpips(package, restored, original, mask, rim)
    found: dict[str, float] = {}
    for place, where, prefix in (("mask", mask, ""), ("ring", rim, "ring_")):
        deficit = np.mean([np.maximum(-r, 0)[where].mean() for r in logs])
        excess = np.mean([np.maximum(r, 0)[where].mean() for r in logs])
        relative = seen[place] / max(noop[place], LPIPS_FLOOR)
        found |= {
            f"{prefix}score": float(np.exp(-(deficit + excess + relative))),
            f"{prefix}D": float(deficit),
            f"{prefix}E": float(excess),
            f"{prefix}Lrel": relative,
            f"{prefix}lpips": seen[place],
            f"{prefix}lpips_noop": noop[place],
        }
    found |= {f"r_{s}": float(r[mask].mean()) for s, r in zip(SCALES, logs, strict=True)}
    own, other = (float(v[mask].mean()) for v in variances[0])
    apart = np.abs(ours - theirs).mean(2)
    colours = deltaE_ciede2000(rgb2lab(ours[mask]), rgb2lab(theirs[mask]))
    return found | {
        "laplacian_variance": own,
        "laplacian_variance_target": other,
        "laplacian_ratio": own / other,
        "mae": float(apart[mask].mean()),
        "mae_outside": float(apart[~mask].mean()),
        "ciede2000": float(colours.mean()),
        "structure_error": structure_error(y, wanted, mask),
        "mask_fraction": float(mask.mean()),
    }


def plain_lpips(
    package: lpips.LPIPS,
    picture: Tensor,
    original: Tensor,
    mask: NDArray[np.bool_],
    rim: NDArray[np.bool_],
) -> dict[str, float]:
    """The package's spatial map of picture against original, averaged over mask and ring."""
    inside = torch.where(torch.from_numpy(mask), picture, original)
    with torch.no_grad():
        spatial = package(inside[None], original[None], normalize=True)[0, 0].numpy()
    return {"mask": float(spatial[mask].mean()), "ring": float(spatial[rim].mean())}


def local_variance(y: Array, scale: int, mask: NDArray[np.bool_]) -> Array:
    """Variance of the Laplacian at `scale` in a Gaussian window, inside the mask alone."""
    smooth = blurred(y, float(scale)) if scale else y
    detail = laplace(smooth, mode="mirror") * max(1, scale**2)
    sigma = max(SMALLEST_WINDOW, WINDOW * min(y.shape))
    weight = mask.astype(np.float32)
    norm = np.maximum(blurred(weight, sigma), 1e-6)
    mean = blurred(detail * weight, sigma) / norm
    square = blurred(detail * detail * weight, sigma) / norm
    return np.maximum(square - mean * mean, 0)


def structure_error(y: Array, wanted: Array, mask: NDArray[np.bool_]) -> float:
    """`sum |g - g'| / sum (|g| + |g'|)` over the mask, of slopes at one pixel."""
    own, other = slopes(y), slopes(wanted)
    apart = np.hypot(*(a - b for a, b in zip(own, other, strict=True)))[mask].mean()
    both = (np.hypot(*own) + np.hypot(*other) + 1 / 255)[mask].mean()
    return float(apart / max(both, 1 / 255))


def slopes(y: Array) -> tuple[Array, Array]:
    """Central differences of `y` under a Gaussian of one pixel, mirrored at the border."""
    smooth = np.pad(blurred(y, 1.0), 1, mode="reflect")
    across = smooth[1:-1, 2:] - smooth[1:-1, :-2]
    down = smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    return across / 2, down / 2


def blurred(y: Array, sigma: float) -> Array:
    return np.asarray(
        gaussian_filter(y, sigma, mode="mirror", radius=gaussian_radius(sigma)), np.float32
    )
