"""A confirmation in which everything is real: networks trained, held-out pictures scored.

The setting that the guide recommends is outside of the space, so that only the confirmation needs
its discriminator.
"""

import dataclasses
import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import by_hand
import numpy as np
import optuna
import pytest
import torch
import yaml
from driving import TRAIN, make_plan, with_setup
from null_tracker import NullTracker
from optuna.trial import FrozenTrial, TrialState
from searching import run

import harness.search.search
from harness.data.pairs.pair_set import Dataset, PairSet, save_dataset
from harness.search.plan import SearchPlan
from harness.search.resolve import discriminators
from harness.search.result import SearchOutcome
from harness.study.study import FINALISTS
from harness.training.networks import build_generator
from harness.trials.worker import RunnerFactory, run_orders, trial_runner
from tests.harness.evaluation.test_paired_comparison import crossed_interval
from tests.harness.trials.test_trial import pairs

SHORT = {"steps": 4, "rungs": (2, 4), "ema_decay": 0.5}
SEED = 5


class ThreadLauncher:
    """Workers as threads of this process: a new one would import torch for seconds."""

    def __init__(self, plan: SearchPlan, factory: RunnerFactory) -> None:
        self.plan = plan.trial_plan
        self.factory = factory
        self.pipes: dict[int, Connection] = {}
        self.threads: list[threading.Thread] = []

    def start(self, number: int) -> None:
        self.pipes[number], theirs = multiprocessing.Pipe()
        work = (theirs, self.factory, self.plan)
        self.threads.append(threading.Thread(target=run_orders, args=work))
        self.threads[-1].start()

    def send(self, number: int, order: object) -> None:
        self.pipes[number].send(order)

    def wait(self, timeout: float) -> list[tuple[int, Any]]:
        ready = connection.wait(list(self.pipes.values()), timeout)
        return [(number, pipe.recv()) for number, pipe in self.pipes.items() if pipe in ready]

    def kill(self, number: int) -> None:
        raise AssertionError("nothing hangs here")

    def close(self) -> None:
        for pipe in self.pipes.values():
            pipe.send(None)
        for thread in self.threads:
            thread.join()
        self.pipes, self.threads = {}, []


def named(split: str, held: PairSet) -> PairSet:
    return dataclasses.replace(held, names=tuple(f"{split} {name}" for name in held.names))


SPLITS = Dataset(
    named("train", pairs(3, 0)), named("val", pairs(2, 1)), named("test", pairs(3, 2)), "digest"
)


@pytest.fixture(scope="module")
def confirmed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SearchPlan, SearchOutcome, list[FrozenTrial]]]:
    """Three trials, then the best two and the recommendation on two seeds."""
    folder = tmp_path_factory.mktemp("runs")
    save_dataset(SPLITS, folder / "pairs.pt")
    pins = {"gan_mode": "vanilla", "n_layers_D": "3"}
    plan = make_plan(folder, budget=9, finalists=2, repeats=2, seed=SEED, pinned=pins)
    train = TRAIN.updated(SHORT)
    data = {"n_train": 3, "n_val": 2, "n_test": 3}
    plan = dataclasses.replace(
        with_setup(plan, train=train.model_dump(mode="json"), data=data),
        trial_plan=plan.trial_plan.model_copy(
            update={
                "dataset": folder / "pairs.pt",
                "train": train,
                "discriminators": discriminators(plan.space),
            }
        ),
    )
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
        patch.setattr(harness.search.search, "make_launcher", ThreadLauncher)
        outcome = run(plan, trial_runner)
    finals = optuna.load_study(
        study_name="fake" + FINALISTS, storage=f"sqlite:///{folder}/optuna.db"
    ).get_trials()
    yield plan, outcome, finals
    torch.set_num_threads(threads)


Confirmed = tuple[SearchPlan, SearchOutcome, list[FrozenTrial]]


def scores_of(finals: list[FrozenTrial], name: str) -> np.ndarray:
    """`[seeds, pictures]` of one finalist."""
    own = [trial.user_attrs for trial in finals if trial.user_attrs["finalist"] == name]
    own.sort(key=lambda noted: noted["seed"])
    return np.array([[row["score"] for row in noted["per_image"]] for noted in own])


def test_every_run_is_of_its_own_seed_on_the_pictures_held_out(confirmed: Confirmed) -> None:
    _, outcome, finals = confirmed
    assert outcome.finalists is not None
    assert len(finals) == outcome.final_runs == 6
    for trial in finals:
        names = [row["name"] for row in trial.user_attrs["per_image"]]
        assert names == list(SPLITS.test.names)
        assert trial.value == pytest.approx(
            np.mean([row["score"] for row in trial.user_attrs["per_image"]])
        )
        assert sorted(trial.intermediate_values) == [4, 6]
    seeds = {trial.user_attrs["seed"] for trial in finals}
    assert len(seeds) == 2
    assert seeds == set(outcome.finalists.seeds)
    for name in {trial.user_attrs["finalist"] for trial in finals}:
        one, other = scores_of(finals, name)
        assert (one != other).all()  # another seed, another training


def test_the_verdict_is_what_the_runs_scores_come_to(confirmed: Confirmed) -> None:
    _, outcome, finals = confirmed
    found = outcome.finalists
    assert found is not None
    means = {row.name: row.mean for row in found.rows}
    assert len(means) == 3
    assert means == pytest.approx({name: scores_of(finals, name).mean() for name in means})
    challenger = max(
        (name for name in means if name != "recommended"), key=lambda name: means[name]
    )
    differences = scores_of(finals, challenger) - scores_of(finals, "recommended")
    mean, low, high = crossed_interval(differences, 1 - 0.05 / 2)
    assert found.difference is not None
    assert found.difference.as_data() == pytest.approx({"mean": mean, "low": low, "high": high})
    assert found.better == (low > 0)
    assert found.winner == max(means, key=lambda name: means[name])


def test_best_yaml_says_what_was_measured_on_them(confirmed: Confirmed) -> None:
    plan, outcome, finals = confirmed
    held = yaml.safe_load(plan.paths.best_yaml.read_text())
    assert outcome.finalists is not None
    row = next(row for row in outcome.finalists.rows if row.trial == held["trial"])
    scores = scores_of(finals, row.name)
    score = held["score"]
    assert score["mean"] == pytest.approx(scores.mean())
    assert (score["repeats"], score["steps"]) == (2, 6)
    assert score["pairs"] == "3 held out from the search"
    unchanged = torch.stack(SPLITS.test.retouched).float() / 255
    assert score["noop"] == pytest.approx(by_hand.scored(SPLITS.test, unchanged).value, rel=1e-5)
    assert held["baseline"]["mean"] == pytest.approx(scores_of(finals, "recommended").mean())
    own = [t.user_attrs for t in finals if t.user_attrs["finalist"] == row.name]
    for name in ("D", "E", "Lrel", "ciede2000"):
        assert score["components"][name] == pytest.approx(
            np.mean([noted["components"][name] for noted in own])
        )


def test_the_weights_that_are_kept_restore_as_was_scored(confirmed: Confirmed) -> None:
    plan, _, finals = confirmed
    held = yaml.safe_load(plan.paths.best_yaml.read_text())
    weights = torch.load(plan.paths.folder / held["checkpoint"], weights_only=True)
    generator = build_generator(TRAIN, seed=0)
    generator.load_state_dict(weights)
    restored = by_hand.restored_by(generator, SPLITS.test)
    found = [row["score"] for row in by_hand.scored(SPLITS.test, restored).per_image]
    wanted = scores_of(finals, f"t{held['trial']:03d}")
    assert any(found == pytest.approx(list(row), rel=1e-4) for row in wanted)
    kept = [file.name for file in plan.paths.checkpoints.glob("f*.pth")]
    assert Path(held["checkpoint"]).name in kept


def test_the_search_s_own_trials_are_scored_on_the_validation_pictures(
    confirmed: Confirmed,
) -> None:
    plan, _, _ = confirmed
    storage = f"sqlite:///{plan.config.run_dir}/optuna.db"
    study = optuna.load_study(study_name="fake", storage=storage)
    searched = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(searched) == 3
    for trial in searched:
        assert trial.user_attrs["seed"] == SEED
        assert [row["name"] for row in trial.user_attrs["per_image"]] == list(SPLITS.val.names)
