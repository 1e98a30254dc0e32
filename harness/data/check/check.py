"""Check whether pairs are suitable for training: measure every pair and collect findings."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from shlex import quote
from statistics import median

from harness.config.profiles import PROFILES
from harness.config.settings import Direction, TrainSettings
from harness.data.check.facts import PairFacts, Unreadable, measure
from harness.data.check.findings import (
    LEVELS,
    SLIGHT_WARP,
    STRONG_WARP,
    Finding,
    Level,
    across_splits,
    duplicates_across_splits,
    judge_direction,
    judge_numbers,
    judge_pair,
    judge_passed_over,
    judge_sizes,
    of_kind,
    suggested_direction,
)
from harness.data.files.duplicates import same_picture_groups
from harness.data.files.listing import names_that_pair, stem_of
from harness.data.files.pair_folders import PairFolder
from harness.data.files.processes import parallel_map
from harness.errors import inline, quantity

WARP_BANDS = (SLIGHT_WARP, 0.01, 0.02, 0.04, STRONG_WARP)
FILES_PER_KIND = 5


@dataclass(frozen=True)
class CheckResult:
    """All findings, worst first, and the measured pairs.

    Attributes:
        direction: the one that the pictures suggest; None if unclear.
        seen_in_training: names of training pairs whose picture is also in val or test.
        different: number of different pictures; crops of one picture count once.
    """

    folder: PairFolder
    pairs: tuple[PairFacts, ...]
    findings: tuple[Finding, ...]
    direction: Direction | None
    seen_in_training: frozenset[str]
    different: int

    @property
    def worst(self) -> Level | None:
        return self.findings[0].level if self.findings else None

    def summary(self) -> str:
        """For the user: number and sizes of pairs, strength of the warp, suggested direction."""
        counts = Counter(pair.split for pair in self.pairs)
        total = sum(map(len, self.folder.splits.values()))
        by_split = ", ".join(f"{split} {counts[split]}" for split in self.folder.splits)
        if not self.pairs:
            return f"0 of {quantity(total, 'pair')} could be read."
        widths = [pair.width for pair in self.pairs]
        heights = [pair.height for pair in self.pairs]
        warps = [pair.warp_largest for pair in self.pairs]
        if self.single_pictures:
            return f"{single_pictures(self.folder, self.unlike, len(self.pairs))}."
        suggestion = (
            f"suggested: --direction {self.direction}, the original being the sharper half"
            if self.direction
            else "direction: unclear from the pictures"
        )
        different = quantity(self.different, "different picture")
        repeats = f", of {different}" if self.different < len(self.pairs) else ""
        return (
            f"{len(self.pairs)} of {quantity(total, 'pair')} read{repeats} "
            f"({self.folder.layout}: {by_split}), halves "
            f"{min(widths)}-{max(widths)} x {min(heights)}-{max(heights)} px\n"
            f"largest displacement {min(warps):.1%} to {max(warps):.1%} of the side, median "
            f"{median(warps):.1%}: {distribution(warps)}\n{suggestion}"
        )

    @property
    def unlike(self) -> int:
        """Files whose halves do not show one picture."""
        return sum(finding.kind == "unlike" for finding in self.findings)

    @property
    def single_pictures(self) -> bool:
        """Whether the halves of most files do not show one picture, so that they are no pairs."""
        return self.folder.layout == "aligned" and 2 * self.unlike > len(self.pairs)

    def lines(self, level: Level) -> Iterator[str]:
        """One line per finding; of each kind, only the first few files are listed.

        None where the files are no pairs: the summary says so.
        """
        if self.single_pictures:
            return
        kinds: dict[str, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            if finding.level == level:
                kinds[finding.kind].append(finding)
        for found in kinds.values():
            for finding in found[:FILES_PER_KIND]:
                where = f"{inline(Path(finding.name))}: " if finding.name else ""
                yield f"{level}: {where}{finding.what}; {finding.do}."
            if len(found) > FILES_PER_KIND:
                more = quantity(len(found) - FILES_PER_KIND, "more file")
                yield f"{level}: and {more} like this one (-o PAGE.html shows them)."


def single_pictures(folder: PairFolder, unlike: int, pictures: int) -> str:
    """A sentence that a folder has no pairs, since many of its pictures have unlike halves."""
    root = folder.root
    files = [pair.a for pairs in folder.splits.values() for pair in pairs]
    named = names_that_pair([stem_of(file, root) for file in files])
    if named:
        remedy = (
            f"their names pair up ({', '.join(map(inline, named))}), so put the retouched pictures "
            "into retouched/ and their originals into original/, under equal names, or list them "
            "in pairs.csv with the columns a (retouched) and b"
        )
    else:
        remedy = (
            f"let pairs be made of them with harness search --originals {quote(str(root))}, or put "
            "each beside its retouched version"
        )
    return (
        f"{inline(root)} holds single pictures, not pairs: the left and right halves of {unlike} "
        f"of {pictures} do not show one picture; {remedy}"
    )


def distribution(warps: Sequence[float]) -> str:
    """A histogram of the warps in words; empty bands are left out."""
    bands = [
        (f"under {WARP_BANDS[0]:.1%}", -math.inf, WARP_BANDS[0]),
        *((f"{low:.1%}-{high:.1%}", low, high) for low, high in pairwise(WARP_BANDS)),
        (f"over {WARP_BANDS[-1]:.1%}", WARP_BANDS[-1], math.inf),
    ]
    counts = ((sum(low <= warp < high for warp in warps), name) for name, low, high in bands)
    return ", ".join(f"{name} in {count}" for count, name in counts if count)


def measure_all(folder: PairFolder, processes: int) -> Iterator[PairFacts | Unreadable]:
    """Measure every pair, in order; each picture is read once and then released."""
    splits = folder.splits.items()
    entries = ((files, split, folder.root) for split, pairs in splits for files in pairs)
    return parallel_map(measure, entries, processes)


def check(
    folder: PairFolder,
    facts: Iterable[PairFacts | Unreadable],
    chosen: Direction | None,
    profiles: Mapping[str, TrainSettings] = PROFILES,
) -> CheckResult:
    """Derive findings from `facts`.

    Args:
        chosen: the user's `--direction`, if given.
        profiles: the profiles for which the pictures may be too small.
    """
    everything = tuple(facts)
    pairs = tuple(fact for fact in everything if isinstance(fact, PairFacts))
    found = [
        of_kind("unreadable", fact.why.rstrip("."), fact.name)
        for fact in everything
        if isinstance(fact, Unreadable)
    ]
    direction = suggested_direction(pairs)
    for pair in pairs:
        found += judge_pair(pair, direction)
    groups = [
        [pairs[index] for index in group]
        for group in same_picture_groups([pair.signature for pair in pairs])
    ]
    shared = list(across_splits(groups))
    found += duplicates_across_splits(shared)
    found += judge_numbers(groups)
    found += judge_sizes(pairs, profiles)
    found += judge_passed_over(folder.passed_over)
    found += judge_direction(direction, chosen)
    found.sort(key=lambda finding: LEVELS.index(finding.level))
    trained = frozenset(name for by_split in shared for name in by_split["train"])
    return CheckResult(folder, pairs, tuple(found), direction, trained, len(groups))
