"""Networks as pix2pix's own files: a `state_dict` each, `latest_net_G.pth`, `100_net_D.pth`."""

from pathlib import Path

import torch
from torch import Tensor, nn

from harness.config import TrainSettings
from harness.errors import UserInputError

NetWeights = dict[str, Tensor]


def state_of(net: nn.Module) -> NetWeights:
    """The network's weights on the CPU, apart from what it goes on to become."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def read_checkpoint(file: Path) -> NetWeights:
    """A `state_dict` as pix2pix saves it, also from its DataParallel wrapper.

    Raises:
        UserInputError: the file is missing or is no such checkpoint.
    """
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserInputError(
            f"{file} cannot be read as a checkpoint ({type(error).__name__}): name a "
            "latest_net_G.pth or latest_net_D.pth that pix2pix saved."
        ) from error
    if not isinstance(held, dict) or not all(isinstance(value, Tensor) for value in held.values()):
        raise UserInputError(
            f"{file} is not a state_dict: name a latest_net_G.pth or latest_net_D.pth."
        )
    return {name.removeprefix("module."): value for name, value in held.items()}


def load_weights(net: nn.Module, weights: NetWeights, file: Path, settings: TrainSettings) -> None:
    """Load a checkpoint into `net`. Batch counts, which old files lack, begin at zero.

    Raises:
        UserInputError: the checkpoint belongs to another network; the first difference is named.
    """
    wanted = net.state_dict()
    for name, value in wanted.items():
        counted = name.endswith("num_batches_tracked")
        if name not in weights and counted:
            continue
        if name not in weights or weights[name].shape != value.shape:
            found = tuple(weights[name].shape) if name in weights else "nothing"
            raise UserInputError(
                f"{file} does not fit netG {settings.netG}, ngf {settings.ngf}, ndf "
                f"{settings.ndf}, norm {settings.norm}: at {name} it has {found}, "
                f"expected {tuple(value.shape)}; "
                "choose the profile or settings that the model was trained with."
            )
    net.load_state_dict({name: weights.get(name, value) for name, value in wanted.items()})
