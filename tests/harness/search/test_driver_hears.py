"""Every message that a worker can send, in every state that the driver can be in."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, get_args

import optuna
import pytest
from driving import make_plan
from optuna.trial import TrialState
from searching import remembered

from harness.console.events import Note
from harness.console.views import QuietView
from harness.errors import HarnessError
from harness.search.driver import TICK, Driver
from harness.search.finalists import FinalPhase, choose
from harness.search.phases import SearchPhase
from harness.search.plan import SearchPlan
from harness.search.recorder import HUNG_UNMEASURED
from harness.search.worker_startup import MOST_STARTS, SILENT
from harness.tracking import NullTracker
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Baseline, Pace, Rung, TrialResult, TrialTask
from harness.trials.worker import (
    DiskFull,
    Diverged,
    Failed,
    GpuFailed,
    Measure,
    Message,
    OutOfMemory,
    Prepare,
    Preparing,
    Ready,
    Stopped,
)

BASELINE = Baseline(noop=0.2, warm_start=0.22, oracle=0.9, held_out_noop=0.21)


class Mute:
    """A launcher whose workers say nothing: the test tells the driver what they say."""

    def __init__(self) -> None:
        self.alive = {0, 1}
        self.orders: list[tuple[int, TrialTask | Measure | Prepare | bool]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, number: int) -> None:
        assert number not in self.alive
        self.alive.add(number)

    def send(self, number: int, order: TrialTask | Measure | Prepare | bool) -> None:
        assert number in self.alive
        self.orders.append((number, order))

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        return []

    def kill(self, number: int) -> None:
        self.alive.discard(number)

    def close(self) -> None:
        self.alive.clear()


@dataclass
class Scene:
    """A driver of two workers, and the one of them that speaks next."""

    driver: Driver
    launcher: Mute
    speaker: int = 0

    def hear(self, message: Message | Died) -> None:
        if isinstance(message, Died):
            self.launcher.kill(self.speaker)
        self.driver.hear(self.speaker, message)

    @property
    def states(self) -> list[TrialState]:
        """Of the stage's trials that were begun."""
        trials = self.driver.phase.study.get_trials(deepcopy=False)
        return [trial.state for trial in trials if trial.datetime_start is not None]


def planned(folder: Path, **options: Any) -> SearchPlan:
    return make_plan(folder, jobs=2, budget=8, finalists=1, repeats=2, max_failures=99, **options)


def scene(folder: Path, baseline: Baseline | None, measures: bool = False, **options: Any) -> Scene:
    plan = planned(folder, **options)
    study = remembered(plan)
    if baseline is not None:
        study.set_user_attr("baseline", asdict(baseline))
    stage = SearchPhase(plan, study, NullTracker(), plan.search_budget)
    launcher = Mute()
    return Scene(Driver(plan, stage, launcher, QuietView(), baseline, measures), launcher)


def never() -> bool:
    return False


def starting(folder: Path) -> Scene:
    return scene(folder, BASELINE)


def preparing(folder: Path) -> Scene:
    made = scene(folder, None)
    made.hear(Ready())
    return made


def idle(folder: Path) -> Scene:
    made = scene(folder, BASELINE)
    made.hear(Ready())
    return made


def working(folder: Path) -> Scene:
    made = idle(folder)
    made.driver.fill(never)
    return made


def judged(folder: Path) -> Scene:
    """Told to stop, because its score is not finite."""
    made = working(folder)
    made.hear(Rung(10, math.nan, {}, {}, b""))
    return made


def alone(folder: Path) -> Scene:
    """Run again after it found too little memory."""
    made = working(folder)
    made.hear(OutOfMemory("16 GiB"))
    made.hear(Ready())
    made.driver.fill(never)
    assert made.driver.jobs[0].alone
    return made


def turned(made: Scene) -> Scene:
    driver = made.driver
    study = driver.phase.study
    record = optuna.create_study(storage=study._storage, direction="maximize")
    driver.turn_to(
        FinalPhase(driver.plan, study, record, choose(study, 1), driver.phase.tracker, 0)
    )
    return made


def final(folder: Path) -> Scene:
    made = turned(idle(folder))
    made.driver.fill(never)
    return made


def final_preparing(folder: Path) -> Scene:
    """As `harness compare`, which searches for nothing before."""
    return turned(preparing(folder))


def measuring(folder: Path) -> Scene:
    """The other worker than the one that prepares what all share."""
    made = scene(folder, None, measures=True)
    made.speaker = 1
    made.hear(Ready())
    return made


STATES: tuple[Callable[[Path], Scene], ...] = (
    starting, preparing, idle, working, judged, alone, final, final_preparing, measuring,
)  # fmt: skip

# What follows: an error's name; a trial's state; that it is run again; or where the worker is.
FAULT, FULL, START, AGAIN = "HarnessError", "OSError", "starting", "again"
WHAT_FOLLOWS: dict[type, tuple[str, ...]] = {
    # starting, preparing, idle, working, judged, alone, final, final_preparing, measuring
    Died: (
        START,
        START,
        START,
        AGAIN,
        AGAIN,
        AGAIN,
        AGAIN,
        START,
        START,
    ),
    Ready: ("idle", START, FAULT, FAULT, FAULT, FAULT, FAULT, START, START),
    Pace: (FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, "idle"),
    Preparing: (FAULT, START, FAULT, FAULT, FAULT, FAULT, FAULT, START, FAULT),
    Baseline: (FAULT, "idle", FAULT, FAULT, FAULT, FAULT, FAULT, "idle", FAULT),
    Rung: (FAULT, FAULT, FAULT, "working", "working", "working", "working", FAULT, FAULT),
    TrialResult: (FAULT, FAULT, FAULT, "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", FAULT, FAULT),
    Stopped: (FAULT, FAULT, FAULT, "FAIL", "PRUNED", "FAIL", "FAIL", FAULT, FAULT),
    Diverged: (FAULT, FAULT, FAULT, "PRUNED", "PRUNED", "PRUNED", "PRUNED", FAULT, FAULT),
    OutOfMemory: ("gone", FAULT, FAULT, AGAIN, AGAIN, "FAIL", AGAIN, FAULT, "gone"),
    GpuFailed: (
        START,
        START,
        FAULT,
        AGAIN,
        AGAIN,
        AGAIN,
        AGAIN,
        START,
        START,
    ),
    DiskFull: (FULL, FULL, FAULT, FULL, FULL, FULL, FULL, FULL, FULL),
    Failed: (FAULT, FAULT, FAULT, "FAIL", "FAIL", "FAIL", "FAIL", FAULT, FAULT),
}
PACE = Pace({"unet_128": 0.1}, 0.01)
RUNG = Rung(10, 0.3, {"D": 0.1}, {"G_L1": 0.1}, b"")
SAID: dict[type, Message | Died] = {
    Died: Died("killed by signal 9"),
    Ready: Ready(),
    Pace: PACE,
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
    held = [job.trial.number for job in (*driver.jobs.values(), *driver.again)]
    running = [n for n, trial in enumerate(made.states) if trial == TrialState.RUNNING]
    assert running == held
    places = [*driver.starting, *driver.idle, *driver.jobs]
    assert sorted(places) == sorted(made.launcher.alive)
    driver.give_up()
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
    if job is not None and job in driver.again:
        return "again"
    if worker in driver.jobs:
        assert made.launcher.orders[answered:] == [(worker, not driver.jobs[worker].verdict)]
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
    made.driver.fill(never)
    assert list(made.driver.jobs) == [0]
    last = scene(tmp_path, BASELINE)
    last.hear(OutOfMemory("16 GiB"))
    last.speaker = 1
    with pytest.raises(HarnessError, match="too little memory"):
        last.hear(OutOfMemory("16 GiB"))


def test_a_trial_that_breaks_the_gpu_three_times_fails_by_its_error(tmp_path: Path) -> None:
    made = working(tmp_path)
    number = made.driver.jobs[0].trial.number
    for _ in range(3):
        made.hear(GpuFailed("CUDA error: device-side assert triggered"))
        made.hear(Ready())
        made.driver.fill(never)
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
    made.driver.fill(never)
    assert sorted(made.driver.jobs) == [0, 1]
    made.speaker = 0
    made.hear(OutOfMemory("16 GiB"))
    made.hear(Ready("node-1 2"))
    made.driver.fill(never)
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


@pytest.mark.parametrize(
    ("state", "options", "limit"),
    [
        (starting, {}, SILENT),
        (preparing, {}, SILENT),
        (preparing, {"trial_timeout": 600.0}, 600.0),
    ],
)
def test_a_worker_that_is_silent_before_it_takes_trials_is_replaced_and_then_given_up(
    tmp_path: Path, state: Callable[[Path], Scene], options: dict[str, float], limit: float
) -> None:
    made = state(tmp_path)
    config = made.driver.plan.config.model_copy(update=options)
    object.__setattr__(made.driver.plan, "config", config)
    ready = made.driver.starting[0].ready
    for attempt in range(1, MOST_STARTS + 1):
        start = made.driver.starting[0]
        listen(made.driver, limit)
        made.driver.end_hung()
        assert made.driver.starting[0] is start
        if ready:
            made.hear(Preparing(attempt, 6))  # a sign of life
            listen(made.driver, limit)
            made.driver.end_hung()
            assert made.driver.starting[0] is start
        listen(made.driver, TICK)
        if attempt == MOST_STARTS:
            with pytest.raises(HarnessError, match=rf"hung: no message for {limit:.0f} s"):
                made.driver.end_hung()
        else:
            made.driver.starting.pop(1, None)  # the other one, which starts as well
            made.driver.end_hung()
            assert made.driver.starting[0] is not start
            if ready:
                assert made.launcher.orders[-1] == (0, Prepare())
                made.hear(Ready())


def listen(driver: Driver, seconds: float) -> None:
    """As the driver's loop does, for so long."""
    for _ in range(round(seconds / TICK)):
        driver.note_waiting(TICK)


def test_a_first_trial_that_never_says_anything_fails_in_the_end(tmp_path: Path) -> None:
    made = working(tmp_path)
    made.driver.jobs[0].listened = HUNG_UNMEASURED
    made.driver.end_hung()
    assert 0 in made.driver.jobs
    listen(made.driver, TICK)
    made.driver.end_hung()
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.FAIL,))
    assert trial.user_attrs["reason"] == f"hung: no end after {HUNG_UNMEASURED:.0f} s"


def test_the_pace_of_the_warm_start_says_how_long_a_first_trial_may_take(tmp_path: Path) -> None:
    """30 steps of 40 s each, shared by two workers: ten times 2400 s are too long, not one."""
    made = preparing(tmp_path)
    for step in range(1, 5):
        made.hear(Preparing(step, 6))
        listen(made.driver, 40.0)
    made.hear(Preparing(5, 6))
    assert made.driver.recorder.time_limit() == pytest.approx(10 * 30 * 40 * 2)


def test_time_in_which_the_driver_did_not_run_is_no_trial_s_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z and fg, a laptop's sleep, a paused container: one wait takes 70 s instead of 0.25."""
    now = 1000.0
    made = working(tmp_path)
    config = made.driver.plan.config.model_copy(update={"trial_timeout": 60.0})
    object.__setattr__(made.driver.plan, "config", config)
    script: list[tuple[float, list[tuple[int, Message | Died]]]] = [
        (70.0, []),
        (0.25, [(0, RUNG)]),
        (0.25, [(0, TrialResult(RUNG, (), None))]),
    ]

    def wait(timeout: float) -> list[tuple[int, Message | Died]]:
        nonlocal now
        seconds, said = script.pop(0)
        now += seconds
        return said

    made.driver.jobs[0].began = now
    monkeypatch.setattr("harness.search.driver.time.monotonic", lambda: now)
    monkeypatch.setattr(made.launcher, "wait", wait)
    made.driver.run(lambda: not script)
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.COMPLETE,))
    assert trial.user_attrs["seconds"] == pytest.approx(0.75)
    assert made.driver.starting[1].silent == pytest.approx(0.75)
