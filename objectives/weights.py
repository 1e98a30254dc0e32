"""The convolutional trunks that pictures are compared through, and where their weights come from.

Pretrained weights are torchvision's (ImageNet), from its cache or a download. Where they cannot
be had, a seeded random trunk stands in: LPIPS through random features still ranks distortions
(Zhang et al. 2018, table 5), but its values must never be mixed with pretrained ones.
"""

import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import torch
from torch import nn

Arch = Literal["alexnet", "vgg16", "vgg19", "squeezenet1_1"]
Weights = Literal["pretrained", "random"]

RANDOM_SEED = 0
# The first ImageNet weights of each: the ones that LPIPS was calibrated on.
URLS: dict[str, str] = {
    "alexnet": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "squeezenet1_1": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
}


def weights_file(arch: str) -> Path:
    """Where torchvision keeps the pretrained weights of `arch`."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(URLS[arch]).name


def resolve_weights(
    policy: Literal["auto", "pretrained", "random"] | str, trunks: Sequence[str]
) -> Weights:
    """Which weights all of `trunks` can have; fetches missing files unless policy is "random".

    Raises:
        FileNotFoundError: policy is "pretrained" and a file can neither be found nor downloaded.
        ValueError: no such policy or trunk.
    """
    if policy not in ("auto", "pretrained", "random"):
        raise ValueError(f"--weights {policy} is no policy: use auto, pretrained or random.")
    for arch in trunks:
        if arch not in URLS:
            raise ValueError(f"{arch!r} is no known network: use one of {', '.join(URLS)}.")
    if policy == "random":
        return "random"
    for arch in trunks:
        if not weights_file(arch).exists() and not downloaded(arch):
            if policy == "auto":
                return "random"
            file = weights_file(arch)
            raise FileNotFoundError(
                f"The pretrained weights {file.name} are missing and could not be downloaded: "
                f"fetch {URLS[arch]} and put it into {file.parent}, or use --weights random."
            )
    return "pretrained"


def downloaded(arch: str) -> bool:
    """Try to fetch the weights of `arch` into torchvision's cache; whether they are there now."""
    file = weights_file(arch)
    if not file.is_absolute():  # without a home, torch's cache would be a folder named ~ here
        return False
    try:
        # A short look first: torch's own download would wait for minutes where there is no net.
        request = urllib.request.Request(URLS[arch], method="HEAD")
        urllib.request.urlopen(request, timeout=5).close()
        file.parent.mkdir(parents=True, exist_ok=True)
        digest = file.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(URLS[arch], str(file), hash_prefix=digest, progress=False)
    except (OSError, RuntimeError, HTTPException):  # the last of what lies between, a proxy
        return False
    return True


def build_trunk(arch: str, weights: str) -> nn.Sequential:
    """torchvision's `features` of `arch`, frozen, in evaluation mode, on the CPU.

    Random weights are He-normal (torchvision's own rule for VGG), always the same, and leave the
    random state of the caller as it was.

    Raises:
        FileNotFoundError: pretrained weights that are not in the cache.
        ValueError: no such `arch`, `weights` is neither "pretrained" nor "random", or their file
            is damaged.
    """
    if arch not in URLS:
        raise ValueError(f"{arch!r} is no known network: use one of {', '.join(URLS)}.")
    if weights not in ("pretrained", "random"):
        raise ValueError(f"weights are 'pretrained' or 'random', not {weights!r}.")
    import torchvision.models  # type: ignore[import-untyped]

    with torch.device("meta"):  # no time is lost on weights that are replaced at once
        trunk: nn.Sequential = torchvision.models.get_model(arch, weights=None).features
    if weights == "pretrained":
        load_pretrained(trunk, arch)
    else:
        draw_random(trunk)
    return trunk.eval().requires_grad_(False)


def load_pretrained(trunk: nn.Sequential, arch: str) -> None:
    """Put the cached ImageNet weights into `trunk`.

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
        whole = torch.load(file, map_location="cpu", weights_only=True)
        kept = {
            name.removeprefix(prefix): w for name, w in whole.items() if name.startswith(prefix)
        }
        trunk.load_state_dict(kept, assign=True)
    except Exception as error:  # torch raises many kinds on damaged bytes
        raise ValueError(
            f"The pretrained weights {file} are damaged ({type(error).__name__}): remove the file, "
            "so that it is fetched again, or use --weights random."
        ) from error


def draw_random(trunk: nn.Sequential) -> None:
    """Fill `trunk` with the same He-normal weights every time, biases 0."""
    trunk.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        for module in trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
