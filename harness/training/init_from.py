"""`--init-from`: infer the architecture of the user's model, and check that it fits."""

from pathlib import Path
from typing import Any

import torch

from harness.config.settings import TrainSettings
from harness.errors import UserInputError
from harness.training.checkpoint_networks import architecture_of, discriminator_shape
from harness.training.checkpoints import check_weights, read_checkpoint
from harness.training.networks import RESNET_BLOCKS, bare_discriminator, bare_generator
from search_spaces.generators import WARP, kind_of

Files = tuple[Path, ...]
"""A `latest_net_G.pth` and, optionally, a `latest_net_D.pth`."""


def networks_of(files: Files) -> dict[str, Any]:
    """The architecture of the networks in the files, by the names of `TrainSettings`.

    Raises:
        UserInputError: a file is not the checkpoint of a pix2pix network.
    """
    shape = architecture_of(read_checkpoint(files[0]), files[0])
    settings: dict[str, Any] = {"netG": shape.netG, "ngf": shape.ngf, "norm": shape.norm}
    if shape.netG in RESNET_BLOCKS:  # not visible in a U-Net's weights
        settings["dropout"] = shape.dropout
    if len(files) > 1:
        settings["ndf"] = discriminator_shape(read_checkpoint(files[1], "D"), files[1])[1]
    return settings


def check_fits(files: Files, train: TrainSettings, n_layers_D: int | None = None) -> None:
    """Reject a model whose architecture differs from `train`.

    Args:
        n_layers_D: expected depth of the discriminator; None: any.

    Raises:
        UserInputError: a file is not a checkpoint, or does not fit; the message names the first
            difference.
    """
    weights = read_checkpoint(files[0])
    found = architecture_of(weights, files[0])
    if found.netG != train.netG:
        does, would = (
            "moves pixels" if kind_of(netG) == WARP else "repaints pixels"
            for netG in (found.netG, train.netG)
        )
        raise UserInputError(
            f"{files[0]} is a {found.netG}, which {does}, and netG is {train.netG}, which {would}: "
            f"name a latest_net_G.pth of a {train.netG}, or train with netG {found.netG}."
        )
    with torch.device("meta"):  # only shapes are needed
        generator = bare_generator(train.netG, train.ngf, train.norm, train.dropout)
    check_weights(generator, weights, files[0], train)
    if len(files) > 1:
        weights = read_checkpoint(files[1], "D")
        depth = n_layers_D or discriminator_shape(weights, files[1])[0]
        with torch.device("meta"):
            discriminator = bare_discriminator(train, depth)
        check_weights(discriminator, weights, files[1], train)
