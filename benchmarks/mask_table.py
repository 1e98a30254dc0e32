"""Accuracy and speed of finding the warped region from a pair alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.ladders import jpeg
from objectives.masks import dilate, region_by_difference, region_from_pair
from objectives.score import Reference

Method = Callable[[Tensor, Tensor], Tensor]
Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

DEFAULT = "flow at 256 px (default)"
METHODS: dict[str, Method] = {
    DEFAULT: region_from_pair,
    "flow at 128 px": lambda a, b: region_from_pair(a, b, 128),
    "difference above 8/255": region_by_difference,
    "difference above 2/255": lambda a, b: region_by_difference(a, b, 2 / 255),
}


def warmer(x: Tensor) -> Tensor:
    """A retoucher's change of tone: a little brighter in the middle, and warmer."""
    gains = torch.tensor([1.04, 1.0, 0.96]).view(3, 1, 1)
    return (x.clamp_min(1e-6) ** 0.92 * gains).clamp(0, 1)


CHANGES: dict[str, Change] = {
    "as it is": lambda a, b: (a, b),
    "JPEG 90": lambda a, b: (jpeg(90)(a), jpeg(90)(b)),
    "retouched JPEG 75": lambda a, b: (jpeg(75)(a), b),
    "retouched warmer": lambda a, b: (warmer(a), b),
}
TIMED_SIDES = (512, 1024)
TIMED = 4


@dataclass(frozen=True)
class Found:
    """One method.

    Attributes:
        iou: by change, of every picture, with the true region, both dilated as for the score.
        milliseconds: by the picture's side, of the processor, a picture.
    """

    iou: dict[str, list[float]]
    milliseconds: dict[int, float]


def mask_table(reference: Reference) -> dict[str, Found]:
    """Every method on every picture of `reference` after every change."""
    assert reference.inputs is not None
    changed = {
        name: change(reference.inputs, reference.targets) for name, change in CHANGES.items()
    }
    return {
        name: Found(
            {key: overlaps(method, *pair, reference.masks) for key, pair in changed.items()},
            {side: milliseconds(method, reference, side) for side in TIMED_SIDES},
        )
        for name, method in METHODS.items()
    }


def overlaps(method: Method, retouched: Tensor, originals: Tensor, truth: Tensor) -> list[float]:
    """Intersection over union with `truth`, by picture."""
    pairs = zip(retouched, originals, strict=True)
    a, b = dilate(torch.stack([method(*pair) for pair in pairs])), dilate(truth)
    iou: list[float] = ((a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3))).tolist()
    return iou


def milliseconds(method: Method, reference: Reference, side: int) -> float:
    """Processor time a picture of `side` x `side` pixels, over the first few."""
    assert reference.inputs is not None
    pairs = [
        F.interpolate(kind[:TIMED], (side, side), mode="bilinear", align_corners=False)
        for kind in (reference.inputs, reference.targets)
    ]
    begun = time.process_time()
    for retouched, original in zip(*pairs, strict=True):
        method(retouched, original)
    return 1000 * (time.process_time() - begun) / len(pairs[0])


def mask_lines(found: dict[str, Found]) -> list[str]:
    """As a table in Markdown: mean IoU by change, the worst of all, milliseconds by side."""
    head = [*CHANGES, "worst picture", *(f"ms at {side}" for side in TIMED_SIDES)]
    lines = [f"| method | {' | '.join(head)} |", "|---|" + "---|" * len(head)]
    for name, figures in found.items():
        means = [f"{sum(each) / len(each):.2f}" for each in figures.iou.values()]
        worst = f"{min(min(each) for each in figures.iou.values()):.2f}"
        spent = [f"{value:.0f}" for value in figures.milliseconds.values()]
        lines.append(f"| {name} | {' | '.join([*means, worst, *spent])} |")
    return lines
