"""The scores of a full training: the best one, epochs without improvement, overfitting."""

import csv
import io
from dataclasses import dataclass, field

from reports.texts.numbers import number

# A training overfits if this many scores in a row are worse than the best one on the validation
# pairs, and better on the training pairs, by more than this share of the best score. The noise of
# scores is about half of that.
OVERFIT_SHARE = 0.04
OVERFIT_CHECKS = 3

Row = dict[str, float]


@dataclass
class History:
    """The scores of one stage.

    Attributes:
        sign: 1 to maximise the score, -1 to minimise it.
        rows: one per score: `epoch`, `lr`, `score`, `train_score` and the losses.
    """

    sign: int
    rows: list[Row] = field(default_factory=list)

    @property
    def best(self) -> Row | None:
        return max(self.rows, key=lambda row: self.sign * row["score"], default=None)

    def is_best(self, score: float) -> bool:
        """Whether a score is better than all earlier ones."""
        return self.best is None or self.sign * (score - self.best["score"]) > 0

    def scores_since_best(self) -> int:
        """The number of scores after the best one."""
        best = self.best
        return 0 if best is None else len(self.rows) - 1 - self.rows.index(best)

    def overfits(self) -> bool:
        """Whether the latest scores are worse on validation pairs and better on training pairs."""
        best = self.best
        if best is None or len(self.rows) <= OVERFIT_CHECKS or "train_score" not in best:
            return False
        margin = OVERFIT_SHARE * abs(best["score"])
        return all(
            self.sign * (best["score"] - row["score"]) > margin
            and self.sign * (row["train_score"] - best["train_score"]) > margin
            for row in self.rows[-OVERFIT_CHECKS:]
        )

    def overfitting_remark(self) -> str:
        """What to tell the user when overfitting starts."""
        best, latest = self.best or {}, self.rows[-1]
        changes = {
            key: f"{number(best[key])} to {number(latest[key])}" for key in ("score", "train_score")
        }
        return (
            f"Overfitting: since epoch {best['epoch']:.0f} the score has become worse on "
            f"validation pairs ({changes['score']}) and better on training pairs "
            f"({changes['train_score']}); more pairs would help, or best_net_G.pth as it is."
        )

    def as_csv(self) -> str:
        """The rows as CSV, with one column for every name that occurs."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()
