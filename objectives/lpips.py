"""LPIPS inside a mask (Zhang et al. 2018, arXiv:1801.03924), prepared once for a fixed target.

The trunk's layers, the scaling and the learned layer weights are those of the `lpips` package
(v0.1). Its spatial map, averaged over a mask, is `sum_k sum_xy M(x, y) * up(d_k)(x, y)`. Applying
the adjoint of the upsampling `up` to the mask gives the same value from the small maps d_k, and
needs to be done only once per mask.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objectives.patches import Rectangle, Step, mask_rectangle, plan_steps
from objectives.weights import build_trunk

Net = Literal["alex", "vgg", "squeeze"]
TRUNKS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
MIN_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17}


class LpipsNetwork(nn.Module):
    """The network whose features LPIPS compares, and the weights of their distances.

    Args:
        net: alex, vgg or squeeze.
        weights: of the trunk, "pretrained" or "random"; layer weights are always the learned ones.
    """

    def __init__(self, net: Net = "alex", weights: str = "pretrained") -> None:
        super().__init__()
        import lpips

        with warnings.catch_warnings(), torch.device("meta"):
            for message in ("The parameter 'pretrained'", "Arguments other than a weight enum"):
                warnings.filterwarnings("ignore", message=message)
            package = lpips.LPIPS(pretrained=False, net=net, pnet_rand=True, verbose=False)
        trunk = build_trunk(TRUNKS[net], weights)
        # Not in place: a layer's features are still needed after the next one is computed.
        layers = {name: make_out_of_place(module) for name, module in trunk.named_children()}
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
        # Pooling and sums over channels are faster in the channels-last format.
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """`[n, 3, h, w]` in [0, 1] -> per slice `[n, c_k, h_k, w_k]`."""
        x = self.scaled(pictures)
        features = []
        for part in self.slices:
            x = part(x)
            features.append(x)
        return features

    def scaled(self, pictures: Tensor) -> Tensor:
        """Scale pictures `[n, 3, h, w]` in [0, 1] to the input range of the first slice."""
        scaled: Tensor = self.scaling(2 * pictures - 1)
        return scaled

    def distances(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
        """The weighted squared distance of two pictures' unit features, one map per slice.

        `a` and `b` have, per slice, `[n, c_k, h_k, w_k]`; the result has `[n, 1, h_k, w_k]`.
        """
        return [
            F.conv2d((x - y).square(), weight) for x, y, weight in zip(a, b, self.lins, strict=True)
        ]


def normalize_channels(features: Tensor) -> Tensor:
    """Scale `[n, c, h, w]` to length 1 over channels."""
    # 1e-20 under the root keeps the gradient finite if all channels are 0.
    length = (features.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return features / (length + 1e-10)


def make_out_of_place(module: nn.Module) -> nn.Module:
    """Change `module` so that it does not overwrite its input; return it."""
    if isinstance(module, nn.ReLU):
        module.inplace = False
    return module


@dataclass(frozen=True)
class LpipsTarget:
    """The fixed side: the targets' features, and each mask's weights on every slice's map.

    Attributes:
        targets: `[n, 3, h, w]`, cropped to `rectangle`.
        may_differ: mask of the pixels where pictures may differ from the targets, cropped as well.
        steps: the network restricted to features that can change.
        features: per slice `[n, c_k, h_k, w_k]` of that part, with unit length over channels.
        weights: by mask name, per slice `[n, 1, h_k, w_k]`; the sum is 1 for each picture over the
            whole map, or 0 if its mask is empty.
    """

    network: LpipsNetwork
    rectangle: Rectangle
    targets: Tensor
    may_differ: Tensor
    steps: Sequence[Step]
    features: tuple[Tensor, ...]
    weights: dict[str, tuple[Tensor, ...]]

    @classmethod
    def of(
        cls, network: LpipsNetwork, targets: Tensor, may_differ: Tensor, masks: dict[str, Tensor]
    ) -> "LpipsTarget":
        """Prepare `targets` `[n, 3, h, w]` in [0, 1] and any number of `masks` `[n, 1, h, w]`.

        Args:
            may_differ: bool `[n, 1, h, w]`; elsewhere, pictures are assumed equal to the targets.

        Raises:
            ValueError: the pictures are too small for the network.
        """
        height, width = targets.shape[-2:]
        if min(height, width) < network.min_side:
            raise ValueError(
                f"Pictures of {width} x {height} are too small for LPIPS: its network needs at "
                f"least {network.min_side} pixels a side."
            )
        rectangle = mask_rectangle(torch.stack([may_differ, *masks.values()]).any(0).any(0)[0])
        with torch.no_grad():
            known = [network.scaled(targets), *network(targets)]
        weights = {
            name: [adjoint_weights(mask.float(), (f.shape[-2], f.shape[-1])) for f in known[1:]]
            for name, mask in masks.items()
        }
        read = [
            mask_rectangle(torch.stack([w.ne(0).any(0)[0] for w in maps]).any(0))
            for maps in zip(*weights.values(), strict=True)
        ]
        steps, rectangles = plan_steps(list(network.slices), known, rectangle, read)
        target = cls(
            network,
            rectangle,
            targets[..., *rectangle],
            may_differ[..., *rectangle],
            steps,
            (),
            {
                name: tuple(m[..., *at] for m, at in zip(maps, rectangles, strict=True))
                for name, maps in weights.items()
            },
        )
        # By the same steps as for other pictures, so that equal ones have distance exactly 0.
        with torch.no_grad():
            return replace(target, features=tuple(target.unit_features(targets)))

    def unit_features(self, pictures: Tensor) -> list[Tensor]:
        """The unit features of pictures `[n, 3, h, w]`, where they may differ from the targets'."""
        x = torch.where(self.may_differ, pictures[..., *self.rectangle], self.targets)
        maps, units = self.network.scaled(x), []
        for step in self.steps:
            maps = step(maps)
            units.append(normalize_channels(maps))
        return units

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]:
        """The mean distance `[n]` in each mask of pictures `[n, 3, h, w]` in [0, 1]; 0 if equal."""
        maps = self.network.distances(self.unit_features(pictures), self.features)
        return {
            name: torch.stack(
                [(m * w).sum((1, 2, 3)) for m, w in zip(maps, weights, strict=True)]
            ).sum(0)
            for name, weights in self.weights.items()
        }


def adjoint_weights(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """The adjoint of upsampling from `shape` to the mask's size, applied to the normalised mask.

    `sum(spread(mask) * small) == mean over the mask of upsampled(small)`, for every `small`.
    """
    mean = mask / mask.sum((1, 2, 3), keepdim=True).clamp_min(1)
    height, width = mask.shape[-2:]
    down = upsampling_matrix(shape[0], height, mask)
    across = upsampling_matrix(shape[1], width, mask)
    return down @ mean @ across.T


def upsampling_matrix(size: int, larger: int, like: Tensor) -> Tensor:
    """Bilinear upsampling along one axis as a matrix `[size, larger]`, to multiply by on the right.

    Args:
        like: has the device and dtype of the result.
    """
    unit = torch.eye(size, device=like.device, dtype=like.dtype)[None]
    return F.interpolate(unit, larger, mode="linear", align_corners=False)[0]
