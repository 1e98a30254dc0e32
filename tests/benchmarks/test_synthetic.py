"""The made-up scores are what the benchmark says that they are."""

import numpy as np
import pytest

from benchmarks.synthetic import (
    SCENARIOS,
    TRIALS,
    Landscape,
    Strategy,
    course,
    grid_of,
    level_at,
    named,
)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_rungs_scores_agree_with_the_truth_as_stated(name: str) -> None:
    scenario = SCENARIOS[name]
    truth = np.random.default_rng(0).standard_normal(200_000)
    scores = scenario.scores(truth, np.random.default_rng(1))
    assert np.corrcoef(truth, scores[:, 0])[0, 1] == pytest.approx(scenario.first, abs=0.01)
    assert np.corrcoef(truth, scores[:, -1])[0, 1] == pytest.approx(scenario.last, abs=0.01)
    if scenario.last < 1:
        noise = scores - truth[:, None]
        carried = np.corrcoef(noise[:, 0], noise[:, -1])[0, 1]
        assert carried == pytest.approx(scenario.carried, abs=0.01)


def test_the_known_top_is_the_top() -> None:
    landscape = Landscape(3)
    top = landscape.top[None]
    assert landscape.raw(top)[0] == 0
    assert (landscape.heights * landscape.deviation + landscape.mean <= 0).all()
    assert landscape.heights.mean() == pytest.approx(0)
    assert landscape.heights.std() == pytest.approx(1)


def test_the_trial_with_the_best_score_is_named_whatever_its_truth() -> None:
    truth, score = np.array([0.3, 0.9, 0.5, 0.1]), np.array([2.0, 1.0, 3.0, 2.5])
    assert named(truth, score).tolist() == [0.3, 0.3, 0.5, 0.5]


@pytest.mark.parametrize("first_rung", [False, True])
def test_a_search_spends_no_more_than_fifty_full_trials(first_rung: bool) -> None:
    scenario = SCENARIOS["as aimed"]
    how = Strategy("random", "none" if first_rung else "asha", go_on=3 if first_rung else None)
    points, ran = course(Landscape(0), scenario, how)
    spent = [steps for steps, _ in points]
    assert spent == sorted(spent)
    assert spent[-1] <= TRIALS * scenario.rungs[-1] < spent[-1] + 2 * scenario.rungs[-1]
    assert len(ran) > TRIALS
    assert {trial.steps for trial in ran[:8]} == {scenario.rungs[0 if first_rung else -1]}


def test_level_is_where_the_median_search_first_is() -> None:
    scenario = SCENARIOS["as aimed"]
    steps = grid_of(scenario)
    ahead = np.full((3, len(steps)), -1.0)
    ahead[0] = 1.0  # lucky from the start
    ahead[1, steps >= 5000] = 0.0
    assert level_at(ahead, scenario) == 5000 / (TRIALS * scenario.rungs[-1])
    ahead[1] = -1.0
    assert level_at(ahead, scenario) == np.inf
