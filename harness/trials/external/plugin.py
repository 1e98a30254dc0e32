"""`harness export --format plugin`: write our model files to models/ in a copy of pix2pix.

train.py finds models by file name, so `--model pix2pix_warp` needs nothing but its file.
"""

import os
import shutil
from pathlib import Path

from harness.errors import UserInputError
from harness.paths import check_writable, replace_atomically

SOURCES = Path(__file__).with_name("model_files")
WARP = "pix2pix_warp_model.py"
PERCEPTUAL = "pix2pix_with_perceptual_model.py"
MARK = "harness export --format plugin"
"""Text by which our files are recognised; the guide's own model file does not contain it."""
REQUIRED_FILES = (
    "train.py",
    "models/base_model.py",
    "models/networks.py",
    "models/pix2pix_model.py",
)


def write_plugin(folder: Path, force: bool) -> tuple[list[Path], Path | None]:
    """Write our model files to a copy of pix2pix.

    The guide's own pix2pix_with_perceptual_model.py is never replaced, even with `force`.

    Returns:
        The files written, and the guide's own file, or None if there is none.

    Raises:
        UserInputError: `folder` is not a copy of pix2pix or cannot be written, or one of the files
            exists with other content and `force` is false; nothing has been written.
    """
    check_copy(folder)
    models = folder / "models"
    check_writable(models, "--repo")
    kept = models / PERCEPTUAL if is_foreign(models / PERCEPTUAL) else None
    targets = [models / name for name in (WARP, PERCEPTUAL) if models / name != kept]
    for file in targets:
        if is_current(file):
            continue
        if os.path.lexists(file) and (file.is_dir() or not force):
            raise UserInputError(
                f"{file} is there already: move it away, or replace it with --force."
            )
    for file in targets:
        with replace_atomically(file) as temporary:
            shutil.copyfile(SOURCES / file.name, temporary)
    return targets, kept


def check_copy(folder: Path) -> None:
    """Reject a folder that is not a copy of pix2pix.

    Raises:
        UserInputError: names the first missing file.
    """
    for name in REQUIRED_FILES:
        if not (folder / name).is_file():
            raise UserInputError(
                f"{folder} is not a copy of pytorch-CycleGAN-and-pix2pix, since it has no {name}: "
                "name yours with --repo DIR."
            )


def has_warp(folder: Path) -> bool:
    """Whether a copy of pix2pix has the model file that moves pixels."""
    return (folder / "models" / WARP).is_file()


def is_current(file: Path) -> bool:
    """Whether the file is one of ours, as this version writes it."""
    return file.is_file() and file.read_bytes() == (SOURCES / file.name).read_bytes()


def is_foreign(file: Path) -> bool:
    """Whether the file exists and is not one of ours."""
    return file.is_file() and MARK not in file.read_text(encoding="utf-8", errors="replace")
