"""A search by an objective of the user's own, here one of which less is better."""

import re
from pathlib import Path

import optuna
import pytest
import yaml
from driving import Faulty, Instant, make_plan, with_setup
from null_tracker import NullTracker

import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.views import QuietView
from harness.search.plan import plan_search
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import TrialTask
from objectives.loading import load_objective
from objectives.score import Goal
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
