"""Read and validate pix2pix's checkpoints: a `state_dict` per file, such as `latest_net_G.pth`."""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.config.settings import TrainSettings
from harness.errors import NonFiniteWeightsError, UserInputError

NetWeights = dict[str, Tensor]
Network = Literal["G", "D"]

# Keys under which training scripts nest a network's weights in a larger file, most common first.
NETWORK_KEYS = {
    "G": ("netG", "net_G", "G", "generator", "netG_state_dict", "generator_state_dict"),
    "D": ("netD", "net_D", "D", "discriminator", "netD_state_dict", "discriminator_state_dict"),
}
COMMON_KEYS = ("state_dict", "model_state_dict", "model", "net", "params")
MAX_NESTING = 4
MAX_UNPACK_RATIO = 10
# Name parts that wrappers add: DataParallel and AveragedModel, and torch.compile.
WRAPPERS = ("module", "_orig_mod")
# Files that are mistaken for checkpoints, by their first bytes.
FOREIGN_FILES = {
    b"version https://git-lfs": "it is a Git LFS pointer; fetch the file itself with git lfs pull",
    b"<": "it is a web page or XML; download the file itself",
}
REMEDY = "name a checkpoint that pix2pix saved, such as latest_net_G.pth"


def state_of(net: nn.Module) -> NetWeights:
    """A copy of the network's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def read_checkpoint(file: Path, network: Network = "G") -> NetWeights:
    """Read a network's `state_dict`, as pix2pix saves it, or wrapped, compiled or nested.

    Args:
        network: which one to read, if the file contains both.

    Raises:
        NonFiniteWeightsError: a weight is NaN or infinite; the message names its tensor.
        UserInputError: the file is missing or not a checkpoint; the message says what it is.
    """
    try:
        if not file.is_file():
            raise UserInputError(f"{file} cannot be read as a checkpoint: {why_not_a_file(file)}.")
        check_packing(file)
        with warnings.catch_warnings(action="ignore"):  # errors are reported below
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserInputError(f"{file} cannot be read as a checkpoint: {reason}.") from error
    except UserInputError:
        raise
    except Exception as error:  # torch raises many kinds of errors on invalid files
        reason = why_unreadable(file, error)
        raise UserInputError(f"{file} cannot be read as a checkpoint: {reason}.") from error
    weights = unwrapped(innermost(content, network), network, file)
    for name, value in weights.items():
        check_tensor(name, value, file)
    return weights


def check_packing(file: Path) -> None:
    """Reject an archive that unpacks to far more than its size; PyTorch does not compress.

    Raises:
        UserInputError: it unpacks to more than `MAX_UNPACK_RATIO` times its size.
    """
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_UNPACK_RATIO * file.stat().st_size:
        raise UserInputError(
            f"{file} cannot be read as a checkpoint: it unpacks to {unpacked / 1e9:.1f} GB, more "
            f"than {MAX_UNPACK_RATIO} times its size; {REMEDY}."
        )


def why_not_a_file(file: Path) -> str:
    """Why a path is not a file."""
    if file.is_dir():
        return f"it is a folder; {REMEDY}"
    return "it is not a regular file" if file.exists() else f"there is no such file; {REMEDY}"


def why_unreadable(file: Path, error: Exception) -> str:
    """Why torch cannot read a file, and what to do."""
    with file.open("rb") as opened:
        start = opened.read(256)
    if not start:
        return f"it is empty; {REMEDY}"
    for mark, reason in FOREIGN_FILES.items():
        if start.lstrip().startswith(mark):
            return reason
    if re.search("unsupported (global|class)", str(error), re.IGNORECASE):
        return (
            "it holds Python objects, which could run code of their own; save the network's "
            "state_dict() alone"
        )
    if start.startswith((b"PK", b"\x80")):
        return f"it is damaged or incomplete ({type(error).__name__}); fetch or save it again"
    return f"it is not a PyTorch file; {REMEDY}"


def innermost(content: Any, network: Network) -> Any:
    """The innermost mapping under the common keys; the content itself if it is not nested."""
    for _ in range(MAX_NESTING):
        if not isinstance(content, Mapping):
            break
        keys = (*NETWORK_KEYS[network], *COMMON_KEYS)
        inner = (content[name] for name in keys if isinstance(content.get(name), Mapping))
        content = next(inner, content)
    return content


def unwrapped(content: Any, network: Network, file: Path) -> NetWeights:
    """A `state_dict` without the name parts that wrappers add.

    Raises:
        UserInputError: the content is not a `state_dict`.
    """
    if not isinstance(content, Mapping) or not content:
        raise UserInputError(f"{file} holds no state_dict: {REMEDY}.")
    others = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise UserInputError(
            f"{file} is not a state_dict, since {others[0]} is not a tensor: {REMEDY}."
        )
    weights: NetWeights = {}
    for name, value in content.items():
        plain = ".".join(part for part in str(name).split(".") if part not in WRAPPERS)
        if plain in weights:
            raise UserInputError(f"{file} holds {plain} twice, once in a wrapper: {REMEDY}.")
        weights[plain] = value
    for key in NETWORK_KEYS[network]:  # both networks may be parts of one module
        prefix = f"{key}."
        if inner := {name: value for name, value in weights.items() if name.startswith(prefix)}:
            return {name.removeprefix(prefix): value for name, value in inner.items()}
    return weights


def check_tensor(name: str, value: Tensor, file: Path) -> None:
    """Reject a tensor that cannot be a network's weight.

    Raises:
        NonFiniteWeightsError: converted to float32, it contains NaN or infinity.
        UserInputError: it is not a plain tensor of numbers, or larger than its storage in the file.
    """
    plain = value.layout is torch.strided and value.device.type == "cpu"
    plain &= not (value.is_complex() or value.is_quantized)
    if not plain or value.nbytes > value.untyped_storage().nbytes():
        raise UserInputError(f"{file}: {name} is not a plain tensor of numbers: {REMEDY}.")
    if value.is_floating_point() and not value.float().isfinite().all():
        raise NonFiniteWeightsError(
            f"{file} holds weights that are not finite (NaN or infinity), first in {name}: the "
            "training that saved it had diverged; use an earlier checkpoint."
        )


def load_weights(net: nn.Module, weights: NetWeights, file: Path, settings: TrainSettings) -> None:
    """Load a checkpoint into `net`. Batch counts, which old files lack, start at zero.

    A generator that moves pixels gets the width at which `settings` train it, not the checkpoint's.

    Raises:
        UserInputError: the checkpoint is of another network; the message names the first
            difference.
    """
    check_weights(net, weights, file, settings)
    initial = net.state_dict()
    net.load_state_dict({name: weights.get(name, value) for name, value in initial.items()})
    if "field_size" in initial:
        net.get_buffer("field_size").fill_(settings.load_size)


def check_weights(net: nn.Module, weights: NetWeights, file: Path, settings: TrainSettings) -> None:
    """Reject a checkpoint that does not fit `net`, which may be on the meta device.

    Raises:
        UserInputError: as `load_weights`.
    """
    if (name := first_difference(net, weights)) is None:
        return
    found = tuple(weights[name].shape) if name in weights else "nothing"
    raise UserInputError(
        f"{file} does not fit netG {settings.netG}, ngf {settings.ngf}, ndf {settings.ndf}, norm "
        f"{settings.norm}: at {name} it has {found}, expected "
        f"{tuple(net.state_dict()[name].shape)}; choose the profile or settings that the model "
        "was trained with."
    )


def first_difference(net: nn.Module, weights: NetWeights) -> str | None:
    """The first tensor of `net` that is missing in `weights` or has another shape."""
    for name, value in net.state_dict().items():
        if name not in weights:
            if not name.endswith("num_batches_tracked"):  # missing in old files
                return name
        elif weights[name].shape != value.shape:
            return name
    return None
