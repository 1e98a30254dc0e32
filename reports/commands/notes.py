"""Requirements of exported commands, and remarks on how they differ from the trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.commands.train_py import PLACEHOLDER_DATA, quoted, read_by_train_py, steps_per_epoch
from reports.record.names import moves_pixels
from reports.texts.translations import Translate

Config = dict[str, Any]


def own_pictures(data: Config, say: Translate) -> list[str]:
    """A remark on the placeholder for the user's folder, if the study used built-in pictures."""
    return [say("note_built_in", folder=PLACEHOLDER_DATA)] if data["folder"] is None else []


def before(
    params: Config,
    full: Config,
    data: Config,
    device: str,
    repository: Mapping[str, Any] | None,
    say: Translate,
) -> list[str]:
    """What must exist, be filled in or be changed before the commands are run.

    Args:
        full: the training settings of the full training.
    """
    folder, needs = data["folder"], own_pictures(data, say)
    if folder is not None and Path(folder).exists() and not Path(folder, "train").is_dir():
        needs.append(say("note_layout", folder=quoted(folder)))
    if repository is None:
        without_gpu = say("note_without_gpu") if device == "cpu" else ""
        needs.append(say("note_copies", without_gpu=without_gpu))
    if repository is None and params["lambda_perceptual"] > 0:
        needs.append(say("note_model"))
    if full["preprocess"] in ("resize_and_crop", "scale_width_and_crop"):
        needs.append(say("note_size", full_size=full["load_size"]))
    return needs


def notes(
    params: Config, train: Config, data: Config, weights: str, trainer: str, say: Translate
) -> list[str]:
    """How the commands differ from the trial, and what else to know about them."""
    read, used = read_by_train_py(data), data["n_train"]
    found = [say("note_lengths", steps=train["steps"], epoch=steps_per_epoch(train, read))]
    if read["n_train"] > used:
        found.append(say("note_every_pair", count=read["n_train"], used=used))
    if train["warm_start"] == "shared":
        start = "note_shared_moving" if moves_pixels(train) else "note_shared"
        found.append(say(start, steps=train["warm_start_steps"]))
    if train["warm_start"] == "init-from":
        found.append(say("note_init_from"))
    if trainer != "builtin":  # train.py keeps no average, and has a perceptual term of its own
        return found
    if train.get("ema_decay"):
        found.append(say("note_average", decay=f"{train['ema_decay']:g}"))
    if params["lambda_perceptual"] > 0:
        found.append(say("note_layers", layers=", ".join(train["perceptual_layers"])))
        if weights == "random":
            found.append(say("note_random"))
    return found
