"""Command templates of the user's own training program: parse and fill in their placeholders."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from reports.commands.train_py import Command, epochs_of, number

SETTINGS = (
    *("lambda_L1", "lambda_perceptual", "n_layers_D", "gan_mode", "lr", "netG", "ngf", "ndf"),
    *("norm", "dropout", "init_type", "init_gain", "preprocess", "load_size", "crop_size", "flip"),
    *("batch_size", "beta1", "steps"),
)
"""Placeholders for a trial's settings, under pix2pix's names."""

PLACES = (
    "pairs",  # folder of the training pairs: train/*.png, A, the retouched picture, beside B
    "n_train",  # their number
    "inputs",  # folder of the retouched pictures to restore: *.png
    "out",  # folder that the program writes into
    "epochs",  # whole epochs that hold `steps`
    "seed",
    "device",  # cpu or cuda
    "start_G",  # checkpoint that the generator continues from
    "start_D",  # checkpoint that the discriminator continues from
)
"""Placeholders for a trial's paths, seed, device and length."""


def named_in(text: str) -> tuple[str, ...]:
    """The placeholders of a template, such as `{lr}`; a literal brace is doubled.

    Raises:
        ValueError: braces do not match, or contain more than a name.
    """
    names = []
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None:
            if form or conversion or not name.isidentifier():
                raise ValueError(f"{{{name}}} is no plain placeholder")
            names.append(name)
    return tuple(names)


def filled(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """The words of a template with its placeholders filled in."""
    texts = {name: as_word(value) for name, value in values.items()}
    return [word.format_map(texts) for word in words]


def program_commands(
    program: Mapping[str, Any],
    params: Mapping[str, Any],
    train: Mapping[str, Any],
    data: Mapping[str, Any],
    name: str,
    warm_start: str | None,
    seed: int,
    device: str,
) -> list[Command]:
    """Commands that repeat a trial of the user's program; results go to ./NAME in its folder.

    Args:
        program: with the `command`, `folder`, `pairs` and `inputs` of the study's record.
        warm_start: the folder of checkpoints that the trial continued from.
        device: cpu or cuda.
    """
    kind = f"{params['n_layers_D']}_{params['gan_mode']}"
    values = {
        **train,
        **params,
        "pairs": program["pairs"],
        "n_train": data["n_train"],
        "inputs": program["inputs"],
        "out": f"./{name}",
        "epochs": epochs_of(train, data),
        "seed": seed,
        "device": device,
        "start_G": f"{warm_start}/latest_net_G.pth",
        "start_D": f"{warm_start}/latest_net_D_{kind}.pth",
    }
    command = filled(program["command"], values)
    return [["cd", program["folder"]], ["mkdir", "-p", f"./{name}"], command]


def as_word(value: Any) -> str:
    """A value as a word of a command line: 0.0001, true, unet_128."""
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else str(value)
