"""Which finalist's setting wins, so that the decision, best.yaml and MLflow agree on it."""

from dataclasses import dataclass
from typing import Literal

from reports.record.finalists import FinalistRow, Finalists, Interval


@dataclass(frozen=True)
class FinalChoice:
    """The choice that the finalists' runs support, among all of them or those that repaint.

    Attributes:
        verb: `use` a challenger that is reliably better than the baseline; `try` one that is not,
            if the baseline is no better than the picture returned unchanged; else `keep`.
        lead: the challenger's lead over the baseline.
        of_all: whether it is among all finalists, including those that move pixels.
        best: the row with the higher mean.
        challenger: the best finalist other than the baseline.
    """

    verb: Literal["use", "try", "keep"]
    lead: Interval
    of_all: bool
    best: FinalistRow
    challenger: FinalistRow
    baseline: FinalistRow

    @property
    def setting(self) -> FinalistRow:
        return self.baseline if self.verb == "keep" else self.challenger


def final_choices(
    finals: Finalists, sign: int, pareto: bool = False
) -> tuple[FinalChoice, FinalChoice | None] | None:
    """The choice, and the one for an unchanged train.py if the first one moves pixels.

    None if too few runs could be compared.

    Args:
        sign: 1 if a higher score is better, else -1.
        pareto: whether the user chooses from a front, of which the best is named.
    """
    if finals.difference is None:
        return None
    of_all = choice_among(finals, finals.difference, sign, of_all=True)
    lead = finals.as_is.difference if finals.as_is else None
    if lead is None:
        return of_all, None
    repainting = choice_among(finals, lead, sign, of_all=False)
    if not pareto and of_all.verb != "use" and repainting.verb == "use":
        # A setting that moves pixels may be ahead, but not reliably, and hide one that repaints.
        return repainting, None
    setting = finals.of_search[0] if pareto else of_all.setting
    return of_all, repainting if setting.moves else None


def choice_among(finals: Finalists, lead: Interval, sign: int, of_all: bool) -> FinalChoice:
    rows = [row for row in finals.rows if row.mean is not None and (of_all or not row.moves)]
    baseline = finals.row(finals.baseline)
    challenger = next(row for row in rows if row is not baseline)
    # Without a reliable lead it is still no worse than a baseline that does not restore anything.
    ahead = (
        lead.low <= 0 <= lead.high
        and rows[0] is challenger
        and reach_of(baseline, finals.noop, sign) == "below"
        and reach_of(challenger, finals.noop, sign) != "below"
    )
    # A baseline that diverged once is ranked last, whatever it scored.
    best = max(rows[0], baseline, key=lambda row: sign * (row.mean or 0.0))
    verb: Literal["use", "try", "keep"] = "use" if lead.low > 0 else "try" if ahead else "keep"
    return FinalChoice(verb, lead, of_all, best, challenger, baseline)


def reach_of(row: FinalistRow, noop: float | None, sign: int) -> str:
    """How a finalist compares with the picture returned unchanged: `above` (with the whole interval
    of its mean), `perhaps` above, `below`, or `unknown`."""
    if noop is None or row.mean is None:
        return "unknown"
    if sign * row.mean <= sign * noop:
        return "below"
    nearest = min(sign * end for end in row.ci95 or (row.mean,))
    return "above" if nearest > sign * noop else "perhaps"
