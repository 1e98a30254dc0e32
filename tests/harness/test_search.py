"""Whole searches with runners that answer at once: the budget, the faults, going on."""

import json
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import driving
import optuna
import pytest
import yaml
from driving import (
    TRAIN,
    Failing,
    Faulty,
    Instant,
    Refusing,
    Unmakeable,
    make_plan,
    runs_of,
)
from optuna.trial import FrozenTrial, TrialState

import harness.search
from harness.best_config import read_best_config
from harness.errors import HarnessError, SearchFailedError, UserInputError
from harness.outcome import SearchOutcome, as_data, as_lines
from harness.paths import StudyPaths
from harness.plan import SearchPlan
from harness.stopping import StopSwitch
from harness.tracking import Ending, NullTracker, quiet_client
from harness.trial_messages import Baseline, Tell
from harness.view import Event, TrialEnded, View
from harness.worker import RunnerFactory


class Heard(View):
    """Keeps every event; stops the search after some trials, where asked to."""

    def __init__(self, stop: StopSwitch, stop_after: int | None = None) -> None:
        self.events: list[Event] = []
        self.stop = stop
        self.stop_after = stop_after

    def show(self, event: Event) -> None:
        self.events.append(event)
        ended = sum(isinstance(event, TrialEnded) for event in self.events)
        if ended == self.stop_after:
            self.stop.reason = "user"

    def close(self) -> None:
        pass


def run(
    plan: SearchPlan, runner: RunnerFactory = Instant, stop_after: int | None = None
) -> SearchOutcome:
    stop = StopSwitch(plan.config.timeout)
    return harness.search.run_search(plan, Heard(stop, stop_after), stop, runner)


def trials(folder: Path) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    return study.get_trials()


def essence(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.number, trial.state, trial.params, trial.value, trial.intermediate_values


@pytest.fixture
def unmirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLflow, whose import and first database take seconds."""
    monkeypatch.setattr(harness.search, "open_tracker", lambda *_: NullTracker())


class Study:
    """One finished search with every fault in it, and its mirror."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = make_plan(folder, jobs=2, budget=26, trial_timeout=2, max_failures=20)
        self.outcome = run(self.plan, Faulty)
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


def test_a_diverged_trial_is_the_worst_that_the_sampler_knows(faulty: Study) -> None:
    diverged = [
        trial
        for trial in faulty.trials
        if trial.user_attrs.get("reason", "").startswith("diverged")
    ]
    assert len(diverged) == 2
    assert [trial.value for trial in diverged] == [0.0, 0.0]


def test_the_folder_keeps_the_best_three_and_the_recipes_pictures(faulty: Study) -> None:
    done = [trial for trial in faulty.trials if trial.state == TrialState.COMPLETE]
    top = sorted(done, key=lambda trial: -(trial.value or 0))[:3]
    paths = faulty.plan.paths
    kept = {file.name for file in paths.checkpoints.iterdir()}
    assert kept == {paths.checkpoint(trial.number).name for trial in top}
    pictures = {file.name for file in paths.panels.iterdir()}
    wanted = {trial.number for trial in top} | set(range(8))
    assert pictures == {paths.panel(number).name for number in wanted}


def test_best_yaml_is_the_best_trial(faulty: Study) -> None:
    best = yaml.safe_load(faulty.plan.paths.best_yaml.read_text())
    assert faulty.outcome.best is not None
    assert best["trial"] == faulty.outcome.best.number
    assert best["score"]["mean"] == faulty.outcome.best.value
    assert {row.label for row in faulty.outcome.recipes} == {
        "the guide's recommendation",
        "the guide's problem",
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
    for number, run in children.items():
        trial = faulty.trials[number]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        wanted = {
            TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"
        }  # fmt: skip
        assert run.info.status == wanted[trial.state]
        assert run.data.tags["reason"] == trial.user_attrs.get("reason", "")
        assert run.data.params["gan_mode"] == trial.params["gan_mode"]
        assert run.data.metrics["param/lr"] == trial.params["lr"]
    starred = [number for number, run in children.items() if run.data.tags.get("best") == "true"]
    assert faulty.outcome.best is not None
    assert starred == [faulty.outcome.best.number]
    run_id = children[starred[0]].info.run_id
    history = client.get_metric_history(run_id, "score/D")
    assert [point.step for point in history] == [10, 20, 30]
    assert client.get_metric_history(run_id, "loss/G_L1")[0].value == pytest.approx(0.1)
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept == {"best.yaml", "report.html", "space.yaml", "weights"}
    note = parent.data.tags["mlflow.note.content"]
    for recipe in faulty.plan.recipes:
        assert f"{recipe} |" in note
    pictures = [file.path for file in client.list_artifacts(run_id, "images")]
    assert len([path for path in pictures if path.endswith(".png")]) == 3


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
    monkeypatch.setattr(harness.search, "open_tracker", lambda *_: tracker)
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
        assert f"| ★ best | {name} |" in note
        assert f"{ended + 1} of 16 trials are done" in note


def test_a_search_that_reached_its_end_leaves_its_report(faulty: Study) -> None:
    page = faulty.plan.paths.report_html.read_text(encoding="utf-8")
    assert faulty.outcome.best is not None
    assert f"Trial {faulty.outcome.best.number}" in page


def test_databases_are_whole_and_write_ahead(faulty: Study) -> None:
    for file in (faulty.plan.run_paths.optuna_db, faulty.plan.run_paths.mlflow_db):
        database = sqlite3.connect(file)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.usefixtures("unmirrored")
def test_one_worker_repeats_and_a_resumed_search_equals_an_unbroken_one(tmp_path: Path) -> None:
    run(make_plan(tmp_path / "whole", budget=15))
    run(make_plan(tmp_path / "again", budget=15))
    stopped = run(make_plan(tmp_path / "parts", budget=15), stop_after=9)
    assert stopped.stopped == "user"
    run(make_plan(tmp_path / "parts", budget=12))
    run(make_plan(tmp_path / "parts", budget=15))
    whole = [essence(trial) for trial in trials(tmp_path / "whole")]
    assert len(whole) == 15
    assert [essence(trial) for trial in trials(tmp_path / "again")] == whole
    assert [essence(trial) for trial in trials(tmp_path / "parts")] == whole


@pytest.mark.usefixtures("unmirrored")
def test_another_seed_tries_other_settings(tmp_path: Path) -> None:
    run(make_plan(tmp_path / "a", budget=10))
    run(make_plan(tmp_path / "b", budget=10, seed=1))
    a, b = trials(tmp_path / "a"), trials(tmp_path / "b")
    assert [trial.params for trial in a[:8]] == [trial.params for trial in b[:8]]
    assert a[8].params != b[8].params


@pytest.mark.usefixtures("unmirrored")
def test_the_record_and_the_outcome_say_what_bounds_the_scores(tmp_path: Path) -> None:
    outcome = run(make_plan(tmp_path, 1))
    assert (outcome.noop, outcome.oracle) == (0.2, 0.9)
    assert as_data(outcome)["oracle"] == 0.9
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    baseline = {"noop": 0.2, "warm_start": 0.22, "oracle": 0.9, "held_out_noop": 0.21}
    assert study.user_attrs["baseline"] == baseline
    assert any("warped back" in line and "0.9000" in line for line in as_lines(outcome))


def test_a_search_leaves_its_databases_as_one_file_each(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=1))
    assert {file.name for file in tmp_path.glob("*.db*")} == {"optuna.db", "mlflow.db"}


class Prepared(Instant):
    """Makes a warm start, and notes each time that it was asked for one."""

    def prepare(self, tell: Tell) -> Baseline:
        StudyPaths(self.plan.folder).warm_start.folder.mkdir(parents=True, exist_ok=True)
        with (self.plan.folder / "prepared.txt").open("a") as file:
            file.write("once more\n")
        return super().prepare(tell)


@pytest.mark.usefixtures("unmirrored")
def test_a_study_that_goes_on_is_prepared_again_only_without_its_warm_start(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1)
    prepared = plan.paths.folder / "prepared.txt"
    first = run(plan, Prepared)
    again = run(make_plan(tmp_path, budget=2), Prepared)
    assert len(prepared.read_text().splitlines()) == 1
    assert (again.noop, again.oracle) == (first.noop, first.oracle) == (0.2, 0.9)
    plan.paths.warm_start.folder.rmdir()
    run(make_plan(tmp_path, budget=3), Prepared)
    assert len(prepared.read_text().splitlines()) == 2
    assert len(trials(tmp_path)) == 3 + 5


@pytest.mark.usefixtures("unmirrored")
def test_a_recipe_that_leads_has_one_row(tmp_path: Path) -> None:
    """The guide's recommendation runs first, alone: it is the best so far as well."""
    said = as_lines(run(make_plan(tmp_path, budget=1)))
    (row,) = (line for line in said if " t000 " in line)
    assert row.split("t000")[0].strip() == "best, the guide's recommendation"


def test_a_reached_budget_runs_nothing(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=3))
    outcome = run(make_plan(tmp_path, budget=2))
    assert outcome.counts == {"complete": 3, "waiting": 5}
    assert runs_of(tmp_path / "fake", 3) == 0


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 5}, r"another seed \(0, now 5\)"),
        ({"space": "wide"}, "another space"),
        ({"pinned": {"lr": "0.0001"}}, "another space"),
        ({"objective": "my:make"}, r"another objective \(boundary_sharpness, now my:make\)"),
        ({"sampler": "random"}, r"another sampler \(tpe, now random\)"),
        ({"pruner": "none"}, r"another pruner \(asha, now none\)"),
    ],
)
def test_a_study_made_otherwise_is_refused(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    run(make_plan(tmp_path, budget=1))
    with pytest.raises(UserInputError, match=named):
        run(make_plan(tmp_path, budget=2, **change))
    assert len([t for t in trials(tmp_path) if t.state == TrialState.COMPLETE]) == 1


@pytest.mark.usefixtures("unmirrored")
def test_a_search_that_only_fails_ends_with_the_commonest_reason(tmp_path: Path) -> None:
    with pytest.raises(SearchFailedError, match=r"all failed, 3 of them with.*nothing works"):
        run(make_plan(tmp_path, budget=9, max_failures=5), Failing)
    assert [trial.state for trial in trials(tmp_path)].count(TrialState.FAIL) == 5


@pytest.mark.usefixtures("unmirrored")
def test_a_preparation_that_fails_ends_the_search(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"model\.pth does not fit"):
        run(make_plan(tmp_path), Refusing)
    with pytest.raises(HarnessError, match=r"ended 3 times before .*exit code 7"):
        run(make_plan(tmp_path), Unmakeable)


@pytest.mark.usefixtures("unmirrored")
def test_a_recipe_outside_the_space_is_left_out(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1, pinned={"gan_mode": "lsgan"})
    run(plan)
    first = trials(tmp_path)[0]
    assert first.user_attrs["recipe"] == "best"
    assert first.user_attrs["params"]["gan_mode"] == "lsgan"
    assert any("problem is left out" in remark for remark in plan.remarks)


@pytest.mark.usefixtures("unmirrored")
def test_training_settings_kept_at_one_value_reach_the_trials_the_record_and_the_command(
    tmp_path: Path,
) -> None:
    plan = make_plan(tmp_path, budget=2, pinned={"beta1": "0.9", "flip": "false"})
    assert (plan.trial_plan.train.beta1, plan.trial_plan.train.flip) == (0.9, False)
    run(plan)
    assert "extras" not in trials(tmp_path)[0].user_attrs  # the whole study's, not a trial's own
    best = yaml.safe_load(plan.paths.best_yaml.read_text())
    assert (best["train"]["beta1"], best["train"]["flip"]) == (0.9, False)
    for command in (best["command"], best["full_command"]):
        assert "--beta1 0.9" in command
        assert "--no_flip" in command
    assert read_best_config(plan.paths.best_yaml).train.beta1 == 0.9


@pytest.mark.usefixtures("unmirrored")
def test_a_search_begins_from_an_earlier_result_after_the_recipes(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.yaml"
    run(make_plan(tmp_path / "a", budget=10, finalists=0))
    found = yaml.safe_load((tmp_path / "a" / "fake" / "best.yaml").read_text())
    found["params"] |= {"lambda_L1": 123.0, "lr": 0.0003}
    earlier.write_text(yaml.safe_dump(found))
    for budget in (9, 11):  # going on with the same command tries it once
        run(make_plan(tmp_path / "b", budget=budget, finalists=0, enqueue=(earlier,)))
    done = trials(tmp_path / "b")
    tried = [trial.number for trial in done if trial.user_attrs["params"] == found["params"]]
    assert tried == [8]
    assert done[8].user_attrs["enqueued"] == f"fake t{found['trial']:03d}"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"lambda_L1": 900}, r"earlier.yaml is outside space default: lambda_L1 900 is not in"),
        ({"gan_mode": "wgangp"}, r"gan_mode wgangp is not one of vanilla, lsgan"),
        ({"lr": "fast"}, r"earlier.yaml: params.lr cannot be used"),
    ],
)
def test_an_earlier_result_outside_the_space_is_refused_by_its_key(
    tmp_path: Path, params: dict[str, Any], named: str
) -> None:
    five = {"lambda_L1": 90, "lambda_perceptual": 0, "n_layers_D": 3, "gan_mode": "lsgan"}
    text = {"schema": 1, "params": {**five, "lr": 1e-4, **params}, "train": TRAIN.model_dump()}
    earlier = tmp_path / "earlier.yaml"
    earlier.write_text(yaml.safe_dump(json.loads(json.dumps(text))))
    with pytest.raises(UserInputError, match=named):
        make_plan(tmp_path, enqueue=(earlier,))


@pytest.mark.usefixtures("unmirrored")
def test_a_time_limit_puts_running_trials_back(tmp_path: Path) -> None:
    outcome = run(make_plan(tmp_path, budget=500, jobs=2, timeout=1.5), driving.Slow)
    assert outcome.stopped == "timeout"
    states = {trial.state for trial in trials(tmp_path)}
    assert TrialState.RUNNING not in states
    run(make_plan(tmp_path, budget=sum(outcome.counts.values()), jobs=2))
    assert {t.state for t in trials(tmp_path)} <= {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.usefixtures("unmirrored")
def test_a_second_driver_is_refused_by_the_firsts_name(tmp_path: Path) -> None:
    from harness.study import only_driver

    plan = make_plan(tmp_path, budget=1)
    with (
        only_driver(plan.paths, "fake"),
        pytest.raises(UserInputError, match=rf"by process {os.getpid()} on "),
    ):
        run(plan)
    assert json.loads(plan.paths.driver.read_text())["pid"] == os.getpid()
