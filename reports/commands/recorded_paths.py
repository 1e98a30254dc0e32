"""Paths of a study's files, whose run folder may have been moved since they were recorded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.record.names import moves_pixels
from reports.record.study import StudySetup

# How many of a path's last parts lie in the study's folder: those of checkpoints/warm_start,
# external/pairs and external/inputs/search; and how many in the run folder, of made-pairs/NAME.
WARM_START, PAIRS, INPUTS = 2, 2, 3
MADE_PAIRS = 2


def warm_start_of(setup: StudySetup, folder: Path | None) -> str | None:
    """The folder of checkpoints that the trials continued from; None: they started from scratch.

    Args:
        folder: the study's current folder; None: the recorded one.
    """
    return placed(setup.warm_start_folder, WARM_START, folder)


def mark_of_warm_start(setup: StudySetup, train: Mapping[str, Any]) -> str:
    """The suffix of the warm start's files for the trial's kind of generator, if there are two.

    Args:
        train: the trial's own settings; its generator may be of the other kind than the study's.
    """
    return "_warp" if moves_pixels(train) and not setup.train.moves else ""


def program_of(setup: StudySetup, folder: Path | None) -> dict[str, Any] | None:
    """The user's program that ran the trials, with its paths as they are now; None: none did."""
    program = setup.program
    if program is None:
        return None
    return {
        **program.as_data(),
        "pairs": placed(program.pairs, PAIRS, folder),
        "inputs": placed(program.inputs, INPUTS, folder),
    }


def data_of(setup: StudySetup, folder: Path | None) -> dict[str, Any]:
    """The pairs, with the current path of those that a search made of portraits.

    They lie in the run folder, under a name that is derived from their content.
    """
    data = setup.data.as_data()
    if setup.data.folder is not None and folder is not None:
        data["folder"] = made_pairs_of(setup.data.folder, folder)
    return data


def made_pairs_of(recorded: str, folder: Path) -> str:
    """A recorded folder of pairs, in the run folder where a search made it if it lies there.

    Args:
        folder: the study's current folder.
    """
    here = folder.absolute().parent.joinpath(*Path(recorded).parts[-MADE_PAIRS:])
    return str(here) if here.parent.name == "made-pairs" and here.is_dir() else recorded


def placed(path: str | None, parts: int, folder: Path | None) -> str | None:
    """A recorded path, moved to the study's current folder: its last `parts` lie in that folder."""
    if path is None or folder is None:
        return path
    return str(folder.absolute().joinpath(*Path(path).parts[-parts:]))
