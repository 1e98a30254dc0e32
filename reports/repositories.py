"""`train.py` commands in the words of one copy of pytorch-CycleGAN-and-pix2pix.

A copy is told by the options that it knows: those of 2019 and the first half of 2020 count epochs
by other names, and those before August 2025 ask for a GPU and a visdom server unless told not to.
Models that are no part of the repository are files that `harness export --format plugin` writes.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reports.commands import Command, quoted

# What an option was called before the middle of 2020.
OLDER = {"n_epochs": "niter", "n_epochs_decay": "niter_decay"}

PLUGINS = ("pix2pix_warp", "pix2pix_with_perceptual")
"""Models that no public copy has."""

Switches = dict[str, str | None]
"""Options and their values; a switch has None."""


def in_its_words(
    commands: list[Command], repository: Mapping[str, Any], device: str
) -> list[Command]:
    """Commands to be run anywhere that train in this copy, on this kind of device.

    Args:
        repository: its `folder`, its `python`, the `options` that its train.py knows and the
            `models`, which records of earlier versions lack.

    Raises:
        ValueError: one sentence: the copy lacks an option or a model.
    """
    said = [["cd", repository["folder"]]]
    for command in commands:
        if command[:2] != ["python", "train.py"]:
            said.append(command)
            continue
        wanted = options_of(command)
        if lacking := missing(wanted, repository):
            raise ValueError(lacking)
        wanted |= unattended(device, repository["options"])
        said.append([repository["python"], "train.py", *words_of(wanted, repository["options"])])
    return said


def unattended(device: str, options: Collection[str]) -> Switches:
    """What a copy that knows of these must be told: no server of pictures, no GPU on a CPU."""
    wanted: Switches = {"display_id": "-1"}
    if device == "cpu":
        wanted["gpu_ids"] = "-1"
    return {name: value for name, value in wanted.items() if name in options}


def missing(wanted: Mapping[str, str | None], repository: Mapping[str, Any]) -> str | None:
    """One sentence about the first option or model that a copy lacks, and what to do about it."""
    train_py = f"{repository['folder']}/train.py"
    options, models = repository["options"], repository.get("models")
    model = wanted.get("model")
    no_model = model in PLUGINS and models is not None and model not in models
    unknown = next((name for name in wanted if spelt(name, options) is None), None)
    if no_model or (model in PLUGINS and unknown is not None and "perceptual" in unknown):
        otherwise = (
            "search with --set lambda_perceptual=0"
            if model == "pix2pix_with_perceptual"
            else "leave --repo out, and train it with this program"
        )
        return (
            f"{train_py} knows no --model {model}, with the options that it needs: harness export "
            f"--format plugin --repo {quoted(str(repository['folder']))} writes it there; or "
            f"{otherwise}."
        )
    if unknown is not None:
        return f"{train_py} knows no --{unknown}: it is older than 2019; use a newer copy."
    return None


def options_of(command: Command) -> Switches:
    """`python train.py --a 1 --b` -> {a: "1", b: None}."""
    found: Switches = {}
    for word in command[2:]:
        if word.startswith("--"):
            name = word.removeprefix("--")
            found[name] = None
        else:
            found[name] = word
    return found


def words_of(wanted: Mapping[str, str | None], options: Collection[str]) -> Command:
    """The same options as the copy spells them."""
    words: Command = []
    for name, value in wanted.items():
        words.append(f"--{spelt(name, options)}")
        words += [] if value is None else [value]
    return words


def spelt(option: str, options: Collection[str]) -> str | None:
    """An option as a copy with these has it; None if it has none."""
    names = (option, OLDER.get(option, option))
    return next((name for name in names if name in options), None)
