"""The folder of a full training: one training ever, and one process at a time."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.config.settings import without_half_size
from harness.errors import UserInputError
from harness.paths import TrainingPaths, check_writable, write_aside
from search_spaces.strict_yaml import read_bounded, read_mapping

# What a training may not change midway, where its own name would not tell a reader.
WORDS = {
    "params": "settings (params)",
    "train": "settings (train)",
    "stages": "epochs, picture sizes or learning rates",
    "data": "pairs",
}


def check_out(folder: Path) -> None:
    """Refuse a folder that cannot be written, or that holds somebody else's networks."""
    check_writable(folder, "--out")
    if not TrainingPaths(folder).settings.exists() and any(folder.glob("*_net_[GD].pth")):
        raise UserInputError(
            f"{folder} holds checkpoints of another program: choose another folder with --out DIR, "
            "or continue from them with --init-from."
        )


def take_up(folder: Path, facts: Mapping[str, Any]) -> str:
    """Note down what the folder's training is, or find that it is this one; return its key.

    Args:
        facts: all that decides the training's outcome.

    Raises:
        UserInputError: another training has been begun there; the first difference is named.
    """
    file = TrainingPaths(folder).settings
    if not file.exists():
        key = uuid.uuid4().hex
        with write_aside(file) as aside:
            text = yaml.safe_dump({"key": key, **facts}, sort_keys=False, allow_unicode=True)
            aside.write_text(text, encoding="utf-8")
        return key
    try:
        held = read_mapping(read_bounded(file), str(file))
        key = held["key"]
    except (OSError, ValueError, KeyError) as error:
        raise UserInputError(
            f"{file} cannot be used ({error}): choose another folder with --out DIR."
        ) from error
    if isinstance(held.get("train"), dict):
        held["train"] = without_half_size(held["train"])
    for name, value in facts.items():
        if held.get(name) != value:
            words = WORDS.get(name, name.replace("_", " "))
            raise UserInputError(
                f"{folder} holds a training with other {words}: repeat "
                "the command that began it to go on, or choose another folder with --out DIR."
            )
    return str(key)
