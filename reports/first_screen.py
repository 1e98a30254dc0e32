"""The sentences and figures of the report's first screen: what may be said of a study."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from reports.names import BLURRING, RECOMMENDED
from reports.summary import Summary
from reports.translations import Translate

NAMED = {RECOMMENDED: "recommended_short", BLURRING: "problem_short"}
"""The texts of the two settings that every winner is read against."""


class Level(NamedTuple):
    """One score of the first screen; `wins`: the winner's own."""

    name: str
    score: float
    wins: bool = False


def progress(summary: Summary, say: Translate) -> str:
    """How many trials stand how: `40 completed, 8 pruned of 50 trials`."""
    counts = [
        say("progress", count=count, state=say(f"state_{state}"))
        for state, count in summary.counts.items()
        if count
    ]
    said = ", ".join(counts) or say("progress_none")
    return f"{said} " + say("progress_of", budget=summary.budget) if summary.budget else said


def verdict(summary: Summary, say: Translate) -> str:
    """The first sentence: what the finalists showed, or else what one run each did."""
    if summary.finals and summary.finals["difference"]:
        return confirmed_verdict(summary.finals, say)
    best, other = summary.winner, summary.baseline
    return say(
        f"verdict_{summary.outcome}",
        trial=best.trial if best else "",
        score=number(best.score) if best else "",
        baseline=number(other.score) if other else "",
        difference=number(summary.difference),
    )


def confirmed_verdict(finals: Mapping[str, Any], say: Translate) -> str:
    """Better, no difference shown, or the baseline is the best, with the interval."""
    found, size = size_of_lead(finals["difference"])
    challenger = next(row["name"] for row in finals["rows"] if row["name"] != finals["baseline"])
    other = finals["baseline"]
    said = say(
        f"verdict_{found}",
        one=challenger,
        other=say("recommended_long") if other == RECOMMENDED else other,
        **size,
    )
    return said[0].upper() + said[1:] if found == "worse" else said


def size_of_lead(lead: Mapping[str, float]) -> tuple[str, dict[str, str]]:
    """Whether a lead is for the better, undecided or for the worse, and its size with its ends."""
    low, high = lead["low"], lead["high"]
    found = "better" if low > 0 else "worse" if high < 0 else "undecided"
    if found == "worse":
        low, high = -high, -low
    size = signed(lead["mean"]) if found == "undecided" else number(abs(lead["mean"]))
    return found, {"difference": size, "low": number(low), "high": number(high)}


def setting_name(name: str | None, say: Translate) -> str:
    """A recipe or a finalist as a reader knows it."""
    return say(NAMED[name]) if name in NAMED else name or ""


def remarks(summary: Summary, noted: Mapping[str, Any], say: Translate) -> list[str]:
    """What a reader must know beside the first sentence."""
    said = [say("so_far")] if summary.running else []
    if summary.outcome == "only_failures":
        said.append(say("failures_first"))
    if summary.outcome == "no_baseline":
        said.append(say("no_baseline_note"))
    if summary.front:
        said.append(say("on_the_front", trials=len(summary.front)))
    if summary.finals is not None:
        said.append(say("confirmed", **how_confirmed(summary.finals)))
    elif summary.outcome == "ahead":
        said.append(say("not_confirmed"))
    score, noop = winner_and_noop(summary)
    if score is not None and noop is not None:
        above = summary.sign * score > summary.sign * noop
        said.append(say("above_noop" if above else "below_noop", noop=number(noop)))
    if noted.get("weights") == "random":
        said.append(say("random_weights"))
    return said


def winner_and_noop(summary: Summary) -> tuple[float | None, float | None]:
    """The winner's score and that of doing nothing, on the same pictures."""
    if summary.winner is None:
        return None, None
    for row in summary.finals["rows"] if summary.finals else []:
        if row["trial"] == summary.winner.trial:
            return row["mean"], summary.finals["noop"] if summary.finals else None
    return summary.winner.score, summary.noop


def how_confirmed(finals: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, seeds and pairs of the confirmation, as its sentences name them."""
    return {
        "steps": finals["steps"],
        "seeds": len(finals["seeds"]),
        "pairs": finals["pairs"],
        "noop": number(finals["noop"]),
    }


def levels(summary: Summary, say: Translate) -> list[Level]:
    """The scores of the first screen: the finalists' means, or else those of the search.

    They are of the same pictures as the verdict above them.
    """
    if summary.finals is not None:
        rows = [
            (setting_name(row["name"], say), row["mean"], place == 0)
            for place, row in enumerate(summary.finals["rows"])
        ]
        rows.append((say("noop_short"), summary.finals["noop"], False))
    else:
        winner, problem = summary.winner, summary.problem
        own = say("winner")
        if winner and winner.recipe in NAMED:
            own = f"{own}: {setting_name(winner.recipe, say)}"
        rows = [(own, winner.score if winner else None, True)]
        rows += [
            (setting_name(other.recipe, say), other.score, False)
            for other in (summary.baseline, problem)
            if other is not None and other != winner
        ]
        rows += [
            (say("warm_start_short"), summary.warm_start, False),
            (say("noop_short"), summary.noop, False),
            (say("oracle_short"), summary.oracle, False),
        ]
    return [Level(name, score, wins) for name, score, wins in rows if score is not None]


def number(score: float | None) -> str:
    """A score to four decimals; a dash where there is none."""
    return "-" if score is None or math.isnan(score) else f"{score:.4f}"


def signed(difference: float) -> str:
    return f"{difference:+.4f}"
