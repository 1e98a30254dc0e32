"""`--repo FILE.yaml`: read and validate the description of an external program.

docs/train.md has the keys and an example: a command with placeholders, and the paths of the
results, which are checkpoints of pix2pix's generator or restored pictures.
"""

import math
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from harness.config.models import Frozen, unusable_entry
from harness.config.settings import Program, TrainSettings
from harness.errors import UserInputError
from harness.trials.external.repository import python_of
from reports.commands.program_template import PLACES, SETTINGS, filled, named_in
from search_spaces.space import Space
from search_spaces.strict_yaml import read_bounded, read_mapping
from search_spaces.trial_params import USE_PERCEPTUAL, TrialParams

Mark = Literal["epoch", "step"]
MARKS: tuple[Mark, ...] = get_args(Mark)
"""The unit by which a program numbers its results and log lines."""


class ProgramFile(Frozen):
    """The schema of the file. The paths `checkpoint`, `restored` and `log` are inside {out}."""

    command: str
    folder: Path = Path()
    checkpoint: str | None = None
    restored: str | None = None
    log: str | None = None
    losses: str | None = None


def read_program(file: Path, silence: float) -> Program:
    """Read a program's YAML file. A command's leading `python` is replaced as by `python_of`.

    Args:
        silence: seconds without a sign of life after which the program counts as hung.

    Raises:
        UserInputError: the file is invalid; the message names the key.
    """
    try:
        content = read_mapping(read_bounded(file), str(file))
        described = ProgramFile.model_validate(content)
        words = shlex.split(described.command)
        if not words:
            raise ValueError("command names no program")
        mark = mark_of(described)
        check_names(described, mark)
        check_losses(described.losses, mark)
    except OSError as error:
        raise UserInputError(f"{file} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise unusable_entry(file, error) from error
    except ValueError as error:
        text = str(error)
        raise UserInputError(text if text.startswith(str(file)) else f"{file}: {text}.") from error
    folder = (file.parent / described.folder).absolute()
    if words[0] in ("python", "python3"):
        words[0] = python_of(folder)
    if not folder.is_dir() or not (shutil.which(words[0]) or (folder / words[0]).is_file()):
        raise UserInputError(
            f"{file}: {words[0]} cannot be started in {folder}: fix command or folder there."
        )
    return Program(
        file=file.absolute(),
        folder=folder,
        command=tuple(words),
        mark=mark,
        silence=silence,
        **described.model_dump(include={"checkpoint", "restored", "log", "losses"}),
    )


def mark_of(described: ProgramFile) -> Mark | None:
    """The unit by which results are numbered; None: there is only one, at the program's end."""
    if (described.checkpoint is None) == (described.restored is None):
        raise ValueError("name either checkpoint or restored, which is what trials are scored by")
    named = set(named_in(described.checkpoint or described.restored or ""))
    marks = [mark for mark in MARKS if mark in named]
    if len(named) > len(marks) or len(marks) > 1:
        raise ValueError("checkpoint and restored take one placeholder, {epoch} or {step}")
    return marks[0] if marks else None


def check_names(described: ProgramFile, mark: str | None) -> None:
    """Reject a command with unknown placeholders, or without required ones."""
    named = named_in(described.command)
    for name in named:
        if name not in (*SETTINGS, *PLACES):
            raise ValueError(
                f"command names {{{name}}}; what it may name is {', '.join((*SETTINGS, *PLACES))}"
            )
    length = [f"{mark}s"] if mark else []
    inputs = ["inputs"] if described.restored else []
    for name in ("pairs", "out", *length, *inputs):
        if name not in named:
            raise ValueError(f"command does not name {{{name}}}, which the program needs")
    for path in filter(None, (described.checkpoint, described.restored, described.log)):
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"{path} must be a path inside {{out}}, since each trial has its own")


def check_losses(pattern: str | None, mark: str | None) -> None:
    """Reject a pattern of log lines without the required named groups."""
    if pattern is None:
        return
    try:
        groups = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"losses is not a regular expression ({error})") from error
    if mark is not None and mark not in groups:
        raise ValueError(f"losses has no group (?P<{mark}>...), which says where a line belongs")
    if not groups - set(MARKS):
        raise ValueError("losses has no group named as a loss, such as (?P<G_L1>...)")


def check_program(program: Program, space: Space, from_scratch: bool, init_from: bool) -> None:
    """Reject a search whose parameters or start do not match the placeholders of the command.

    Raises:
        UserInputError: names the parameter or placeholder.
    """
    named = named_in(" ".join(program.command))
    for name in space.parameters:
        if name not in (*space.fixed, *named, USE_PERCEPTUAL):
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
    values: Mapping[str, Any],
) -> list[str]:
    """The command of one trial.

    Args:
        values: of all placeholders but the settings and `epochs`.
    """
    epochs = math.ceil(train.steps / math.ceil(values["n_train"] / train.batch_size))
    return filled(
        program.command, {**train.model_dump(), **params.model_dump(), **values, "epochs": epochs}
    )


def parse_line(
    line: str, pattern: str | None, mark: str | None
) -> tuple[int, dict[str, str]] | None:
    """Parse the mark (0 if `mark` is None) and the losses in a log line; None if it has none."""
    match = re.search(pattern, line) if pattern else None
    if match is None:
        return None
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    losses = {name: value for name, value in groups.items() if name not in MARKS}
    return (int(groups[mark]) if mark else 0), losses
