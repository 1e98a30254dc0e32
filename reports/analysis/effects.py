"""What each setting does to the score, and so whether the guide's advice is supported.

One least-squares fit of the score on all settings together, over the completed trials of one kind
of generator, gives each setting's effect with the others held constant, and its 95 % interval
(Student's t, with White's heteroscedasticity-consistent errors in MacKinnon and White's HC3 form,
1985). It is a straight line through short trials that the search itself chose: a direction, not a
law.
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

SPARE_TRIALS = 4
"""Completed trials that a fit needs beyond its number of coefficients."""
Finding = Literal["supported", "contradicted", "open"]


@dataclass(frozen=True)
class Claim:
    """One of the guide's methods as a regressor: a number of each trial that rises with it.

    Attributes:
        rises: the regressor, from a trial's settings.
        span: for a setting about which the guide says nothing: the two values between which the
            regressor rises by 1.
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
    """What a claim's method does to the score, with the ends of its 95 % interval.

    All three are None if the trials cannot tell.
    """

    claim: str
    finding: Finding
    effect: float | None
    low: float | None
    high: float | None
    span: str = ""


def effects(trials: Sequence[FrozenTrial], sign: int) -> tuple[Effect, ...]:
    """The effect on the score of every claim and of everything else that the space varies.

    Args:
        trials: completed trials of one kind of generator.
        sign: 1 if a higher score is better, else -1. An effect is positive if it is for the better.
    """
    rows = [settings_of(trial) for trial in trials]
    claims = (*CLAIMS, *extra_claims(rows))
    columns = {claim.name: np.array([claim.rises(row) for row in rows]) for claim in claims}
    varied = [name for name, column in columns.items() if len(column) and np.ptp(column) > 0]
    fitted: dict[str, tuple[float, float, float]] = {}
    if len(rows) >= len(varied) + 1 + SPARE_TRIALS:
        design = np.column_stack([np.ones(len(rows)), *(columns[name] for name in varied)])
        if np.linalg.matrix_rank(design) == design.shape[1]:
            scores = sign * np.array([score_of(trial) for trial in trials])
            fitted = dict(zip(varied, fit(design, scores)[1:], strict=True))
    return tuple(effect_of(claim, fitted.get(claim.name)) for claim in claims)


def extra_claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Claims for the other numbers that a space varies, each from its lowest to its highest."""
    names = [name for name in (rows[0] if rows else ()) if name not in PARAMS]
    found = []
    for name in names:
        values = [value for row in rows if isinstance(value := row.get(name), int | float)]
        if len(values) < len(rows):
            continue
        low, high = min(values), max(values)
        if low < high:
            span = f"{short(low)} to {short(high)}"
            found.append(Claim(name, scaled_between(name, low, high), span))
    return found


def scaled_between(name: str, low: float, high: float) -> Callable[[dict[str, Any]], float]:
    return lambda row: (row[name] - low) / (high - low)


def fit(design: np.ndarray, scores: np.ndarray) -> list[tuple[float, float, float]]:
    """Each column's coefficient, with the lower and upper end of its 95 % interval."""
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ scores
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residuals = (scores - design @ coefficients) / np.clip(1 - leverage, 1e-6, None)
    errors = np.sqrt(np.diag(inverse @ (design.T * residuals**2) @ design @ inverse))
    half = students_t(len(scores) - design.shape[1], 0.975) * errors
    return [(float(b), float(b - h), float(b + h)) for b, h in zip(coefficients, half, strict=True)]


def effect_of(claim: Claim, interval: tuple[float, float, float] | None) -> Effect:
    if interval is None:
        return Effect(claim.name, "open", None, None, None, claim.span)
    effect, low, high = interval
    finding: Finding = "supported" if low > 0 else "contradicted" if high < 0 else "open"
    return Effect(claim.name, finding, effect, low, high, claim.span)
