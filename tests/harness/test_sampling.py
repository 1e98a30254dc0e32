"""Samplers and pruners by name: no suggestion twice, no recipe stopped, the hopeless stopped."""

import copy
import warnings
from pathlib import Path
from typing import get_args

import optuna
import pytest
from driving import make_plan, quality
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from harness import study as record
from harness.config import PrunerName, SamplerName
from harness.sampling import WHY_PRUNED, FlatTPESampler, derived_seed, hopeless, make_pruner
from harness.storage import PatientStorage
from search_spaces.space import load_space

SPACE = load_space("default")
RUNGS = (10, 20, 30)
BUDGET = 16


def run_trials(study: Study, sampler: SamplerName, until: int) -> None:
    """Trials that take no time, until the study has so many; all end well."""
    while len(study.get_trials(states=(TrialState.COMPLETE,))) < until:
        trial = record.ask(study, SPACE, sampler, seed=3)
        study.tell(trial, quality(SPACE.params(trial.params)))


def suggestions(study: Study) -> list[tuple[object, ...]]:
    return [tuple(trial.params.values()) for trial in study.get_trials()[8:]]


def fresh(folder: Path) -> Study:
    plan = make_plan(folder)
    return record.create_study(
        PatientStorage("sqlite:///:memory:"), "fake", plan.facts, plan.recipes
    )


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_going_on_repeats_nothing_and_equals_never_having_stopped(
    sampler: SamplerName, tmp_path: Path
) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    whole, parts = fresh(tmp_path), fresh(tmp_path)
    run_trials(whole, sampler, BUDGET)
    for until in (9, 12, BUDGET):
        opened = record.find_study(parts._storage, "fake")
        assert opened is not None
        run_trials(opened, sampler, until)
    assert suggestions(parts) == suggestions(whole)
    assert len(set(suggestions(whole))) == BUDGET - 8


def test_tpe_that_knows_its_space_suggests_what_optunas_does(tmp_path: Path) -> None:
    study = fresh(tmp_path)
    run_trials(study, "tpe", 25)
    for number in range(25, 30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optunas = TPESampler(seed=derived_seed(3, number), multivariate=True, group=True)
        beside = copy.deepcopy(study)
        beside.sampler = optunas
        wanted = beside.ask()
        SPACE.suggest(wanted)
        trial = record.ask(study, SPACE, "tpe", seed=3)
        assert isinstance(study.sampler, FlatTPESampler)
        assert trial.params == wanted.params
        study.tell(trial, quality(SPACE.params(trial.params)))


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_sampler_that_learns_does_better_than_chance(sampler: SamplerName) -> None:
    def mean_of_last(sampler: SamplerName) -> float:
        study = optuna.create_study(direction="maximize")
        run_trials(study, sampler, 20)
        return sum(trial.value or 0 for trial in study.trials[-6:]) / 6

    assert mean_of_last(sampler) > mean_of_last("random") + 0.05


def test_neighbouring_seeds_share_no_trial_seed() -> None:
    seeds = {derived_seed(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000


def study_of_good_trials(pruner: PrunerName) -> Study:
    """Twelve completed trials whose scores all lie far above what the tests then report."""
    study = optuna.create_study(
        study_name="fixed", direction="maximize", pruner=make_pruner(pruner, RUNGS)
    )
    for number in range(12):
        trial = study.ask()
        for step in RUNGS:
            trial.report(0.5 + number / 100 + step / 1000, step)
            hopeless(trial, step, RUNGS[-1])
        study.tell(trial, trial.study.trials[-1].intermediate_values[RUNGS[-1]])
    return study


def stopped(trial: optuna.Trial, value: float) -> bool:
    """Whether a trial that always scores `value` is stopped before its end."""
    for step in RUNGS:
        trial.report(value, step)
        if hopeless(trial, step, RUNGS[-1]):
            return True
    return False


@pytest.mark.parametrize("pruner", get_args(PrunerName))
def test_a_pruner_stops_the_worst_and_never_the_best(pruner: PrunerName) -> None:
    study = study_of_good_trials(pruner)
    assert stopped(study.ask(), 0.1) == (pruner != "none")
    assert not stopped(study.ask(), 0.9)


@pytest.mark.parametrize("pruner", get_args(PrunerName))
def test_recipes_and_finished_trials_are_never_stopped(pruner: PrunerName) -> None:
    study = study_of_good_trials(pruner)
    study.enqueue_trial({}, user_attrs={"recipe": "problem"})
    recipe, late = study.ask(), study.ask()
    recipe.report(0.1, RUNGS[0])
    late.report(0.1, RUNGS[-1])
    assert not hopeless(recipe, RUNGS[0], RUNGS[-1])
    assert not hopeless(late, RUNGS[-1], RUNGS[-1])


def test_every_pruner_says_why() -> None:
    assert set(WHY_PRUNED) == set(get_args(PrunerName))
