"""`harness restore`: a trained generator applied to pictures of any size."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from harness.data.files.folder_bit_depth import bits_of, depth_remark
from harness.data.files.listing import Remark, account_of, ignored, is_folder, list_pictures
from harness.data.files.picture_reading import Picture, read_picture, shown
from harness.data.pairs.sizing import to_tensor
from harness.errors import UserInputError
from harness.evaluation.restore_by_field import restore_by_field
from harness.paths import check_writable, sole_writer, write_aside
from harness.training.batches import to_signed, to_unit
from harness.training.checkpoint_networks import shape_of
from harness.training.checkpoints import first_difference, read_checkpoint
from harness.training.networks import WarpUnet, bare_generator, restoring
from search_spaces.checks import GENERATOR_MULTIPLE

# A picture of more pixels is restored in tiles: as a whole it would need over 8 GB (ngf 64).
MOST_PIXELS = 2**24
TILE, OVERLAP = 2048, 256
# Below this, a residual generator's smallest layer has nothing to normalise or to mirror.
LEAST_SIDE = 16
LOCK = ".restoring.lock"


def restore_pictures(
    checkpoint: Path,
    pictures: Sequence[Path],
    out: Path,
    device: str,
    remark: Remark = ignored,
) -> Iterator[Path]:
    """Restore each picture, or all of a folder, into `out`/NAME.png, with the subfolders that the
    folder has; yield each as it is written.

    Args:
        remark: takes a sentence about pictures that are passed over or read by a guess.

    Raises:
        UserInputError: the checkpoint is no generator, a picture cannot be read, or `out` cannot be
            written or another process restores there; nothing has been written.
    """
    targets, passed_over = targets_of(pictures, out)
    check_writable(out, "--out")
    generator, multiple = load_generator(checkpoint)
    bits = bits_of(list(targets))
    for file in targets:
        read_picture(file, bits)
    for sentence in (account_of(passed_over), depth_remark(bits)):
        if sentence:
            remark(sentence)
    generator.to(device)
    with sole_writer(out, out / LOCK, "restoring pictures"):
        for file, target in targets.items():
            restored = restore(generator, read_picture(file, bits), multiple, torch.device(device))
            with write_aside(target) as aside:
                Image.fromarray(restored).save(aside, "PNG")
            yield target


def targets_of(pictures: Sequence[Path], out: Path) -> tuple[dict[Path, Path], list[str]]:
    """The file to write for each picture, folders opened, and what these hold besides.

    Raises:
        UserInputError: there are none, two would be written under one name, or one would be
            written over.
    """
    targets: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    passed_over: list[str] = []
    for entry in pictures:
        folder = is_folder(entry)
        files, over = opened_folder(entry, out) if folder else ([entry], ())
        passed_over += over
        root = entry if folder else entry.parent
        for file in files:
            target = out / file.relative_to(root).with_suffix(".png")
            if target in taken:
                raise UserInputError(
                    f"{shown(taken[target])} and {shown(file)} would both become "
                    f"{shown(target.relative_to(out))}: restore them into different folders."
                )
            if file.absolute() == target.absolute():
                raise UserInputError(
                    f"{shown(file)} would be written over: choose another folder with --out DIR."
                )
            taken[target], targets[file] = file, target
    return targets, passed_over


def opened_folder(folder: Path, out: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures of a folder, without those of an `out` inside it; and what was passed over.

    Raises:
        UserInputError: there are none.
    """
    listing = list_pictures(folder)
    above, place = (os.path.realpath(path) + os.sep for path in (folder, out))
    inside = place.startswith(above) and place != above
    files = [
        file
        for file in listing.pictures
        if not inside or not os.path.realpath(file).startswith(place)
    ]
    if not files:
        account = account_of(listing.passed_over)
        raise UserInputError(f"{shown(folder)} holds no pictures{account and f' ({account})'}.")
    return files, listing.passed_over


def load_generator(file: Path) -> tuple[nn.Module, int]:
    """The generator that a `latest_net_G.pth` holds, and what the sides of its pictures divide by.

    Raises:
        UserInputError: the file is no checkpoint, or not of a pix2pix generator.
    """
    weights = read_checkpoint(file)
    shape = shape_of(weights, file)
    # Compared without memory first: a forged shape must not decide how much is allocated.
    with torch.device("meta"):
        expected = bare_generator(shape.netG, shape.ngf, shape.norm, shape.dropout)
    if name := first_difference(expected, weights):
        raise UserInputError(
            f"{file} looks like a {shape.netG} of ngf {shape.ngf}, but does not hold {name} as "
            "pix2pix's has it: name a latest_net_G.pth of the unchanged network."
        )
    net = bare_generator(shape.netG, shape.ngf, shape.norm, shape.dropout)
    own = net.state_dict()
    net.load_state_dict({name: weights.get(name, value) for name, value in own.items()})
    return net, GENERATOR_MULTIPLE[shape.netG]


def restore(generator: nn.Module, picture: Picture, multiple: int, device: torch.device) -> Picture:
    """A picture `[h, w, 3]`, bytes, restored at its own size.

    Args:
        multiple: what the generator's sides must divide by; the picture is mirrored at its rims
            up to that and cut back.
    """

    if isinstance(generator, WarpUnet):
        return restore_by_field(
            generator, picture, lambda small, run: padded(small, multiple, run), device
        )

    def run(part: Tensor) -> Tensor:
        with restoring(generator) as restored:
            return to_unit(restored(part.to(device))).cpu()

    signed = to_signed(to_tensor(picture))[None]
    height, width = signed.shape[-2:]
    if height * width > MOST_PIXELS:
        whole = in_tiles(signed, lambda tile: padded(tile, multiple, run), TILE, OVERLAP)
    else:
        whole = padded(signed, multiple, run)
    found: Picture = (whole[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return found


def padded(picture: Tensor, multiple: int, run: Callable[[Tensor], Tensor]) -> Tensor:
    """`run` on `[1, 3, h, w]` mirrored up to a multiple of both sides, cut back to its size."""
    height, width = picture.shape[-2:]
    (top, rows), (left, columns) = (mirrored(side, multiple) for side in (height, width))
    restored = run(picture[:, :, rows][..., columns])
    return restored[:, :, top : top + height, left : left + width]


def mirrored(side: int, multiple: int) -> tuple[int, Tensor]:
    """Where the picture begins in a side mirrored up to a multiple, and that side's indices."""
    longer = max(LEAST_SIDE, -(-side // multiple) * multiple)
    before = (longer - side) // 2
    period = max(1, 2 * side - 2)
    place = (torch.arange(longer) - before) % period
    return before, torch.where(place < side, place, period - place)


def in_tiles(picture: Tensor, run: Callable[[Tensor], Tensor], tile: int, overlap: int) -> Tensor:
    """`run` on overlapping tiles of `[1, 3, h, w]`, faded into one another: no seams.

    Every tile is normalised by its own statistics, so far tiles may differ slightly in tone; the
    fade spreads that over `overlap` pixels.
    """
    height, width = picture.shape[-2:]
    total = torch.zeros_like(picture)
    weight = torch.zeros(1, 1, height, width)
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            rows = slice(top, min(top + tile, height))
            columns = slice(left, min(left + tile, width))
            part = run(picture[:, :, rows, columns])
            fade = torch.outer(ramp(rows, height, overlap), ramp(columns, width, overlap))
            total[:, :, rows, columns] += part * fade
            weight[:, :, rows, columns] += fade
    return total / weight


def starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin: at multiples of `overlap`, which the generators' strides divide.

    The last tile reaches the picture's end, and may be up to `overlap` shorter than the others.
    """
    last = max(0, -(-(side - tile) // overlap) * overlap)
    return [*range(0, last, tile - overlap), last]


def ramp(part: slice, side: int, overlap: int) -> Tensor:
    """How much each row of a tile counts, where another tile follows.

    Nothing in the outer quarter of the overlap, where the generator sees the tile's mirrored rim;
    then it fades in over half of it.
    """
    length = part.stop - part.start
    up = ((torch.arange(length) + 0.5 - overlap / 4) / (overlap / 2)).clamp(0, 1)
    weights = torch.ones(length)
    if part.start > 0:
        weights *= up
    if part.stop < side:
        weights *= up.flip(0)
    return weights
