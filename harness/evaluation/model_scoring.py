"""Restore the held-out pairs of a data folder with a generator, to score the results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from harness.config.settings import Direction
from harness.data.files.folder_bit_depth import with_bits
from harness.data.files.listing import Remark, no_remark
from harness.data.files.pair_folders import PairFiles, find_pairs
from harness.data.files.pair_reading import read_halves
from harness.data.files.processes import with_progress
from harness.errors import UserInputError, inline
from harness.evaluation.folder_scoring import PictureFiles
from harness.evaluation.restore import restore_pictures


def unchanged_pairs(
    data: Path, direction: Direction, folder: Path, remark: Remark = no_remark
) -> list[PictureFiles]:
    """The held-out pairs of a data folder, written to an empty folder at their own size; the
    retouched picture stands for the restored one.

    Args:
        remark: receives a sentence about the pairs that are used.

    Raises:
        UserInputError: there are no held-out pairs, or one cannot be read.
    """
    pairs = held_out_pairs(data, remark)
    return [write_pair(pair, direction, folder, number) for number, pair in enumerate(pairs)]


def restored_pairs(
    model: Path, pairs: Sequence[PictureFiles], device: str, out: Path, remark: Remark = no_remark
) -> list[PictureFiles]:
    """The pairs of `unchanged_pairs`, restored into `out`.

    Args:
        model: a `latest_net_G.pth`, as `harness restore` takes it.
        remark: receives sentences about the progress.

    Raises:
        UserInputError: the file is not the checkpoint of a generator.
    """
    retouched = pairs[0].restored.parent
    written = restore_pictures(model, [retouched], out, device)
    for _ in with_progress(written, len(pairs), "pictures are restored", remark):
        pass
    return [replace(pair, restored=out / pair.restored.name) for pair in pairs]


def held_out_pairs(data: Path, remark: Remark) -> tuple[PairFiles, ...]:
    """The pairs of test/, or without it those of val/."""
    splits = with_bits(find_pairs(data)).splits
    for split in ("test", "val"):
        if pairs := splits.get(split):
            remark(f"--data {inline(data)}: the pairs in {split}/ are scored.")
            return pairs
    raise UserInputError(
        f"--data {inline(data)} has neither test/ nor val/, and a model is not judged by the pairs "
        "that it was trained on: move some that it has not seen into test/."
    )


def write_pair(pair: PairFiles, direction: Direction, folder: Path, number: int) -> PictureFiles:
    """Write both halves of a pair as pictures of their own."""
    halves = dict(zip("AB", read_halves(pair), strict=True))
    retouched, original = (folder / kind / f"{number:06}.png" for kind in ("retouched", "original"))
    for file, side in ((retouched, direction[0]), (original, direction[-1])):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(halves[side]).save(file, compress_level=1)
    return PictureFiles(pair.name, retouched, original, pair.mask, retouched)
