"""Every message that a worker can send, in every state that the driver can be in."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from driver_scenes import (
    BASELINE,
    RUNG,
    STATES,
    Scene,
    final,
    idle,
    judged,
    never,
    preparing,
    scene,
    starting,
    working,
)
from optuna.trial import TrialState

from harness.console.events import Note
from harness.errors import HarnessError, SearchFailedError
from harness.search.recorder import REQUEUED
from harness.search.stop_signals import StopSwitch
from harness.search.worker_startup import MAX_STARTS
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Baseline, Pace, Rung, TrialResult
from harness.trials.worker import (
    DiskFull,
    Diverged,
    Failed,
    GpuFailed,
    Message,
    OutOfMemory,
    Preparing,
    Ready,
    Stopped,
)

# What follows: an error's name; a trial's state; that it is run again; or where the worker is.
FAULT, FULL, START, AGAIN = "HarnessError", "OSError", "starting", "again"
WHAT_FOLLOWS: dict[type, tuple[str, ...]] = {
    # starting, preparing, idle, working, judged, alone, final, final_preparing, measuring
    Died: (START, START, START, AGAIN, AGAIN, AGAIN, AGAIN, START, START),
    Ready: ("idle", START, FAULT, FAULT, FAULT, FAULT, FAULT, START, START),
    Pace: (FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, "idle"),
    Preparing: (FAULT, START, FAULT, FAULT, FAULT, FAULT, FAULT, START, FAULT),
    Baseline: (FAULT, "idle", FAULT, FAULT, FAULT, FAULT, FAULT, "idle", FAULT),
    Rung: (FAULT, FAULT, FAULT, "working", "working", "working", "working", FAULT, FAULT),
    TrialResult: (FAULT, FAULT, FAULT, "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", FAULT, FAULT),
    Stopped: (FAULT, FAULT, FAULT, "FAIL", "PRUNED", "FAIL", "FAIL", FAULT, FAULT),
    Diverged: (FAULT, FAULT, FAULT, "PRUNED", "PRUNED", "PRUNED", "PRUNED", FAULT, FAULT),
    OutOfMemory: ("gone", FAULT, FAULT, AGAIN, AGAIN, "FAIL", AGAIN, FAULT, "gone"),
    GpuFailed: (START, START, FAULT, AGAIN, AGAIN, AGAIN, AGAIN, START, START),
    DiskFull: (FULL, FULL, FAULT, FULL, FULL, FULL, FULL, FULL, FULL),
    Failed: (FAULT, FAULT, FAULT, "FAIL", "FAIL", "FAIL", "FAIL", FAULT, FAULT),
}
SAID: dict[type, Message | Died] = {
    Died: Died("killed by signal 9"),
    Ready: Ready(),
    Pace: Pace({"unet_128": 0.1}, 0.01),
    Preparing: Preparing(1, 6),
    Baseline: BASELINE,
    Rung: RUNG,
    TrialResult: TrialResult(RUNG, ({"name": "p0", "score": 0.3},), None),
    Stopped: Stopped(),
    Diverged: Diverged("G_GAN is nan at step 17"),
    OutOfMemory: OutOfMemory("16 GiB"),
    GpuFailed: GpuFailed("AcceleratorError: CUDA error: an illegal memory access"),
    DiskFull: DiskFull(),
    Failed: Failed("ValueError: p7.png is damaged", "the traceback"),
}


def test_the_table_has_every_message() -> None:
    assert set(WHAT_FOLLOWS) == set(SAID) == {*get_args(Message), Died}
    assert {len(row) for row in WHAT_FOLLOWS.values()} == {len(STATES)}


@pytest.mark.parametrize("kind", WHAT_FOLLOWS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_whatever_a_worker_says_something_follows(
    tmp_path: Path, state: Callable[[Path], Scene], kind: type
) -> None:
    made = state(tmp_path)
    driver, begun = made.driver, made.states
    follows = what_follows(made, SAID[kind])
    assert follows == WHAT_FOLLOWS[kind][STATES.index(state)]
    # No trial is lost, and every worker that lives is known to do one thing.
    held = [job.trial.number for job in (*driver.jobs.values(), *driver.to_retry)]
    running = [n for n, trial in enumerate(made.states) if trial == TrialState.RUNNING]
    assert running == held
    places = [*driver.starting, *driver.idle, *driver.jobs]
    assert sorted(places) == sorted(made.launcher.alive)
    driver.shut_down()
    assert TrialState.RUNNING not in made.states
    assert len(made.states) == len(begun)


def what_follows(made: Scene, message: Message | Died) -> str:
    driver, worker = made.driver, made.speaker
    job = driver.jobs.get(worker)
    answered = len(made.launcher.orders)
    try:
        made.hear(message)
    except (HarnessError, OSError) as error:
        return type(error).__name__
    if job is not None and job in driver.to_retry:
        return "again"
    if worker in driver.jobs:
        assert made.launcher.orders[answered:] == [(worker, not driver.jobs[worker].stop_reason)]
        return "working"
    if job is not None:
        return driver.phase.study.get_trials(deepcopy=False)[job.trial.number].state.name
    if worker in driver.starting:
        return "starting"
    return "idle" if worker in driver.idle else "gone"


def test_a_warm_start_that_diverges_or_finds_no_memory_is_named(tmp_path: Path) -> None:
    for message, words in (
        (Diverged("a loss is nan"), r"warm start .* diverged \(a loss is nan\).*--from-scratch"),
        (OutOfMemory("CUDA: 2 GiB"), r"too little memory .*CUDA: 2 GiB.*--profile"),
        (Failed("KeyError: 'x'", ""), r"cannot begin \(KeyError: 'x'\).*driver\.log"),
    ):
        with pytest.raises(HarnessError, match=words):
            preparing(tmp_path).hear(message)


def test_a_model_of_the_user_s_that_diverges_is_named(tmp_path: Path) -> None:
    made = preparing(tmp_path)
    plan = made.driver.plan.trial_plan.model_copy(update={"init_from": (Path("net.pth"),)})
    object.__setattr__(made.driver.plan, "trial_plan", plan)
    with pytest.raises(
        HarnessError, match="cannot continue from the model of --init-from"
    ) as raised:
        made.hear(Diverged("a loss is nan"))
    assert raised.value.exit_code == 2


def test_the_search_goes_on_with_the_workers_that_find_memory(tmp_path: Path) -> None:
    made, notes = idle(tmp_path), []
    made.driver.view.show = notes.append  # type: ignore[method-assign]
    made.speaker = 1
    made.hear(OutOfMemory("16 GiB"))
    assert any(isinstance(note, Note) and "going on with 1" in note.text for note in notes)
    made.driver.assign_trials(never)
    assert list(made.driver.jobs) == [0]
    busy = working(tmp_path)
    busy.speaker = 1
    busy.hear(OutOfMemory("16 GiB"))
    assert list(busy.driver.jobs) == [0]
    last = scene(tmp_path, BASELINE)
    last.hear(OutOfMemory("16 GiB"))
    last.speaker = 1
    with pytest.raises(HarnessError, match="too little memory"):
        last.hear(OutOfMemory("16 GiB"))


def test_only_starts_that_fail_in_a_row_end_the_search(tmp_path: Path) -> None:
    made = starting(tmp_path)
    for _ in range(2 * MAX_STARTS):
        for message in (SAID[Died], Ready(), SAID[Died]):  # the last while it is idle
            made.hear(message)
    assert 0 in made.driver.starting


def test_a_trial_goes_on_from_the_rungs_that_an_earlier_driver_recorded(tmp_path: Path) -> None:
    made = working(tmp_path)
    made.hear(RUNG)
    made.driver.shut_down()
    again = made.driver.next_job()
    assert again is not None
    assert (again.trial.number, again.recorded_steps) == (0, {RUNG.step})


def test_a_pareto_trial_without_one_of_its_values_has_diverged(tmp_path: Path) -> None:
    made = scene(tmp_path, BASELINE, pareto=True, pruner="none")
    made.hear(Ready())
    made.driver.assign_trials(never)
    parts = {"D": 0.1, "E": 0.1, "lpips": math.nan}
    made.hear(TrialResult(Rung(30, 0.3, parts, {}), (), None))
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.PRUNED,))
    assert trial.user_attrs["reason"] == "diverged: the score is not finite"


@pytest.mark.parametrize(("state", "name"), [(working, "t000"), (final, "f00")])
def test_what_was_running_is_put_back_in_mlflow_by_its_name(
    tmp_path: Path, state: Callable[[Path], Scene], name: str
) -> None:
    made, ended = state(tmp_path), []
    made.driver.phase.tracker.end = lambda *told: ended.append(told)  # type: ignore[method-assign]
    made.driver.shut_down()
    assert ended == [(name, REQUEUED)]


def test_the_worker_of_a_trial_is_recorded(tmp_path: Path) -> None:
    made = working(tmp_path)
    made.speaker = 1
    made.hear(Ready())
    made.driver.assign_trials(never)
    made.hear(SAID[TrialResult])
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.COMPLETE,))
    assert (trial.number, trial.user_attrs["worker"]) == (1, 1)


@pytest.mark.parametrize("between", [TrialResult, Diverged], ids=["complete", "diverged"])
def test_only_failures_in_a_row_end_the_search(tmp_path: Path, between: type) -> None:
    made = scene(tmp_path, BASELINE, max_failures=2)
    made.hear(Ready())
    for kind in (Failed, between, Failed, between, Failed):
        made.driver.assign_trials(never)
        made.hear(SAID[kind])
    made.driver.assign_trials(never)
    with pytest.raises(SearchFailedError, match="The last 2 trials all failed, 2 of them with"):
        made.hear(SAID[Failed])


def test_a_trial_that_breaks_the_gpu_three_times_fails_by_its_error(tmp_path: Path) -> None:
    made = working(tmp_path)
    number = made.driver.jobs[0].trial.number
    for _ in range(3):
        made.hear(GpuFailed("CUDA error: device-side assert triggered"))
        made.hear(Ready())
        made.driver.assign_trials(never)
    trial = made.driver.phase.study.get_trials(deepcopy=False)[number]
    assert trial.state == TrialState.FAIL
    assert "died 3 times, last: CUDA error: device-side assert" in trial.user_attrs["reason"]
    assert made.driver.jobs[0].trial.number != number


def test_how_trials_are_trained_is_said_once(tmp_path: Path) -> None:
    made, notes = working(tmp_path), []
    made.driver.view.show = notes.append  # type: ignore[method-assign]
    for step in (10, 20):
        made.hear(replace(RUNG, step=step, remark="no CUDA graph"))
    assert [note.text for note in notes if isinstance(note, Note)] == ["no CUDA graph"]


@pytest.mark.parametrize(("other", "waits"), [("node-1 2", True), ("node-2 2", False)])
def test_a_trial_run_again_alone_shares_its_place_with_none(
    tmp_path: Path, other: str, waits: bool
) -> None:
    """Where a worker is, it says itself: on a cluster nobody else knows."""
    made = scene(tmp_path, BASELINE, launcher="ray")
    for worker, place in ((0, "node-1 2"), (1, other)):
        made.speaker = worker
        made.hear(Ready(place))
    made.driver.assign_trials(never)
    assert sorted(made.driver.jobs) == [0, 1]
    made.speaker = 0
    made.hear(OutOfMemory("16 GiB"))
    made.hear(Ready("node-1 2"))
    made.driver.assign_trials(never)
    assert (0 in made.driver.jobs) == (not waits)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_baseline_that_is_not_finite_is_refused(tmp_path: Path, score: float) -> None:
    with pytest.raises(HarnessError, match=r"boundary_sharpness gives .* for warm_start"):
        preparing(tmp_path).hear(Baseline(noop=0.2, warm_start=score))


def test_the_result_of_a_trial_that_was_told_to_stop_leaves_no_weights(tmp_path: Path) -> None:
    made = judged(tmp_path)
    weights = tmp_path / "weights.pth"
    weights.touch()
    made.hear(TrialResult(RUNG, (), weights))
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.PRUNED,))
    assert trial.user_attrs["reason"] == "diverged: the score at step 10 is nan"
    assert not weights.exists()


@pytest.mark.parametrize("said", [Died, Failed], ids=lambda kind: kind.__name__)
def test_what_fails_while_the_search_is_stopped_is_put_back(
    tmp_path: Path, said: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm ends a step by a signal to all of its processes, an external trainer's too."""
    made = working(tmp_path)
    stop = StopSwitch(None)

    def wait(_: float) -> list[tuple[int, Message | Died]]:
        stop.stop()
        return [(0, SAID[said])]

    monkeypatch.setattr(made.launcher, "wait", wait)
    assert not made.driver.run(stop)
    assert made.states == [TrialState.RUNNING]
    made.driver.shut_down()
    assert made.states == [TrialState.WAITING]
