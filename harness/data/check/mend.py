"""`--fix`: write a repaired copy of a data folder, with safe repairs only, never in place."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data.check.check import CheckResult
from harness.data.files.new_folder import check_new, new_folder
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import read_mask
from harness.errors import UserInputError, inline, quantity
from harness.paths import check_writable

# Kinds of findings whose pairs are left out: unreadable, or useless for training and scoring.
LEFT_OUT = frozenset({"unreadable", "identical", "unlike"})


def mend(result: CheckResult, out: Path) -> str:
    """Write the usable pairs as upright 8-bit sRGB PNG files side by side, by split, with their
    masks and displacement fields.

    Pairs with findings of `LEFT_OUT`, and training pairs whose picture is also in val or test, are
    left out. Halves are never swapped and pictures never shifted: that needs a person's decision.

    Returns:
        A summary for the user, one line.

    Raises:
        UserInputError: `out` is not a new folder, or cannot be written.
    """
    unusable = {finding.name for finding in result.findings if finding.kind in LEFT_OUT}
    unusable |= result.seen_in_training
    written = 0
    with new_folder(out, "--fix") as aside:
        for split, pairs in result.folder.splits.items():
            for number, files in enumerate(pairs):
                if files.name in unusable:
                    continue
                a, b = read_halves(files)
                name = f"{number:05d}-{Path(files.name).stem}.png"
                save(np.hstack([a, b]), aside / split / name)
                if files.mask is not None:
                    mask = read_mask(files.mask, *a.shape[:2])
                    save(mask.astype(np.uint8) * 255, aside / "masks" / split / name)
                if files.field is not None:
                    field = (aside / "fields" / split / name).with_suffix(".npz")
                    field.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(files.field, field)
                written += 1
    total = sum(map(len, result.folder.splits.values()))
    of_all = f"{written} of {quantity(total, 'pair')}"
    return f"{of_all} written to {inline(out)}; {total - written} left out"


def check_place(out: Path, folder: Path) -> None:
    """Refuse a folder that is not new, lies in the one that is checked, or cannot be written.

    Raises:
        UserInputError: it is refused.
    """
    check_new(out, "--fix")
    if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
        raise UserInputError(
            f"{inline(out)} lies in {inline(folder)}, so that its pairs would be read as that "
            "folder's: name a new folder outside of it with --fix."
        )
    check_writable(out, "--fix")


def save(pixels: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, "PNG")
