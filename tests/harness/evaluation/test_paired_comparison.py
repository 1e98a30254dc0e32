"""The comparison says "better" no more often than it may, and often enough where it is true."""

import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from benchmarks.verdict import SIZES, SOURCES, bootstrap_says_better, leads, said_better
from harness.evaluation.paired_comparison import level_for, mean_interval, paired_interval


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


def crossed_interval(differences: np.ndarray, level: float) -> tuple[float, float, float]:
    """Cornfield and Tukey's variance and Satterthwaite's freedom, cell by cell: mean, low, high."""
    seeds, pictures = differences.shape
    mean = fmean(differences.flat)
    rows = [fmean(row) - mean for row in differences]
    columns = [fmean(column) - mean for column in differences.T]
    rest = [
        (differences[i, j] - mean - rows[i] - columns[j]) ** 2
        for i in range(seeds)
        for j in range(pictures)
    ]
    free = (seeds - 1, pictures - 1, (seeds - 1) * (pictures - 1))
    sums = (pictures * sum(r**2 for r in rows), seeds * sum(c**2 for c in columns), sum(rest))
    of_seeds, of_pictures, of_rest = squares = [s / f for s, f in zip(sums, free, strict=True)]
    if of_rest > min(of_seeds, of_pictures):  # what one of them adds is no more than chance
        spread = max(of_seeds, of_pictures)
        freedom = float(free[squares.index(spread)])
    else:
        spread = of_seeds + of_pictures - of_rest
        freedom = spread**2 / sum(s**2 / f for s, f in zip(squares, free, strict=True))
    half = t.ppf((1 + level) / 2, max(freedom, 1.0)) * math.sqrt(spread / (seeds * pictures))
    return mean, mean - half, mean + half


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("seeds", "pictures"), [(2, 2), (3, 8), (5, 12)])
@pytest.mark.parametrize(("by_seed", "by_picture"), [(0, 0), (3, 0), (0, 3), (2, 2)])
def test_the_interval_is_that_of_a_crossed_design(
    level: float, seeds: int, pictures: int, by_seed: float, by_picture: float
) -> None:
    random = np.random.default_rng([seeds, pictures, by_seed, by_picture])
    differences = random.normal(size=(seeds, pictures))
    differences += by_seed * random.normal(size=(seeds, 1))
    differences += by_picture * random.normal(size=(1, pictures))
    found = paired_interval(differences, level)
    wanted = crossed_interval(differences, level)
    assert (found.mean, found.low, found.high) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_unless_told_otherwise_it_is_of_95_percent() -> None:
    differences = np.random.default_rng(0).normal(size=(4, 9))
    found, wanted = paired_interval(differences), crossed_interval(differences, 0.95)
    assert (found.low, found.high) == pytest.approx(wanted[1:])
    of_seed = differences.mean(axis=1)
    expected = ttest_1samp(of_seed, 0).confidence_interval(0.95)
    found = mean_interval(differences)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("comparisons", [1, 2, 3, 10])
def test_bonferroni_shares_the_error_out(comparisons: int) -> None:
    """All hold with 95 %: each may err in its share of the remaining 5 %."""
    assert (1 - level_for(comparisons)) * comparisons == pytest.approx(0.05)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_seed_or_one_picture_says_nothing(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least two of each"):
        paired_interval(np.ones(shape))
