"""kill -9 of a worker, of the driver, or of both, at each stage of trials that really train."""

import signal
from collections import Counter
from pathlib import Path

import optuna
import pytest
from checking import check_finished, check_mirror, check_whole, started
from optuna.trial import TrialState
from striking import VICTIMS, Victims

from harness.tracking.client import quiet_client

# Where each stage is, and whose step that is. What writes best.yaml comes first, while every trial
# is one of the guide's and has it written anew.
STAGES = {
    "writing best.yaml": ("driver", "reports.export.best_yaml:as_yaml:after:2"),
    "training": ("worker", "harness.training.step:Pix2Pix.step:after:15"),
    "scoring": ("worker", "harness.evaluation.evaluator:Evaluator.restored_by:after:2"),
    "recording a rung": ("driver", "optuna.trial:Trial.report:after:4"),
    "between report and tell": ("driver", "harness.search.recorder:Recorder.tell:before:1"),
    "telling the mirror": ("driver", "mlflow:MlflowClient.log_batch:after:3"),
}
FINAL_STAGES = {
    "a finalist trains": ("worker", "harness.training.step:Pix2Pix.step:after:10"),
    "between a finalist's report and tell": (
        "driver",
        "harness.search.recorder:Recorder.tell:before:2",
    ),
}
MORE = 2  # trials that each driver has to do, beside what those before it left
FINALISTS, REPEATS = 2, 2
FINAL_RUNS = (FINALISTS + 1) * REPEATS


def make_pairs(file: Path) -> None:
    from harness.data.pairs.pair_set import Dataset, save_dataset
    from tests.harness.trials.test_trial import pairs

    file.parent.mkdir(parents=True)
    save_dataset(Dataset(pairs(4, 0), pairs(2, 1), pairs(2, 2), "digest"), file)


def run(folder: Path, budget: int, *options: str) -> int:
    """A driver's exit code."""
    with started(folder, "--runner", "Real", "--budget", str(budget), *options) as driver:
        return driver.wait(timeout=900)


def strike(folder: Path, victims: Victims, where: str, place: str, budget: int, *more: str) -> None:
    """A driver that is struck once, at a place; it lives on where only workers are killed."""
    mark = folder.with_suffix(".struck")
    mark.unlink(missing_ok=True)
    option = "--strike-at" if where == "driver" else "--strike-in-worker-at"
    code = run(folder, budget, "--victims", victims, option, place, *more)
    assert mark.exists(), f"nobody came to {place}"
    assert code == (0 if victims == "worker" else -signal.SIGKILL), place
    check_whole(folder)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victims", VICTIMS)
def test_a_kill_at_any_stage_loses_nothing(tmp_path: Path, victims: Victims) -> None:
    folder, budget = tmp_path / "runs", 0
    make_pairs(folder / "none.pt")
    for where, place in STAGES.values():
        budget += MORE
        strike(folder, victims, where, place, budget)
    assert run(folder, budget) == 0
    check_finished(folder, budget, kills=len(STAGES))
    check_mirror(folder)

    options = ("--finalists", str(FINALISTS), "--repeats", str(REPEATS))
    for where, place in FINAL_STAGES.values():
        strike(folder, victims, where, place, budget + FINAL_RUNS, *options)
        if victims == "worker":
            break  # one driver does all the runs
    assert run(folder, budget + FINAL_RUNS, *options) == 0
    check_whole(folder)
    check_mirror(folder)
    check_finals(folder, kills=len(FINAL_STAGES))


def check_finals(folder: Path, kills: int) -> None:
    """Every run of every finalist once; a kill interrupts at most the two that run."""
    searched, finals = (
        optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/optuna.db")
        for name in ("fake", "fake (finalists)")
    )
    assert searched.user_attrs["finalists"]["runs"] == FINAL_RUNS
    runs = finals.get_trials()
    assert [run.state for run in runs] == [TrialState.COMPLETE] * FINAL_RUNS
    noted = {(str(run.user_attrs["params"]), run.user_attrs["seed"]) for run in runs}
    assert len(noted) == FINAL_RUNS
    lines = (folder / "fake" / "finals.txt").read_text().splitlines()
    begun = Counter(int(line.split()[0]) for line in lines)
    assert set(begun) == set(range(FINAL_RUNS))
    assert sum(begun.values()) <= FINAL_RUNS + 2 * kills

    client = quiet_client(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    mirrored = client.search_runs([experiment.experiment_id], "tags.finalist_run != ''")
    assert sorted(int(run.data.tags["finalist_run"]) for run in mirrored) == list(range(FINAL_RUNS))
    assert {run.info.status for run in mirrored} == {"FINISHED"}
