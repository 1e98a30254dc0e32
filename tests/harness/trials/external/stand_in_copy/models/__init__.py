"""Models are found by the names of their files, and add options of their own, as in pix2pix."""

import argparse
import importlib
from typing import Any

from models.base_model import BaseModel

WORDS = (
    "dataroot", "name", "model", "dataset_mode", "direction", "preprocess", "netG", "netD", "norm",
    "init_type", "gan_mode", "lr_policy", "checkpoints_dir",
)  # fmt: skip
COUNTS = (
    "input_nc", "output_nc", "load_size", "crop_size", "batch_size", "ngf", "ndf", "n_layers_D",
    "n_epochs", "n_epochs_decay", "lr_decay_iters", "save_epoch_freq",
)  # fmt: skip
NUMBERS = ("init_gain", "lr", "beta1")
DEFAULTS = {"input_nc": 3, "output_nc": 3, "checkpoints_dir": "checkpoints", "init_type": "normal"}


def find_model(name: str) -> type[BaseModel]:
    module = importlib.import_module(f"models.{name}_model")
    (found,) = (
        cls for held, cls in vars(module).items()
        if held.lower() == f"{name.replace('_', '')}model" and issubclass(cls, BaseModel)
    )  # fmt: skip
    return found


def parse(words: list[str] | None = None, is_train: bool = True) -> Any:
    """Words of a command line; None: those of this process."""
    parser = argparse.ArgumentParser()
    for names, kind in ((WORDS, str), (COUNTS, int), (NUMBERS, float)):
        for name in names:
            parser.add_argument(f"--{name}", type=kind)
    for name in ("no_flip", "no_dropout", "continue_train"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.set_defaults(**DEFAULTS)
    known, _ = parser.parse_known_args(words)
    if known.model:
        parser = find_model(known.model).modify_commandline_options(parser, is_train)
    opt = parser.parse_args(words)
    opt.isTrain = is_train
    return opt


def create_model(opt: Any) -> Any:
    return find_model(opt.model)(opt)
