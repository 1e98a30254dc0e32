"""Searches that repeat, go on, begin from something, or cannot begin."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import driving
import optuna
import pytest
import yaml
from driving import (
    TRAIN,
    Failing,
    Refusing,
    Unmakeable,
    Warm,
    make_plan,
    runs_of,
)
from optuna.trial import TrialState
from searching import Heard, essence, run, trials

import harness.search.search
from harness.config.best_config import read_best_config
from harness.console.events import Note
from harness.errors import HarnessError, SearchFailedError, UserInputError
from harness.search.result import as_data, as_lines
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Baseline, ProgressCallback


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
    outcome = run(make_plan(tmp_path, budget=1))
    assert (outcome.noop, outcome.oracle) == (0.2, 0.9)
    data = as_data(outcome)
    assert (data["noop"], data["oracle"], data["budget"]) == (0.2, 0.9, 1)
    assert (data["counts"], data["final_runs"]) == ({"complete": 1, "waiting": 7}, 0)
    assert (data["study"], data["stopped"], data["finalists"]) == ("fake", "", None)
    (recommended,) = data["recipes"]
    assert data["best"] == recommended | {"label": "leader"}
    assert recommended["label"] == "Guide's recommended"
    assert data["folder"] == str(outcome.paths.folder)
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    baseline = {
        "noop": 0.2,
        "warm_start": 0.22,
        "oracle": 0.9,
        "held_out_noop": 0.21,
        "other_warm_start": None,
    }
    assert study.user_attrs["baseline"] == baseline
    assert any("warped back" in line and "0.9000" in line for line in as_lines(outcome))


def test_a_search_leaves_its_databases_as_one_file_each_in_the_folder_that_was_named(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "50%41 off"
    run(make_plan(folder, budget=1))
    assert {file.name for file in folder.glob("*.db*")} == {"optuna.db", "mlflow.db"}
    assert list(tmp_path.iterdir()) == [folder]


class Prepared(Warm):
    """Notes each time that it was asked for a warm start."""

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        with (self.plan.folder / "prepared.txt").open("a") as file:
            file.write("once more\n")
        return super().prepare(on_progress)


@pytest.mark.usefixtures("unmirrored")
def test_a_study_that_goes_on_is_prepared_again_only_without_its_warm_start(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1)
    prepared = plan.paths.folder / "prepared.txt"
    first = run(plan, Prepared)
    again = run(make_plan(tmp_path, budget=2), Prepared)
    assert len(prepared.read_text().splitlines()) == 1
    assert (again.noop, again.oracle) == (first.noop, first.oracle) == (0.2, 0.9)
    shutil.rmtree(plan.paths.warm_start.folder)
    run(make_plan(tmp_path, budget=3), Prepared)
    assert len(prepared.read_text().splitlines()) == 2
    assert len(trials(tmp_path)) == 3 + 5


@pytest.mark.usefixtures("unmirrored")
def test_a_recipe_that_leads_has_one_row(tmp_path: Path) -> None:
    """The guide's recommendation runs first, alone: it is the best so far as well."""
    said = as_lines(run(make_plan(tmp_path, budget=1)))
    (row,) = (line for line in said if " t000 " in line and "L1=" in line)
    assert row.split("t000")[0].strip() == "leader, Guide's recommended"


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
    stop = StopSwitch(None)
    view = Heard(stop)
    harness.search.search.run_search(plan, view, stop, driving.Instant)
    assert [event for event in view.events if isinstance(event, Note)] == [
        Note(remark) for remark in plan.remarks
    ]
    first = trials(tmp_path)[0]
    assert first.user_attrs["recipe"] == "recommended"
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
    from harness.study.locks import only_driver

    plan = make_plan(tmp_path, budget=1)
    with (
        only_driver(plan.paths, "fake"),
        pytest.raises(UserInputError, match=rf"by process {os.getpid()} on "),
    ):
        run(plan)
    assert json.loads(plan.paths.driver.read_text())["pid"] == os.getpid()
