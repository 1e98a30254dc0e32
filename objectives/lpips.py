"""LPIPS inside a mask (Zhang et al. 2018, arXiv:1801.03924), prepared once for a fixed target.

The trunk's layers, the scaling and the learned layer weights are the `lpips` package's (v0.1).
Its spatial map, averaged over a mask, is `sum_k sum_xy M(x, y) * up(d_k)(x, y)`; moving the
upsampling `up` over to the mask (its adjoint) gives the same number from the small maps d_k, and
the mask's part is computed once.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objectives.weights import build_trunk

Net = Literal["alex", "vgg", "squeeze"]
TRUNKS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
MIN_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17}


class LpipsNetwork(nn.Module):
    """Pictures -> the unit-length features that LPIPS compares, and what their distances weigh.

    Args:
        net: alex, vgg or squeeze.
        weights: of the trunk, "pretrained" or "random"; the layer weights are always the learned.
    """

    def __init__(self, net: Net = "alex", weights: str = "pretrained") -> None:
        super().__init__()
        if net not in TRUNKS:
            raise ValueError(f"LPIPS has no network {net!r}: use one of {', '.join(TRUNKS)}.")
        import lpips

        with warnings.catch_warnings(), torch.device("meta"):
            for message in ("The parameter 'pretrained'", "Arguments other than a weight enum"):
                warnings.filterwarnings("ignore", message=message)
            package = lpips.LPIPS(pretrained=False, net=net, pnet_rand=True, verbose=False)
        trunk = build_trunk(TRUNKS[net], weights)
        # Not inplace: one layer's features are kept while the next is computed.
        layers = {name: out_of_place(module) for name, module in trunk.named_children()}
        self.slices = nn.ModuleList(
            nn.Sequential(*(layers[name] for name, _ in part.named_children()))
            for part in package.net.children()
        )
        self.scaling = lpips.lpips.ScalingLayer()
        file = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
        learned = torch.load(file, map_location="cpu", weights_only=True)
        self.lins = nn.ParameterList(
            learned[f"lin{k}.model.1.weight"] for k in range(len(self.slices))
        )
        self.min_side = MIN_SIDE[net]
        # Pooling, and sums over channels, are faster where channels lie side by side.
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """`[n, 3, h, w]` in [0, 1] -> per slice `[n, c_k, h_k, w_k]`."""
        x = self.scaling(2 * pictures - 1)
        features = []
        for part in self.slices:
            x = part(x)
            features.append(x)
        return features

    def distances(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
        """Two pictures' unit features -> per slice their weighted squared distance, one channel."""
        return [
            F.conv2d((x - y).square(), weight) for x, y, weight in zip(a, b, self.lins, strict=True)
        ]


def unit_length(features: Tensor) -> Tensor:
    """`[n, c, h, w]` scaled to length 1 over channels."""
    # 1e-20 under the root: a finite gradient where all channels are 0.
    length = (features.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return features / (length + 1e-10)


def out_of_place(module: nn.Module) -> nn.Module:
    """`module`, its result never written over its input."""
    if isinstance(module, nn.ReLU):
        module.inplace = False
    return module


@dataclass(frozen=True)
class LpipsTarget:
    """The fixed side: features of the targets, and each mask's weights on every slice's map.

    Attributes:
        parts: per slice the rows and columns outside which every weight is 0; fields are cut so.
        features: per slice `[n, c_k, h_k, w_k]`, of unit length over channels.
        weights: per mask a name, per slice `[n, 1, h_k, w_k]`; each picture's sum to 1, or are
            all 0 where its mask is empty.
    """

    network: LpipsNetwork
    parts: tuple[tuple[slice, slice], ...]
    features: tuple[Tensor, ...]
    weights: dict[str, tuple[Tensor, ...]]

    @classmethod
    def of(cls, network: LpipsNetwork, targets: Tensor, masks: dict[str, Tensor]) -> "LpipsTarget":
        """Prepare `targets` `[n, 3, h, w]` in [0, 1] and any number of `masks` `[n, 1, h, w]`.

        Raises:
            ValueError: the pictures are too small for the network.
        """
        height, width = targets.shape[-2:]
        if min(height, width) < network.min_side:
            raise ValueError(
                f"Pictures of {width} x {height} are too small for LPIPS: its network needs at "
                f"least {network.min_side} pixels a side."
            )
        with torch.no_grad():
            features = network(targets)
        weights = {
            name: [spread(mask.float(), (f.shape[-2], f.shape[-1])) for f in features]
            for name, mask in masks.items()
        }
        parts = tuple(support(maps) for maps in zip(*weights.values(), strict=True))
        return cls(
            network,
            parts,
            tuple(unit_length(f[..., *part]) for f, part in zip(features, parts, strict=True)),
            {
                name: tuple(m[..., *part] for m, part in zip(maps, parts, strict=True))
                for name, maps in weights.items()
            },
        )

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]:
        """`[n, 3, h, w]` in [0, 1] -> per mask the mean distance `[n]`, 0 for equal pictures."""
        seen = self.network(pictures)
        units = [unit_length(f[..., *part]) for f, part in zip(seen, self.parts, strict=True)]
        maps = self.network.distances(units, self.features)
        return {
            name: torch.stack(
                [(m * w).sum((1, 2, 3)) for m, w in zip(maps, weights, strict=True)]
            ).sum(0)
            for name, weights in self.weights.items()
        }


def support(weights: Sequence[Tensor]) -> tuple[slice, slice]:
    """The rows and columns that hold every weight that is not 0 of maps `[n, 1, h, w]`."""
    held = torch.stack([w.ne(0).any(0)[0] for w in weights]).any(0)
    spans = []
    for found in (held.any(1).nonzero(), held.any(0).nonzero()):
        spans.append(slice(int(found.min()), int(found.max()) + 1) if len(found) else slice(0, 1))
    return spans[0], spans[1]


def spread(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """The adjoint of upsampling from `shape` to the mask's size, applied to the mask's mean.

    `sum(spread(mask) * small) == mean over the mask of upsampled(small)`, for every `small`.
    """
    mean = mask / mask.sum((1, 2, 3), keepdim=True).clamp_min(1)
    with torch.enable_grad():
        small = torch.zeros(len(mask), 1, *shape, device=mask.device, requires_grad=True)
        large = F.interpolate(small, mask.shape[-2:], mode="bilinear", align_corners=False)
        (weights,) = torch.autograd.grad(large, small, mean)
    return weights
