"""The check of a user's pairs at the start of a search: `data check` on a sample of them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote

from harness.config.profiles import PROFILES
from harness.config.settings import Direction
from harness.data.check.check import check, measure_all, single_pictures
from harness.data.check.findings import Finding, judge_counts, judge_direction
from harness.data.files.folder_bit_depth import with_bits
from harness.data.files.pair_folders import SIDES, PairFolder, evenly, find_pairs
from harness.data.files.processes import processes_for
from harness.data.pairs.cache import digest_of, stamp
from harness.errors import UserInputError, inline
from harness.paths import write_atomically

# Part of the cache's key: increase when the same pairs give other findings.
VERSION = 1
# Pairs of each split that are checked: enough for `few`.
MOST_PAIRS = 24
# Kinds that the search itself reports: what it cannot read, leaves out, or cannot do without.
REPORTED_ELSEWHERE = {"unreadable", "passed over", "single"}
# Kinds that can only be judged on all pairs.
OF_ALL_PAIRS = {"few"}
MORE_PORTRAITS = "add other portraits"


@dataclass(frozen=True)
class SampleCheck:
    """Findings about a sample of a folder's pairs.

    Attributes:
        pairs: number of checked pairs.
        direction: the one that the pictures suggest, None if unclear.
    """

    pairs: int
    findings: tuple[Finding, ...]
    direction: Direction | None


def check_at_start(
    data: Path,
    direction: Direction,
    chosen: bool,
    profile: str,
    cache: Path,
    resumed: bool = False,
    made: bool = False,
) -> tuple[str, ...]:
    """Check the pairs that a search is about to train on.

    Args:
        chosen: whether the user named the direction; doubts about it are then only warnings.
        profile: the profile that may have to enlarge pictures, which is a finding.
        resumed: whether the study has trials; its data cannot change, so errors are only warnings.
        made: whether `data make` made the pairs; it leaves a tool's traces on purpose.

    Returns:
        One line for each kind of finding.

    Raises:
        UserInputError: the pairs are not suitable for training; the message has the remedy.
    """
    folder = with_bits(find_pairs(data))
    passed = {*REPORTED_ELSEWHERE, "processed", "few"} if made else REPORTED_ELSEWHERE
    checked = check_sample(sample(folder), profile, cache)
    whole = checked.pairs == sum(map(len, folder.splits.values()))
    findings = [
        finding
        for finding in checked.findings
        if finding.kind not in passed and (whole or finding.kind not in OF_ALL_PAIRS)
    ]
    if made:
        findings += few_portraits(folder.root)
    if folder.sides == SIDES[0]:
        doubts = judge_direction(checked.direction, direction)
        findings += [replace(doubt, level="warning" if chosen else "error") for doubt in doubts]
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.level != "note":
            of_folder = "" if finding.name else finding.what
            kinds[finding.level, finding.kind, of_folder].append(finding)
    errors = [found for (level, *_), found in kinds.items() if level == "error"]
    if errors and not resumed:
        worst = max(errors, key=len)
        raise UserInputError(refusal(data, folder, worst, checked.pairs, direction, made))
    return tuple(f"Warning: {sentence(found)}." for found in kinds.values())


def few_portraits(made: Path) -> Iterator[Finding]:
    """Findings about too few different portraits that these pairs were made of, by their record."""
    from harness.data.synthesis.make_pairs import RECORD

    pictures: dict[str, set[str]] = defaultdict(set)
    try:
        for line in (made / RECORD).read_text(encoding="utf-8").splitlines():
            pair = json.loads(line)
            # Earlier versions recorded the file alone.
            pictures[pair["pair"].partition("/")[0]].add(pair.get("picture", pair["original"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # a damaged record, or another program's; the pairs can be used without it
    for few in judge_counts(len(pictures["train"]), len(pictures["val"])):
        yield replace(few, do=MORE_PORTRAITS)


def refusal(
    data: Path,
    folder: PairFolder,
    found: Sequence[Finding],
    pairs: int,
    direction: Direction,
    made: bool,
) -> str:
    """A sentence about errors of one kind, with the remedy.

    Args:
        data: the folder as the user named it, or the list of its pairs.
        pairs: number of pairs in the sample.
    """
    place, kind = inline(data), found[0].kind
    if kind == "unlike" and folder.layout == "aligned" and 2 * len(found) > pairs:
        return f"{single_pictures(folder, len(found), pairs)}."
    if kind == "direction":
        return f"{place}: {sentence(found)} (then name --direction {direction})."
    command = f"harness data check {quote(str(data))} --fix NEW"
    remedy = f" ({command} writes a copy without such files)"
    if made:
        from harness.data.synthesis.make_pairs import RECORD

        remedy = f" (leave its portrait out: {folder.root / RECORD} names that of every pair)"
    return f"{place}: {sentence(found)}{remedy if found[0].name else ''}."


def sentence(found: Sequence[Finding]) -> str:
    """Findings of one kind: the first, and how many more there are."""
    first = found[0]
    more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
    return f"{inline(Path(first.name)) + ': ' if first.name else ''}{first.what}{more}; {first.do}"


def sample(folder: PairFolder) -> PairFolder:
    """At most `MOST_PAIRS` pairs of each split, evenly spaced."""
    splits = {split: evenly(pairs, MOST_PAIRS) for split, pairs in folder.splits.items()}
    return replace(folder, splits=splits)


def check_sample(folder: PairFolder, profile: str, cache: Path) -> SampleCheck:
    """Check the pairs of a folder, or find the result in the cache.

    Cached by the files' names, sizes and times, so that a resumed search opens no picture.
    """
    pairs = [pair for each in folder.splits.values() for pair in each]
    names = (
        f"{split} {pair.name} {pair.bits}"
        for split in folder.splits
        for pair in folder.splits[split]
    )
    stamps = digest_of(
        [f"{VERSION} {profile}"], names, map(stamp, (file for pair in pairs for file in pair.files))
    )
    file = cache / "checks" / f"{stamps}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        cached = json.loads(file.read_text(encoding="utf-8"))
        findings = tuple(Finding(**finding) for finding in cached["findings"])
        return SampleCheck(cached["pairs"], findings, cached["direction"])
    facts = measure_all(folder, processes_for(len(pairs)))
    result = check(folder, facts, None, {profile: PROFILES[profile]} if profile in PROFILES else {})
    checked = SampleCheck(len(pairs), result.findings, result.direction)
    # Without a cache, the pairs are checked again the next time.
    with suppress(OSError):
        write_atomically(file, json.dumps(asdict(checked)))
    return checked
