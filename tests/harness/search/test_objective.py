"""A search by an objective of the user's own, here one of which less is better."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import optuna
import pytest
import torch
import yaml
from driving import Faulty, Instant, make_plan, with_setup
from null_tracker import NullTracker

import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.views import QuietView
from harness.errors import UserInputError
from harness.search.plan import plan_search
from harness.search.stop_signals import StopSwitch
from harness.search.worker_startup import check_scores
from harness.trials.messages import Baseline, TrialTask
from objectives.loading import UserObjective, load_objective
from objectives.score import (
    Goal,
    NothingToScoreError,
    Objective,
    Reference,
    Score,
    UserObjectiveError,
    aggregate,
)
from reports.analysis.summary import summarise
from reports.page.report import render

PAGE = Path(__file__).parents[3] / "docs" / "objectives.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The documented example, where the command is run."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "by_mean_error.py").write_text(code[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return "by_mean_error:make"


def test_a_planned_search_has_the_objectives_direction(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    wish = SearchConfig(objective=example, weights="random", device="cpu", profile="quick")
    plan = plan_search(wish)
    assert plan.setup.objective == plan.trial_plan.objective == example
    assert plan.setup.direction == "minimize"
    assert plan.setup.worst_score == 1.0
    assert plan.finalists == 3


def test_trials_are_scored_by_it(example: str, tmp_path: Path) -> None:
    from harness.data.pairs.pair_set import Dataset, save_dataset
    from tests.harness.trials.test_trial import PARAMS, make_trials, pairs

    file = tmp_path / "pairs.pt"
    save_dataset(Dataset(pairs(4, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    trials = make_trials(file, tmp_path / "study", warm_start="none", objective=example)
    rungs = []
    trials.run(TrialTask(0, PARAMS, 0), lambda rung: rungs.append(rung) or False)
    generator, _ = trials.networks(TrialTask(0, PARAMS, 0))
    restored, score = trials.val(generator)
    own = load_objective(example, "random", "cpu").against(trials.val.reference)
    assert score == own(restored)
    assert set(rungs[0].components) == {"median", "worst_tenth", "n", "n_scored"}
    assert 0 < rungs[0].value < 1
    assert isinstance(trials.objective, UserObjective)
    trials.objective.objective.against = failing
    del trials.val
    with pytest.raises(UserInputError, match=rf"--objective {example} failed \(KeyError: 'a'\)"):
        trials.prepare(lambda *_: None)


def failing(_: object) -> Score:
    raise KeyError("a")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda _: 0.5, "gives a float for pictures: it must return what"),
        (
            lambda _: aggregate([{"name": "a", "score": 1.0}], "maximize"),
            "must give one row for each of the 2",
        ),
        (
            lambda _: aggregate([{"name": name, "score": 1.0} for name in "ba"], "maximize"),
            "must give one row for each of the 2 pictures, with its name, in their order",
        ),
        (failing, "failed (KeyError: 'a')."),
    ],
)
def test_what_is_no_score_is_refused_by_the_objectives_name(
    given: Callable[[object], Score], said: str
) -> None:
    made = SimpleNamespace(
        name="own",
        direction="maximize",
        value_range=(0, 1),
        weights="random",
        against=lambda _: given,
    )
    pictures = torch.zeros(2, 3, 4, 4)
    reference = Reference(("a", "b"), pictures, pictures[:, :1] > 0, None)
    score = UserObjective("my:make", cast(Objective, made)).against(reference)
    with pytest.raises(UserObjectiveError, match=re.escape(f"--objective my:make {said}")):
        score(pictures)


def test_a_set_in_which_nothing_is_scored_is_no_failure_of_the_objective(example: str) -> None:
    """`harness score` then leaves out the pictures of that size, and goes on."""
    pictures = torch.zeros(1, 3, 64, 64)
    with pytest.raises(NothingToScoreError):
        load_objective(example, "random", "cpu").against(
            Reference(("a",), pictures, pictures[:, :1] > 0, None)
        )


def test_scores_that_are_not_finite_are_the_users_to_correct(tmp_path: Path) -> None:
    baseline = Baseline(noop=math.nan, warm_start=None, oracle=None, held_out_noop=None)
    plan = make_plan(tmp_path, objective="my:make")
    with pytest.raises(UserInputError, match="my:make gives nan for noop"):
        check_scores(baseline, plan)


@pytest.mark.parametrize("goal", [Goal("minimize", 1.0), Goal("maximize", None)])
def test_the_best_is_what_the_direction_says(
    goal: Goal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = make_plan(tmp_path, budget=16)
    declared = {"direction": goal.direction, "worst_score": goal.worst, "objective": "my:make"}
    plan = with_setup(plan, **declared)
    outcome = harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Instant)
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    done = [t for t in study.get_trials() if t.state.name == "COMPLETE"]
    ranked = sorted(done, key=lambda t: t.value, reverse=goal.direction == "maximize")
    assert outcome.best is not None
    assert outcome.best.number == ranked[0].number == study.best_trial.number
    written = yaml.safe_load(plan.paths.best_yaml.read_text())
    assert written["trial"] == ranked[0].number
    assert written["verdict"].startswith("ahead of the guide's recommended setting")
    summary = summarise(study)
    winner, baseline = (each and each.score for each in (summary.winner, summary.baseline))
    assert winner is not None
    assert baseline is not None
    assert (winner - baseline) * summary.sign > 0
    assert "exp(-(D + E + Lrel))" not in render(study)
    kept = {file.stem[:4] for file in plan.paths.checkpoints.glob("t*_net_G.pth")}
    assert kept == {f"t{trial.number:03d}" for trial in ranked[:3]}


def test_a_diverged_trial_is_told_as_the_worst_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = make_plan(tmp_path, budget=11)
    plan = with_setup(plan, direction="minimize", worst_score=7.0)
    harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Faulty)
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    diverged = [t for t in study.get_trials() if "diverged" in t.user_attrs.get("reason", "")]
    assert diverged
    assert all(t.intermediate_values[max(t.intermediate_values)] == 7.0 for t in diverged)
