"""`train.py` command lines of pytorch-CycleGAN-and-pix2pix for given settings.

They contain only options that all versions of the repository since 2019 share, and state every
value, since defaults differ between models and versions. Traps that they avoid:

- `--n_layers_D` is read only with `--netD n_layers`; with `basic` there are always three layers.
- `--no_flip` and `--no_dropout` are switches without a value.
- A trial's learning rate is constant. With the default linear policy and `--n_epochs_decay 0` it
  would be 0 during the whole last epoch (it is updated at the start of an epoch), so the step
  policy is used, with its first step after the end.
- Without `--save_epoch_freq` a run of fewer than five epochs would save nothing.
- The perceptual model and its options are not part of the repository, so they appear only if the
  term is used. Nor is pix2pix_warp, which a generator that moves pixels needs; it has the term too.
"""

import math
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from reports.record.names import MOVES, moves_pixels

PLACEHOLDER_DATA = "./pairs"
"""Placeholder for the user's own folder, if a study used the built-in pictures."""

FULL_TRAINING: dict[str, Any] = {
    "netG": "unet_256",
    "ngf": 64,
    "ndf": 64,
    "norm": "batch",
    "dropout": True,
    "preprocess": "scale_width_and_crop",
    "load_size": 1024,
    "crop_size": 1024,
    "flip": True,
    "batch_size": 1,
    "beta1": 0.5,
}
"""The guide's own training, at its own picture sizes."""

FIRST_STAGE = {**FULL_TRAINING, "load_size": 512, "crop_size": 256}
FIRST_STAGE_LR, SECOND_STAGE_LR = 2e-4, 1e-4
GUIDE_EPOCHS, STAGE_EPOCHS = 1000, 500
PROGRESSIVE_STAGES = [
    {
        "load_size": sizes["load_size"],
        "crop_size": sizes["crop_size"],
        "lr": lr,
        "epochs": STAGE_EPOCHS,
        "epochs_decay": STAGE_EPOCHS,
    }
    for sizes, lr in ((FIRST_STAGE, FIRST_STAGE_LR), (FULL_TRAINING, SECOND_STAGE_LR))
]
"""The guide's method 5 as `harness train` reads it."""
SAVE_EVERY = 100
DIGITS = 3
"""Significant digits of the settings in a full training."""
LINE = 90
"""Length, in characters, up to which a command is written on one line."""

WITH_PERCEPTUAL = "pix2pix_with_perceptual"
"""The `--model` of the guide's own file, which no public copy of pix2pix has."""

ADD_MODEL = f"test -f models/{WITH_PERCEPTUAL}_model.py || harness export --format plugin --repo ."
"""Adds the perceptual model to a fresh clone, in whose folder it is run."""

Command = list[str]


def model_of(params: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    """The `--model` that trains such a setting."""
    if moves_pixels(train):
        return "pix2pix_warp"
    return WITH_PERCEPTUAL if params["lambda_perceptual"] > 0 else "pix2pix"


def harness_train(
    file: str, data: Mapping[str, Any], name: str, epochs: int | None = None
) -> Command:
    """The command that trains what a `best.yaml` contains with this program.

    Args:
        file: the `best.yaml`.
        data: `folder` (None: built-in pictures, to be replaced with the user's own), `direction`.
        epochs: number of epochs at a constant rate; None: the guide's schedule.
    """
    command = ["harness", "train", file, "--data", data["folder"] or PLACEHOLDER_DATA]
    command += ["--direction", data["direction"], "--out", folder_name(name)]
    if epochs is not None:
        command += ["--epochs", f"{epochs}", "--epochs-decay", "0"]
    return command


def train_commands(
    params: Mapping[str, Any],
    train: Mapping[str, Any],
    data: Mapping[str, Any],
    name: str,
    warm_start: str | None,
    mark: str = "",
) -> list[Command]:
    """Commands that repeat a trial: its settings, its steps, its constant learning rate.

    Args:
        params: the five searched settings.
        train: the fixed ones, TrainSettings' names.
        data: `folder` (None: built-in pictures), `direction`, `n_train`, the pairs in its train/.
        name: the run's name; made safe for a folder.
        warm_start: the folder of checkpoints that the trial continued from; None: from scratch.
        mark: the suffix of its files for the trial's kind of generator.

    Returns:
        Commands as argument lists, to be run in order.
    """
    epochs = epochs_of(train, data)
    constant = ["--n_epochs", f"{epochs}", "--n_epochs_decay", "0"]
    constant += ["--lr_policy", "step", "--lr_decay_iters", f"{epochs + 1}"]
    constant += ["--save_epoch_freq", f"{epochs}"]
    name = folder_name(name)
    if warm_start is None:
        return [train_command(params, train, data, name, constant)]
    return [
        *continue_from(warm_start, params, name, mark),
        train_command(params, train, data, name, [*constant, "--continue_train"]),
    ]


def continue_from(
    warm_start: str, params: Mapping[str, Any], name: str, mark: str
) -> list[Command]:
    """Copy a study's warm start to where `--continue_train` looks for it."""
    run = f"./checkpoints/{name}"
    kind = f"{params['n_layers_D']}_{params['gan_mode']}{mark}"
    return [
        ["mkdir", "-p", run],
        ["cp", f"{warm_start}/latest_net_G{mark}.pth", f"{run}/latest_net_G.pth"],
        ["cp", f"{warm_start}/latest_net_D_{kind}.pth", f"{run}/latest_net_D.pth"],
    ]


def full_commands(
    params: Mapping[str, Any], data: Mapping[str, Any], name: str, extras: Mapping[str, Any]
) -> list[Command]:
    """The found settings in the guide's own full training: 1024 px, 1000 + 1000 epochs.

    `extras` are training settings that were also searched; they replace the guide's.
    """
    train = {**FULL_TRAINING, **extras}
    return [train_command(params, train, data, folder_name(name), schedule(GUIDE_EPOCHS))]


def progressive_commands(
    params: Mapping[str, Any], data: Mapping[str, Any], name: str, extras: Mapping[str, Any]
) -> list[Command]:
    """The guide's method 5: small pictures first, then full size from the first stage's weights.

    `extras` are the user's training settings; they replace the guide's.
    """
    name = folder_name(name)
    first, second = f"./checkpoints/{name}_stage1", f"./checkpoints/{name}"
    weights = [f"{first}/latest_net_{net}.pth" for net in "GD"]
    return [
        train_command(
            params, {**FIRST_STAGE, **extras}, data, f"{name}_stage1", schedule(STAGE_EPOCHS)
        ),
        ["mkdir", "-p", second],
        ["cp", *weights, second],
        train_command(
            {**params, "lr": SECOND_STAGE_LR},
            {**FULL_TRAINING, **extras},
            data,
            name,
            [*schedule(STAGE_EPOCHS), "--continue_train"],
        ),
    ]


def train_command(
    params: Mapping[str, Any],
    train: Mapping[str, Any],
    data: Mapping[str, Any],
    name: str,
    schedule: Sequence[str],
) -> Command:
    """One call of `train.py`; `schedule` has the options for its length and learning rate."""
    model = model_of(params, train)
    options: dict[str, Any] = {
        "dataroot": data["folder"] or PLACEHOLDER_DATA,
        "name": name,
        "model": model,
        "dataset_mode": "aligned",
        "direction": data["direction"],
        "preprocess": train["preprocess"],
        "load_size": train["load_size"],
        "crop_size": train["crop_size"],
        "batch_size": train["batch_size"],
        "netG": str(train["netG"]).removeprefix(MOVES),
        "ngf": train["ngf"],
        "netD": train.get("netD", "n_layers"),
        "n_layers_D": params["n_layers_D"],
        "ndf": train["ndf"],
        "norm": train["norm"],
        "init_type": train.get("init_type", "normal"),
        "init_gain": train.get("init_gain", 0.02),
        "gan_mode": params["gan_mode"],
        "lambda_L1": params["lambda_L1"],
        "lr": params["lr"],
        "beta1": train["beta1"],
    }
    command = ["python", "train.py"]
    for option, value in options.items():
        command += [f"--{option}", number(value) if isinstance(value, float) else str(value)]
    command += ["--use_perceptual"] if model == WITH_PERCEPTUAL else []
    if params["lambda_perceptual"] > 0:
        command += ["--lambda_perceptual", number(params["lambda_perceptual"])]
    command += [] if train["flip"] else ["--no_flip"]
    command += [] if train["dropout"] else ["--no_dropout"]
    return [*command, *schedule]


def schedule(epochs: int) -> list[str]:
    """The guide's schedule: `epochs` at the full learning rate, then as many decaying to zero."""
    return [
        *("--n_epochs", f"{epochs}", "--n_epochs_decay", f"{epochs}", "--lr_policy", "linear"),
        *("--save_epoch_freq", f"{SAVE_EVERY}"),
    ]


def read_by_train_py(data: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs as train.py reads them: all of train/, also those that the search scored on."""
    return {**data, "n_train": data["n_folder"] or data["n_train"]}


def read_by_harness_train(data: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs as `harness train` reads them: all of train/ except those that it holds out."""
    n_folder = data["n_folder"]
    return {**data, "n_train": n_folder - data["n_drawn"] if n_folder else data["n_train"]}


def steps_per_epoch(train: Mapping[str, Any], data: Mapping[str, Any]) -> int:
    """Optimisation steps of one epoch of `train.py`, of which the last batch may be smaller."""
    pictures, batch = int(data["n_train"]), int(train["batch_size"])
    return math.ceil(max(1, pictures) / batch)


def epochs_of(train: Mapping[str, Any], data: Mapping[str, Any]) -> int:
    """The smallest number of whole epochs that has at least a trial's steps."""
    return math.ceil(int(train["steps"]) / steps_per_epoch(train, data))


def in_whole_epochs(
    train: Mapping[str, Any], data: Mapping[str, Any], read: Mapping[str, Any], trainer: str
) -> dict[str, Any]:
    """A trial's training settings with its steps in whole epochs: as many as come nearest.

    Args:
        data: the pairs of the trial.
        read: those that the command reads.
        trainer: `builtin` ended at the trial's last step, another program at the end of an epoch.
    """
    steps = int(train["steps"])
    if trainer != "builtin":
        steps = epochs_of(train, data) * steps_per_epoch(train, data)
    epoch = steps_per_epoch(train, read)
    return {**train, "steps": max(1, round(steps / epoch)) * epoch}


def folder_name(name: str) -> str:
    """A run name that is a valid plain folder in `checkpoints/`, for any study name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "pix2pix"


def rounded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their numbers rounded to three significant digits.

    Short trials cannot distinguish more digits. A number below 1 stays below 1, as beta1 must.
    """

    def short(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        near = float(f"{value:.{DIGITS}g}")
        return value if value < 1 <= near else near

    return {name: short(value) for name, value in settings.items()}


def number(value: float) -> str:
    """A number that Python reads back exactly; short ones without an exponent: 0.0001, 100."""
    plain = f"{value:.12f}".rstrip("0").rstrip(".")
    return plain if float(plain) == value else repr(value)


def shell(command: Command) -> str:
    """A command as shell text, with one option per line unless it is short."""
    words = " ".join(map(quoted, command))
    if len(words) <= LINE:
        return words
    lines = [command[:2]]
    for word in command[2:]:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(" ".join(map(quoted, line)) for line in lines)


def quoted(word: str) -> str:
    """A word quoted for bash, in printable characters only.

    A path can contain bytes that are not UTF-8, and control characters.
    """
    if word.isprintable():
        return shlex.quote(word)
    kept = {ord(mark): f"\\{mark}" for mark in "'\\"}
    return f"$'{''.join(kept.get(c) or as_byte(c) for c in os.fsencode(word))}'"


def as_byte(code: int) -> str:
    """A byte between the quotes of $'...'."""
    return chr(code) if 0x20 <= code < 0x7F else f"\\x{code:02x}"
