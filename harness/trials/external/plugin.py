"""`harness export --format plugin`: our model files, written into the models/ of a copy of pix2pix.

train.py finds a model by its file's name, so a file is all that `--model pix2pix_warp` needs.
"""

import os
import shutil
from pathlib import Path

from harness.errors import UserInputError
from harness.paths import check_writable, write_aside

SOURCES = Path(__file__).with_name("model_files")
WARP = "pix2pix_warp_model.py"
PERCEPTUAL = "pix2pix_with_perceptual_model.py"
MARK = "harness export --format plugin"
"""What every file of ours says of itself; the guide's own model file does not."""
OF_A_COPY = (
    "train.py",
    "models/base_model.py",
    "models/networks.py",
    "models/pix2pix_model.py",
)


def write_plugin(folder: Path, force: bool) -> tuple[list[Path], Path | None]:
    """Write our model files into a copy of pix2pix.

    The guide's own pix2pix_with_perceptual_model.py stays where there is one, also with `force`.

    Returns:
        The files written, and the guide's own file that was kept.

    Raises:
        UserInputError: `folder` is no copy of pix2pix or cannot be written, or a file of ours is
            there already without `force`; nothing has been written.
    """
    check_copy(folder)
    models = folder / "models"
    check_writable(models, "--repo")
    kept = models / PERCEPTUAL if is_another(models / PERCEPTUAL) else None
    targets = [models / name for name in (WARP, PERCEPTUAL) if models / name != kept]
    for file in targets:
        if os.path.lexists(file) and (file.is_dir() or not force):
            raise UserInputError(
                f"{file} is there already: move it away, or replace it with --force."
            )
    for file in targets:
        with write_aside(file) as aside:
            shutil.copyfile(SOURCES / file.name, aside)
    return targets, kept


def check_copy(folder: Path) -> None:
    """Refuse a folder that is no copy of pix2pix.

    Raises:
        UserInputError: names the file that it lacks.
    """
    for name in OF_A_COPY:
        if not (folder / name).is_file():
            raise UserInputError(
                f"{folder} is no copy of pytorch-CycleGAN-and-pix2pix, since it has no {name}: "
                "name yours with --repo DIR."
            )


def is_another(file: Path) -> bool:
    """Whether a file of that name is there which is none of ours."""
    return file.is_file() and MARK not in file.read_text(encoding="utf-8", errors="replace")
