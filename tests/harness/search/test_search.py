"""Whole searches with runners that answer at once: the budget, the faults, what is left."""

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import driving
import optuna
import pytest
import yaml
from driving import (
    Faulty,
    make_plan,
    runs_of,
)
from null_tracker import NullTracker
from optuna.trial import TrialState
from searching import Heard, run, trials

import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.events import (
    Note,
    Opened,
    Prepared,
    RungReached,
    TrialBegan,
    TrialEnded,
    WarmStart,
)
from harness.search.recorder import REQUEUED
from harness.search.search import endings_of
from harness.search.stop_signals import StopSwitch
from harness.study.study import read_study
from harness.tracking.client import quiet_client
from harness.tracking.store import Ending
from harness.trials.worker import RunnerFactory, trial_runner


class Study:
    """One finished search with every fault in it, and its mirror."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = make_plan(folder, jobs=2, budget=26, trial_timeout=2, max_failures=20)
        view = Heard(stop := StopSwitch(None))
        self.outcome = harness.search.search.run_search(self.plan, view, stop, Faulty)
        self.events = view.events
        self.trials = trials(folder)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("빈 칸 's"))


def test_the_budget_is_exact_whatever_fails(faulty: Study) -> None:
    states = Counter(trial.state for trial in faulty.trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == 26
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ("raises", TrialState.FAIL, "ValueError: the picture p7.png is damaged"),
        ("diverges", TrialState.PRUNED, "diverged: G_GAN is nan at step 17"),
        ("nan", TrialState.PRUNED, "diverged: the score at step 10 is nan"),
        ("killed", TrialState.FAIL, "its worker died 3 times, last: killed by signal 9"),
        ("segfaults", TrialState.FAIL, "its worker died 3 times, last: killed by signal 11"),
        ("memory", TrialState.FAIL, "out of memory, also when run alone: MemoryError: 16 GiB"),
        ("sleeps", TrialState.FAIL, "hung: no end after 2 s"),
    ],
)
def test_each_fault_has_its_reason(
    faulty: Study, fault: str, state: TrialState, reason: str
) -> None:
    number = next(number for number, what in driving.FAULTS.items() if what == fault)
    assert faulty.trials[number].state == state
    assert faulty.trials[number].user_attrs["reason"] == reason


@pytest.mark.parametrize(
    ("fault", "runs"), [("killed once", 2), ("memory once", 2), ("memory", 2), ("prints", 1)]
)
def test_trials_that_can_be_saved_are_run_again(faulty: Study, fault: str, runs: int) -> None:
    number = next(number for number, what in driving.FAULTS.items() if what == fault)
    assert runs_of(faulty.plan.paths.folder, number) == runs
    if fault != "memory":
        assert faulty.trials[number].state in (TrialState.COMPLETE, TrialState.PRUNED)
        steps = [rung["step"] for rung in faulty.trials[number].user_attrs["rungs"]]
        assert steps == [10, 20, 30][: len(steps)]  # those of the last run alone


def test_the_guides_recipes_run_first_and_to_their_end(faulty: Study) -> None:
    recipes = {trial.user_attrs.get("recipe"): trial for trial in faulty.trials[:8]}
    assert list(recipes) == list(faulty.plan.recipes)
    assert {trial.state for trial in recipes.values()} == {TrialState.COMPLETE}
    assert recipes["problem"].params["lambda_L1"] == 500


def test_the_record_says_all_of_a_trial(faulty: Study) -> None:
    best = max(faulty.trials, key=lambda trial: trial.value if trial.value else 0)
    noted = best.user_attrs
    assert set(noted["params"]) == {
        "lambda_L1", "lambda_perceptual", "n_layers_D", "gan_mode", "lr",
    }  # fmt: skip
    assert [rung["step"] for rung in noted["rungs"]] == [10, 20, 30]
    assert noted["components"] == noted["rungs"][-1]["components"]
    assert noted["per_image"] == [{"name": "p0", "score": best.value}]
    assert noted["seed"] == 0
    assert (faulty.plan.paths.folder / noted["checkpoint"]).read_bytes() == b"weights"


STATES = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"
}  # fmt: skip


def test_the_user_is_told_of_every_trial_as_it_is_recorded(faulty: Study) -> None:
    ended = {event.name: event for event in faulty.events if isinstance(event, TrialEnded)}
    begun = {event.name: event for event in faulty.events if isinstance(event, TrialBegan)}
    assert len(ended) == len(begun) == len(faulty.trials)
    stopped = 0
    for trial in faulty.trials:
        noted, told = trial.user_attrs, ended[f"t{trial.number:03d}"]
        early = noted.get("cause") == "pruned"
        stopped += early
        last = noted["rungs"][-1] if early else {"value": None, "step": None}
        value = trial.value if trial.state == TrialState.COMPLETE else last["value"]
        assert (told.state, told.value, told.stopped_at) == (
            *(STATES[trial.state], value),
            last["step"],
        )
        assert told.reason == noted.get("reason", "")
        assert told.seconds >= noted["seconds"]
        assert not told.final
        for event in (told, begun[told.name]):
            assert (event.params, event.recipe) == (noted["params"], noted.get("recipe"))
    assert stopped
    done, best = 0, 0.0
    for told in ended.values():
        done += told.state != "failed"
        leads = told.state == "complete" and told.value > best
        best = told.value if leads else best
        assert (told.done, told.best) == (done, leads)


def test_the_user_is_told_how_far_the_warm_start_and_each_trial_are(faulty: Study) -> None:
    [opened] = [event for event in faulty.events if isinstance(event, Opened)]
    assert opened.data == "8 pairs to train on, 2 to score: nothing"
    assert (opened.budget, opened.jobs, opened.final_runs) == (26, 2, 0)
    assert (opened.profile, opened.device, opened.weights) == ("quick", "cpu", "random")
    assert opened.folder == str(faulty.plan.paths.folder)
    [prepared] = [event for event in faulty.events if isinstance(event, Prepared)]
    assert (prepared.noop, prepared.warm_start, prepared.oracle) == (0.2, 0.22, 0.9)
    warm = [(each.done, each.total) for each in faulty.events if isinstance(each, WarmStart)]
    assert (warm[0], warm[-1]) == ((1, 6), (6, 6))
    rungs = [event for event in faulty.events if isinstance(event, RungReached)]
    first = faulty.trials[0].user_attrs["rungs"]
    assert [(each.step, each.steps, each.value) for each in rungs if each.name == "t000"] == [
        (row["step"], 30, row["value"]) for row in first
    ]


def test_runs_left_open_in_mlflow_are_to_end_as_their_trials_did(faulty: Study) -> None:
    found = endings_of(read_study(faulty.folder, "fake"))
    statuses = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
    for trial in faulty.trials:
        state, reason = STATES[trial.state], trial.user_attrs.get("reason", "")
        assert found[f"t{trial.number:03d}"] == Ending(statuses[state], state, reason)
    waiting = optuna.create_study()
    waiting.enqueue_trial({})
    assert endings_of(waiting, "final") == {"f00": REQUEUED}


def test_a_diverged_trial_is_the_worst_that_the_sampler_knows(faulty: Study) -> None:
    diverged = [
        trial
        for trial in faulty.trials
        if trial.user_attrs.get("reason", "").startswith("diverged")
    ]
    assert len(diverged) == 2
    assert [trial.value for trial in diverged] == [0.0, 0.0]
    # At the rung that it did not reach: one after the first, the other before it.
    reached = [trial.intermediate_values for trial in diverged]
    assert [max(values) for values in reached] == [20, 10]
    assert [values[max(values)] for values in reached] == [0.0, 0.0]


def test_the_folder_keeps_the_best_three_and_the_recipes_pictures(faulty: Study) -> None:
    done = [trial for trial in faulty.trials if trial.state == TrialState.COMPLETE]
    top = sorted(done, key=lambda trial: -(trial.value or 0))[:3]
    paths = faulty.plan.paths
    kept = {file.name for file in paths.checkpoints.iterdir()}
    assert kept == {paths.checkpoint(trial.number).name for trial in top}
    pictures = {file.name for file in paths.panels.iterdir()}
    wanted = {trial.number for trial in top} | set(range(8))
    assert pictures == {paths.panel(number).name for number in wanted}


def test_only_trials_that_may_lead_write_their_weights(faulty: Study) -> None:
    """Before they are removed with the first better ones: the guide's are written in any case."""
    done = [trial for trial in faulty.trials if trial.state == TrialState.COMPLETE]
    written = {trial.number for trial in done if "checkpoint" in trial.user_attrs}
    top = sorted(done, key=lambda trial: -(trial.value or 0))[:3]
    assert {trial.number for trial in top} | set(range(8)) <= written
    assert len(written) < len(done)


def test_best_yaml_is_the_best_trial(faulty: Study) -> None:
    best = yaml.safe_load(faulty.plan.paths.best_yaml.read_text())
    assert faulty.outcome.best is not None
    assert best["trial"] == faulty.outcome.best.number
    assert best["score"]["mean"] == faulty.outcome.best.value
    assert {row.label for row in faulty.outcome.recipes} == {
        "Guide's recommended",
        "Guide's blurring",
    }


def test_mlflow_mirrors_every_trial(faulty: Study) -> None:
    client = quiet_client(f"sqlite:///{faulty.plan.run_paths.mlflow_db}")
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = {int(run.data.tags["trial"]): run for run in runs if run is not parent}
    assert parent.info.status == "FINISHED"
    assert set(children) == {trial.number for trial in faulty.trials}
    for number, child in children.items():
        trial = faulty.trials[number]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        wanted = {
            TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"
        }  # fmt: skip
        assert child.info.status == wanted[trial.state]
        assert child.data.tags["reason"] == trial.user_attrs.get("reason", "")
        assert child.data.params["gan_mode"] == trial.params["gan_mode"]
        assert child.data.params["lr"] == str(trial.params["lr"])
        assert next(iter(child.data.metrics), "score") == "score"
    starred = [
        number for number, child in children.items() if child.data.tags.get("best") == "true"
    ]
    assert faulty.outcome.best is not None
    assert starred == [faulty.outcome.best.number]
    run_id = children[starred[0]].info.run_id
    history = client.get_metric_history(run_id, "score/D")
    assert [point.step for point in history] == [10, 20, 30]
    assert client.get_metric_history(run_id, "train_loss/G_L1")[0].value == pytest.approx(0.1)
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept == {"best.yaml", "report.html", "space.yaml", "weights"}
    note = parent.data.tags["mlflow.note.content"]
    for recipe in faulty.plan.recipes:
        assert f"{recipe} |" in note
    pictures = [file.path for file in client.list_artifacts(run_id, "images")]
    # One of each rung, and the last once more at step 0.
    assert len([path for path in pictures if path.endswith(".png")]) == 4
    top = {file.path for file in client.list_artifacts(run_id)}
    assert top == {"images", "panel.png", "scores.csv"}


@pytest.mark.parametrize(
    ("launcher", "runner", "forked"),
    [
        ("local", trial_runner, True),
        ("local", driving.Instant, False),
        ("ray", trial_runner, False),
    ],
)
def test_a_search_has_its_time_limit_and_says_what_planning_remarks(
    monkeypatch: pytest.MonkeyPatch, launcher: str, runner: RunnerFactory, forked: bool
) -> None:
    plan, imports, found = object(), [], []

    def planned(config: SearchConfig, remark: Callable[[str], None]) -> object:
        remark(f"{config.budget} portraits")
        return plan

    module = harness.search.search
    monkeypatch.setattr("harness.search.plan.plan_search", planned)
    monkeypatch.setattr(module, "import_for_workers", lambda: imports.append("begun"))
    monkeypatch.setattr(module, "run_search", lambda *told: found.append(told))
    view, began = Heard(StopSwitch(None)), time.monotonic()
    module.search(SearchConfig(budget=7, timeout=600, launcher=launcher), view, runner)
    ((planned_one, shown, stop, made_by),) = found
    assert (planned_one, shown, made_by) == (plan, view, runner)
    assert 600 <= stop.deadline - began < 660
    assert view.events == [Note("7 portraits")]
    assert bool(imports) == forked


class Told(NullTracker):
    """Keeps what it is told of the lead, and how many trials had ended by then."""

    def __init__(self) -> None:
        self.ended = 0
        self.leads: list[tuple[int, str, str]] = []

    def end(self, trial: str, ending: Ending) -> None:
        self.ended += 1

    def lead(self, trial: str, note: str) -> None:
        self.leads.append((self.ended, trial, note))


def test_the_mirror_hears_of_every_new_lead_while_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Told()
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: tracker)
    outcome = run(make_plan(tmp_path, budget=16))
    completed = [trial for trial in trials(tmp_path) if trial.value is not None]
    scores = [trial.value for trial in completed]
    leading = [
        trial.number for place, trial in enumerate(completed)
        if all(trial.value > score for score in scores[:place])
    ]  # fmt: skip
    assert [name for _, name, _ in tracker.leads] == [f"t{number:03d}" for number in leading]
    assert leading[-1] == outcome.winner
    for ended, name, note in tracker.leads:
        assert name == f"t{ended:03d}"  # one worker: told before the next trial ends
        assert re.search(rf"^\| ★ \w+ \| {name} \|", note, re.MULTILINE)
        assert f"{ended + 1} of 16 trials are done" in note


def test_a_search_that_reached_its_end_leaves_its_report(faulty: Study) -> None:
    page = faulty.plan.paths.report_html.read_text(encoding="utf-8")
    assert faulty.outcome.best is not None
    assert f"t{faulty.outcome.best.number:03d}" in page


def test_databases_are_whole_and_write_ahead(faulty: Study) -> None:
    for file in (faulty.plan.run_paths.optuna_db, faulty.plan.run_paths.mlflow_db):
        database = sqlite3.connect(file)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
