"""The convolutional trunks that compare pictures, and the source of their weights.

Pretrained weights are torchvision's (ImageNet), from its cache or a download. If they are not
available, a trunk with seeded random weights replaces it: LPIPS with random features still ranks
distortions (Zhang et al. 2018, table 5), but its values must never be mixed with pretrained ones.
"""

import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import torch
from torch import nn

Weights = Literal["pretrained", "random"]

RANDOM_SEED = 0
# The first ImageNet weights of each network: LPIPS was calibrated on these.
URLS: dict[str, str] = {
    "alexnet": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "squeezenet1_1": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
}


def weights_file(arch: str) -> Path:
    """The file in torchvision's cache with the pretrained weights of `arch`."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(URLS[arch]).name


def resolve_weights(policy: str, trunks: Sequence[str]) -> Weights:
    """Resolve `--weights` for all of `trunks`; missing files are downloaded unless it is "random".

    Args:
        policy: auto, pretrained or random.
        trunks: networks of `URLS`.

    Raises:
        FileNotFoundError: policy is "pretrained" and a file is missing and cannot be downloaded.
    """
    if policy == "random":
        return "random"
    for arch in trunks:
        if not weights_file(arch).exists() and not try_download(arch):
            if policy == "auto":
                return "random"
            file = weights_file(arch)
            raise FileNotFoundError(
                f"The pretrained weights {file.name} are missing and could not be downloaded: "
                f"fetch {URLS[arch]} and put it into {file.parent}, or use --weights random."
            )
    return "pretrained"


def try_download(arch: str) -> bool:
    """Try to download the weights of `arch` into torchvision's cache; returns whether it worked."""
    file = weights_file(arch)
    if not file.is_absolute():  # without a home folder, torch's cache would be a relative `~`
        return False
    try:
        # A short request first, since torch's own download waits for minutes without a network.
        request = urllib.request.Request(URLS[arch], method="HEAD")
        urllib.request.urlopen(request, timeout=5).close()
        file.parent.mkdir(parents=True, exist_ok=True)
        digest = file.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(URLS[arch], str(file), hash_prefix=digest, progress=False)
    except (OSError, RuntimeError, HTTPException):  # a proxy may cause the last one
        return False
    return True


def build_trunk(arch: str, weights: str) -> nn.Sequential:
    """torchvision's `features` of `arch`, frozen, in evaluation mode, on the CPU.

    Random weights are He-normal (torchvision's own rule for VGG) and always the same; the caller's
    random state does not change.

    Raises:
        FileNotFoundError: the pretrained weights are not in the cache.
        ValueError: `weights` is neither "pretrained" nor "random", or their file is damaged.
    """
    if weights not in ("pretrained", "random"):
        raise ValueError(f"weights are 'pretrained' or 'random', not {weights!r}.")
    import torchvision.models  # type: ignore[import-untyped]

    with torch.device("meta"):  # skips the initialisation of weights that are replaced at once
        trunk: nn.Sequential = torchvision.models.get_model(arch, weights=None).features
    if weights == "pretrained":
        load_pretrained(trunk, arch)
    else:
        init_random(trunk)
    return trunk.eval().requires_grad_(False)


def load_pretrained(trunk: nn.Sequential, arch: str) -> None:
    """Load the cached ImageNet weights into `trunk`.

    Raises:
        FileNotFoundError: they are not in the cache.
        ValueError: the file is damaged.
    """
    file = weights_file(arch)
    if not file.exists():
        raise FileNotFoundError(
            f"The pretrained weights {file.name} are not in {file.parent}: fetch {URLS[arch]} "
            "and put it there, or use --weights random."
        )
    prefix = "features."
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
        features = {
            name.removeprefix(prefix): w for name, w in loaded.items() if name.startswith(prefix)
        }
        trunk.load_state_dict(features, assign=True)
    except Exception as error:  # torch raises many types for damaged files
        raise ValueError(
            f"The pretrained weights {file} are damaged ({type(error).__name__}): remove the file, "
            "so that it is fetched again, or use --weights random."
        ) from error


def init_random(trunk: nn.Sequential) -> None:
    """Fill `trunk` with He-normal weights of a fixed seed, and biases of 0."""
    trunk.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        for module in trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
