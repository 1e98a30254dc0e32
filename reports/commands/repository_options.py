"""`train.py` commands with the option names of one copy of pytorch-CycleGAN-and-pix2pix.

A copy's version shows in its options: until the middle of 2020 the options for epochs had other
names, and until August 2025 a GPU and a visdom server were used unless an option turned them off.
`harness export --format plugin` writes the models that are not part of the repository.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reports.commands.train_py import WITH_PERCEPTUAL, Command, quoted

# Names of options before the middle of 2020.
OLDER = {"n_epochs": "niter", "n_epochs_decay": "niter_decay"}

PLUGINS = ("pix2pix_warp", WITH_PERCEPTUAL)
"""Models that no public copy has."""

Switches = dict[str, str | None]
"""Options and their values; a switch has None."""


def for_this_copy(
    commands: list[Command], repository: Mapping[str, Any], device: str
) -> list[Command]:
    """`train.py` commands translated for one copy, to be run from any folder.

    Args:
        repository: its `folder` and `python`, the `options` of its train.py, and its `models`,
            which records of earlier versions lack.
        device: `cpu` or `cuda`.

    Raises:
        ValueError: the copy lacks an option or a model; the message is one sentence.
    """
    translated = [["cd", repository["folder"]]]
    for command in commands:
        if command[:2] != ["python", "train.py"]:
            translated.append(command)
            continue
        required = options_of(command)
        if lacking := missing(required, repository):
            raise ValueError(lacking)
        required |= unattended(device, repository["options"])
        translated.append(
            [repository["python"], "train.py", *words_of(required, repository["options"])]
        )
    return translated


def unattended(device: str, options: Collection[str]) -> Switches:
    """Options that turn off the picture server and, on a CPU, the GPU, if the copy has them."""
    required: Switches = {"display_id": "-1"}
    if device == "cpu":
        required["gpu_ids"] = "-1"
    return {name: value for name, value in required.items() if name in options}


def missing(required: Mapping[str, str | None], repository: Mapping[str, Any]) -> str | None:
    """A sentence with the first option or model that a copy lacks, and the remedy; None if none."""
    train_py = f"{repository['folder']}/train.py"
    options, models = repository["options"], repository.get("models")
    model = required.get("model")
    no_model = model in PLUGINS and models is not None and model not in models
    unknown = next((name for name in required if name_in_copy(name, options) is None), None)
    if no_model or (model in PLUGINS and unknown is not None and "perceptual" in unknown):
        otherwise = (
            "search with --set lambda_perceptual=0"
            if model == WITH_PERCEPTUAL
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


def words_of(required: Mapping[str, str | None], options: Collection[str]) -> Command:
    """Options as words of a command line, under the names that the copy has for them."""
    words: Command = []
    for name, value in required.items():
        words.append(f"--{name_in_copy(name, options)}")
        words += [] if value is None else [value]
    return words


def name_in_copy(option: str, options: Collection[str]) -> str | None:
    """The name of an option in a copy with these options; None if it lacks the option."""
    names = (option, OLDER.get(option, option))
    return next((name for name in names if name in options), None)
