"""Which two settings change one another's effect: where the best value of one depends on the other.

The score is fitted with all settings as straight lines (least squares, each on its own scale), and
then with the product of one pair added. The pair whose product explains most of what the lines
leave open is the one that a person should look at together.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import fdtrc as above_f  # scipy.stats takes most of a second to import

from reports.claims import SPARE
from reports.guide import LOG_SCALE
from reports.table import PARAMS


@dataclass(frozen=True)
class Interaction:
    """Two settings that depend on one another.

    Attributes:
        share: of what lines leave open, explained by their product.
        chance: how often one pair of all would explain as much where none depends on another (the
            F test, times the number of pairs: Bonferroni).
    """

    one: str
    other: str
    share: float
    chance: float


def strongest(done: pd.DataFrame) -> Interaction | None:
    """The pair of settings that interacts the most; None where there are too few trials to tell.

    Args:
        done: rows of `reports.table.trials_frame` with a score.
    """
    columns = {name: spread(done[name], name) for name in PARAMS if done[name].nunique() > 1}
    if len(columns) < 2 or len(done) < len(columns) + 2 + SPARE:
        return None
    scores = done["score"].to_numpy(float)
    lines = np.column_stack([np.ones(len(scores)), *columns.values()])
    open_yet = rest(lines, scores)
    if open_yet <= 1e-12 * float(np.square(scores - scores.mean()).sum()):
        return None

    def share(pair: tuple[str, str]) -> float:
        product = columns[pair[0]] * columns[pair[1]]
        return 1 - rest(np.column_stack([lines, product]), scores) / open_yet

    pairs = list(itertools.combinations(columns, 2))
    pair = max(pairs, key=share)
    left = len(scores) - lines.shape[1] - 1
    ratio = max(0.0, share(pair)) / max(1 - share(pair), 1e-12) * left
    chance = len(pairs) * float(above_f(1, left, ratio))
    return Interaction(*pair, share(pair), min(1.0, chance))


def spread(values: "pd.Series[Any]", name: str) -> np.ndarray:
    """A setting's values with mean 0 and deviation 1; choices count in the order of their names."""
    numeric = pd.api.types.is_numeric_dtype(values)
    found = (values if numeric else values.rank(method="dense")).to_numpy(float)
    if name in LOG_SCALE:
        found = np.log(np.maximum(found, 1e-9))
    return np.asarray((found - found.mean()) / found.std())


def rest(design: np.ndarray, scores: np.ndarray) -> float:
    """The sum of squares that a least-squares fit leaves."""
    found, *_ = np.linalg.lstsq(design, scores)
    return float(np.square(scores - design @ found).sum())
