"""The ranking of the finalists, and the verdict in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.evaluation.paired_comparison import level_for, mean_interval, paired_interval
from reports.record.finalists import AsIs, FinalistRow, Interval, Ranked
from reports.record.names import MOVING, moves_pixels
from reports.texts.numbers import signed, unsigned


@dataclass(frozen=True)
class Finalist:
    """A setting that is trained again on fresh seeds.

    Attributes:
        name: `t022`, or the recipe's name for the baseline.
        trial: the number of its trial in the search; None if the search did not try it.
        scores: the score of every held-out picture, by the seed of each completed run.
        components: components of the score, means over the completed runs.
        diverged: whether one of its runs diverged.
    """

    name: str
    trial: int | None
    recipe: str | None
    params: Mapping[str, Any]
    scores: Mapping[int, Sequence[float]] = field(default_factory=dict)
    components: Mapping[str, float] = field(default_factory=dict)
    diverged: bool = False

    @property
    def moves(self) -> bool:
        """Whether its generator moves pixels, which an unmodified train.py cannot."""
        return moves_pixels(self.params)

    @property
    def mean(self) -> float:
        """The mean score over its runs and pictures."""
        return float(np.mean(list(self.scores.values())))


def conclude(
    finalists: Sequence[Finalist], baseline: str, sign: int = 1, of_both_kinds: bool = False
) -> Ranked | None:
    """The ranking, the winner's lead over the baseline, and the verdict; None with too few runs.

    A setting whose training diverged on a seed cannot win. The winner's interval is corrected for
    its selection among the others.

    Args:
        finalists: with their scores; one of them is named `baseline`.
        sign: -1 if lower scores are better; leads are positive in either case.
        of_both_kinds: also rank the settings that an unmodified train.py can run.
    """
    repeated = [one for one in finalists if len(one.scores) > 1]
    ranked = sorted((one for one in repeated if not one.diverged), key=lambda one: -sign * one.mean)
    baseline_finalist = next((one for one in repeated if one.name == baseline), None)
    challengers = [one for one in ranked if one.name != baseline]
    if baseline_finalist is None or not challengers:
        return None
    level = level_for(len(finalists) - 1)
    lead = difference(challengers[0], baseline_finalist, level, sign)
    better = lead is not None and lead.low > 0
    second = ranked[1] if len(ranked) > 1 else None
    ahead = difference(ranked[0], second, level, sign) if second else None
    warp = next((one for one in ranked if one.recipe == MOVING and one is not ranked[0]), None)
    return Ranked(
        rows=[row(one) for one in [*ranked, *(o for o in finalists if o not in ranked)]],
        baseline=baseline,
        winner=ranked[0].name,
        runner_up=second.name if second else None,
        difference=lead,
        ahead_of_runner_up=ahead,
        ahead_of_warp=difference(ranked[0], warp, level, sign) if warp else None,
        level=level,
        better=better,
        verdict=verdict_text(challengers[0], baseline_finalist, lead),
        as_is=as_is(ranked, baseline_finalist, level, sign) if of_both_kinds else None,
    )


def as_is(ranked: Sequence[Finalist], baseline: Finalist, level: float, sign: int) -> AsIs | None:
    """The verdict on the settings that an unmodified train.py can run, one being the baseline."""
    repainting = [one for one in ranked if not one.moves]
    challengers = [one for one in repainting if one.name != baseline.name]
    if not challengers:
        return None
    lead = difference(challengers[0], baseline, level, sign)
    return AsIs(
        name=repainting[0].name,
        challenger=challengers[0].name,
        difference=lead,
        better=lead is not None and lead.low > 0,
        verdict=verdict_text(challengers[0], baseline, lead),
    )


def difference(one: Finalist, other: Finalist, level: float, sign: int) -> Interval | None:
    """The lead of `one` over `other` on the seeds that both completed; None if there are too few.

    Args:
        level: confidence level in (0, 1).
        sign: as for `conclude`.
    """
    shared = sorted(one.scores.keys() & other.scores.keys())
    differences = np.array([np.subtract(one.scores[seed], other.scores[seed]) for seed in shared])
    if differences.ndim != 2 or min(differences.shape) < 2:
        return None
    return paired_interval(sign * differences, level)


def verdict_text(one: Finalist, other: Finalist, lead: Interval | None) -> str:
    """The verdict in words: better, no difference shown, or worse."""
    challenger = one.name
    baseline = f"the guide's {other.name} setting" if other.recipe else other.name
    if lead is None:
        return f"not compared with {baseline}: too few runs or held-out pictures"
    size = unsigned(abs(lead.mean))
    if lead.low > 0:
        return f"better than {baseline} by {size} [{unsigned(lead.low)}, {unsigned(lead.high)}]"
    if lead.high < 0:
        return (
            f"{baseline} is the best: {challenger}, the best of the others, is worse by "
            f"{size} [{unsigned(-lead.high)}, {unsigned(-lead.low)}]"
        )
    return (
        f"no difference between {challenger} and {baseline} shown: {signed(lead.mean)} "
        f"[{signed(lead.low)}, {signed(lead.high)}]"
    )


def row(finalist: Finalist) -> FinalistRow:
    """A finalist in the ranking."""
    scores = np.array(list(finalist.scores.values()))
    interval = mean_interval(scores) if len(scores) > 1 else None
    return FinalistRow(
        name=finalist.name,
        trial=finalist.trial,
        recipe=finalist.recipe,
        params=dict(finalist.params),
        mean=interval.mean if interval else None,
        ci95=[interval.low, interval.high] if interval else None,
        repeats=len(finalist.scores),
        components=dict(finalist.components),
        diverged=finalist.diverged,
    )
