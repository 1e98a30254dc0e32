"""Which trials lead, updated from those that led: the same as ranked from all trials."""

import random
from pathlib import Path

import optuna
import pytest
from driving import make_plan, with_setup
from searching import remembered

from harness.search.callbacks import TrialEnd
from harness.search.ranking import KEPT, Ranking, RankingChange
from harness.search.retention import Retention
from harness.study import study as record
from harness.study.constraints import MARGINS
from harness.study.pareto import OBJECTIVES
from harness.tracking.store import Ending
from harness.trials.messages import Rung, TrialResult, TrialTask
from reports.record.names import RECOMMENDED
from search_spaces.trial_params import TrialParams

PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=0, n_layers_D=3, gan_mode="lsgan", lr=1e-4)


def end_of(chance: random.Random) -> Rung:
    """A random score and random guards."""
    score = chance.random()
    return Rung(
        30, score, {name: chance.uniform(0, 3 * most) for name, most in MARGINS.items()}, {}
    )


def complete(study: optuna.Study, trial: optuna.Trial, rung: Rung, values: list[float]) -> None:
    trial.set_user_attr("components", rung.components)
    trial.set_user_attr("score", rung.value)
    trial.set_user_attr("params", trial.params)
    study.tell(trial, values)


@pytest.mark.parametrize("pareto", [False, True], ids=["one objective", "pareto"])
@pytest.mark.parametrize("seed", range(3))
def test_the_leaders_are_those_of_all_trials(tmp_path: Path, pareto: bool, seed: int) -> None:
    plan = make_plan(tmp_path, pareto=pareto, pruner="none")
    study = remembered(plan)
    assert list(study.user_attrs["objectives"] or ()) == (list(OBJECTIVES) if pareto else [])
    ranking, chance = Ranking(study, both_kinds=False), random.Random(seed)
    waiting = [record.ask(study, plan.space, "random", seed) for _ in range(40)]
    chance.shuffle(waiting)  # the guide's recommendation, by which guards are judged, ends anywhere
    led = written = 0
    judged = False  # against the guards, which need the guide's recommendation
    for trial in waiting:
        before = set(ranking.leaders)
        rung = end_of(chance)
        values = [rung.value, chance.random()] if pareto else [rung.value]
        may_lead = ranking.may_lead(trial.number, values, rung)
        complete(study, trial, rung, values)
        standing = ranking.update(trial.number, trial.user_attrs.get("recipe"))
        assert ranking.leaders == ranking.among(None)
        assert standing.kept == (trial.number in ranking.leaders)
        assert standing.leads == (ranking.leaders[:1] == [trial.number])
        assert set(standing.displaced) == (before | {trial.number}) - set(ranking.leaders)
        if judged and "recipe" not in trial.user_attrs:
            assert may_lead == standing.kept
        assert may_lead or not standing.kept
        judged |= trial.user_attrs.get("recipe") == RECOMMENDED
        led += standing.kept
        written += may_lead
    assert KEPT <= led <= written < 40


def test_while_the_baseline_runs_the_weights_of_every_trial_are_written(tmp_path: Path) -> None:
    """Its guards may leave the last of them as the best."""
    plan = make_plan(tmp_path)
    study = remembered(plan)
    ranking = Ranking(study, both_kinds=False)
    baseline, *_ = recipes = [record.ask(study, plan.space, "random", 0) for _ in plan.recipes]
    assert study.get_trials()[baseline.number].user_attrs["recipe"] == RECOMMENDED
    shifts = [(0.9, 9.0), (0.8, 9.0), (0.7, 9.0), (0.1, 1.0)]
    for score, shift in shifts:
        trial = record.ask(study, plan.space, "random", 0)
        rung = Rung(30, score, {"ciede2000": shift}, {})
        assert ranking.may_lead(trial.number, [score], rung)
        complete(study, trial, rung, [score])
        ranking.update(trial.number, None)
    complete(study, baseline, Rung(30, 0.2, {"ciede2000": 1.0}, {}), [0.2])
    ranking.update(baseline.number, RECOMMENDED)
    assert ranking.leaders == [baseline.number, len(recipes) + len(shifts) - 1]


def test_the_best_that_repaints_is_kept_beside_better_ones_that_move_pixels(tmp_path: Path) -> None:
    study = remembered(make_plan(tmp_path))
    ranking = Ranking(study, both_kinds=True)
    ended = [(0.2, "unet_128"), (0.3, "unet_128"), *((n / 10, "warp_unet_128") for n in (4, 5, 6))]
    for score, net in ended:
        trial = study.ask()
        trial.set_user_attr("extras", {"netG": net})
        study.tell(trial, score)
        ranking.update(trial.number, None)
    assert ranking.leaders == [4, 3, 2, 1] == ranking.among(None)


def test_best_yaml_changes_with_its_baseline_which_need_not_lead(tmp_path: Path) -> None:
    study = remembered(make_plan(tmp_path))
    ranking = Ranking(study, both_kinds=False)
    changed = []
    for score, recipe in ((0.5, None), (0.6, None), (0.7, None), (0.1, RECOMMENDED), (0.2, None)):
        trial = study.ask()
        study.tell(trial, score)
        changed.append(ranking.update(trial.number, recipe).best_changed)
    assert changed == [True, True, True, True, False]


def test_the_next_driver_writes_the_best_yaml_that_a_killed_one_did_not(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    study = remembered(plan)
    for number, score in enumerate((0.5, 0.6)):
        trial = record.ask(study, plan.space, "random", 0)
        complete(study, trial, Rung(30, score, {}, {}), [score])
        Retention(plan.paths, study, Ranking(study, both_kinds=False))
        assert f"\ntrial: {number}\n" in plan.paths.best_yaml.read_text(encoding="utf-8")


def test_a_best_yaml_that_was_removed_is_written_with_the_next_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    plan = make_plan(tmp_path)
    study = remembered(plan)
    record.ask(study, plan.space, "random", 0)
    retention = Retention(plan.paths, study, Ranking(study, both_kinds=False))
    monkeypatch.setattr(Retention, "write_best", lambda _: written.append("best.yaml"))
    result, unchanged = TrialResult(Rung(30, 0.1, {}, {}), (), None), RankingChange(*NOTHING)
    task, ending = TrialTask(0, PARAMS, 0), Ending("FINISHED", "complete", "")
    end = TrialEnd(task, None, ending, 0.1, 1.0, 1, result, unchanged)
    retention.on_trial_end(end)
    assert len(written) == 1
    plan.paths.folder.mkdir(parents=True)
    plan.paths.best_yaml.touch()
    retention.on_trial_end(end)
    assert len(written) == 1


NOTHING = (False, (), False, False)


def test_the_next_driver_removes_the_files_that_a_killed_one_left(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    study = remembered(plan)
    recipes = len(plan.recipes)
    for number in range(recipes + KEPT + 1):
        trial = record.ask(study, plan.space, "random", 0)
        score = 0.1 if number < recipes else 0.9 - number / 100
        complete(study, trial, Rung(30, score, {}, {}), [score])
        for file in (plan.paths.checkpoint(number), plan.paths.panel(number)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    Retention(plan.paths, study, Ranking(study, both_kinds=False))
    best = range(recipes, recipes + KEPT)
    left = {file.name for file in plan.paths.checkpoints.iterdir()}
    assert left == {plan.paths.checkpoint(number).name for number in best}
    left = {file.name for file in plan.paths.panels.iterdir()}
    assert left == {plan.paths.panel(number).name for number in (*range(recipes), *best)}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_three_are_kept_whichever_way_the_objective_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    monkeypatch.setattr(Retention, "write_best", lambda _: None)
    plan = with_setup(make_plan(tmp_path), direction=direction)
    study = remembered(plan)
    ranking = Ranking(study, both_kinds=False)
    retention = Retention(plan.paths, study, ranking)
    for number, score in enumerate([0.5, 0.2, 0.6, 0.1, 0.4, 0.3]):
        trial = record.ask(study, plan.space, "random", 0)
        file = plan.paths.checkpoint(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        study.tell(trial, score)
        result = TrialResult(Rung(30, score, {}, {}), (), file)
        ending = Ending("FINISHED", "complete", "")
        standing = ranking.update(number, None)
        task = TrialTask(number, PARAMS, 0)
        retention.on_trial_end(TrialEnd(task, None, ending, score, 1.0, 1, result, standing))
    best = [2, 0, 4] if direction == "maximize" else [3, 1, 5]
    assert ranking.leaders == best
    assert Ranking(study, both_kinds=False).leaders == best
    kept = {file.name for file in plan.paths.checkpoints.iterdir()}
    assert kept == {plan.paths.checkpoint(number).name for number in best}
