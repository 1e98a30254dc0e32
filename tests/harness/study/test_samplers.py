"""Samplers and pruners by name: no suggestion twice, no recipe stopped, the hopeless stopped."""

import copy
import math
import random
import warnings
from pathlib import Path
from typing import get_args

import optuna
import pytest
from driving import make_plan, quality
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import PrunerName, SamplerName
from harness.study import study as record
from harness.study.pruners import WHY_PRUNED, hopeless, make_pruner
from harness.study.samplers import FlatTPESampler, derived_seed
from search_spaces.space import Space, load_space, parse_space
from tests.search_spaces.written import space_text

BOTH = load_space("default")
SPACE = BOTH.without("generator")
RUNGS = (10, 20, 30)
BUDGET = 16


def run_trials(study: Study, sampler: SamplerName, until: int, space: Space = SPACE) -> None:
    """Trials that take no time, until the study has so many; all end well."""
    while len(study.get_trials(states=(TrialState.COMPLETE,))) < until:
        trial = record.ask(study, space, sampler, seed=3)
        study.tell(trial, quality(space.params(trial.params)))


def suggestions(study: Study) -> list[tuple[object, ...]]:
    return [tuple(trial.params.values()) for trial in study.get_trials()[8:]]


def fresh(folder: Path) -> Study:
    plan = make_plan(folder)
    return record.create_study(InMemoryStorage(), "fake", plan.setup, plan.recipes)


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


def test_tpe_learns_each_branch_of_a_conditional_space_together(tmp_path: Path) -> None:
    """As Optuna's does with `group`; without, it would draw a branch's settings one by one."""
    when = {"gan_mode": "lsgan"}
    beta1 = {"type": "float", "low": 0, "high": 0.9, "when": when, "else": 0.5}
    batch = {"type": "int", "low": 1, "high": 8, "when": when, "else": 1}
    space = parse_space("branches", space_text(beta1=beta1, batch_size=batch))
    study = optuna.create_study(direction="maximize")
    for _ in range(14):
        trial = record.ask(study, space, "tpe", seed=3)
        study.tell(trial, quality(space.params(trial.params)))
    apart = 0
    for number in range(14, 24):
        suggested = []
        for grouped in (True, False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                optunas = TPESampler(seed=derived_seed(3, number), multivariate=True, group=grouped)
            beside = copy.deepcopy(study)
            beside.sampler = optunas
            trial = beside.ask()
            space.suggest(trial)
            suggested.append(trial.params)
        trial = record.ask(study, space, "tpe", seed=3)
        assert trial.params == suggested[0]
        apart += suggested[0] != suggested[1]
        study.tell(trial, quality(space.params(trial.params)))
    assert apart


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


def decisions(study: Study, values: list[float], rungs: tuple[int, ...]) -> list[int | None]:
    """Trials that score the same at every rung, one after the other: where each is stopped."""
    stops: list[int | None] = []
    for value in values:
        trial = study.ask()
        stop = None
        for step in rungs:
            trial.report(value, step)
            if hopeless(trial, step, rungs[-1]):
                stop = step
                break
        study.tell(trial, value if stop is None else None, state=ended_as(stop))
        stops.append(stop)
    return stops


def ended_as(stop: int | None) -> TrialState:
    return TrialState.COMPLETE if stop is None else TrialState.PRUNED


SCORES = [float(value) for value in random.Random(0).sample(range(1000), 40)]


def empty(pruner: PrunerName, rungs: tuple[int, ...]) -> Study:
    return optuna.create_study(
        study_name="fixed", direction="maximize", pruner=make_pruner(pruner, rungs)
    )


@pytest.mark.parametrize("rungs", [QUICK.rungs, STANDARD.rungs])
def test_asha_halves_at_the_first_rung_and_at_twice_as_many_steps(rungs: tuple[int, ...]) -> None:
    """Li et al. (2018) with reduction factor 2: who is in the better half of those who came so far.

    A rung counts where a trial first stands at it or beyond.
    """
    halvings = [next(step for step in rungs if step >= rungs[0])]
    halvings += [step for step in rungs if step >= 2 * rungs[0]][:1]
    seen: dict[int, list[float]] = {step: [] for step in halvings}
    wanted = []
    for value in SCORES:
        stop = None
        for step in halvings:
            seen[step].append(value)
            ahead = sum(other > value for other in seen[step])
            if ahead >= max(1, len(seen[step]) // 2):
                stop = step
                break
        wanted.append(None if stop == rungs[-1] else stop)
    assert decisions(empty("asha", rungs), SCORES, rungs) == wanted
    assert {rungs[0], None} <= set(wanted)


def test_the_median_stops_what_is_below_it_once_five_trials_have_ended() -> None:
    study = empty("median", RUNGS)
    values = [0.5, 0.1, 0.4, 0.2, 0.3]
    assert decisions(study, values, RUNGS) == [None] * 5
    assert decisions(study, [0.29, 0.31], RUNGS) == [RUNGS[0], None]


def test_hyperband_s_brackets_begin_at_the_first_rung_and_at_twice_as_many_steps() -> None:
    """Two brackets fit between 400 and 1,000 steps: in one, nobody is stopped before 800."""
    rungs = STANDARD.rungs
    stops = decisions(empty("hyperband", rungs), sorted(SCORES, reverse=True), rungs)
    assert set(stops) == {None, 400, 850}
    # What is below the half is stopped at its bracket's first rung: each has a fair part of them.
    assert min(stops.count(400), stops.count(850)) >= 8


def test_one_quasi_random_sequence_a_study() -> None:
    """The points of one scrambled Sobol sequence: of 16, every sixteenth of a scale holds one."""
    study = optuna.create_study()
    for _ in range(16 + 1):  # the first trial tells the sampler the space
        trial = record.ask(study, SPACE, "qmc", seed=3)
        study.tell(trial, 0.0)
    shares = [math.log(trial.params["lr"] / 5e-5) / math.log(8) for trial in study.get_trials()[1:]]
    assert sorted(int(16 * share) for share in shares) == list(range(16))


def test_another_seed_is_another_quasi_random_sequence() -> None:
    drawn = []
    for seed in (3, 4):
        study = optuna.create_study()
        for _ in range(3):
            study.tell(record.ask(study, SPACE, "qmc", seed=seed), 0.0)
        drawn.append({trial.params["lr"] for trial in study.get_trials()[1:]})
    assert not drawn[0] & drawn[1]


def test_what_a_quasi_random_sequence_has_no_place_for_is_drawn_anew_for_each_trial() -> None:
    """Settings that the first trial did not have, such as those of the other branch."""
    beta1 = {"type": "float", "low": 0, "high": 0.9, "when": {"gan_mode": "lsgan"}, "else": 0.5}
    space = parse_space("branch", space_text(beta1=beta1))
    study = optuna.create_study()
    study.enqueue_trial({"gan_mode": "vanilla"})
    for _ in range(8):
        study.tell(record.ask(study, space, "qmc", seed=3), 0.0)
    drawn = [trial.params["beta1"] for trial in study.get_trials() if "beta1" in trial.params]
    assert len(set(drawn)) == len(drawn) > 2
