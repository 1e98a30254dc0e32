"""Score folders of results: match their pictures, read and score them in batches."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.data.files.folder_bit_depth import bits_of, depth_remark
from harness.data.files.listing import (
    Remark,
    account_of,
    is_folder,
    list_pictures,
    name_of,
    no_remark,
    readable,
    unique_stems,
)
from harness.data.files.picture_reading import (
    HALF,
    Picture,
    drawn_mask,
    opened_picture,
    read_picture,
)
from harness.data.files.processes import counted
from harness.data.pairs.mask_cache import found_mask
from harness.data.synthesis.displacement_files import FIELD
from harness.errors import UserInputError, inline
from harness.training.precision import full_float32
from objectives.masks import region_by_difference
from objectives.score import NothingToScoreError, Objective, Reference, Score, aggregate

Region = Literal["flow", "difference"]

LISTED = 5
# Pictures of one size are scored together, this many pixels at a time: bounds memory.
BATCH_PIXELS = 2**20
# pytorch-CycleGAN-and-pix2pix's test.py writes NAME_fake_B.png, NAME_real_B.png, NAME_real_A.png.
RESTORED, ORIGINAL, RETOUCHED = "_fake_B", "_real_B", "_real_A"
BLURRED_TARGET = "the original, blurred in the mask by 1.25% of its short side"
INPUT = "input"


@dataclass(frozen=True)
class PictureFiles:
    """The files of one picture; at least one of `mask` and `retouched` is given."""

    name: str
    restored: Path
    original: Path
    mask: Path | None
    retouched: Path | None


@dataclass(frozen=True)
class FolderScore:
    """A folder's score.

    Attributes:
        score: over all pictures.
        lpips_reference: what `Lrel` is relative to.
    """

    score: Score
    lpips_reference: str


def match_folders(
    pred: Path,
    target: Path,
    mask: Path | None,
    retouched: Path | None,
    remark: Remark = no_remark,
) -> list[PictureFiles]:
    """Match the pictures of several folders by their relative paths without suffix.

    Args:
        remark: receives a sentence about the other files of a folder.

    Raises:
        UserInputError: a folder is missing or empty, neither `mask` nor `retouched` is given, or
            pictures lack a counterpart.
    """
    if mask is None and retouched is None:
        raise UserInputError(
            "The region to score is unknown: give --mask (white where it was warped), or --input "
            "(the retouched pictures, from which the region is found)."
        )
    named = {"--pred": pred, "--target": target, "--mask": mask, "--input": retouched}
    folders = {flag: folder for flag, folder in named.items() if folder is not None}
    found = {flag: pictures_of(folder, flag, remark) for flag, folder in folders.items()}
    stems = found["--pred"]
    places = {flag: f"{flag} {inline(folder)}" for flag, folder in folders.items()}
    for flag, files in found.items():
        refuse_missing(stems, files, places[flag], places["--pred"])
    refuse_missing(found["--target"], stems, places["--pred"], places["--target"])
    return [
        PictureFiles(
            name_of(restored, pred),
            restored,
            found["--target"][stem],
            found["--mask"][stem] if mask else None,
            found["--input"][stem] if retouched else None,
        )
        for stem, restored in sorted(stems.items())
    ]


def match_results(folder: Path, remark: Remark = no_remark) -> list[PictureFiles]:
    """The pictures that pix2pix's `test.py` wrote to a folder, or to an `images/` below it.

    test.py applies its `--direction` itself: real_A is always the input.

    Args:
        remark: receives sentences about the other files, and where the pictures were found.

    Raises:
        UserInputError: there are none, or a restored picture lacks its real_A or real_B.
    """
    files = pictures_of(results_place(folder, remark), "--results", remark, deep=False)
    stems = sorted(stem.removesuffix(RESTORED) for stem in files if stem.endswith(RESTORED))
    if not stems:
        raise UserInputError(
            f"{inline(folder)} holds no *{RESTORED}.png: --results is a folder written by "
            "pix2pix's test.py; for other folders use --pred and --target."
        )
    lacking = [
        f"{stem}{ending}"
        for stem in stems
        for ending in (ORIGINAL, RETOUCHED)
        if stem + ending not in files
    ]
    if lacking:
        raise UserInputError(f"{inline(folder)} lacks {listing_of(lacking)}: run test.py again.")
    return [
        PictureFiles(
            readable(files[stem + RESTORED].name),
            files[stem + RESTORED],
            files[stem + ORIGINAL],
            None,
            files[stem + RETOUCHED],
        )
        for stem in stems
    ]


def results_place(folder: Path, remark: Remark) -> Path:
    """Where test.py's pictures are: in `folder`, in its `images/`, or in the only `images/` one or
    two levels further below.

    Raises:
        UserInputError: there are several.
    """
    inner = folder / "images"
    if inner.is_dir() or any(folder.glob(f"*{RESTORED}.*")):
        return inner if inner.is_dir() else folder
    # test.py writes to results/NAME/test_EPOCH/images.
    depths = ("*/images", "*/*/images")
    files = (file for depth in depths for file in folder.glob(f"{depth}/*{RESTORED}.*"))
    places = sorted({file.parent for file in files})
    if len(places) > 1:
        raise UserInputError(
            f"{inline(folder)} holds results of pix2pix in {listing_of(places)}: name one of them."
        )
    for place in places:
        remark(f"--results {inline(folder)}: the pictures in {inline(place)} are scored.")
    return places[0] if places else folder


def pictures_of(folder: Path, flag: str, remark: Remark, deep: bool = True) -> dict[str, Path]:
    """The pictures of a folder by their path in it without ending."""
    if not is_folder(folder):
        raise UserInputError(f"{flag} {inline(folder)} is no folder: name one with the pictures.")
    listing = list_pictures(folder, deep=deep)
    # Displacements that `harness restore --save-field` writes beside its pictures.
    account = account_of(name for name in listing.passed_over if not name.endswith(FIELD))
    if not listing.pictures:
        raise UserInputError(
            f"{flag} {inline(folder)} holds no pictures{account and f' ({account})'}."
        )
    if account:
        remark(f"{flag} {inline(folder)}: {account}")
    return unique_stems(listing.pictures, folder)


def refuse_missing(wanted: dict[str, Path], there: dict[str, Path], where: str, of: str) -> None:
    missing = sorted(stem + file.suffix for stem, file in wanted.items() if stem not in there)
    if missing:
        raise UserInputError(
            f"{where} lacks the counterparts of {listing_of(missing)} in {of}: pictures are paired "
            "by name without its ending."
        )


def listing_of(names: Sequence[str | Path]) -> str:
    """The first few names, and how many more."""
    more = len(names) - LISTED
    first = ", ".join(inline(Path(name)) for name in names[:LISTED])
    return first + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Bits:
    """The bit depths of 16-bit pictures; restored ones may come from another program."""

    restored: int
    others: int

    @classmethod
    def of(cls, files: Sequence[PictureFiles]) -> "Bits":
        others = [other for one in files for other in (one.original, one.retouched) if other]
        return cls(bits_of([one.restored for one in files]), bits_of(others))


def score_files(
    files: Sequence[PictureFiles],
    objective: Objective,
    region: Region = "flow",
    remark: Remark = no_remark,
) -> FolderScore:
    """Read and score all pictures, which may have different sizes.

    Args:
        region: the method to find the region of a picture without a mask.
        remark: receives sentences about a guessed bit depth, and how far it is.

    Raises:
        UserInputError: a picture cannot be read, its files differ in size, or there is nothing to
            score.
    """
    bits = Bits.of(files)
    for sentence in {depth_remark(bits.restored), depth_remark(bits.others)} - {""}:
        remark(sentence)
    by_size: dict[tuple[int, int], list[PictureFiles]] = defaultdict(list)
    for one in files:
        by_size[picture_size(one)].append(one)

    def scored() -> Iterator[dict[str, float | str]]:
        for (width, height), same in by_size.items():
            step = max(1, BATCH_PIXELS // (width * height))
            for start in range(0, len(same), step):
                yield from score_batch(same[start : start + step], objective, region, bits)

    told = counted(scored(), len(files), "pictures are scored", remark)
    rows = {str(row["name"]): row for row in told}
    try:
        score = aggregate([rows[file.name] for file in files], objective.direction)
    except NothingToScoreError as error:
        raise UserInputError(
            "No picture has a warped region worth scoring: check --mask "
            "(white where it was warped), or that --input really differs from --target."
        ) from error
    return FolderScore(score, BLURRED_TARGET if files[0].retouched is None else INPUT)


def picture_size(files: PictureFiles) -> tuple[int, int]:
    """(width, height) of the original, from the header of its file."""
    with opened_picture(files.original) as opened:
        return opened.size


def score_batch(
    files: Sequence[PictureFiles], objective: Objective, region: Region, bits: Bits
) -> list[dict[str, float | str]]:
    """The rows of pictures whose files have the same size; EXIF may rotate some of them."""
    alike: dict[torch.Size, list[PictureSet]] = defaultdict(list)
    for one in files:
        found = read_set(one, region, bits)
        alike[found.original.shape].append(found)
    return [row for group in alike.values() for row in score_sets(group, objective)]


def score_sets(
    sets: "Sequence[PictureSet]", objective: Objective
) -> Sequence[dict[str, float | str]]:
    """The rows of pictures of one size."""
    retouched = [one.retouched for one in sets if one.retouched is not None]
    reference = Reference(
        names=tuple(one.files.name for one in sets),
        targets=torch.stack([one.original for one in sets]),
        masks=torch.stack([one.mask for one in sets]),
        inputs=torch.stack(retouched) if retouched else None,
    )
    try:
        with full_float32():
            score = objective.against(reference)(torch.stack([one.restored for one in sets]))
    except NothingToScoreError as error:
        return [{"name": one.files.name, "skipped": str(error)} for one in sets]
    except ValueError as error:
        raise UserInputError(f"{inline(sets[0].files.restored)}: {error}") from error
    return score.per_image


@dataclass(frozen=True)
class PictureSet:
    """One picture's tensors: floats `[3, h, w]` in [0, 1], mask bool `[1, h, w]`."""

    files: PictureFiles
    restored: Tensor
    original: Tensor
    retouched: Tensor | None
    mask: Tensor


def read_set(files: PictureFiles, region: Region, bits: Bits) -> PictureSet:
    """Read the files of one picture; without a mask, find it between input and original."""
    original = read_picture(files.original, bits.others)
    restored = read_picture(files.restored, bits.restored)
    refuse_other_size(files.restored, restored.shape, files.original, original)
    retouched = None
    if files.retouched is not None:
        retouched = read_picture(files.retouched, bits.others)
        refuse_other_size(files.retouched, retouched.shape, files.original, original)
    if files.mask is not None:
        drawn = np.asarray(drawn_mask(files.mask))
        refuse_other_size(files.mask, drawn.shape, files.original, original)
        mask = torch.from_numpy(drawn > HALF).unsqueeze(0)
    else:
        assert retouched is not None
        mask = (
            found_mask(retouched, original)
            if region == "flow"
            else region_by_difference(unit(retouched), unit(original))
        )
    undone = None if retouched is None else unit(retouched)
    return PictureSet(files, unit(restored), unit(original), undone, mask)


def refuse_other_size(file: Path, shape: tuple[int, ...], of: Path, original: Picture) -> None:
    """Refuse a picture that is not as large as its original."""
    if shape[:2] != original.shape[:2]:
        sizes = [f"{width} x {height}" for height, width in (shape[:2], original.shape[:2])]
        raise UserInputError(
            f"{inline(file)} is {sizes[0]} and its original {inline(of)} is {sizes[1]}: both must "
            "have the same size."
        )


def unit(picture: Picture) -> Tensor:
    """Bytes `[h, w, 3]` -> float `[3, h, w]` in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
