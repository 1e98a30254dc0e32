"""The commands that `best.yaml` has for a trial, with their requirements and remarks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from reports.commands.notes import before, notes, own_pictures
from reports.commands.program_template import program_commands
from reports.commands.recorded_paths import data_of, mark_of_warm_start, warm_start_of
from reports.commands.repository_options import for_this_copy
from reports.commands.train_py import (
    ADD_MODEL,
    FULL_TRAINING,
    Command,
    epochs_of,
    folder_name,
    full_commands,
    harness_train,
    in_whole_epochs,
    model_of,
    progressive_commands,
    read_by_harness_train,
    read_by_train_py,
    rounded,
    shell,
    train_commands,
)
from reports.record.names import MOVES, RECOMMENDED, moves_pixels, trial_name
from reports.record.queries import KIND, UNTRIED, extras_of, params_of
from reports.record.study import StudySetup
from reports.record.trial import TrialRecord
from reports.texts.translations import Translate

Config = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """The commands of one trial, as shell text.

    Attributes:
        of_trial: repeats the trial, with its exact settings.
        in_full: trains its settings, rounded, for as long as the guide does.
        needs: requirements that must be met before they can run.
        notes: how they differ from the trial, and what else to know.
    """

    of_trial: str
    in_full: str
    needs: list[str]
    notes: list[str]


def commands_of(
    setup: StudySetup,
    trial: FrozenTrial,
    train: Config,
    program: Config | None,
    repository: Mapping[str, Any] | None,
    folder: Path | None,
    config_file: str,
    say: Translate,
) -> Exported:
    """The commands of a completed trial.

    Args:
        setup: how the study's trials are run and scored.
        train: the trial's training settings.
        program: the user's program that ran the trials, see `program_of`; None: train.py did.
        repository: the copy of pix2pix for which to write the commands; None: the one that ran the
            trials, else with the options that all copies share.
        folder: the study's current folder; None: its folder in the last search.
        config_file: the best.yaml that `harness train` is to read.
        say: the texts of the needs and notes, in one language.

    Raises:
        ValueError: the copy cannot train it; the message is one sentence.
    """
    params, data = params_of(trial), data_of(setup, folder)
    device = "cuda" if setup.device.startswith("cuda") else "cpu"  # of `cuda:0, cuda:1`
    who = RECOMMENDED if trial.number == UNTRIED else trial_name(trial.number)
    name = folder_name(f"{setup.name}-{who}")
    short = f"{name}-short"  # its own folder, since the full training writes to `name`
    warm_start = warm_start_of(setup, folder)
    if program:
        if repository:
            raise ValueError(
                f"The trials of study {setup.name} were run by the program that "
                f"{program['file']} describes, which is no train.py: leave --repo out."
            )
        own = TrialRecord.of(trial).seed
        seed = setup.seed if own is None else own
        text = as_lines(
            program_commands(program, params, train, data, name, warm_start, seed, device)
        )
        return Exported(text, text, [say("note_program", file=program["file"])], [])
    if repository is None and setup.repository is not None:
        repository = setup.repository.as_data()
    if moves_pixels(train) and not repository:
        read = read_by_harness_train(data)
        epochs = epochs_of(in_whole_epochs(train, data, read, setup.trainer), read)
        of_trial = [harness_train(config_file, data, short, epochs)]
        in_full = [harness_train(config_file, data, name)]  # as the decision's own command has it
        needs = [say("note_harness"), *own_pictures(data, say)]
        return Exported(as_lines(of_trial), as_lines(in_full), needs, [])
    mark = mark_of_warm_start(setup, train)
    read = read_by_train_py(data)
    again = in_whole_epochs(train, data, read, setup.trainer)
    of_trial = train_commands(params, again, read, short, warm_start, mark)
    stages = progressive_commands if is_progressive(trial) else full_commands
    extras = settings_in_full(trial, train, setup)
    in_full = stages(rounded(params), data, f"{name}-full", extras)
    if repository:
        of_trial, in_full = (for_this_copy(one, repository, device) for one in (of_trial, in_full))
    first = "" if repository or model_of(params, train) == "pix2pix" else f"{ADD_MODEL}\n"
    return Exported(
        first + as_lines(of_trial),
        first + as_lines(in_full),
        before(params, {**FULL_TRAINING, **extras}, data, device, repository, say),
        notes(params, train, data, setup.weights, setup.trainer, say),
    )


def is_progressive(trial: FrozenTrial) -> bool:
    """Whether the trial represents the guide's two-stage training; it ran the first stage."""
    return TrialRecord.of(trial).recipe == "progressive"


def settings_in_full(trial: FrozenTrial, train: Config, setup: StudySetup) -> Config:
    """The training settings in which a full training differs from the guide's.

    These are settings that the user pinned or that come from the user's model, and, rounded, those
    that the search chose. A recipe's are the profile's, and are left to the guide; so is the
    network of a trial for which only the kind of generator was chosen: the guide's, of that kind.
    """
    chosen = {} if TrialRecord.of(trial).recipe else rounded(extras_of(trial))
    if KIND in trial.params:
        chosen.pop("netG", None)
    generator = {"netG": MOVES + FULL_TRAINING["netG"]} if moves_pixels(train) else {}
    return {**generator, **setup.pinned, **chosen}


def as_lines(commands: list[Command]) -> str:
    """Commands for a shell, in order."""
    return "".join(f"{shell(command)}\n" for command in commands)
