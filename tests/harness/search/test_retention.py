"""Which trials lead, told from those that led: the same as told from all trials."""

import random
from pathlib import Path

import optuna
import pytest
from driving import make_plan
from searching import remembered

from harness.search.retention import KEPT, Keeper
from harness.study import study as record
from harness.study.constraints import MARGINS
from harness.study.pareto import OBJECTIVES
from harness.trials.messages import Rung, TrialResult


def complete(
    study: optuna.Study, keeper: Keeper, trial: optuna.Trial, chance: random.Random
) -> bool:
    """Tell a trial with chance's scores and guards; True: it was expected to be kept."""
    score = chance.random()
    components = {name: chance.uniform(0, 3 * margin) for name, margin in MARGINS.items()}
    values = [score, chance.random()] if len(study.directions) > 1 else [score]
    trial.set_user_attr("components", components)
    trial.set_user_attr("score", score)
    trial.set_user_attr("params", trial.params)
    expected = keeper.would_lead(score, values)
    study.tell(trial, values)
    result = TrialResult(Rung(30, score, components, {}, b""), (), None)
    keeper.keep(trial.number, trial.user_attrs.get("recipe"), result)
    return expected


@pytest.mark.parametrize("pareto", [False, True], ids=["one objective", "pareto"])
@pytest.mark.parametrize("seed", range(3))
def test_the_leaders_are_those_of_all_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pareto: bool, seed: int
) -> None:
    monkeypatch.setattr(Keeper, "write_best", lambda _: None)
    plan = make_plan(tmp_path, pareto=pareto, pruner="none")
    study = remembered(plan)
    assert list(study.user_attrs["objectives"] or ()) == (list(OBJECTIVES) if pareto else [])
    keeper, chance = Keeper(plan.paths, study), random.Random(seed)
    waiting = [record.ask(study, plan.space, "random", seed) for _ in range(40)]
    chance.shuffle(waiting)  # the guide's recommendation, by which guards are judged, ends anywhere
    led = 0
    for trial in waiting:
        expected = complete(study, keeper, trial, chance)
        assert keeper.top == keeper.leaders()
        led += trial.number in keeper.top
        assert expected or trial.number not in keeper.top
    assert KEPT <= led < 40


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_three_are_kept_whichever_way_the_objective_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    monkeypatch.setattr(Keeper, "write_best", lambda _: None)
    plan = make_plan(tmp_path)
    plan.facts["direction"] = direction
    study = remembered(plan)
    keeper = Keeper(plan.paths, study)
    scores = [0.5, 0.2, 0.6, 0.1, 0.4, 0.3]
    for number, score in enumerate(scores):
        trial = record.ask(study, plan.space, "random", 0)
        file = plan.paths.checkpoint(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        study.tell(trial, score)
        keeper.keep(number, None, TrialResult(Rung(30, score, {}, {}, b""), (), file))
    best = [2, 0, 4] if direction == "maximize" else [3, 1, 5]
    assert keeper.top == best
    assert Keeper(plan.paths, study).top == best
    kept = {file.name for file in plan.paths.checkpoints.iterdir()}
    assert kept == {plan.paths.checkpoint(number).name for number in best}
    better, worse = (0.45, 0.35) if direction == "maximize" else (0.25, 0.35)
    assert keeper.would_lead(better, [better])
    assert not keeper.would_lead(worse, [worse])
