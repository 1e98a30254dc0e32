"""Findings about measured pairs: each with its measured value and a remedy."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from harness.config.settings import Direction, TrainSettings
from harness.data.check.facts import PairFacts
from harness.data.files.listing import account_of
from harness.data.files.pair_folders import Split
from harness.errors import quantity

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

# Limits of the measurements in `PairFacts`, beyond which there is a finding.
UNLIKE = 0.7  # likeness
SHIFTED = 0.75  # pixels
EVERYWHERE = 0.6  # share of the pixels
CLEARLY_SHARPER = 0.1  # `sharper`
OTHERWISE_SHARP = 0.25  # `sharper_outside`
BLOCKY = 0.15  # `blocks`
SLIGHT_WARP = 0.004  # share of the side
STRONG_WARP = 0.12
FEW_TRAIN = 20  # different pictures
FEW_VAL = 4
# Equal to objectives.masks.SMALLEST_CORE, which would import torch.
SMALLEST_MASK = 0.0005


@dataclass(frozen=True)
class Finding:
    """One problem of a file: `what` it is, and what to `do` about it.

    `name` is the pair's; "" for a problem of the whole folder.
    """

    level: Level
    kind: str
    name: str
    what: str
    do: str


# The level of each kind of finding, and what to do about it.
KINDS: dict[str, tuple[Level, str]] = {
    "unreadable": ("error", "--fix DIR leaves it out"),
    "identical": ("error", "remove it: there is nothing to learn from it"),
    "unlike": ("error", "pair it with its own original"),
    "duplicate": ("error", "remove one: a score on a picture seen in training says nothing"),
    "direction": ("error", "use the other, unless the softer picture is the original"),
    "none": ("error", "put pairs into train/, in a supported format"),
    "single": ("error", "add pairs of another"),
    "shifted": ("warning", "align the two: a shift blurs what the model learns, everywhere"),
    "swapped": ("warning", "look at it, and swap its halves if they are"),
    "processed": (
        "warning",
        "export both from one file in one format; otherwise the model learns that trace too",
    ),
    "everywhere": (
        "warning",
        "use one tone and one export for both, so that only the warp differs",
    ),
    "no warp": (
        "warning",
        "check that it is a retouched pair; it cannot teach to undo a warp",
    ),
    "strong warp": ("warning", "check that A and B belong together"),
    "mask": (
        "warning",
        "paint the warped region white in it, or remove it, so that the region is found",
    ),
    "passed over": ("warning", "convert or move what should be a pair"),
    "few": (
        "warning",
        "add pairs of other pictures, or make some with `harness data make`",
    ),
    "small": ("warning", "use larger pictures"),
    "converted": ("note", "save it as an upright 8-bit sRGB picture (--fix DIR does so)"),
}


def of_kind(kind: str, what: str, name: str = "", do: str = "") -> Finding:
    """A finding of a kind of `KINDS`; `do` replaces the kind's remedy if given."""
    level, remedy = KINDS[kind]
    return Finding(level, kind, name, what, do or remedy)


def suggested_direction(pairs: Sequence[PairFacts]) -> Direction | None:
    """The direction whose target is sharper, as retouching smooths. None if unclear."""
    differences = [pair.sharper for pair in pairs if not pair.same]
    if not differences or abs(median(differences)) < CLEARLY_SHARPER:
        return None
    return "BtoA" if median(differences) > 0 else "AtoB"


def judge_pair(pair: PairFacts, direction: Direction | None) -> Iterator[Finding]:
    """Findings about a single pair; stops at the first that makes the others meaningless."""
    name = pair.name
    if pair.notes:
        notes = ", ".join(sorted(set(pair.notes)))
        what = f"{notes}: read correctly here, but not by every copy of pix2pix"
        yield of_kind("converted", what, name)
    if pair.same:
        yield of_kind("identical", "A and B are the same picture", name)
        return
    if pair.likeness < UNLIKE:
        what = f"A and B are not of one picture (likeness {pair.likeness:.2f}, usual above 0.95)"
        yield of_kind("unlike", what, name)
        return
    if max(map(abs, pair.shift)) >= SHIFTED:
        what = f"B lies {pair.shift[0]:+.1f} px right and {pair.shift[1]:+.1f} px below A"
        yield of_kind("shifted", what, name)
    yield from judge_change(pair)
    if pair.masked is not None and pair.masked < SMALLEST_MASK:
        size = f"has {pair.masked:.3%} of its area white, under {SMALLEST_MASK:.2%}"
        what = f"its mask {size if pair.masked else 'is black'}: no part of it will be scored"
        yield of_kind("mask", what, name)
    if direction and abs(pair.sharper) >= CLEARLY_SHARPER:
        sharper, softer = ("A", "B") if pair.sharper > 0 else ("B", "A")
        if direction[-1] != sharper:
            what = f"its halves look swapped: {sharper} is sharper, but in most pairs {softer} is"
            yield of_kind("swapped", what, name)


def judge_change(pair: PairFacts) -> Iterator[Finding]:
    """Findings about how strongly, where and in what way A and B differ."""
    name, warp = pair.name, pair.warp_largest
    if pair.changed > EVERYWHERE:
        what = f"{pair.changed:.0%} of the pixels differ, not only the retouched region"
        yield of_kind("everywhere", what, name)
    if warp < SLIGHT_WARP:
        what = f"nothing seems to have moved (largest displacement {warp:.2%})"
        yield of_kind("no warp", what, name)
    elif warp > STRONG_WARP:
        what = f"the largest displacement is {warp:.0%} of the side, usual is 1% to 6%"
        yield of_kind("strong warp", what, name)
    if abs(pair.sharper_outside) > OTHERWISE_SHARP or abs(pair.blocks) > BLOCKY:
        by_detail = abs(pair.sharper_outside) > OTHERWISE_SHARP
        softer = "B" if (pair.sharper_outside if by_detail else -pair.blocks) > 0 else "A"
        what = (
            f"{softer} was smoothed, scaled or recompressed also where nothing was retouched (fine "
            f"detail x{math.exp(-abs(pair.sharper_outside)):.2f}, JPEG blocks {pair.blocks:+.2f})"
        )
        yield of_kind("processed", what, name)


def across_splits(groups: Iterable[Sequence[PairFacts]]) -> Iterator[dict[Split, list[str]]]:
    """Pair names by split, for each group of equal pictures both in train and in val or test."""
    for group in groups:
        by_split: dict[Split, list[str]] = defaultdict(list)
        for pair in group:
            by_split[pair.split].append(pair.name)
        if "train" in by_split and len(by_split) > 1:
            yield by_split


def duplicates_across_splits(shared: Iterable[dict[Split, list[str]]]) -> Iterator[Finding]:
    """Findings about pictures that are both in train and in val or test."""
    for by_split in shared:
        first = by_split["train"][0]
        what = f"shows the same picture, or a crop of it, as {first}, which is trained on"
        for name in by_split.get("val", []) + by_split.get("test", []):
            yield of_kind("duplicate", what, name)


def judge_numbers(groups: Sequence[Sequence[PairFacts]]) -> Iterator[Finding]:
    """Findings about the number of different pictures; crops of one picture count once."""
    counts: Counter[Split] = Counter()
    for group in groups:
        counts.update({pair.split for pair in group})
    trained = counts["train"]
    if groups and not trained:
        yield of_kind("none", "no picture to train on")
    if trained == 1 and not counts["val"]:
        yield of_kind("single", "one picture alone, so that none can be held out to validate with")
    yield from judge_counts(trained, counts["val"] + counts["test"])


def judge_counts(trained: int, held_out: int) -> Iterator[Finding]:
    """Findings about the numbers of different pictures to train on and to validate with."""
    if 0 < trained < FEW_TRAIN:
        what = f"{different(trained)} to train on; below {FEW_TRAIN} a model memorises them"
        yield of_kind("few", what)
    if 0 < held_out < FEW_VAL:
        what = f"{different(held_out)} to validate with: scores will be noisy"
        yield of_kind("few", what, do=f"hold out at least {FEW_VAL}")


def different(count: int) -> str:
    return quantity(count, "different picture")


def judge_sizes(
    pairs: Sequence[PairFacts], profiles: Mapping[str, TrainSettings]
) -> Iterator[Finding]:
    """A finding for the smallest of these profiles that would enlarge, and so soften, pictures."""
    smaller = ""
    for name, profile in profiles.items():
        side = profile.load_size
        count = sum(min(pair.width, pair.height) < side for pair in pairs)
        if count:
            of_all = f"{count} of {quantity(len(pairs), 'pair')}"
            what = f"profile {name} enlarges {of_all} to {side} pixels a side"
            do = f"use larger pictures, or at most --profile {smaller}" if smaller else ""
            found = of_kind("small", what, do=do)
            yield replace(found, level="note") if name == "full" else found
            return
        smaller = name


def judge_passed_over(passed_over: Iterable[str]) -> Iterator[Finding]:
    """A finding about the entries of the folder that belong to no pair."""
    if account := account_of(passed_over):
        yield of_kind("passed over", account)


def judge_direction(direction: Direction | None, chosen: Direction | None) -> Iterator[Finding]:
    """A finding if the user's direction is not the one that the pictures suggest."""
    if chosen and direction and chosen != direction:
        what = f"direction {chosen} turns the sharper picture into the softer one"
        do = f"use --direction {direction}, unless the softer picture is the original"
        yield of_kind("direction", what, do=do)
