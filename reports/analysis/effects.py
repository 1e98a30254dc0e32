"""What each setting does to the score, and so whether the guide's advice is supported.

One least-squares fit of the score on all settings together, over the completed trials of one kind
of generator, gives each setting's effect with the others held, and its 95 % interval (Student's t,
with White's heteroscedasticity-consistent errors in MacKinnon and White's HC3 form, 1985). It is a
straight line through short trials that the search itself chose: a direction, not a law.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from optuna.trial import FrozenTrial
from scipy.special import stdtrit as students_t  # scipy.stats takes most of a second to import

from reports.record.names import PARAMS
from reports.record.queries import score_of, settings_of
from reports.texts.numbers import short

SPARE = 4
"""Completed trials that a fit needs beyond the numbers it finds."""
Finding = Literal["supported", "contradicted", "open"]


@dataclass(frozen=True)
class Claim:
    """One of the guide's methods as a number of a trial that rises with it.

    `span` is for a setting that the guide has no word for: from which value to which it rises by 1.
    """

    name: str
    rises: Callable[[dict[str, Any]], float]
    span: str = ""


CLAIMS = (
    Claim("perceptual", lambda p: float(p["lambda_perceptual"] > 0)),
    Claim("lower_L1", lambda p: -math.log2(max(p["lambda_L1"], 1e-9))),  # by each halving
    Claim("deeper_D", lambda p: float(p["n_layers_D"])),  # by each layer
    Claim("lsgan", lambda p: float(p["gan_mode"] == "lsgan")),
    Claim("lower_lr", lambda p: -math.log2(p["lr"])),  # by each halving
)


@dataclass(frozen=True)
class Effect:
    """What a claim's method does to the score; None where the trials cannot tell."""

    claim: str
    finding: Finding
    effect: float | None
    low: float | None
    high: float | None
    span: str = ""


def effects(trials: Sequence[FrozenTrial], sign: int) -> tuple[Effect, ...]:
    """The effect on the score of every claim, and of what else the space varies, others held.

    Args:
        trials: completed ones, of one kind of generator.
        sign: 1 where a higher score is better, -1 where a lower one is; an effect is positive
            where it is for the better.
    """
    rows = [settings_of(trial) for trial in trials]
    claims = (*CLAIMS, *further(rows))
    columns = {claim.name: np.array([claim.rises(row) for row in rows]) for claim in claims}
    varied = [name for name, column in columns.items() if len(column) and np.ptp(column) > 0]
    fitted: dict[str, tuple[float, float, float]] = {}
    if len(rows) >= len(varied) + 1 + SPARE:
        design = np.column_stack([np.ones(len(rows)), *(columns[name] for name in varied)])
        if np.linalg.matrix_rank(design) == design.shape[1]:
            scores = sign * np.array([score_of(trial) for trial in trials])
            fitted = dict(zip(varied, fit(design, scores)[1:], strict=True))
    return tuple(judged(claim, fitted.get(claim.name)) for claim in claims)


def further(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """The numbers that a space varies beside the five settings, from their lowest to their
    highest."""
    names = [name for name in (rows[0] if rows else ()) if name not in PARAMS]
    found = []
    for name in names:
        values = [value for row in rows if isinstance(value := row.get(name), int | float)]
        if len(values) < len(rows):
            continue
        low, high = min(values), max(values)
        if low < high:
            found.append(Claim(name, between(name, low, high), f"{short(low)} to {short(high)}"))
    return found


def between(name: str, low: float, high: float) -> Callable[[dict[str, Any]], float]:
    return lambda row: (row[name] - low) / (high - low)


def fit(design: np.ndarray, scores: np.ndarray) -> list[tuple[float, float, float]]:
    """Each column's coefficient with the ends of its 95 % interval."""
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ scores
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    rest = (scores - design @ found) / np.clip(1 - leverage, 1e-6, None)
    errors = np.sqrt(np.diag(inverse @ (design.T * rest**2) @ design @ inverse))
    half = students_t(len(scores) - design.shape[1], 0.975) * errors
    return [(float(b), float(b - h), float(b + h)) for b, h in zip(found, half, strict=True)]


def judged(claim: Claim, interval: tuple[float, float, float] | None) -> Effect:
    if interval is None:
        return Effect(claim.name, "open", None, None, None, claim.span)
    effect, low, high = interval
    finding: Finding = "supported" if low > 0 else "contradicted" if high < 0 else "open"
    return Effect(claim.name, finding, effect, low, high, claim.span)
