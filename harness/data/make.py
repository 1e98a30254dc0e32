"""Pairs from originals alone: the faces liquified, everything needed to undo it kept."""

import io
import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from harness.data.faces import find_face
from harness.data.fields import save_fields
from harness.data.folders import Split, check_new, pictures_in
from harness.data.liquify import (
    Field,
    Stroke,
    displacement,
    inverse_displacement,
    resample,
)
from harness.data.pool import each
from harness.data.reading import Picture, read_picture, shown
from harness.data.retouch import Face, retouch
from harness.data.samples import MAX_ENLARGEMENT, middle_face
from harness.errors import UserInputError
from objectives.masks import region_from_field

VAL_EVERY = 5
# Packing a picture well takes as long as all else about it.
QUICK_PNG = 3
# A portrait's frame beside its face's height.
FRAMING = (1.5, 2.1)


@dataclass(frozen=True)
class MakePlan:
    """How to make pairs.

    Attributes:
        out: the new folder.
        size: side of each half in pixels.
        seed: of everything drawn.
        jpeg: quality at which the retouched half is recompressed, None for not at all.
    """

    out: Path
    size: int
    seed: int
    jpeg: int | None = None


@dataclass(frozen=True)
class MadePair:
    """A pair just made: pictures as bytes `[h, w, 3]`, the field and what undoes it."""

    original: Picture
    retouched: Picture
    strokes: tuple[Stroke, ...]
    field: Field
    inverse: Field
    face_found: bool


def make_pairs(originals: Path, pairs: int, plan: MakePlan, processes: int) -> Path:
    """Make `pairs` pairs from the pictures in `originals`, each in turn, as a data folder:
    `{train,val}/*.png` with A = retouched, `masks/`, `fields/*.npz`, and `made.jsonl` with every
    stroke and seed. Every fifth original is kept for validation.

    Raises:
        UserInputError: no usable originals, or the output folder is not new. Nothing is left.
    """
    files = pictures_in(originals)
    if not files:
        lacking = "holds no pictures to make pairs from" if originals.is_dir() else "is no folder"
        raise UserInputError(
            f"{shown(originals)} {lacking}: name a folder of portraits with --originals."
        )
    check_new(plan.out, "--out", here=False)
    sources = [files[number % len(files)] for number in range(pairs)]
    aside = plan.out.with_name(f".{plan.out.name}.making")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed process left
    try:
        (aside / "fields").mkdir(parents=True)
        with (aside / "made.jsonl").open("w", encoding="utf-8") as record:
            splits = split_of(files)
            entries = ((file, splits[file], n, plan, aside) for n, file in enumerate(sources))
            for line in each(make_one, entries, processes):
                record.write(line + "\n")
        if plan.out.exists():
            plan.out.rmdir()
        aside.rename(plan.out)
    except OSError as error:
        raise UserInputError(
            f"{shown(plan.out)} cannot be written ({error.strerror}): name another folder."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return plan.out


def split_of(files: list[Path]) -> dict[Path, Split]:
    """Whole originals to each split, so that no picture is on both sides."""
    return {
        file: "val"
        if number % VAL_EVERY == VAL_EVERY - 1 or number == len(files) - 1 > 0
        else "train"
        for number, file in enumerate(files)
    }


def make_one(entry: tuple[Path, Split, int, MakePlan, Path]) -> str:
    """Make one pair, write its files, return its record. Given: the original, its split, the
    pair's number, the plan, the folder to write under."""
    source, split, number, plan, root = entry
    made = made_pair(read_picture(source), source, number, plan)
    name = f"{number:05d}"
    for folder in (root / split, root / "masks" / split):
        folder.mkdir(parents=True, exist_ok=True)
    both = Image.fromarray(np.hstack([made.retouched, made.original]))
    both.save(root / split / f"{name}.png", compress_level=QUICK_PNG)
    mask = region_from_field(torch.from_numpy(made.field))[0].numpy()
    Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / split / f"{name}.png")
    save_fields(root / "fields" / f"{name}.npz", made.field, made.inverse)
    return json.dumps(
        {
            "pair": f"{split}/{name}.png",
            "original": source.name,
            "seed": [plan.seed, number],
            "face_found": made.face_found,
            "jpeg": plan.jpeg,
            "largest_px": round(float(np.hypot(*made.field).max()), 3),
            "strokes": [asdict(stroke) for stroke in made.strokes],
        }
    )


def made_pair(picture: Picture, source: Path, number: int, plan: MakePlan) -> MadePair:
    """Frame the face, scale to the plan's size, liquify.

    Raises:
        UserInputError: the picture is too small to be sharp at that size.
    """
    smallest = math.ceil(plan.size / MAX_ENLARGEMENT)
    if min(picture.shape[:2]) < smallest:
        raise UserInputError(
            f"{shown(source)} is {picture.shape[1]} x {picture.shape[0]}, too small to be sharp at "
            f"{plan.size}: choose --size {int(min(picture.shape[:2]) * MAX_ENLARGEMENT)} or less, "
            "or leave it out."
        )
    random = np.random.default_rng([plan.seed, number])
    found = find_face(picture)
    left, top, side = frame(picture, found, smallest, random)
    box = (left, top, left + side, top + side)
    sized = Image.fromarray(picture).resize(
        (plan.size, plan.size), Image.Resampling.LANCZOS, box=box
    )
    scale = plan.size / side
    face = middle_face(plan.size)
    if found is not None:
        face = Face(
            (found.x - left) * scale,
            (found.y - top) * scale,
            found.half_width * scale,
            found.half_height * scale,
        )
    original = np.array(sized)
    strokes = retouch(face, random)
    field = displacement(strokes, plan.size, plan.size)
    retouched = recompressed(resample(original, field), plan.jpeg)
    inverse = inverse_displacement(strokes, plan.size, plan.size)
    return MadePair(original, retouched, strokes, field, inverse, found is not None)


def frame(
    picture: Picture, face: Face | None, smallest: int, random: np.random.Generator
) -> tuple[int, int, int]:
    """(left, top, side) of a square about the face, or about the picture's middle."""
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


def recompressed(picture: Picture, quality: int | None) -> Picture:
    """The picture as JPEG of that quality shows it."""
    if quality is None:
        return picture
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer).convert("RGB"))


def undone(made: MadePair) -> Picture:
    """The oracle: the retouched picture warped back, the best any restoration could be."""
    return resample(made.retouched, made.inverse)
