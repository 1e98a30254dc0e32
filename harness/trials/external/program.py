"""`--repo FILE.yaml`: any other program that trains, as its user describes it.

docs/train.md has the keys and an example. In short, a command with placeholders, and where the
program leaves what is scored: checkpoints of pix2pix's generator, or pictures that it restored.
"""

import math
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from harness.config.settings import Frozen, Program, TrainSettings
from harness.errors import UserInputError
from harness.trials.external.repository import python_of
from reports.programs import PLACES, SETTINGS, filled, named_in
from search_spaces.params import USED, TrialParams
from search_spaces.space import Space
from search_spaces.strict_yaml import read_bounded, read_mapping

Mark = Literal["epoch", "step"]
MARKS: tuple[Mark, ...] = get_args(Mark)
"""What a program's results and log lines are numbered by."""


class ProgramFile(Frozen):
    """The file as it is written. Paths of `checkpoint`, `restored` and `log` are inside {out}."""

    command: str
    folder: Path = Path()
    checkpoint: str | None = None
    restored: str | None = None
    log: str | None = None
    losses: str | None = None


def read_program(file: Path, silence: float) -> Program:
    """What a YAML file says of a program. A command that begins with `python` runs as `python_of`.

    Args:
        silence: seconds without a sign after which it is hung.

    Raises:
        UserInputError: it cannot be used; one sentence names the key.
    """
    try:
        held = read_mapping(read_bounded(file), str(file))
        told = ProgramFile.model_validate(held)
        words = shlex.split(told.command)
        if not words:
            raise ValueError("command names no program")
        mark = mark_of(told)
        check_names(told, mark)
        check_losses(told.losses, mark)
    except OSError as error:
        raise UserInputError(f"{file} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserInputError(f"{file}: {where} cannot be used: {first['msg']}.") from error
    except ValueError as error:
        text = str(error)
        raise UserInputError(text if text.startswith(str(file)) else f"{file}: {text}.") from error
    folder = (file.parent / told.folder).absolute()
    if words[0] in ("python", "python3"):
        words[0] = python_of(folder)
    if not folder.is_dir() or not (shutil.which(words[0]) or (folder / words[0]).is_file()):
        raise UserInputError(
            f"{file}: {words[0]} cannot be started in {folder}: mend command or folder there."
        )
    return Program(
        file=file.absolute(),
        folder=folder,
        command=tuple(words),
        mark=mark,
        silence=silence,
        **told.model_dump(include={"checkpoint", "restored", "log", "losses"}),
    )


def mark_of(told: ProgramFile) -> Mark | None:
    """What the results are numbered by; None: there is one, when the program has ended.

    Raises:
        ValueError: there is not one kind of result, numbered in one way.
    """
    if (told.checkpoint is None) == (told.restored is None):
        raise ValueError("name either checkpoint or restored, which is what trials are scored by")
    named = set(named_in(told.checkpoint or told.restored or ""))
    marks = [mark for mark in MARKS if mark in named]
    if len(named) > len(marks) or len(marks) > 1:
        raise ValueError("checkpoint and restored take one placeholder, {epoch} or {step}")
    return marks[0] if marks else None


def check_names(told: ProgramFile, mark: str | None) -> None:
    """Refuse a command that names what there is not, or lacks what it needs.

    Raises:
        ValueError: names it.
    """
    named = named_in(told.command)
    for name in named:
        if name not in (*SETTINGS, *PLACES):
            raise ValueError(
                f"command names {{{name}}}; what it may name is {', '.join((*SETTINGS, *PLACES))}"
            )
    length = [f"{mark}s"] if mark else []
    shown = ["inputs"] if told.restored else []
    for name in ("pairs", "out", *length, *shown):
        if name not in named:
            raise ValueError(f"command does not name {{{name}}}, which the program must be told")
    for path in filter(None, (told.checkpoint, told.restored, told.log)):
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"{path} must be a path inside {{out}}, for each trial has its own")


def check_losses(pattern: str | None, mark: str | None) -> None:
    """Refuse a pattern of log lines without what is read off them.

    Raises:
        ValueError: says what is missing.
    """
    if pattern is None:
        return
    try:
        groups = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"losses is no regular expression ({error})") from error
    if mark is not None and mark not in groups:
        raise ValueError(f"losses has no group (?P<{mark}>...), which says where a line belongs")
    if not groups - set(MARKS):
        raise ValueError("losses has no group named as a loss, such as (?P<G_L1>...)")


def check_program(program: Program, space: Space, from_scratch: bool, init_from: bool) -> None:
    """Refuse a search that varies or begins with what the program is not told.

    Raises:
        UserInputError: names it.
    """
    named = named_in(" ".join(program.command))
    for name in space.parameters:
        if name not in (*space.fixed, *named, USED):
            raise UserInputError(
                f"The search varies {name}, and the command in {program.file} does not name "
                f"{{{name}}}: add it there, or keep it at one value with --set {name}=VALUE."
            )
    if from_scratch and program.continues:
        raise UserInputError(
            f"The command in {program.file} names {{start_G}} or {{start_D}}, and with "
            "--from-scratch there is nothing to start from: take one of them out."
        )
    if init_from and not program.continues:
        raise UserInputError(
            f"--init-from has no meaning where the command in {program.file} does not name "
            "{start_G}: add it there."
        )


def program_command(
    program: Program,
    params: TrialParams,
    train: TrainSettings,
    places: Mapping[str, Any],
) -> list[str]:
    """The command of one trial. `places` holds what is not a setting, but for `epochs`."""
    epochs = math.ceil(train.steps / math.ceil(places["n_train"] / train.batch_size))
    return filled(
        program.command, {**train.model_dump(), **params.model_dump(), **places, "epochs": epochs}
    )


def parsed_line(
    line: str, pattern: str | None, mark: str | None
) -> tuple[int, dict[str, str]] | None:
    """The mark and the losses of a log line; None where there are none. Without a mark it is 0."""
    found = re.search(pattern, line) if pattern else None
    if found is None:
        return None
    told = {name: value for name, value in found.groupdict().items() if value is not None}
    losses = {name: value for name, value in told.items() if name not in MARKS}
    return (int(told[mark]) if mark else 0), losses
