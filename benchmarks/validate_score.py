"""Make objectives/VALIDATION.md: the score on ladders of known distortions.

    python -m benchmarks.validate_score [--portraits DIR]

DIR holds `originals/*.jpg` portraits and `pairs/*.jpg` (original | retouched, side by side).
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.ladders import (
    as_pictures,
    blur,
    checkerboard,
    disguised,
    ensemble,
    inside,
    jitter,
    ladders,
    noise,
    unsharp,
)
from benchmarks.machine import describe_machine
from harness.data.liquify import displacement, resample
from harness.data.reading import read_picture, split_halves
from harness.data.retouch import slim_jaw
from harness.data.samples import built_in_pairs, middle_face
from harness.profiles import QUICK
from harness.training.networks import build_generator
from objectives.boundary_sharpness import BoundarySharpness
from objectives.masks import dilate, region_by_difference, region_from_field, region_from_pair
from objectives.score import Reference, Score

FILE = Path(__file__).parent.parent / "objectives" / "VALIDATION.md"
PLOT = FILE.with_name("validation.svg")
DISGUISES = {"noise": noise, "checkerboard": checkerboard, "unsharp": unsharp}


def photographs(size: int) -> Reference:
    """Windows of scikit-image's photographs, each warped: faces, things, micrographs, the sky."""
    names, kinds = [], []
    for split, pairs in built_in_pairs(size).items():
        for k, name in enumerate(pairs.names):
            number = int(name.rpartition("-")[2])
            if number < (4 if split == "val" else 1):
                names.append(f"{split}/{name}")
                kinds.append((pairs.originals[k], pairs.retouched[k], pairs.masks[k]))
    originals, retouched, masks = (torch.stack(kind) for kind in zip(*kinds, strict=True))
    return Reference(tuple(names), originals.float() / 255, masks, retouched.float() / 255)


def portraits(folder: Path, size: int) -> Reference:
    """The portraits and the originals of the pairs, each warped by our own brush."""
    names, originals, retouched, masks = [], [], [], []
    random = np.random.default_rng(0)
    for file in sorted(folder.glob("originals/*.jpg")) + sorted(folder.glob("pairs/slim*.jpg")):
        picture = read_picture(file)
        if file.parent.name == "pairs":
            picture = split_halves(picture, file)[0]
        side = min(picture.shape[:2])
        left = (picture.shape[1] - side) // 2
        square = Image.fromarray(picture[:side, left : left + side])
        original = np.array(square.resize((size, size), Image.Resampling.LANCZOS))
        field = displacement(slim_jaw(middle_face(size), random), size, size)
        names.append(file.name)
        originals.append(original)
        retouched.append(resample(original, field))
        masks.append(region_from_field(torch.from_numpy(field)))
    return Reference(
        tuple(names), as_pictures(originals), torch.stack(masks), as_pictures(retouched)
    )


def distorted(reference: Reference) -> Iterator[tuple[str, Tensor]]:
    """Every rung of every ladder, and what must stand in a certain order."""
    x, masks = reference.targets, dilate(reference.masks)
    yield "original", x
    for name, rungs in ladders():
        for label, distort in rungs:
            yield f"{name} {label}", inside(distort(x), x, masks)
    yield "jitter", inside(jitter()(x), x, masks)
    yield "ensemble", inside(ensemble(x), x, masks)
    for name, kind in DISGUISES.items():
        yield f"blur 2 + {name}", inside(disguised(2.0, kind, masks)(x), x, masks)
    yield "blur 2 outside only", torch.where(masks, x, blur(2.0)(x))
    yield "untrained generator", inside(untrained(reference), x, masks)
    assert reference.inputs is not None
    yield "input (no-op)", reference.inputs


def untrained(reference: Reference) -> Tensor:
    """What the quick profile's generator makes before any training."""
    assert reference.inputs is not None
    generator = build_generator(QUICK, seed=0).eval()
    with torch.no_grad():
        made: Tensor = generator(2 * reference.inputs - 1)
    return (made + 1) / 2


def claims(found: dict[str, Score]) -> dict[str, tuple[int, int]]:
    """What should hold for every picture: for how many it does, of how many."""
    scores = {
        name: np.array([row["score"] for row in score.per_image], float)
        for name, score in found.items()
    }
    ladder_names = [name for name, _ in ladders()]
    blurs = np.stack([scores[f"blur {label}"] for label, _ in dict(ladders())["blur"]])
    best = np.max([s for name, s in scores.items() if name != "original"], axis=0)
    falling = {
        f"{name}: falls at every step": np.all(
            np.diff([scores[f"{name} {label}"] for label, _ in dict(ladders())[name]], axis=0) < 0,
            axis=0,
        )
        for name in ladder_names
    }
    disguise = np.max([scores[f"blur 2 + {name}"] for name in DISGUISES], axis=0)
    leak = (1 - scores["blur 2 outside only"]) / (1 - scores["blur 2"])
    held = falling | {
        "nothing scores above the original": best <= scores["original"],
        "blur outside moves the score by 5% of what it does inside, or less": leak <= 0.05,
        "jitter above ensemble": scores["jitter"] > scores["ensemble"],
        "ensemble above the input": scores["ensemble"] > scores["input (no-op)"],
        "disguised blur 2 below blur 0.7": disguise < scores["blur 0.7"],
        "disguised blur 2 not above blur 2": disguise <= scores["blur 2"],
        "untrained generator below every blur up to 2": scores["untrained generator"] < blurs[4],
    }
    return {name: (int(true.sum()), len(true)) for name, true in held.items()}


def mask_methods(size: int) -> dict[str, tuple[float, float, float]]:
    """Per method: mean and worst IoU with the true region, both dilated, and seconds a picture."""
    reference = photographs(size)
    inputs = reference.inputs
    assert inputs is not None
    methods: dict[str, Any] = {
        "flow at 256 px (default)": region_from_pair,
        "flow at 128 px": lambda a, b: region_from_pair(a, b, 128),
        "difference above 8/255": region_by_difference,
    }
    out = {}
    for name, method in methods.items():
        began = time.process_time()
        found = torch.stack([method(a, b) for a, b in zip(inputs, reference.targets, strict=True)])
        spent = (time.process_time() - began) / len(found)
        a, b = dilate(found), dilate(reference.masks)
        iou = (a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3))
        out[name] = (float(iou.mean()), float(iou.min()), spent)
    return out


def plot(tables: dict[str, dict[str, Score]]) -> None:
    """One panel a ladder, one line a set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True)
    for axis, (name, rungs) in zip(axes.flat, ladders(), strict=True):
        labels = ["0", *(label for label, _ in rungs)]
        for title, found in tables.items():
            values = [1.0, *(found[f"{name} {label}"].value for label, _ in rungs)]
            axis.plot(labels, values, marker="o", label=title)
        axis.set_title(name)
        axis.set_ylim(0, 1.03)
    axes.flat[0].legend(fontsize="small")
    figure.savefig(PLOT, metadata={"Date": None})


def page(tables: dict[str, dict[str, Score]], methods: dict[int, Any]) -> str:
    """The whole of VALIDATION.md."""
    machine = describe_machine("cpu")
    titles = list(tables)
    lines = [
        "# The score, on distortions of known strength",
        "",
        "Made by `python -m benchmarks.validate_score`; LPIPS's trunk: random. "
        f"{machine['device']}, torch {machine['torch']}, {machine['date']}.",
        "Distortions are done inside the mask (the warped region, dilated by 2% of the side).",
        "Jitter: sharp, but warped by a smooth random field of 1.5 px; ensemble: the mean of 16 "
        "such, the blur that L1 makes. Disguised blur: blur 2, then noise, checkerboard or "
        "unsharp at the strength that gives the original's Laplacian variance back.",
        "",
        "![the ladders](validation.svg)",
        "",
        "| mean score | " + " | ".join(titles) + " |",
        "|---|" + "---|" * len(titles),
    ]
    for name in next(iter(tables.values())):
        cells = [f"{found[name].value:.3f}" for found in tables.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| holds for how many pictures | " + " | ".join(titles) + " |"]
    lines.append("|---|" + "---|" * len(titles))
    held = {title: claims(found) for title, found in tables.items()}
    for claim in held[titles[0]]:
        cells = ["{} of {}".format(*held[title][claim]) for title in titles]
        lines.append(f"| {claim} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Masks found from a pair, against the true displacement",
        "",
        "| method | size | mean IoU | worst IoU | CPU seconds a picture |",
        "|---|---|---|---|---|",
    ]
    for size, found in methods.items():
        for name, (mean, worst, seconds) in found.items():
            lines.append(f"| {name} | {size} | {mean:.2f} | {worst:.2f} | {seconds:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path)
    folder = parser.parse_args().portraits
    sets = {f"photographs, {size} px": photographs(size) for size in (128, 256)}
    if folder is not None:
        sets |= {f"portraits, {size} px": portraits(folder, size) for size in (256, 512)}
    objective = BoundarySharpness("random")
    tables = {}
    for title, reference in sets.items():
        scorer = objective.against(reference)
        tables[title] = {name: scorer(pictures) for name, pictures in distorted(reference)}
    methods = {size: mask_methods(size) for size in (256, 512)}
    plot(tables)
    FILE.write_text(page(tables, methods), encoding="utf-8")


if __name__ == "__main__":
    main()
