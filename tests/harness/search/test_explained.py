"""A planned search in words, where it is not the default one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driving import make_plan, with_setup
from programs import program_of

from harness.search.explained import entries
from harness.search.plan import SearchPlan


def said(plan: SearchPlan) -> dict[str, str]:
    return dict(entries(plan, 0))


def with_config(plan: SearchPlan, **changed: Any) -> SearchPlan:
    return replace(plan, config=plan.config.model_copy(update=changed))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("init-from", "unet_128 (repaints), from your model, a.pth and b.pth"),
        ("none", "unet_128 (repaints), every trial from nothing"),
        ("shared", "unet_128 (repaints), from a warm start of 4 steps"),
    ],
)
def test_what_trials_continue_from(tmp_path: Path, start: str, words: str) -> None:
    plan = with_setup(make_plan(tmp_path), warm_start=start)
    assert said(with_config(plan, init_from=(Path("a.pth"), Path("b.pth"))))["Generator"] == words


def test_trials_that_run_to_their_end_and_nothing_held_out(tmp_path: Path) -> None:
    plan = with_setup(make_plan(tmp_path, pruner="none", jobs=3), data={"n_test": 0})
    assert said(plan)["Trials"].endswith(
        "30 steps at 128 px, 3 at a time on cpu, none stopped early"
    )
    assert said(plan)["Pairs"] == "8 to train on, 2 to score: nothing"
    assert said(plan)["Finalists"] == "none"


def test_what_is_tried_before_the_sampler_chooses(tmp_path: Path) -> None:
    plan = replace(make_plan(tmp_path, budget=7), earlier={"mine": {}, "yours": {}})
    assert said(plan)["Settings"].startswith("7 recipes, 2 of --enqueue, then tpe varies lambda_L1")


def test_a_pareto_search_has_no_place_for_a_recipe(tmp_path: Path) -> None:
    asked = {"both": True, "finalists": 2, "repeats": 3}
    assert said(make_plan(tmp_path, **asked))["Finalists"] == (
        "12 runs on 3 fresh seeds: best 2 (with recipe warp), best that repaints, recommended"
    )
    pareto = make_plan(tmp_path, **asked, pareto=True, pruner="none")
    assert "best 2, best that repaints" in said(pareto)["Finalists"]


def test_the_user_s_own_program_and_his_server_without_its_password(tmp_path: Path) -> None:
    program = program_of(tmp_path, "./train", file=tmp_path / "mine.yaml")
    plan = make_plan(tmp_path)
    own = replace(plan, trial_plan=plan.trial_plan.model_copy(update={"external": program}))
    found = said(with_config(own, tracking_uri="https://me:s3cret@there/x"))
    assert found["Generator"].startswith(f"that of {tmp_path}/mine.yaml, ")
    assert found["Results"].endswith("MLflow in https://***@there/x")
