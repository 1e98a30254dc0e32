"""A study of both kinds of generator: each kind is as if it had a study of its own."""

import math
from pathlib import Path
from typing import Any, get_args

import optuna
import pytest
from driving import make_plan, quality
from optuna import Study
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.config.settings import PrunerName, SamplerName
from harness.study import study as record
from harness.study.database import open_storage, sqlite_url
from harness.study.pruners import hopeless, make_pruner
from harness.study.samplers import FlatTPESampler, derived_seed, kind_at
from harness.study.storage import SingleWriterStorage
from search_spaces.space import load_space

SPACE = load_space("default")
FIVE_ALONE = SPACE.without("generator")
RUNGS = (10, 20, 30)
RECIPES = 9


def fresh(folder: Path) -> Study:
    plan = make_plan(folder, both=True)
    return record.create_study(InMemoryStorage(), "fake", plan.setup, plan.recipes)


def height(params: dict[str, Any]) -> float:
    """Of the moving kind far above the other, with its top at another place."""
    moving = params["generator"] == "warp"
    lifted = {**params, "lambda_L1": params["lambda_L1"] * (4 if moving else 1)}
    return quality(SPACE.params(lifted)) + (1 if moving else 0)


def run_trials(study: Study, sampler: SamplerName, until: int) -> None:
    while len(study.get_trials(states=(TrialState.COMPLETE,))) < until:
        trial = record.ask(study, SPACE, sampler, seed=3)
        study.tell(trial, height(trial.params))


def kinds(study: Study) -> list[str]:
    return [trial.params["generator"] for trial in study.get_trials()]


def suggestions(study: Study) -> list[tuple[object, ...]]:
    return [tuple(trial.params.values()) for trial in study.get_trials()[RECIPES:]]


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_one_sampled_trial_in_three_stays_with_the_users_generator(
    sampler: SamplerName, tmp_path: Path
) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    study = fresh(tmp_path)
    run_trials(study, sampler, 21)
    found = kinds(study)
    assert found[:RECIPES] == ["repaint"] * 8 + ["warp"]
    assert found[RECIPES:] == ["warp", "warp", "repaint"] * 4
    assert len(set(suggestions(study))) == 21 - RECIPES


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_going_on_equals_never_having_stopped(sampler: SamplerName, tmp_path: Path) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    whole, parts = fresh(tmp_path), fresh(tmp_path)
    run_trials(whole, sampler, 26)
    for until in (10, 17, 26):
        opened = record.find_study(parts._storage, "fake")
        assert opened is not None
        run_trials(opened, sampler, until)
    assert suggestions(parts) == suggestions(whole)


def test_the_kind_is_that_of_the_place_however_many_run_and_whatever_fails(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, both=True)
    storage = SingleWriterStorage(open_storage(sqlite_url(tmp_path / "optuna.db")))
    study = record.create_study(storage, "fake", plan.setup, plan.recipes)
    asked = [record.ask(study, SPACE, "tpe", seed=3) for _ in range(15)]
    for trial in asked:
        study.tell(trial, state=TrialState.FAIL)
    later = [record.ask(study, SPACE, "tpe", seed=3) for _ in range(9)]
    assert kinds(study)[RECIPES:] == [kind_at(number) for number in range(RECIPES, 24)]
    record.requeue(study, later[2])
    again = record.ask(study, SPACE, "tpe", seed=3)
    assert again.number == later[2].number
    assert again.params == later[2].params


def test_each_kind_has_a_quasi_random_sequence_of_its_own() -> None:
    """As in a study of one kind: of 16 points, every sixteenth of a scale holds one."""
    study = optuna.create_study()
    for _ in range(24 + 1):  # of each kind the first trial tells the sampler the space
        study.tell(record.ask(study, SPACE, "qmc", seed=3), 0.0)
    moving, painted = (
        [trial for trial in study.get_trials() if trial.params["generator"] == kind]
        for kind in ("warp", "repaint")
    )
    shares = [math.log(trial.params["lr"] / 5e-5) / math.log(8) for trial in moving[1:]]
    assert sorted(int(16 * share) for share in shares) == list(range(16))
    rates = [{trial.params["lr"] for trial in kind[1:]} for kind in (moving, painted)]
    assert not rates[0] & rates[1]


def test_an_enqueued_setting_keeps_its_kind(tmp_path: Path) -> None:
    study = fresh(tmp_path)
    run_trials(study, "tpe", 20)
    best = study.best_trial.params
    for kind in ("repaint", "warp"):
        record.enqueue_earlier(study, {f"mine {kind}": {**best, "lr": 7e-5, "generator": kind}})
    assert [record.ask(study, SPACE, "tpe", seed=3).params["generator"] for _ in range(2)] == [
        "repaint",
        "warp",
    ]


def alone(study: Study, kind: str) -> Study:
    """A study that has the same trials of one kind, and knows no kinds."""
    copied = optuna.create_study(direction="maximize")
    for trial in study.get_trials():
        if trial.params["generator"] == kind:
            params, entries = dict(trial.params), dict(trial.distributions)
            del params["generator"], entries["generator"]
            copied.add_trial(
                optuna.create_trial(
                    params=params,
                    distributions=entries,
                    state=trial.state,
                    value=trial.value,
                    intermediate_values=trial.intermediate_values,
                )
            )
    return copied


@pytest.mark.parametrize("kind", ["repaint", "warp"])
def test_tpe_suggests_what_it_would_in_a_study_of_that_kind_alone(
    kind: str, tmp_path: Path
) -> None:
    study = fresh(tmp_path)
    number = {"repaint": 44, "warp": 45}[kind]
    run_trials(study, "tpe", number)
    beside = alone(study, kind)
    beside.sampler = FlatTPESampler(seed=derived_seed(3, number), multivariate=True)
    wanted = beside.ask()
    FIVE_ALONE.suggest(wanted)
    trial = record.ask(study, SPACE, "tpe", seed=3)
    assert trial.params == {**wanted.params, "generator": kind}


def test_running_trials_of_its_kind_are_seen_and_those_of_the_other_are_not(
    tmp_path: Path,
) -> None:
    """TPE keeps away from what is being tried: two suggestions of one moment differ."""
    study = fresh(tmp_path)
    run_trials(study, "tpe", 45)
    together = [record.ask(study, SPACE, "tpe", seed=3) for _ in range(3)]
    assert len({tuple(trial.params.values()) for trial in together}) == 3
    seen: list[FrozenTrial] = []

    class Watching(FlatTPESampler):
        def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> Any:
            seen.extend(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
            return super().sample_relative(study, trial, search_space)

    study.sampler.make = lambda kind: Watching(seed=1, multivariate=True)  # type: ignore[attr-defined]
    study.sampler.samplers.clear()  # type: ignore[attr-defined]
    SPACE.suggest(study.ask())  # place 48: of the moving kind
    assert {trial.params["generator"] for trial in seen} == {"warp"}


def course(study: Study, kind: str, value: float) -> Trial:
    study.enqueue_trial({"generator": kind})
    trial = study.ask()
    trial.suggest_categorical("generator", ("repaint", "warp"))
    trial.report(value, RUNGS[0])
    return trial


@pytest.mark.parametrize("pruner", [name for name in get_args(PrunerName) if name != "none"])
def test_a_pruner_compares_a_trial_with_those_of_its_own_kind(pruner: PrunerName) -> None:
    """The best that repaints lies far below the worst that moves pixels, and is not stopped."""
    study = optuna.create_study(
        study_name="fixed", direction="maximize", pruner=make_pruner(pruner, RUNGS, both=True)
    )
    for number in range(24):
        kind = "warp" if number % 2 else "repaint"
        value = (0.8 if number % 2 else 0.2) + number / 1000
        trial = course(study, kind, value)
        hopeless(trial, RUNGS[0], RUNGS[-1])
        for step in RUNGS[1:]:
            trial.report(value, step)
            hopeless(trial, step, RUNGS[-1])
        study.tell(trial, value)
    assert not hopeless(course(study, "repaint", 0.25), RUNGS[0], RUNGS[-1])
    assert hopeless(course(study, "repaint", 0.1), RUNGS[0], RUNGS[-1])
    assert not hopeless(course(study, "warp", 0.85), RUNGS[0], RUNGS[-1])
    assert any(hopeless(course(study, "warp", 0.5), RUNGS[0], RUNGS[-1]) for _ in range(6))
