"""What the benchmark of default searches reads from a search's outcome."""

import dataclasses
from pathlib import Path

import pytest
from driving import make_plan
from searching import run, without_mlflow

from benchmarks.default_search import told
from harness.search.result import as_data
from harness.trials.messages import Rung, TrialTask
from tests.harness.search.test_finalists_of_both_kinds import OfKinds


class Fair(OfKinds):
    """Every setting that moves pixels leads the recipe `warp` by 0.1 on every picture."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        ours = (task.params.lambda_L1, task.params.lr) == (100, 2e-4)
        return dataclasses.replace(rung, value=0.5 - 0.1 * ours)


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
