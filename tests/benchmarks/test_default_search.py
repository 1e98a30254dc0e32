"""What the benchmark of default searches reads from a search's outcome."""

from pathlib import Path

import pytest
from driving import make_plan
from of_kinds import Fair
from searching import run, without_mlflow

from benchmarks.default_search import told
from harness.search.result import as_data


def test_the_lead_over_the_recipe_is_of_the_same_seeds_and_pictures(tmp_path: Path) -> None:
    with without_mlflow():
        outcome = run(make_plan(tmp_path, both=True, budget=18, finalists=2, repeats=2), Fair)
    assert outcome.finalists is not None
    names = {row.recipe: row.name for row in outcome.finalists.rows}
    winner = outcome.finalists.winner
    assert winner != names["warp"]
    found = told(as_data(outcome))
    assert found["lead_over_warp"]["mean"] == pytest.approx(0.1)
    assert found["finalists"][0]["name"] == winner
    assert found["score"] == found["finalists"][0]["mean"]
