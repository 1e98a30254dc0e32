"""`harness restore`: apply a trained generator to pictures of any size."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.data.files.folder_bit_depth import bits_of, depth_remark
from harness.data.files.listing import (
    SUFFIXES,
    Remark,
    account_of,
    is_folder,
    list_pictures,
    no_remark,
)
from harness.data.files.photograph import Photograph, read_photograph, refuse_lossy
from harness.data.files.picture_reading import (
    Picture,
    halves_alike,
    opened_picture,
    read_picture,
    side_by_side_remark,
)
from harness.data.files.picture_writing import write_like
from harness.data.pairs.sizing import to_tensor
from harness.data.synthesis.displacement_files import FIELD, save_flo
from harness.errors import UserInputError, inline
from harness.evaluation.padding import run_padded
from harness.evaluation.restore_by_field import find_maps, move_pixels
from harness.paths import check_writable, replace_atomically, sole_writer
from harness.training.batches import to_signed, to_unit
from harness.training.checkpoint_networks import architecture_of
from harness.training.checkpoints import first_difference, read_checkpoint
from harness.training.networks import WarpUnet, bare_generator, restoring
from search_spaces.checks import GENERATOR_MULTIPLE

# Larger pictures are repainted in tiles: as a whole they would need over 8 GB (ngf 64).
MOST_PIXELS = 2**24
TILE, OVERLAP = 2048, 256
LOCK = ".restoring.lock"


@dataclass(frozen=True)
class Restorer:
    """Restores pictures with a generator.

    Attributes:
        multiple: the sides of the generator's input must be multiples of it.
        bits: the bit depth of 16-bit pictures (`folder_bit_depth.bits_of`).
    """

    generator: nn.Module
    multiple: int
    device: torch.device
    bits: int

    def check(self, file: Path) -> bool:
        """Reject a picture that `restored` cannot restore.

        Returns:
            Whether it looks like a pair side by side.

        Raises:
            UserInputError: it cannot be read, or its format cannot keep unmoved pixels unchanged.
        """
        picture = read_picture(file, self.bits)
        if isinstance(self.generator, WarpUnet):
            with opened_picture(file) as opened:
                refuse_lossy(opened, file)
        return halves_alike(picture)

    def restored(self, file: Path) -> tuple[Photograph, NDArray[np.float32] | None]:
        """The restored picture, and the displacement `[h, w, 2]` if the generator moves pixels.

        Raises:
            UserInputError: the picture cannot be read.
        """
        picture = read_picture(file, self.bits)
        if not isinstance(self.generator, WarpUnet):
            painted = repaint(self.generator, picture, self.multiple, self.device)
            return Photograph(painted, "RGB", in_srgb=True), None
        maps = find_maps(self.generator, picture, self.multiple, self.device)
        del picture
        photograph = read_photograph(file)
        white = 255 if photograph.values.itemsize == 1 else 2**self.bits - 1
        values, displacement = move_pixels(photograph, maps, white)
        return replace(photograph, values=values), displacement


def restore_pictures(
    checkpoint: Path,
    pictures: Sequence[Path],
    out: Path,
    device: str,
    remark: Remark = no_remark,
    save_field: bool = False,
) -> Iterator[Path]:
    """Restore pictures, and folders of pictures, into `out`; yield each file once it is written.

    Names, formats and subfolders stay the same. Unreadable pictures are skipped, and reported at
    the end.

    Args:
        remark: receives sentences about ignored files, a guessed bit depth, and pairs side by side.
        save_field: also write the displacement of each picture, as NAME.flo.

    Raises:
        UserInputError: before anything is written: the checkpoint is not a generator's, or has no
            field to save; `out` cannot be written, or another process restores there; no picture
            can be read. At the end: some pictures could not be read.
    """
    targets, passed_over = targets_of(pictures, out, save_field)
    for folder in sorted({out, *(target.parent for target in targets.values())}):
        check_writable(folder, "--out")
    generator, multiple = load_generator(checkpoint)
    if save_field and not isinstance(generator, WarpUnet):
        raise UserInputError(
            f"{checkpoint} repaints pictures and does not move pixels, so --save-field has "
            "nothing to write: leave it out."
        )
    bits = bits_of(list(targets))
    for sentence in (account_of(passed_over), depth_remark(bits)):
        if sentence:
            remark(sentence)
    restorer = Restorer(generator.to(device), multiple, torch.device(device), bits)
    refused: dict[Path, UserInputError] = {}
    paired: list[Path] = []
    for file in targets:
        with recording_refusals(file, refused):
            paired += [file] if restorer.check(file) else []
    if paired:
        remark(
            f"{side_by_side_remark(paired, len(targets))}: each is restored as one picture; give "
            "the retouched halves alone."
        )
    if len(refused) < len(targets):
        with sole_writer(out, out / LOCK, "restoring pictures"):
            for file in [file for file in targets if file not in refused]:
                with recording_refusals(file, refused):
                    restored, displacement = restorer.restored(file)
                    with replace_atomically(targets[file]) as temporary:
                        write_like(file, restored, temporary)
                    if save_field and displacement is not None:
                        field = targets[file].with_suffix(FIELD)
                        with replace_atomically(field) as temporary:
                            save_flo(temporary, displacement)
                if file not in refused:
                    yield targets[file]
    if refused:
        raise combined_error(refused, len(targets))


@contextmanager
def recording_refusals(file: Path, refused: dict[Path, UserInputError]) -> Iterator[None]:
    """Record the error of a picture, and continue with the next."""
    try:
        yield
    except UserInputError as error:
        refused[file] = error


def combined_error(refused: dict[Path, UserInputError], pictures: int) -> UserInputError:
    """One error for all pictures; if there is only one picture, its own error's text."""
    sentences = " ".join(str(error) for error in refused.values())
    if pictures == 1:
        return UserInputError(sentences)
    return UserInputError(
        f"{len(refused)} of {pictures} pictures could not be restored: {sentences}"
    )


def targets_of(
    pictures: Sequence[Path], out: Path, save_field: bool = False
) -> tuple[dict[Path, Path], list[str]]:
    """The output file of each picture, and the ignored files of the folders.

    Raises:
        UserInputError: `out` looks like a picture, a picture does not exist, or an output file
            would replace a picture, a folder or another output.
    """
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise UserInputError(
            f"{inline(out)} looks like a picture, but --out is the folder for the results: name a "
            "folder."
        )
    targets: dict[Path, Path] = {}
    claimed: dict[Path, Path] = {}
    passed_over: list[str] = []
    for entry in pictures:
        folder = is_folder(entry)
        if not folder and not entry.exists():
            raise UserInputError(f"{inline(entry)} is not there: name a picture or a folder.")
        files, ignored = pictures_to_restore(entry, out) if folder else ([entry], ())
        passed_over += ignored
        root = entry if folder else entry.parent
        for file in files:
            target = out / file.relative_to(root)
            if targets.get(file) == target:  # named twice
                continue
            if file.absolute() == target.absolute():
                raise UserInputError(
                    f"{inline(file)} would be overwritten: choose another folder with --out DIR."
                )
            if target.is_dir():
                raise UserInputError(
                    f"{inline(target)} is a folder where {inline(file)} would be written: choose "
                    "another with --out DIR."
                )
            for written in (target, target.with_suffix(FIELD)) if save_field else (target,):
                if written in claimed:
                    raise UserInputError(
                        f"{inline(claimed[written])} and {inline(file)} would both become "
                        f"{inline(written.relative_to(out))}: restore them into different folders."
                    )
                claimed[written] = file
            targets[file] = target
    return targets, passed_over


def pictures_to_restore(folder: Path, out: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures of a folder, without those in an `out` inside it and the masks of pairs; and the
    ignored files."""
    listing = list_pictures(folder)
    above, place = (os.path.realpath(path) + os.sep for path in (folder, out))
    inside = place.startswith(above) and place != above
    masks = folder / "masks"  # where pairs have theirs
    files = [
        file
        for file in listing.pictures
        if not file.is_relative_to(masks)
        and not (inside and os.path.realpath(file).startswith(place))
    ]
    passed_over = listing.passed_over
    if any(file.is_relative_to(masks) for file in listing.pictures):
        passed_over += (f"{masks.name}/",)
    if not files:
        account = account_of(passed_over)
        raise UserInputError(f"{inline(folder)} holds no pictures{account and f' ({account})'}.")
    return files, passed_over


def load_generator(file: Path) -> tuple[nn.Module, int]:
    """The generator of a `latest_net_G.pth`, and the multiple that its input's sides must be of.

    Raises:
        UserInputError: the file is not a checkpoint, or not that of a pix2pix generator.
    """
    weights = read_checkpoint(file)
    shape = architecture_of(weights, file)
    # Compare on the meta device first: a forged shape must not decide how much is allocated.
    with torch.device("meta"):
        expected = bare_generator(shape.netG, shape.ngf, shape.norm, shape.dropout)
    if name := first_difference(expected, weights):
        raise UserInputError(
            f"{file} looks like a {shape.netG} of ngf {shape.ngf}, but does not hold {name} as "
            "pix2pix's has it: name a latest_net_G.pth of the unchanged network."
        )
    net = bare_generator(shape.netG, shape.ngf, shape.norm, shape.dropout)
    initial = net.state_dict()
    net.load_state_dict({name: weights.get(name, value) for name, value in initial.items()})
    return net, GENERATOR_MULTIPLE[shape.netG]


def repaint(generator: nn.Module, picture: Picture, multiple: int, device: torch.device) -> Picture:
    """Repaint a picture `[h, w, 3]`, bytes, with `generator`, at its own size."""

    def run(part: Tensor) -> Tensor:
        with restoring(generator) as restored:
            return to_unit(restored(part.to(device))).cpu()

    signed = to_signed(to_tensor(picture))[None]
    height, width = signed.shape[-2:]
    if height * width > MOST_PIXELS:
        output = run_in_tiles(signed, lambda tile: run_padded(tile, multiple, run), TILE, OVERLAP)
    else:
        output = run_padded(signed, multiple, run)
    pixels: Picture = (output[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels


def run_in_tiles(
    picture: Tensor, run: Callable[[Tensor], Tensor], tile: int, overlap: int
) -> Tensor:
    """Call `run` on overlapping tiles of `[1, 3, h, w]`, and blend the results.

    Each tile is normalised by its own statistics, so tiles may differ slightly in tone; blending
    spreads the difference over `overlap` pixels and so avoids seams.
    """
    height, width = picture.shape[-2:]
    total = torch.zeros_like(picture)
    weight = torch.zeros(1, 1, height, width)
    for top in tile_starts(height, tile, overlap):
        for left in tile_starts(width, tile, overlap):
            rows = slice(top, min(top + tile, height))
            columns = slice(left, min(left + tile, width))
            part = run(picture[:, :, rows, columns])
            down = fade_weights(rows, height, overlap)
            fade = torch.outer(down, fade_weights(columns, width, overlap))
            total[:, :, rows, columns] += part * fade
            weight[:, :, rows, columns] += fade
    return total / weight


def tile_starts(side: int, tile: int, overlap: int) -> list[int]:
    """Offsets of tiles: multiples of `overlap`, and so of the generators' strides.

    The last tile ends with the picture, and may be up to `overlap` shorter than the others.
    """
    last = max(0, -(-(side - tile) // overlap) * overlap)
    return [*range(0, last, tile - overlap), last]


def fade_weights(part: slice, side: int, overlap: int) -> Tensor:
    """The blending weight of each row of a tile: 0 in the outer quarter of an overlap, where the
    tile's padding has an effect, then rising to 1 over half of the overlap."""
    length = part.stop - part.start
    up = ((torch.arange(length) + 0.5 - overlap / 4) / (overlap / 2)).clamp(0, 1)
    weights = torch.ones(length)
    if part.start > 0:
        weights *= up
    if part.stop < side:
        weights *= up.flip(0)
    return weights
