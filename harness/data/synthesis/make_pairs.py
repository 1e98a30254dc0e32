"""Make pairs from originals alone: liquify the faces, and store what is needed to undo it."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from shlex import quote

import numpy as np
from PIL import Image

from harness.data.files.bit_depth import WIDEST
from harness.data.files.duplicates import Signature, same_picture_groups, signature
from harness.data.files.folder_bit_depth import bits_of, depth_remark
from harness.data.files.listing import (
    Remark,
    account_of,
    list_pictures,
    name_of,
    names_that_pair,
    no_remark,
    stem_of,
)
from harness.data.files.new_folder import new_folder
from harness.data.files.pair_folders import Split
from harness.data.files.picture_reading import (
    MAX_ENLARGEMENT,
    Picture,
    halves_alike,
    read_picture,
    side_by_side_remark,
)
from harness.data.files.processes import Map, pooled, with_progress
from harness.data.synthesis.displacement_files import save_fields
from harness.data.synthesis.face_detection import find_face
from harness.data.synthesis.handles import Handles
from harness.data.synthesis.liquify import (
    Field,
    Stroke,
    displacement,
    inverse_displacement,
    resample,
)
from harness.data.synthesis.retouch import Face, middle_face, retouch
from harness.data.synthesis.traces import Traces, apply_traces, draw_traces
from harness.errors import UserInputError, inline

RECORD = "made.jsonl"
# Files that identify a folder that this program wrote: made pairs, a study's files, a full
# training's. MLflow's artifacts have no such file, but are next to its database.
OURS = (frozenset({RECORD}), frozenset({"study.json", "driver.lock"}), frozenset({"training.yaml"}))
ARTIFACTS, BESIDE = "mlflow-artifacts", "mlflow.db"
VAL_EVERY = 5
# Equals `objectives.masks.FIELD_THRESHOLD` (tested), which would make each process import torch.
MOVED = 0.001
# Compression level: a higher one would take as long as all other work for a pair.
QUICK_PNG = 3
# How many pictures tell whether a folder holds pairs side by side, if all are.
SAMPLED = 24
# The side of a portrait's frame, in heights of the face.
FRAMING = (1.5, 2.1)


@dataclass(frozen=True)
class MakePlan:
    """How to make pairs.

    Attributes:
        out: the new folder.
        size: side of each half in pixels.
        seed: seed of all random choices.
        jpeg: quality at which every retouched half is recompressed; None: about half of them, each
            at a random quality.
        bits: number of bits that 16-bit originals use.
    """

    out: Path
    size: int
    seed: int
    jpeg: int | None = None
    bits: int = WIDEST


@dataclass(frozen=True)
class MadePair:
    """A pair: pictures as bytes `[h, w, 3]`, the field and its inverse, and other traces."""

    original: Picture
    retouched: Picture
    strokes: tuple[Stroke | Handles, ...]
    field: Field
    inverse: Field
    traces: Traces
    face_found: bool


def make_pairs(
    originals: Path, pairs: int, plan: MakePlan, processes: int, remark: Remark = no_remark
) -> Path:
    """Make `pairs` pairs from the pictures in `originals`, in turn, as a data folder:
    `{train,val}/*.png` with A = retouched, `masks/`, `fields/*.npz`, and `made.jsonl` with every
    stroke and seed. Every fifth original is kept for validation, with all that show the same
    picture.

    Args:
        remark: is called with sentences about ignored files, a guessed bit depth, pairs side by
            side, and the progress.

    Raises:
        UserInputError: no usable originals, or most are pairs side by side; or the output folder is
            not new. Nothing stays behind.
    """
    files, passed_over = find_originals(originals)
    # The processes end before the folder is removed, so that none writes to it any more.
    with new_folder(plan.out, "--out") as aside, pooled(processes) as spread:
        plan = replace(plan, bits=bits_of(list(files.values())))
        for sentence in (
            account_of(passed_over),
            depth_remark(plan.bits),
            paired_names_remark(originals, files.values()),
        ):
            if sentence:
                remark(sentence)
        names = list(files)
        drawn = {name: files[name] for name in names[:pairs]}
        groups = same_portraits(drawn, plan.bits, spread, originals, remark)
        groups += [[name] for name in names[pairs:]]
        splits = split_of(groups)
        pictures = {name: group[0] for group in groups for name in group}
        sources = [names[number % len(names)] for number in range(pairs)]
        entries = (
            (files[name], name, pictures[name], splits[name], n, plan, aside)
            for n, name in enumerate(sources)
        )
        (aside / "fields").mkdir()
        with (aside / RECORD).open("w", encoding="utf-8") as record:
            for line in with_progress(spread(make_one, entries), pairs, "pairs are made", remark):
                record.write(line + "\n")
    return plan.out


def find_originals(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The pictures below a folder by name, without those that this program wrote there (pairs,
    panels), and the names of ignored files.

    Raises:
        UserInputError: there are none.
    """
    listing = list_pictures(folder)
    others = defaultdict(set)
    for file in map(PurePosixPath, listing.passed_over):
        others[file.parent].add(file.name)
    made = {place for place, files in others.items() if any(mark <= files for mark in OURS)}
    made |= {place / ARTIFACTS for place, files in others.items() if BESIDE in files}

    def ours(name: str) -> bool:
        return not made.isdisjoint(PurePosixPath(name).parents)

    named = {name_of(file, folder): file for file in listing.pictures}
    originals = {name: file for name, file in named.items() if not ours(name)}
    passed_over = tuple(name for name in listing.passed_over if not ours(name))
    passed_over += tuple(f"{place}/" for place in sorted(made) if (folder / place).is_dir())
    if not originals:
        if not folder.exists():
            raise UserInputError(
                f"There is no folder {inline(folder)}: name a folder of portraits with --originals."
            )
        lacking = "holds no pictures to make pairs from" if folder.is_dir() else "is no folder"
        account = account_of(passed_over)
        raise UserInputError(
            f"{inline(folder)} {lacking}{account and f' ({account})'}: name a folder of portraits "
            "with --originals."
        )
    return originals, passed_over


def paired_names_remark(folder: Path, files: Iterable[Path]) -> str:
    """A remark that originals are named like pairs of two files; "" if they are not."""
    named = names_that_pair([stem_of(file, folder) for file in files])
    if named is None:
        return ""
    return (
        f"The names in {inline(folder)} pair up ({', '.join(map(inline, named))}), and each "
        "picture is used as an original: if some are retouched, search on the pairs with --data "
        "and the folders retouched/ and original/ instead."
    )


def same_portraits(
    files: Mapping[str, Path], bits: int, spread: Map, folder: Path, remark: Remark
) -> list[list[str]]:
    """The names of originals in groups that show the same picture, whole or cropped.

    Raises:
        UserInputError: most of them are pairs side by side.
    """
    names = list(files)
    inspected = list(spread(inspect_original, ((file, bits) for file in files.values())))
    paired = [files[name] for name, (_, alike) in zip(names, inspected, strict=True) if alike]
    if paired:
        remark(accept_pairs(paired, len(names), folder))
    groups = same_picture_groups([identity for identity, _ in inspected])
    return [[names[index] for index in group] for group in groups]


def accept_pairs(paired: Sequence[Path], pictures: int, folder: Path) -> str:
    """A remark on originals that look like pairs side by side.

    Raises:
        UserInputError: most of the pictures do.
    """
    found = side_by_side_remark(paired, pictures)
    if 2 * len(paired) > pictures:
        raise UserInputError(
            f"{found}, and --originals takes single portraits: search on such pairs with harness "
            f"search --data {quote(str(folder))} --direction AtoB (BtoA if the retouched half is "
            "the right one)."
        )
    return (
        f"{found}: each is used as one portrait; remove it, or search on such pairs with --data "
        "DIR --direction AtoB or BtoA."
    )


def refuse_pairs(files: Sequence[Path], folder: Path) -> None:
    """Refuse a folder of pairs side by side before any are made of it, by a sample of its pictures.

    Portraits are recognised by the first one.

    Raises:
        UserInputError: each picture of the sample is a pair, or one cannot be read.
    """
    sample = files[:: math.ceil(len(files) / SAMPLED)]
    if all(halves_alike(read_picture(file)) for file in sample):
        accept_pairs(sample, len(sample), folder)


def inspect_original(entry: tuple[Path, int]) -> tuple[Signature, bool]:
    """What identifies an original's picture, and whether it looks like a pair side by side.
    `entry`: its file, and the bits of 16-bit ones."""
    picture = read_picture(*entry)
    return signature(picture, picture), halves_alike(picture)


def split_of(groups: Sequence[Sequence[str]]) -> dict[str, Split]:
    """The split of each original of these groups: all pairs of a group go to the same one."""
    return {
        name: "val"
        if number % VAL_EVERY == VAL_EVERY - 1 or number == len(groups) - 1 > 0
        else "train"
        for number, group in enumerate(groups)
        for name in group
    }


def make_one(entry: tuple[Path, str, str, Split, int, MakePlan, Path]) -> str:
    """Make one pair, write its files, and return its record. `entry`: the original's file and name,
    the name of the first that shows its picture, its split, the pair's number, the plan, and the
    folder to write to."""
    source, original, picture, split, number, plan, root = entry
    made = made_pair(read_picture(source, plan.bits), source, number, plan)
    name = f"{number:05d}"
    for folder in (root / split, root / "masks" / split):
        folder.mkdir(parents=True, exist_ok=True)
    both = Image.fromarray(np.hstack([made.retouched, made.original]))
    both.save(root / split / f"{name}.png", compress_level=QUICK_PNG)
    mask = np.hypot(*made.field.astype(np.float64)) > MOVED * plan.size
    Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / split / f"{name}.png")
    save_fields(root / "fields" / f"{name}.npz", made.field, made.inverse)
    return json.dumps(
        {
            "pair": f"{split}/{name}.png",
            "original": original,
            "picture": picture,
            "seed": [plan.seed, number],
            "face_found": made.face_found,
            **asdict(made.traces),
            "largest_px": round(float(np.hypot(*made.field).max()), 3),
            "strokes": [asdict(stroke) for stroke in made.strokes],
        }
    )


def made_pair(picture: Picture, source: Path, number: int, plan: MakePlan) -> MadePair:
    """Crop to the face, scale to the plan's size, and liquify."""
    smallest = math.ceil(plan.size / MAX_ENLARGEMENT)
    if min(picture.shape[:2]) < smallest:
        raise UserInputError(
            f"{inline(source)} is {picture.shape[1]} x {picture.shape[0]}, too small to be sharp "
            f"at {plan.size}: choose --size {int(min(picture.shape[:2]) * MAX_ENLARGEMENT)} or "
            "less, or leave it out."
        )
    random = np.random.default_rng([plan.seed, number])
    detected = find_face(picture)
    left, top, side = frame(picture, detected, smallest, random)
    box = (left, top, left + side, top + side)
    sized = Image.fromarray(picture).resize(
        (plan.size, plan.size), Image.Resampling.LANCZOS, box=box
    )
    scale = plan.size / side
    face = middle_face(plan.size)
    if detected is not None:
        face = Face(
            (detected.x - left) * scale,
            (detected.y - top) * scale,
            detected.half_width * scale,
            detected.half_height * scale,
        )
    original = np.array(sized)
    strokes = retouch(face, random)
    field = displacement(strokes, plan.size, plan.size)
    traces = draw_traces(plan.size, random, plan.jpeg)
    retouched = apply_traces(traces, resample(original, field), field)
    inverse = inverse_displacement(strokes, plan.size, plan.size)
    return MadePair(original, retouched, strokes, field, inverse, traces, detected is not None)


def frame(
    picture: Picture, face: Face | None, smallest: int, random: np.random.Generator
) -> tuple[int, int, int]:
    """(left, top, side) of a square around the face, or around the picture's centre."""
    height, width = picture.shape[:2]
    largest = min(height, width)
    if face is None:
        side = round(largest * random.uniform(0.85, 1.0))
        x, y = width / 2, height / 2
    else:
        side = round(2 * face.half_height * random.uniform(*FRAMING))
        x, y = face.x, face.y + 0.1 * face.half_height
    side = min(max(side, smallest), largest)
    left, top = (
        min(max(round(centre - side / 2 + side * random.uniform(-0.04, 0.04)), 0), length - side)
        for centre, length in ((x, width), (y, height))
    )
    return left, top, side
