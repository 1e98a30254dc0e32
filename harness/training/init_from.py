"""`--init-from`: the user's own model, what networks it is made of, and whether they fit."""

from pathlib import Path
from typing import Any

import torch

from harness.config.settings import TrainSettings
from harness.errors import UserInputError
from harness.training.checkpoint_networks import discriminator_shape, shape_of
from harness.training.checkpoints import check_weights, read_checkpoint
from harness.training.networks import RESNET_BLOCKS, bare_discriminator, bare_generator
from search_spaces.generators import WARP, kind_of

Files = tuple[Path, ...]
"""A `latest_net_G.pth`, and perhaps the `latest_net_D.pth` beside it."""


def networks_of(files: Files) -> dict[str, Any]:
    """The settings of networks that the files tell, under TrainSettings' names.

    Raises:
        UserInputError: a file is not of a pix2pix network.
    """
    shape = shape_of(read_checkpoint(files[0]), files[0])
    told: dict[str, Any] = {"netG": shape.netG, "ngf": shape.ngf, "norm": shape.norm}
    if shape.netG in RESNET_BLOCKS:  # a U-Net's weights do not say whether it had dropout
        told["dropout"] = shape.dropout
    if len(files) > 1:
        told["ndf"] = discriminator_shape(read_checkpoint(files[1], "D"), files[1])[1]
    return told


def check_fits(files: Files, train: TrainSettings, n_layers_D: int | None = None) -> None:
    """Refuse a model of other networks than `train` says.

    Args:
        n_layers_D: of the discriminator; None: whatever its file holds.

    Raises:
        UserInputError: a file is no checkpoint, or does not fit; the first difference is named.
    """
    weights = read_checkpoint(files[0])
    found = shape_of(weights, files[0])
    if found.netG != train.netG:
        does, would = (
            "moves pixels" if kind_of(netG) == WARP else "repaints pixels"
            for netG in (found.netG, train.netG)
        )
        raise UserInputError(
            f"{files[0]} is a {found.netG}, which {does}, and netG is {train.netG}, which {would}: "
            f"name a latest_net_G.pth of a {train.netG}, or train with netG {found.netG}."
        )
    with torch.device("meta"):  # for their shapes alone
        generator = bare_generator(train.netG, train.ngf, train.norm, train.dropout)
    check_weights(generator, weights, files[0], train)
    if len(files) > 1:
        weights = read_checkpoint(files[1], "D")
        depth = n_layers_D or discriminator_shape(weights, files[1])[0]
        with torch.device("meta"):
            discriminator = bare_discriminator(train, depth)
        check_weights(discriminator, weights, files[1], train)
