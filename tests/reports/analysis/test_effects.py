"""A claim is supported or contradicted only where the trials show it."""

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import t

from reports.analysis.effects import CLAIMS, effects

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


@pytest.mark.parametrize("count", [10, 30])
def test_noise_supports_nothing_more_often_than_it_may(count: int) -> None:
    said = [
        effect.finding != "open"
        for seed in range(200)
        for effect in effects(trials(count, 1.0, seed), 1)
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


def test_the_interval_is_white_s_by_leaving_each_trial_out() -> None:
    """HC3 with Student's t of the trials less what was fitted: 20 trials, six coefficients.

    A residual over one less its leverage is what the trial differs by from a fit without it.
    """
    chosen = trials(20, 0.03)
    rows = [trial.user_attrs["params"] for trial in chosen]
    design = np.array([[1.0, *(claim.rises(row) for claim in CLAIMS)] for row in rows])
    scores = np.array([trial.value for trial in chosen])
    whole = np.linalg.lstsq(design, scores)[0]
    apart = []
    for k in range(20):
        others = np.arange(20) != k
        without = np.linalg.lstsq(design[others], scores[others])[0]
        apart.append(scores[k] - design[k] @ without)
    inverse = np.linalg.inv(design.T @ design)
    spread = inverse @ design.T @ np.diag(np.square(apart)) @ design @ inverse
    half = t.ppf(0.975, 20 - 6) * np.sqrt(np.diag(spread))
    for place, effect in enumerate(effects(chosen, 1), 1):
        assert effect.effect == pytest.approx(whole[place])
        assert (effect.low, effect.high) == pytest.approx(
            (whole[place] - half[place], whole[place] + half[place])
        )


def test_four_trials_more_than_what_is_fitted_are_enough() -> None:
    """Five effects and a level: ten."""
    assert {effect.effect is None for effect in effects(trials(9, 0.01), 1)} == {True}
    assert {effect.effect is None for effect in effects(trials(10, 0.01), 1)} == {False}


def test_what_the_space_varies_beside_the_five_has_its_effect_too() -> None:
    """From its lowest to its highest value; words have none."""
    chosen = trials(40, 0.002)
    for number, trial in enumerate(chosen):
        ngf = (16, 32, 64)[number % 3]
        trial.user_attrs["extras"] = {"ngf": ngf, "norm": ("batch", "instance")[number % 2]}
        trial.value = (trial.value or 0) + 0.02 * (ngf - 16) / 48
    found = {effect.claim: effect for effect in effects(chosen, 1)}
    assert "norm" not in found
    assert found["ngf"].span == "16 to 64"
    assert found["ngf"].finding == "supported"
    assert found["ngf"].effect == pytest.approx(0.02, abs=0.004)


def test_settings_that_always_change_together_tell_nothing() -> None:
    """No fit can tell which of the two it was."""
    chosen = trials(40, 0.002)
    for trial in chosen:
        params = trial.user_attrs["params"]
        params["n_layers_D"] = 4 if params["lambda_perceptual"] else 2
    assert {effect.effect for effect in effects(chosen, 1)} == {None}


@pytest.mark.parametrize(
    ("claim", "setting", "guide", "other", "rise"),
    [
        ("perceptual", "lambda_perceptual", 2.5, 0, 1),
        ("lower_L1", "lambda_L1", 50, 100, 1),  # a halving
        ("deeper_D", "n_layers_D", 4, 3, 1),
        ("lsgan", "gan_mode", "lsgan", "vanilla", 1),
        ("lower_lr", "lr", 5e-5, 2e-4, 2),  # two halvings
    ],
)
def test_a_claim_rises_with_what_the_guide_advises(
    claim: str, setting: str, guide: Any, other: Any, rise: float
) -> None:
    rises = next(one.rises for one in CLAIMS if one.name == claim)
    params = {
        "lambda_L1": 80.0,
        "lambda_perceptual": 5.0,
        "n_layers_D": 3,
        "gan_mode": "lsgan",
        "lr": 1e-4,
    }
    assert rises(params | {setting: guide}) - rises(params | {setting: other}) == pytest.approx(
        rise
    )
