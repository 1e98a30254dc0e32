"""Infer a network's architecture from the names and shapes of its checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from harness.errors import UserInputError
from harness.training.checkpoints import NetWeights
from harness.training.networks import RESNET_BLOCKS, UNET_DOWNS

LARGEST_WIDTH = 8192


@dataclass(frozen=True)
class Architecture:
    """A generator's architecture, inferred from its checkpoint.

    Dropout has no weights and is off in inference, but in residual blocks it shifts later names.
    """

    netG: str
    ngf: int
    norm: str
    dropout: bool


def architecture_of(weights: NetWeights, file: Path) -> Architecture:
    """Infer a generator's architecture from the names and shapes of its weights.

    Raises:
        UserInputError: they are not the weights of a pix2pix generator of colour pictures.
    """
    convolutions = sum(value.dim() == 4 for value in weights.values())
    blocks = sum(name.endswith("conv_block.1.weight") for name in weights)
    unets = {2 * downs: netG for netG, downs in UNET_DOWNS.items()}
    resnets = {count: netG for netG, count in RESNET_BLOCKS.items()}
    unet, resnet = "model.model.0", "model.1"
    if is_convolution(weights, unet) and convolutions in unets:
        # Only generators that move pixels store the width of their training pictures.
        prefix = "warp_" if "field_size" in weights else ""
        first, netG = unet, prefix + unets[convolutions]
    elif is_convolution(weights, resnet) and blocks in resnets:
        first, netG = resnet, resnets[blocks]
    else:
        raise UserInputError(
            f"{file} is not the checkpoint of a pix2pix generator (unet_128, unet_256, "
            "resnet_6blocks or resnet_9blocks), nor of one of ours that moves pixels: name a "
            "latest_net_G.pth."
        )
    if "field_size" in weights and not is_width(weights["field_size"]):
        raise UserInputError(
            f"{file} names no width in pixels as its field_size: name a checkpoint that harness "
            "search or harness train wrote."
        )
    ngf, channels = weights[f"{first}.weight"].shape[:2]
    if channels != 3:
        raise UserInputError(f"{file} takes pictures of {channels} channels; here they have 3.")
    scaled = any(name.endswith(".weight") and value.dim() == 1 for name, value in weights.items())
    norm = "batch" if scaled else "instance" if f"{first}.bias" in weights else "none"
    # The second convolution of a block has index 6 with dropout, else 5.
    second = [value for name, value in weights.items() if name.endswith("conv_block.6.weight")]
    dropout = any(value.dim() == 4 for value in second)
    return Architecture(netG, ngf, norm, dropout)


def is_width(value: Tensor) -> bool:
    """Whether a value is a valid picture width in pixels."""
    return value.numel() == 1 and float(value) in range(1, LARGEST_WIDTH + 1)


def is_convolution(weights: NetWeights, module: str) -> bool:
    weight = weights.get(f"{module}.weight")
    return weight is not None and weight.dim() == 4


def discriminator_shape(weights: NetWeights, file: Path) -> tuple[int, int]:
    """Infer `n_layers_D` and `ndf` of a `latest_net_D.pth` of `--netD n_layers` or `basic`.

    Raises:
        UserInputError: they are not the weights of a PatchGAN discriminator of colour pictures.
    """
    if not is_convolution(weights, "model.0") or weights["model.0.weight"].shape[1] != 6:
        raise UserInputError(
            f"{file} is not the checkpoint of pix2pix's PatchGAN discriminator of colour pictures: "
            "name the latest_net_D.pth that belongs to your generator, or leave it out."
        )
    # All but two of its convolutions have stride 2.
    depth = sum(value.dim() == 4 for value in weights.values()) - 2
    return depth, weights["model.0.weight"].shape[0]
