"""Where a study's files are: its run folder may have been moved since the record was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.commands import moves_pixels
from reports.study_record import StudySetup

# How many of a path's last parts lie in the study's folder: those of checkpoints/warm_start,
# external/pairs and external/inputs/search.
WARM_START, PAIRS, INPUTS = 2, 2, 3


def warm_start_of(setup: StudySetup, folder: Path | None) -> str | None:
    """The folder of checkpoints that the trials continued from; None: they began from nothing.

    Args:
        folder: the study's folder as it lies now; None: as the record has it.
    """
    return placed(setup.warm_start_folder, WARM_START, folder)


def mark_of_warm_start(setup: StudySetup, train: Mapping[str, Any]) -> str:
    """What the files have in their names that a trial continued from, where there are two kinds.

    Args:
        train: the trial's own settings; its generator may be of the kind that the study's is not.
    """
    return "_warp" if moves_pixels(train) and not setup.train.moves else ""


def program_of(setup: StudySetup, folder: Path | None) -> dict[str, Any] | None:
    """The program that ran the trials, with the places of what it is given; None: there is none."""
    program = setup.program
    if program is None:
        return None
    return {
        **program.as_data(),
        "pairs": placed(program.pairs, PAIRS, folder),
        "inputs": placed(program.inputs, INPUTS, folder),
    }


def placed(path: str | None, parts: int, folder: Path | None) -> str | None:
    """A path whose last parts lie in the study's folder, in the folder as it lies now."""
    if path is None or folder is None:
        return path
    return str(folder.absolute().joinpath(*Path(path).parts[-parts:]))
