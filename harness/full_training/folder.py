"""The folder of a full training: it belongs to one training, and records its settings."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UserInputError
from harness.paths import TrainingPaths, check_writable, write_atomically
from harness.study.fixed_facts import old_and_new
from search_spaces.strict_yaml import read_bounded, read_mapping

# What messages call the settings that must not change when a training is resumed.
SETTING_NAMES = {
    "params": "settings (params)",
    "train": "settings (train)",
    "stages": "stages: epochs, picture sizes or learning rates",
    "data": "pairs",
    "init_from": "networks to begin with (--init-from)",
}


def check_out_folder(folder: Path) -> None:
    """Reject a folder that cannot be written, or that contains another program's checkpoints.

    Raises:
        UserInputError: the message has the reason.
    """
    check_writable(folder, "--out")
    if not TrainingPaths(folder).settings.exists() and any(folder.glob("*_net_[GD].pth")):
        raise UserInputError(
            f"{folder} holds checkpoints of another program: choose another folder with --out DIR, "
            "or continue from them with --init-from."
        )


def claim_folder(folder: Path, facts: Mapping[str, Any]) -> str:
    """Record this training's settings in the folder, or compare them with the recorded ones.

    Args:
        facts: all settings that affect the result of the training.

    Returns:
        The key that identifies the training.

    Raises:
        UserInputError: the folder belongs to another training; the message names the first
            difference.
    """
    file = TrainingPaths(folder).settings
    if not file.exists():
        key = uuid.uuid4().hex
        text = yaml.safe_dump({"key": key, **facts}, sort_keys=False, allow_unicode=True)
        write_atomically(file, text)
        return key
    try:
        recorded = read_mapping(read_bounded(file), str(file))
        key = recorded["key"]
    except (OSError, ValueError, KeyError) as error:
        raise UserInputError(
            f"{file} cannot be used ({error}): choose another folder with --out DIR."
        ) from error
    for name, value in facts.items():
        if (had := recorded.get(name)) != value:
            # Of several stages, each has its own.
            saved = folder.rglob("latest_net_G.pth")
            latest = max(saved, key=lambda network: network.stat().st_mtime_ns, default=None)
            begin = f" (there --init-from {latest} continues from its weights)" if latest else ""
            raise UserInputError(
                f"{folder} holds a training with other {difference(name, had, value)}: repeat the "
                "command that started it to continue it, or choose another folder with --out DIR"
                f"{begin}."
            )
    return str(key)


def difference(name: str, had: Any, given: Any) -> str:
    """A setting that differs, in words, with its two values if they are short."""
    if name == "stages" and isinstance(had, list) and len(had) == len(given) == 1:
        return difference("epochs", *had, *given)
    if isinstance(had, dict) and isinstance(given, dict):
        changed = [key for key in given if had.get(key) != given[key]]
        return "; ".join(difference(key, had.get(key), given[key]) for key in changed)
    values = "" if isinstance(given, list) else old_and_new(had, given)
    return SETTING_NAMES.get(name, name.replace("_", " ")) + (f" ({values})" if values else "")
