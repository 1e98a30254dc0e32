"""The comparison says "better" no more often than it may, and often enough where it is true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from benchmarks.verdict import SIZES, SOURCES, bootstrap_says_better, leads, said_better
from harness.confirmation.paired import mean_interval, paired_interval


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("seeds", "pictures"), SIZES)
def test_no_difference_is_called_better_in_at_most_one_of_twenty(
    source: tuple[float, float, float], seeds: int, pictures: int
) -> None:
    random = np.random.default_rng([seeds, pictures])
    # 1.4 percentage points are two standard errors of a thousand runs at 5 %.
    assert said_better(leads(random, source, seeds, pictures)) <= 0.05 + 0.014


def test_resampling_three_seeds_would_find_what_is_not_there() -> None:
    """Why the interval is no percentile bootstrap: that is wrong five times too often here."""
    random = np.random.default_rng(0)
    differences = leads(random, SOURCES["seeds"], 3, 12)[:300]
    assert bootstrap_says_better(random, differences) > 0.15


def test_a_real_difference_is_found() -> None:
    """The power at three seeds and twelve pictures, where single runs vary most."""
    random = np.random.default_rng(1)
    power = [said_better(leads(random, SOURCES["single runs"], 3, 12, by)) for by in (1, 2, 4)]
    assert power == sorted(power)
    assert power[1] > 0.65
    assert power[2] > 0.95


@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 2**32 - 1), st.integers(-5, 5))
def test_the_interval_moves_and_turns_with_the_differences(
    seeds: int, pictures: int, seed: int, shift: int
) -> None:
    differences = np.random.default_rng(seed).normal(size=(seeds, pictures))
    found = paired_interval(differences)
    moved, turned = paired_interval(differences + shift), paired_interval(-differences)
    assert found.low <= found.mean <= found.high
    assert moved.low == pytest.approx(found.low + shift, abs=1e-9)
    assert turned.high == pytest.approx(-found.low, abs=1e-9)
    wider = paired_interval(differences, 0.99)
    assert wider.low <= found.low


def test_where_only_seeds_matter_it_is_students_t_over_seeds() -> None:
    of_seed = np.array([0.3, 0.5, 0.2])
    found = paired_interval(np.repeat(of_seed[:, None], 5, axis=1))
    expected = ttest_1samp(of_seed, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert mean_interval(np.repeat(of_seed[:, None], 5, axis=1)).low == pytest.approx(expected.low)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_seed_or_one_picture_says_nothing(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least two of each"):
        paired_interval(np.ones(shape))
