"""The pair of settings that the report shows together is the one that interacts."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f

from reports.interactions import strongest
from reports.table import PARAMS, trials_frame
from tests.synthetic_studies import make_study


def trials(count: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "lambda_L1": 10 * 50 ** random.uniform(size=count),
            "lambda_perceptual": 2.5 * random.integers(0, 13, count),
            "n_layers_D": random.integers(2, 6, count),
            "gan_mode": random.choice(["vanilla", "lsgan"], count),
            "lr": 5e-5 * 8 ** random.uniform(size=count),
            "score": random.normal(0, 0.002, count),
        }
    )


@pytest.mark.parametrize("pair", [("lambda_L1", "lr"), ("n_layers_D", "gan_mode")])
def test_the_planted_pair_is_found(pair: tuple[str, str]) -> None:
    done = trials(50)
    numbers = done.assign(gan_mode=(done["gan_mode"] == "vanilla").astype(float))
    numbers[["lambda_L1", "lr"]] = np.log(numbers[["lambda_L1", "lr"]])
    one, other = ((numbers[name] - numbers[name].mean()) / numbers[name].std() for name in pair)
    # Strong effects of single settings do not hide it.
    done["score"] += 0.02 * one * other + 0.1 * numbers["lambda_perceptual"]
    found = strongest(done)
    assert found is not None
    assert (found.one, found.other) == pair
    assert 0.9 < found.share <= 1
    assert found.chance < 1e-6


def test_noise_alone_is_called_chance() -> None:
    found = [strongest(trials(40, seed)) for seed in range(100)]
    assert sum(one is not None and one.chance < 0.1 for one in found) <= 18  # 10 %, and luck
    few = strongest(trials(200))
    assert few is not None
    assert few.share < 0.1


def test_too_few_trials_or_settings_show_nothing() -> None:
    assert strongest(trials(12)) is None
    assert strongest(trials(13)) is not None
    pinned = trials(50).assign(**{name: 1.0 for name in PARAMS[1:] if name != "gan_mode"})
    assert strongest(pinned.assign(gan_mode="lsgan")) is None
    assert strongest(trials(50).assign(score=0.2)) is None


def test_of_a_study_s_own_table() -> None:
    frame = trials_frame(make_study(50))
    found = strongest(frame[frame["score"].notna()])
    assert found is not None
    assert {found.one, found.other} < set(PARAMS)


def test_share_and_chance_are_those_of_the_f_test() -> None:
    """Of one product more in a straight-line fit, the best of ten pairs (Bonferroni)."""
    done = trials(30, seed=3)
    numbers = done[list(PARAMS)].assign(gan_mode=(done["gan_mode"] == "vanilla").astype(float))
    numbers[["lambda_L1", "lr"]] = np.log(numbers[["lambda_L1", "lr"]])
    numbers = (numbers - numbers.mean()) / numbers.std()
    lines = np.column_stack([np.ones(30), numbers.to_numpy()])

    def left(design: np.ndarray) -> float:
        _, squares, *_ = np.linalg.lstsq(design, done["score"].to_numpy())
        return float(squares[0])

    shares = {
        (one, other): 1
        - left(np.column_stack([lines, numbers[one] * numbers[other]])) / left(lines)
        for one, other in itertools.combinations(PARAMS, 2)
    }
    pair, share = max(shares.items(), key=lambda entry: entry[1])
    found = strongest(done)
    assert found is not None
    assert (found.one, found.other) == pair
    assert found.share == pytest.approx(share)
    chance = 10 * f.sf(share / (1 - share) * (30 - 7), 1, 30 - 7)
    assert found.chance == pytest.approx(min(1, chance))
    assert 0 < chance < 1
