"""Reject combinations of settings that cannot be trained, before a trial is spent on them."""

from collections.abc import Mapping
from typing import Any

GENERATOR_MULTIPLE = {
    "unet_128": 128,
    "unet_256": 256,
    "resnet_6blocks": 4,
    "resnet_9blocks": 4,
    "warp_unet_128": 128,
    "warp_unet_256": 256,
}
# netD basic always has three layers, regardless of --n_layers_D, and netD pixel has none.
FIXED_LAYERS = 3


def patch_side(crop_size: int, n_layers_D: int) -> int:
    """Side of the PatchGAN's output for a square crop, in logits; 0 or less: no output.

    Its convolutions have kernel 4 and padding 1: `n_layers_D` of stride 2 halve the side (rounding
    down), two of stride 1 reduce it by one each (Isola et al. 2017, as `define_D` builds it).
    """
    return (crop_size >> n_layers_D) - 2


def check_combination(n_layers_D: int, train: Mapping[str, Any]) -> None:
    """Reject a discriminator depth and training settings that exclude each other.

    Args:
        n_layers_D: stride-2 layers of the discriminator.
        train: at least `crop_size`, `load_size`, `preprocess` and `netG`; `netD` defaults to
            n_layers.

    Raises:
        ValueError: the message names the two settings.
    """
    crop, load = train["crop_size"], train["load_size"]
    netD = train.get("netD", "n_layers")
    if netD != "n_layers" and n_layers_D != FIXED_LAYERS:
        raise ValueError(
            f"netD {netD} does not read n_layers_D {n_layers_D}: use netD n_layers, or leave "
            f"n_layers_D at {FIXED_LAYERS}."
        )
    if netD != "pixel" and patch_side(crop, n_layers_D) < 1:
        raise ValueError(
            f"n_layers_D {n_layers_D} is too deep for crop_size {crop}: the discriminator would "
            f"have no output; use n_layers_D up to {deepest(crop)} or a crop_size of at least "
            f"{3 << n_layers_D}."
        )
    multiple = GENERATOR_MULTIPLE.get(train["netG"], 1)
    if crop % multiple:
        raise ValueError(
            f"netG {train['netG']} needs a crop_size that is a multiple of {multiple}, "
            f"not {crop}: change one of the two."
        )
    if train["preprocess"] in ("resize_and_crop", "scale_width_and_crop") and load < crop:
        raise ValueError(
            f"load_size {load} is smaller than crop_size {crop}: no such crop can be cut; raise "
            "load_size or lower crop_size."
        )
    if train["preprocess"] == "none" and train.get("batch_size", 1) > 1:
        raise ValueError(
            f"preprocess none keeps pictures whole, and batch_size {train['batch_size']} needs "
            "them of one size: use batch_size 1, or another preprocess."
        )


def deepest(crop_size: int) -> int:
    """The maximum number of layers with which the discriminator has an output at `crop_size`."""
    depth = 0
    while patch_side(crop_size, depth + 1) >= 1:
        depth += 1
    return depth
