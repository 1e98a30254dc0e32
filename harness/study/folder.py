"""Ownership of a study's folder, so that files of another study are neither overwritten nor mixed.

Two studies with one name, in two databases or one after the other, share one folder.
"""

import json
from itertools import count
from pathlib import Path

from optuna import Study

from harness.errors import UserInputError
from harness.paths import StudyPaths, write_atomically
from harness.study.study import identity_of
from reports.record.study import StudyRecord


def check_folder(paths: StudyPaths, study: Study | None) -> None:
    """Reject a folder whose files are not this study's. Writes nothing.

    Args:
        study: None if it does not exist yet.

    Raises:
        UserInputError: the files belong to another study of that name, or to no search.
    """
    if study is not None:
        owner = owner_of(paths)
        if owner is not None and owner != StudyRecord.of(study).identity:
            raise UserInputError(
                f"The folder {paths.folder} holds the files of another study named "
                f"{study.study_name}, whose record is elsewhere: name its database with --storage "
                "URL, or choose another folder with --run-dir DIR."
            )
        return
    found = [file for file in paths.files if file.exists()]
    if found and not (paths.owner.exists() or paths.driver.exists()):
        raise UserInputError(
            f"The folder {paths.folder} was not made by a search and holds {found[0].name}, which "
            "would be overwritten: choose another with --run-dir DIR or --study NAME."
        )


def owner_of(paths: StudyPaths) -> str | None:
    """The identity of the study that owns the folder; None if it is not recorded."""
    try:
        content = json.loads(paths.owner.read_text(encoding="utf-8"))
        return str(content["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def claim(paths: StudyPaths, study: Study) -> None:
    """Record the study as the owner of the folder."""
    identity = identity_of(study)
    if owner_of(paths) != identity:
        write_atomically(paths.owner, json.dumps({"study": study.study_name, "identity": identity}))


def set_aside(paths: StudyPaths) -> Path | None:
    """Move the files of an earlier study in this folder to a subfolder.

    Returns:
        The subfolder; None if there were no files.
    """
    found = [file for file in paths.files if file.exists()]
    if not found:
        return None
    folder = next(folder for number in count(1) if not (folder := paths.earlier(number)).exists())
    folder.mkdir()
    for file in found:
        file.rename(folder / file.name)
    return folder
