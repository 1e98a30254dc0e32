"""How a full training scored so far: its best, whether it still improves, whether it overfits."""

import csv
import io
from dataclasses import dataclass, field

# How far, as a share of the best score, a score must be worse on the validation pairs and better on
# the training pairs, at so many scores on end, before it is called overfitting: single scores move
# by about half of that.
OVERFIT_SHARE = 0.04
OVERFIT_CHECKS = 3

Row = dict[str, float]


@dataclass
class History:
    """The scores of one stage.

    Attributes:
        sign: 1 where more is better, -1 where less is.
        rows: one a score: `epoch`, `lr`, `score`, `train_score`, the losses.
    """

    sign: int
    rows: list[Row] = field(default_factory=list)

    @property
    def best(self) -> Row | None:
        return max(self.rows, key=lambda row: self.sign * row["score"], default=None)

    def leads(self, score: float) -> bool:
        """Whether a score is better than all before it."""
        return self.best is None or self.sign * (score - self.best["score"]) > 0

    def since_best(self) -> int:
        """Scores since the best one."""
        best = self.best
        return 0 if best is None else len(self.rows) - 1 - self.rows.index(best)

    def overfits(self) -> bool:
        """Whether the last scores are worse on validation pairs, better on training pairs."""
        best = self.best
        if best is None or len(self.rows) <= OVERFIT_CHECKS or "train_score" not in best:
            return False
        margin = OVERFIT_SHARE * abs(best["score"])
        return all(
            self.sign * (best["score"] - row["score"]) > margin
            and self.sign * (row["train_score"] - best["train_score"]) > margin
            for row in self.rows[-OVERFIT_CHECKS:]
        )

    def overfitting(self) -> str:
        """What to say when it begins to."""
        best, last = self.best or {}, self.rows[-1]
        return (
            f"Overfitting: since epoch {best['epoch']:.0f} the score has become worse on "
            f"validation pairs ({best['score']:.4f} to {last['score']:.4f}) and better on training "
            f"pairs ({best['train_score']:.4f} to {last['train_score']:.4f}); more pairs would "
            "help, or best_net_G.pth as it is."
        )

    def as_csv(self) -> str:
        """A table with a column for whatever a row holds."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()
