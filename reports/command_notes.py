"""What exported commands need before they run, and what they cannot say themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.commands import (
    FULL_TRAINING,
    GUIDE_EPOCHS,
    PLACEHOLDER_DATA,
    STAGE_EPOCHS,
    moves_pixels,
    quoted,
    steps_per_epoch,
)

Config = dict[str, Any]

NEEDS_HARNESS = (
    "The generator moves pixels: the commands train it with this program, from this best.yaml and "
    "with its exact settings. full_command trains as long as the guide, with a falling learning "
    "rate; command about as long as the trial, from nothing and at a constant rate. To train it in "
    "a copy of "
    "pytorch-CycleGAN-and-pix2pix instead, add our model file with harness export --format plugin "
    "--repo DIR; harness export --format command --repo DIR then gives its train.py command."
)
ROUNDED = "with the searched settings rounded to three significant digits"


def length_of(config: Config, repeat_trial: bool) -> str:
    """How long the exported command trains, and with what settings, in one sentence or two."""
    train = config["train"]
    if repeat_trial:
        return (
            f"This is the short training of trial {config['trial']}: about {train['steps']} steps "
            f"at {train['crop_size']} px. Without --repeat-trial you get the full one."
        )
    size, exactly = FULL_TRAINING["crop_size"], ROUNDED
    if config["full_command"].startswith("harness "):
        size, exactly = train["crop_size"], "with the settings exactly as they were found"
    epochs = f"{GUIDE_EPOCHS} + {GUIDE_EPOCHS} epochs"
    if "stages" in config:
        epochs = f"two stages of {STAGE_EPOCHS} + {STAGE_EPOCHS} epochs"
    return (
        f"This is the full training: {size} px, {epochs}, {exactly}. --repeat-trial gives the "
        "short one of the trial."
    )


def before(
    params: Config, data: Config, device: str, repository: Mapping[str, Any] | None
) -> list[str]:
    """What must be there, or put in, before the commands can run."""
    said = []
    folder = data["folder"]
    if folder is None:
        said.append(
            "The study used built-in pictures: put your own folder of side-by-side pairs in place "
            f"of {PLACEHOLDER_DATA}."
        )
    elif Path(folder).exists() and not Path(folder, "train").is_dir():
        said.append(
            "train.py reads side-by-side pairs in a folder train/, and yours have another layout: "
            f"convert them with harness data check {quoted(folder)} --fix NEW, and use NEW as the "
            "--dataroot."
        )
    if repository is None:
        without = " and, without a GPU, --gpu_ids -1" if device == "cpu" else ""
        said.append(
            "The commands hold what copies of pytorch-CycleGAN-and-pix2pix of 2020 to today share. "
            f"One of before August 2025 also wants --display_id -1 (or a visdom server){without}. "
            "harness export --repo DIR writes them for your copy, and runs them there."
        )
    if repository is None and params["lambda_perceptual"] > 0:
        said.append(
            "pix2pix_with_perceptual is the guide's own model file, not part of the public "
            "repository: the first line of the commands writes one of ours into the models/ of a "
            "copy that lacks it."
        )
    return said


def notes(params: Config, train: Config, data: Config, weights: str, trainer: str) -> list[str]:
    """What else the commands cannot say."""
    epoch = steps_per_epoch(train, data)
    said = [
        f"command repeats the trial with its exact settings: {train['steps']} steps, whole epochs "
        f"of {epoch} each, at a constant learning rate. full_command trains as the guide does, "
        f"{ROUNDED}: 1024 px, 1000 + 1000 epochs (method 5: 500 + 500 twice)."
    ]
    if train["warm_start"] == "shared":
        learnt = (
            "that learn to find what was moved"
            if moves_pixels(train)
            else "with the guide's blurring recipe"
        )
        said.append(
            f"The trial continued from the study's shared warm start ({train['warm_start_steps']} "
            f"steps {learnt}), and so does the command; full_command starts from nothing."
        )
    if train["warm_start"] == "init-from":
        said.append(
            "The trial continued from your own model, with a discriminator trained beside it, and "
            "so does the command; full_command starts from nothing."
        )
    if train.get("half_size_steps"):
        said.append(
            f"The trial trained its first {train['half_size_steps']} steps at half the picture "
            "size; the command trains all of them at full size."
        )
    if train.get("ema_decay") and trainer == "builtin":
        said.append(
            f"The score is that of a running average of the generator's weights (decay "
            f"{train['ema_decay']:g}); train.py keeps the last weights."
        )
    if params["lambda_perceptual"] > 0:
        layers = ", ".join(train["perceptual_layers"])
        said.append(f"The trial's perceptual term compared VGG19's {layers}.")
        if weights == "random":
            said.append(
                "The perceptual term and LPIPS looked through random networks, for no pretrained "
                "weights were at hand: search again with them before you rely on it."
            )
    return said


def program_needs(program: Config) -> list[str]:
    """What the command of another program cannot say."""
    return [
        f"The trial was run by the program that {program['file']} describes, and command runs it "
        "again, on the pairs as they were prepared for the study. full_command is the same: what "
        "makes a full training of it only you know."
    ]
