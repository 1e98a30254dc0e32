"""What the benchmark of settings tells apart: settings, seeds, and what both share."""

import numpy as np
import pytest

from benchmarks.moving_settings import SPLITS, Runs, spread
from reports.record.names import MOVING


def runs(means: np.ndarray) -> Runs:
    """Runs `[setting, seed]` whose pictures score their mean."""
    names = [MOVING, *(f"random {number}" for number in range(len(means) - 1))]
    return {
        name: {
            str(seed): {split: [score - 0.01, score + 0.01] for split in SPLITS}
            for seed, score in enumerate(row)
        }
        for name, row in zip(names, means.tolist(), strict=True)
    }


def test_settings_that_differ_are_told_from_seeds() -> None:
    chance = np.random.default_rng(0).normal(0, 0.002, (12, 3))
    found = spread(runs(0.4 + np.linspace(0, 0.05, 12)[:, None] + chance))["held_out"]
    assert found["of_settings"] == pytest.approx(np.linspace(0, 0.05, 12).std(ddof=1), rel=0.1)
    assert found["seeds"] == pytest.approx(chance.var(axis=1, ddof=1).mean() ** 0.5)
    assert found["best_less_recipe"] == pytest.approx(0.05, abs=0.005)
    assert found["p"] < 1e-6


def test_settings_alike_are_not() -> None:
    of_p = []
    for seed in range(40):
        chance = np.random.default_rng(seed).normal(0, 0.002, (12, 3))
        of_p.append(spread(runs(0.4 + chance))["val"]["p"])
    assert 0.3 < np.mean(of_p) < 0.7


def test_what_a_seed_gives_to_every_setting_is_no_chance_between_them() -> None:
    chance = np.random.default_rng(0).normal(0, 0.002, (6, 3))
    plain, shifted = (
        spread(runs(0.4 + chance + shift))["val"] for shift in (0.0, np.array([0.0, 0.1, -0.05]))
    )
    assert shifted["by_seeds_alone"] == pytest.approx(plain["by_seeds_alone"])
    assert shifted["seeds"] > 10 * plain["seeds"]


def test_seeds_that_not_all_settings_have_do_not_count() -> None:
    full = runs(0.4 + np.random.default_rng(0).normal(0, 0.01, (4, 3)))
    expected = spread({name: {k: by[k] for k in ("0", "1")} for name, by in full.items()})
    del full["random 0"]["2"]
    assert spread(full) == expected
