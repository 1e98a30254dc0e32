"""The finalists' runs by value: their seeds, and whose weights are kept."""

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from driving import Instant, make_plan, with_setup
from null_tracker import NullTracker
from optuna.trial import TrialState
from searching import remembered, run, trials

from harness.evaluation.verdict import Finalist
from harness.search.finalists import FinalPhase, pick_finalists
from harness.search.publishing import study_note
from harness.study.study import read_study
from harness.trials.messages import Report, Rung, TrialResult, TrialTask
from reports.record.names import trial_name
from tests.harness.search.test_finalists import best_yaml, final_runs


def stage_of(folder: Path, seed: int) -> FinalPhase:
    """The guide's recommendation alone, three times."""
    plan = make_plan(folder, seed=seed, repeats=3, finalists=1)
    study = remembered(plan)
    runs = optuna.create_study(storage=study._storage)
    return FinalPhase(plan, study, runs, pick_finalists(study, 1), NullTracker(), 0)


def test_no_run_has_a_seed_that_a_search_has_or_that_another_search_s_finalists_have(
    tmp_path: Path,
) -> None:
    stages = [stage_of(tmp_path, seed) for seed in range(20)]
    seeds = [seed for stage in stages for seed in stage.seeds]
    assert len(set(seeds)) == 60
    assert not set(seeds) & set(range(100_000))
    handed = [stages[3].next()[1].seed for _ in range(3)]
    assert sorted(handed) == sorted(stages[3].seeds)


def test_the_same_search_has_the_same_fresh_seeds(tmp_path: Path) -> None:
    assert stage_of(tmp_path, 7).seeds == stage_of(tmp_path, 7).seeds


class Upset(Instant):
    """On the held-out pairs the best of the search are the worst."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        if task.phase == "search":
            return rung
        return Rung(step, 1 - rung.value, rung.components, rung.losses, rung.crop)


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize("runner", [Instant, Upset])
def test_the_weights_that_are_kept_are_of_the_winner_s_first_run(
    tmp_path: Path, runner: type[Instant]
) -> None:
    plan = make_plan(tmp_path, budget=24, finalists=2, repeats=3, seed=5)
    outcome = run(plan, runner)
    runs, held = final_runs(tmp_path), best_yaml(tmp_path)
    # Seed by seed: the two best of the search, then the guide's recommendation.
    first = runs[2 if runner is Upset else 0]
    assert first.user_attrs["params"] == held["params"]
    kept = plan.paths.folder / held["checkpoint"]
    assert len(list(plan.paths.checkpoints.glob("f*.pth"))) == 3
    assert kept.read_text() == f"of f{first.number:02d}, seed {first.user_attrs['seed']}"
    # MLflow's star is the winner's, whoever led in single runs.
    note = study_note(read_study(tmp_path, "fake"), outcome)
    starred = [line.split("|")[2].strip() for line in note.splitlines() if "★" in line]
    assert {*starred} == {trial_name(held["trial"])}
    searched = {trial.user_attrs["seed"] for trial in trials(tmp_path)}
    assert searched == {5}
    assert not searched & {each.user_attrs["seed"] for each in runs}


@pytest.mark.usefixtures("unmirrored")
def test_the_lowest_finalist_wins_where_an_objective_is_minimised(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=24, finalists=2, repeats=2)
    outcome = run(with_setup(plan, direction="minimize", worst_score=7.0))
    assert outcome.finalists is not None
    means = {row.name: row.mean for row in outcome.finalists.rows}
    assert means[outcome.finalists.winner] == min(means.values()) < max(means.values())


@pytest.mark.usefixtures("unmirrored")
def test_a_finalist_that_wins_when_the_search_goes_on_still_has_its_weights(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=24, finalists=2, repeats=3)
    run(plan)
    before = best_yaml(tmp_path)["trial"]
    run(make_plan(tmp_path, budget=39, finalists=2, repeats=8), Upset)
    held = best_yaml(tmp_path)
    assert held["trial"] != before
    assert (plan.paths.folder / held["checkpoint"]).exists()


@pytest.mark.usefixtures("unmirrored")
def test_a_setting_that_is_found_again_keeps_the_runs_of_its_first_trial(tmp_path: Path) -> None:
    """On a GPU the same setting may score a little higher the second time, and lead."""
    plan = make_plan(tmp_path, budget=24, finalists=1, repeats=2)
    first = run(plan)
    assert first.best is not None
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    twin = study.trials[first.best.number]
    twin.value = first.best.value + 1e-6
    study.add_trial(twin)
    again = run(make_plan(tmp_path, budget=25, finalists=1, repeats=2))
    assert first.finalists is not None
    assert again.finalists is not None
    assert (first.finalists.winner, again.finalists.winner) == (f"t{first.best.number:03d}", "t020")
    assert len(final_runs(tmp_path)) == 4
    assert again.finalists.checkpoint == first.finalists.checkpoint is not None
    assert (plan.paths.folder / again.finalists.checkpoint).exists()


def test_runs_that_wait_for_who_is_no_finalist_any_more_are_withdrawn(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, repeats=2, finalists=1)
    study = remembered(plan)
    runs = optuna.create_study(storage=study._storage)
    (baseline,) = pick_finalists(study, 1)
    one, other = (
        Finalist(f"t{number:03d}", number, None, baseline.params | {"lambda_L1": 50.0 + number})
        for number in range(2)
    )
    FinalPhase(plan, study, runs, (one, baseline), NullTracker(), 0).next()  # interrupted
    FinalPhase(plan, study, runs, (other, baseline), NullTracker(), 0)
    names = Counter((run.user_attrs["finalist"], run.state.name) for run in runs.get_trials())
    assert names == {("t000", "FAIL"): 2, ("t001", "WAITING"): 2, ("recommended", "WAITING"): 2}


class Stumbling(Instant):
    """A run of a finalist fails, by no fault of its own."""

    def run_final(self, task: TrialTask, report: Report) -> TrialResult:
        if task.number == 1:
            raise RuntimeError("the file system was away")
        return super().run_final(task, report)


@pytest.mark.usefixtures("unmirrored")
def test_a_finalist_s_run_that_failed_runs_again_in_the_next_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(tmp_path, budget=12, finalists=1, repeats=2)
    first = run(plan, Stumbling)
    assert (first.final_runs, first.finalists) == (3, None)
    told: list[Any] = []
    monkeypatch.setattr(NullTracker, "reconcile", lambda _, endings: told.append(endings))
    again = run(plan)
    ((name, ending),) = [(n, end) for n, end in told[-1].items() if end.status == "FAILED"]
    assert (name, ending.reason) == ("f01", "RuntimeError: the file system was away")
    assert again.final_runs == 4
    assert again.finalists is not None
    states = [each.state for each in final_runs(tmp_path)]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, *[TrialState.COMPLETE] * 3]
