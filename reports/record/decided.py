"""Which finalist's setting the runs decide for: the decision, best.yaml and MLflow agree on it."""

from dataclasses import dataclass
from typing import Literal

from reports.record.finalists import FinalistRow, Finalists, Interval


@dataclass(frozen=True)
class Decided:
    """What the finalists' runs showed of all of them, or of those that repaint.

    Attributes:
        verb: `use` a challenger that is reliably better than the baseline, `try` one that is not,
            where the baseline is no better than the picture returned unchanged, else `keep`.
        lead: of the challenger over the baseline.
        everyone: whether those that move pixels are among them.
        best: the row of the higher mean.
        challenger: the best one but the baseline.
    """

    verb: Literal["use", "try", "keep"]
    lead: Interval
    everyone: bool
    best: FinalistRow
    challenger: FinalistRow
    baseline: FinalistRow

    @property
    def setting(self) -> FinalistRow:
        return self.baseline if self.verb == "keep" else self.challenger


def decided(
    finals: Finalists, sign: int, pareto: bool = False
) -> tuple[Decided, Decided | None] | None:
    """The decision, and that for an unchanged train.py where it is another question.

    None where too few runs were compared.

    Args:
        sign: -1 where a lower score is better.
        pareto: the choice is left, and the best of the front is named.
    """
    if finals.difference is None:
        return None
    of_all = decided_among(finals, finals.difference, sign, everyone=True)
    lead = finals.as_is.difference if finals.as_is else None
    if lead is None:
        return of_all, None
    repainting = decided_among(finals, lead, sign, everyone=False)
    if not pareto and of_all.verb != "use" and repainting.verb == "use":
        # A setting that moves pixels may be ahead, but not reliably, and hide one that repaints.
        return repainting, None
    setting = finals.of_search[0] if pareto else of_all.setting
    return of_all, repainting if setting.moves else None


def decided_among(finals: Finalists, lead: Interval, sign: int, everyone: bool) -> Decided:
    rows = [row for row in finals.rows if row.mean is not None and (everyone or not row.moves)]
    baseline = finals.row(finals.baseline)
    challenger = next(row for row in rows if row is not baseline)
    # Even without a reliable lead it is no worse than a setting that does not restore anything.
    ahead = (
        lead.low <= 0 <= lead.high
        and rows[0] is challenger
        and reach_of(baseline, finals.noop, sign) == "below"
        and reach_of(challenger, finals.noop, sign) != "below"
    )
    # A baseline that diverged once stands behind all others, whatever it scored.
    best = max(rows[0], baseline, key=lambda row: sign * (row.mean or 0.0))
    verb: Literal["use", "try", "keep"] = "use" if lead.low > 0 else "try" if ahead else "keep"
    return Decided(verb, lead, everyone, best, challenger, baseline)


def reach_of(row: FinalistRow, noop: float | None, sign: int) -> str:
    """How a finalist stands to the picture as it was: `above`, `perhaps` above, or `below`.

    It is above where the whole interval of its mean is.
    """
    if noop is None or row.mean is None:
        return "unknown"
    if sign * row.mean <= sign * noop:
        return "below"
    nearest = min(sign * end for end in row.ci95 or (row.mean,))
    return "above" if nearest > sign * noop else "perhaps"
