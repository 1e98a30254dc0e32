"""A claim is supported or contradicted only where the trials show it."""

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from reports.claims import CLAIMS, effects

TRUTH = {"perceptual": 0.0, "lower_L1": 0.01, "deeper_D": -0.02, "lsgan": 0.03, "lower_lr": 0.0}


def trials(count: int, noise: float, seed: int = 0, **kept: Any) -> list[FrozenTrial]:
    """Completed trials whose score is a straight line of the claims' numbers, and noise."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        params = {
            "lambda_L1": float(10 * 50 ** random.uniform()),
            "lambda_perceptual": float(random.choice([0, 10])),
            "n_layers_D": int(random.integers(2, 5)),
            "gan_mode": str(random.choice(["vanilla", "lsgan"])),
            "lr": float(5e-5 * 8 ** random.uniform()),
        } | kept
        value = sum(TRUTH[claim.name] * claim.rises(params) for claim in CLAIMS)
        value += noise * random.normal()
        trial = optuna.trial.create_trial(
            state=TrialState.COMPLETE, value=value, user_attrs={"params": params}
        )
        trial.number = number
        made.append(trial)
    return made


def test_what_is_there_is_found_with_its_size() -> None:
    found = {effect.claim: effect for effect in effects(trials(60, 0.005), 1)}
    assert {name: effect.finding for name, effect in found.items()} == {
        "perceptual": "open",
        "lower_L1": "supported",
        "deeper_D": "contradicted",
        "lsgan": "supported",
        "lower_lr": "open",
    }
    for name, truth in TRUTH.items():
        effect = found[name]
        assert effect.low is not None
        assert effect.high is not None
        assert effect.low - 0.003 < truth < effect.high + 0.003


def test_where_less_is_better_the_findings_turn() -> None:
    found = {effect.claim: effect.finding for effect in effects(trials(60, 0.005), -1)}
    assert found["lsgan"] == "contradicted"
    assert found["deeper_D"] == "supported"


def test_noise_supports_nothing_more_often_than_it_may() -> None:
    said = [
        effect.finding != "open"
        for seed in range(200)
        for effect in effects(trials(30, 1.0, seed), 1)
        if effect.claim in ("perceptual", "lower_lr")
    ]
    assert np.mean(said) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(said))


@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_few_trials_tell_nothing(count: int) -> None:
    assert {effect.finding for effect in effects(trials(count, 0.0), 1)} == {"open"}


def test_what_was_not_varied_is_left_open_and_the_rest_told() -> None:
    found = {effect.claim: effect for effect in effects(trials(40, 0.005, gan_mode="lsgan"), 1)}
    assert found["lsgan"].effect is None
    assert found["lower_L1"].finding == "supported"
