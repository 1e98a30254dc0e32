"""Score folders of results: match their pictures, then read and score them in batches."""

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
from harness.data.files.processes import with_progress
from harness.data.pairs.mask_cache import found_mask
from harness.data.synthesis.displacement_files import FIELD
from harness.errors import UserInputError, inline
from harness.training.precision import full_float32
from objectives.masks import region_by_difference
from objectives.score import NothingToScoreError, Objective, Reference, Score, aggregate

Region = Literal["flow", "difference"]

LISTED = 5  # names in an error message
# Pictures of one size are scored together, up to this many pixels at a time, to bound memory.
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
        lpips_reference: the pictures whose LPIPS distance is 1 in `Lrel`, in words.
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
        remark: receives a sentence about ignored files of a folder.

    Raises:
        UserInputError: a folder is missing or empty, neither `mask` nor `retouched` is given, or
            a picture has no counterpart in another folder.
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
        reject_missing(stems, files, places[flag], places["--pred"])
    reject_missing(found["--target"], stems, places["--pred"], places["--target"])
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


def match_results(
    folder: Path, remark: Remark = no_remark, flag: str = "--results"
) -> list[PictureFiles]:
    """The pictures that pix2pix's `test.py` wrote to a folder, or to an `images/` below it.

    test.py applies its `--direction` itself: real_A is always the input.

    Args:
        remark: receives sentences about the other files, and where the pictures were found.
        flag: the option that named the folder, for messages.

    Raises:
        UserInputError: there are none, or a restored picture lacks its real_A or real_B.
    """
    files = pictures_of(results_place(folder, remark, flag), flag, remark, deep=False)
    stems = sorted(stem.removesuffix(RESTORED) for stem in files if stem.endswith(RESTORED))
    if not stems:
        raise UserInputError(
            f"{inline(folder)} holds no *{RESTORED}.png: {flag} is a folder written by "
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


def results_place(folder: Path, remark: Remark, flag: str) -> Path:
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
        remark(f"{flag} {inline(folder)}: the pictures in {inline(place)} are scored.")
    return places[0] if places else folder


def pictures_of(folder: Path, flag: str, remark: Remark, deep: bool = True) -> dict[str, Path]:
    """The pictures of a folder, by their relative path without its suffix."""
    if not is_folder(folder):
        raise UserInputError(
            f"{flag} {inline(folder)} is not a folder: name one with the pictures."
        )
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


def reject_missing(
    required: dict[str, Path], available: dict[str, Path], where: str, required_by: str
) -> None:
    """Reject a folder (`where`) that lacks counterparts of the pictures in `required_by`."""
    missing = sorted(stem + file.suffix for stem, file in required.items() if stem not in available)
    if missing:
        raise UserInputError(
            f"{where} lacks the counterparts of {listing_of(missing)} in {required_by}: pictures "
            "are paired by name without its ending."
        )


def listing_of(names: Sequence[str | Path]) -> str:
    """The first few names, and how many more."""
    more = len(names) - LISTED
    first = ", ".join(inline(Path(name)) for name in names[:LISTED])
    return first + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class BitDepths:
    """The bit depths of 16-bit pictures; those of restored ones may differ from the others'."""

    restored: int
    others: int

    @classmethod
    def of(cls, files: Sequence[PictureFiles]) -> "BitDepths":
        others = [file for one in files for file in (one.original, one.retouched) if file]
        return cls(bits_of([one.restored for one in files]), bits_of(others))


def score_files(
    files: Sequence[PictureFiles],
    objective: Objective,
    region: Region = "flow",
    remark: Remark = no_remark,
) -> FolderScore:
    """Read and score all pictures, which may have different sizes.

    Args:
        region: the method that finds the warped region of a picture without a mask.
        remark: receives sentences about a guessed bit depth and about the progress.

    Raises:
        UserInputError: a picture cannot be read, its files differ in size, or there is nothing to
            score.
    """
    bits = BitDepths.of(files)
    for sentence in {depth_remark(bits.restored), depth_remark(bits.others)} - {""}:
        remark(sentence)
    by_size: dict[tuple[int, int], list[PictureFiles]] = defaultdict(list)
    for picture in files:
        by_size[picture_size(picture)].append(picture)

    def scored_rows() -> Iterator[dict[str, float | str]]:
        for (width, height), same_size in by_size.items():
            step = max(1, BATCH_PIXELS // (width * height))
            for start in range(0, len(same_size), step):
                batch = same_size[start : start + step]
                yield from score_batch(batch, objective, region, bits)

    counted_rows = with_progress(scored_rows(), len(files), "pictures are scored", remark)
    rows = {str(row["name"]): row for row in counted_rows}
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
    files: Sequence[PictureFiles], objective: Objective, region: Region, bits: BitDepths
) -> list[dict[str, float | str]]:
    """Score pictures whose files have the same size; EXIF may rotate some of them."""
    by_shape: dict[torch.Size, list[PictureSet]] = defaultdict(list)
    for picture in files:
        picture_set = read_set(picture, region, bits)
        by_shape[picture_set.original.shape].append(picture_set)
    return [row for group in by_shape.values() for row in score_sets(group, objective)]


def score_sets(
    sets: "Sequence[PictureSet]", objective: Objective
) -> Sequence[dict[str, float | str]]:
    """Score pictures of one size: a row of `Score.per_image` for each."""
    retouched = [picture.retouched for picture in sets if picture.retouched is not None]
    reference = Reference(
        names=tuple(picture.files.name for picture in sets),
        targets=torch.stack([picture.original for picture in sets]),
        masks=torch.stack([picture.mask for picture in sets]),
        inputs=torch.stack(retouched) if retouched else None,
    )
    try:
        with full_float32():
            scorer = objective.against(reference)
            score = scorer(torch.stack([picture.restored for picture in sets]))
    except NothingToScoreError as error:
        return [{"name": picture.files.name, "skipped": str(error)} for picture in sets]
    except ValueError as error:
        raise UserInputError(f"{inline(sets[0].files.restored)}: {error}") from error
    return score.per_image


@dataclass(frozen=True)
class PictureSet:
    """One picture's tensors: float `[3, h, w]` in [0, 1], and the mask, bool `[1, h, w]`."""

    files: PictureFiles
    restored: Tensor
    original: Tensor
    retouched: Tensor | None
    mask: Tensor


def read_set(files: PictureFiles, region: Region, bits: BitDepths) -> PictureSet:
    """Read the files of one picture; without a mask, find it from the input and the original."""
    original = read_picture(files.original, bits.others)
    restored = read_picture(files.restored, bits.restored)
    reject_other_size(files.restored, restored.shape, files.original, original)
    retouched = None
    if files.retouched is not None:
        retouched = read_picture(files.retouched, bits.others)
        reject_other_size(files.retouched, retouched.shape, files.original, original)
    if files.mask is not None:
        drawn = np.asarray(drawn_mask(files.mask))
        reject_other_size(files.mask, drawn.shape, files.original, original)
        mask = torch.from_numpy(drawn > HALF).unsqueeze(0)
    else:
        assert retouched is not None
        mask = (
            found_mask(retouched, original)
            if region == "flow"
            else region_by_difference(to_unit_tensor(retouched), to_unit_tensor(original))
        )
    return PictureSet(
        files,
        to_unit_tensor(restored),
        to_unit_tensor(original),
        None if retouched is None else to_unit_tensor(retouched),
        mask,
    )


def reject_other_size(
    file: Path, shape: tuple[int, ...], original_file: Path, original: Picture
) -> None:
    """Reject a picture whose size differs from its original's."""
    if shape[:2] != original.shape[:2]:
        sizes = [f"{width} x {height}" for height, width in (shape[:2], original.shape[:2])]
        raise UserInputError(
            f"{inline(file)} is {sizes[0]} and its original {inline(original_file)} is {sizes[1]}: "
            "both must have the same size."
        )


def to_unit_tensor(picture: Picture) -> Tensor:
    """Bytes `[h, w, 3]` -> float `[3, h, w]` in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
