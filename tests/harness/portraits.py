"""Small pairs as files, whose warped region is drawn, and a best.yaml that suits them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from harness.config.settings import SearchConfig
from harness.search.plan import SearchPlan, plan_search

SIZE = 128

BEST = {
    "schema": 1,
    "study": "portraits",
    "trial": 3,
    "params": {
        "lambda_L1": 100.0,
        "lambda_perceptual": 5.0,
        "n_layers_D": 2,
        "gan_mode": "lsgan",
        "lr": 4e-4,
    },
    "train": {
        "netG": "unet_128",
        "ngf": 4,
        "ndf": 4,
        "preprocess": "scale_width_and_crop",
        "load_size": 136,
        "crop_size": SIZE,
        "steps": 4,
        "rungs": [2, 4],
        "ema_decay": 0.98,
        "ema_every": 2,
        "perceptual_layers": ["relu1_1"],
        "perceptual_window": 32,
        "warm_start_steps": 3,
        "warm_discriminator_steps": 2,
        "warm_start": "shared",
    },
}


def write_pairs(folder: Path, train: int = 3, val: int = 2) -> Path:
    """Side-by-side PNG files of smooth random pictures, shifted by two pixels inside a disc."""
    random = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    disc = (rows - 64) ** 2 + (columns - 64) ** 2 < 24**2
    for split, count in (("train", train), ("val", val)):
        for place in (folder / split, folder / "masks" / split):
            place.mkdir(parents=True)
        for number in range(count):
            coarse = torch.rand(1, 3, 32, 32, generator=random) * 255
            smooth = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bicubic")[0]
            original = smooth.clamp(0, 255).byte()
            retouched = torch.where(disc, original.roll(2, dims=2), original)
            both = torch.cat([retouched, original], 2).permute(1, 2, 0).numpy()
            name = f"{split}{number}.png"
            Image.fromarray(both).save(folder / split / name)
            mask = (disc.numpy() * 255).astype(np.uint8)
            Image.fromarray(mask).save(folder / "masks" / split / name)
    return folder


def write_best(file: Path, **changes: Any) -> Path:
    """`changes`: whole entries, or parts of `params` and `train`."""
    held: dict[str, Any] = {key: dict(v) if isinstance(v, dict) else v for key, v in BEST.items()}
    for key, value in changes.items():
        held[key] = {**held[key], **value} if key in ("params", "train") else value
    file.write_text(yaml.safe_dump(held), encoding="utf-8")
    return file


def external_search(folder: Path, repo: Path, **settings: Any) -> SearchConfig:
    """A short search on the CPU whose trials another program runs, all to their end."""
    return SearchConfig(
        data=write_pairs(folder / "my pairs"),
        direction="AtoB",
        run_dir=folder / "runs",
        profile="quick",
        device="cpu",
        jobs=1,
        weights="random",
        finalists=0,
        pruner="none",
        trainer="external",
        repo=repo,
        **settings,
    )


def planned(pairs: Path | None, **asked: Any) -> SearchPlan:
    """A small search over these pairs, with some options in place of the usual ones."""
    given = {"data": pairs, "weights": "random", "device": "cpu", "jobs": 1, "profile": "quick"}
    # Named, since the disc's edge makes the retouched pictures the sharper ones.
    named = {"direction": "AtoB"}
    return plan_search(SearchConfig.model_validate({**given, **named, **asked}))
