"""How long a search will take, from the pace of its workers."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from driving import Instant, make_plan, with_setup
from hypothesis import given
from hypothesis import strategies as st
from searching import Heard

import harness.search.search
from harness.config.profiles import STANDARD
from harness.config.settings import Repository
from harness.console.events import Expected
from harness.search.estimate import Forecast, expected, measure_paces, where
from harness.search.plan import SearchPlan
from harness.search.resolve import warm_start_threads
from harness.search.stop_signals import StopSwitch
from harness.trials.devices import Slots
from harness.trials.messages import Pace
from harness.trials.worker import Failed, Measure, Message, Ready
from reports.record.study import StudyRecord
from tests.synthetic_studies import make_study

REPAINTS, MOVES = "unet_128", "warp_unet_128"


def planned(**settings: Any) -> SearchPlan:
    return make_plan(Path("nowhere"), **settings)


def seconds(plan: SearchPlan, pace: Pace) -> float:
    found = expected(plan, [pace] * plan.jobs)
    assert found is not None
    return found.seconds


def test_the_parts_of_a_search_by_hand() -> None:
    """Steps of 1 s, 30 a trial with rungs at 10, 20, 30; 2 pairs to score, in 1 s each."""
    plan = with_setup(planned(budget=28, jobs=2, finalists=1, repeats=3), data={"n_test": 5})
    found = expected(plan, [Pace({REPAINTS: 0.5}, 0.5), Pace({REPAINTS: 1.5}, 1.5)])
    assert found is not None
    assert found.warm_start == 4 + 2
    # 22 trials, of which 8 are recipes and half of the rest stop at step 10.
    assert len(plan.recipes) == 8
    assert found.trials == (15 * (30 + 3 * 2) + 7 * (10 + 2)) / 2
    # 6 runs of 45 steps, scored twice on 5 held-out pairs, in 3 rounds of two.
    assert found.runs == 3 * (45 + 2 * 5)
    assert found.stops
    assert found.where == "2 workers of this CPU"


def test_of_both_kinds_of_generator_two_trials_in_three_move_pixels() -> None:
    plan = planned(both=True, budget=12, pruner="none", finalists=0)
    found = expected(plan, [Pace({REPAINTS: 1.0, MOVES: 4.0})])
    assert found is not None
    assert found.warm_start == (4 + 2) * (1 + 4)
    assert found.trials == pytest.approx(12 * 30 * 3)
    assert not found.stops


def test_a_part_that_is_left_out_takes_no_time() -> None:
    plan = planned(budget=4, finalists=0)
    scratch = plan.trial_plan.model_copy(update={"warm_start": "none"})
    own = plan.trial_plan.model_copy(update={"init_from": (Path("net_G.pth"),)})
    pace = Pace({REPAINTS: 1.0})
    found = expected(replace(plan, trial_plan=scratch), [pace])
    assert found is not None
    assert found.warm_start == found.runs == 0
    found = expected(replace(plan, trial_plan=own), [pace])
    assert found is not None
    assert found.warm_start == 2  # the discriminators'


@pytest.mark.parametrize(
    ("device", "launcher", "seconds_of_it"),
    [("cpu", "local", (4 + 2) / 4), ("cuda:0", "local", 4 + 2), ("cpu", "ray", 4 + 2)],
)
def test_more_threads_hasten_a_warm_start_on_the_cpu_alone(
    device: str, launcher: str, seconds_of_it: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight cores, two of them for a trial."""
    monkeypatch.setattr("harness.search.resolve.available_cores", lambda: 8)
    plan = planned(budget=4, finalists=0, launcher=launcher)
    threads = warm_start_threads(STANDARD, plan.config, device, Slots(1, 1, threads=2))
    update = {"warm_start_threads": threads, "threads": 2}
    there = replace(plan, trial_plan=plan.trial_plan.model_copy(update=update))
    found = expected(there, [Pace({REPAINTS: 1.0})])
    assert found is not None
    assert found.warm_start == seconds_of_it


def test_no_estimate_is_made_without_a_pace() -> None:
    plan = planned(jobs=2)
    assert expected(plan, []) is None
    assert expected(plan, [Pace({REPAINTS: 1.0}), Pace()]) is None


@given(
    budget=st.integers(1, 300),
    more=st.integers(1, 100),
    jobs=st.integers(1, 16),
    step=st.floats(1e-3, 10),
    scoring=st.floats(0, 1),
    pruner=st.sampled_from(["asha", "none"]),
)
def test_more_trials_take_longer_and_more_workers_do_not(
    budget: int, more: int, jobs: int, step: float, scoring: float, pruner: str
) -> None:
    pace = Pace({REPAINTS: step}, scoring)
    shorter = planned(budget=budget, jobs=jobs, pruner=pruner, finalists=0)
    config = shorter.config.model_copy(update={"budget": budget + more})
    longer = replace(shorter, config=config)
    assert seconds(longer, pace) > seconds(shorter, pace)
    assert seconds(replace(longer, jobs=jobs + 1), pace) < seconds(longer, pace)
    slower = replace(pace, steps={REPAINTS: 2 * step})
    assert seconds(shorter, slower) > seconds(shorter, pace)


@pytest.mark.parametrize(
    ("jobs", "devices", "launcher", "words"),
    [
        (1, ("cpu",), "local", "this CPU"),
        (2, ("cpu",), "local", "2 workers of this CPU"),
        (1, ("cuda:0",), "local", "this GPU"),
        (3, ("cuda:0",), "local", "3 workers of this GPU"),
        (2, ("cuda:0", "cuda:1"), "local", "2 GPUs"),
        (4, ("cuda:0", "cuda:1"), "local", "4 workers of 2 GPUs"),
        (8, ("cuda:0 on ray",), "ray", "8 workers of the Ray cluster"),
    ],
)
def test_what_it_runs_on(jobs: int, devices: tuple[str, ...], launcher: str, words: str) -> None:
    plan = planned(jobs=jobs, launcher=launcher)
    device = devices[0].partition(" ")[0]
    plan = replace(
        plan, devices=devices, trial_plan=plan.trial_plan.model_copy(update={"device": device})
    )
    assert where(plan) == words


@pytest.mark.usefixtures("unmirrored")
def test_a_search_says_it_in_its_first_lines_and_records_it(tmp_path: Path) -> None:
    plan, stop = make_plan(tmp_path, budget=3), StopSwitch(None)
    view = Heard(stop)
    harness.search.search.run_search(plan, view, stop, Instant)
    kinds = [type(event).__name__ for event in view.events]
    assert kinds.count("Expected") == 1
    assert kinds.index("Opened") < kinds.index("Expected") < kinds.index("TrialBegan")
    [said] = [event for event in view.events if isinstance(event, Expected)]
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    record = StudyRecord.of(study)
    assert record.expected_seconds == said.seconds > 0
    assert record.undertaken is not None
    assert record.undertaken.trials == 3


class Unmeasured(Instant):
    def measure(self) -> Pace:
        raise MemoryError("16 GiB")


@pytest.mark.usefixtures("unmirrored")
def test_a_pace_that_cannot_be_measured_ends_no_search(tmp_path: Path) -> None:
    plan, stop = make_plan(tmp_path, budget=3), StopSwitch(None)
    view = Heard(stop)
    outcome = harness.search.search.run_search(plan, view, stop, Unmeasured)
    assert outcome.done == 3
    assert not any(isinstance(event, Expected) for event in view.events)


class Timed:
    """A launcher whose workers answer what the test says."""

    answers: ClassVar[list[list[Message]]] = []

    def __init__(self, *_: object) -> None:
        self.left = list(self.answers)
        self.told: list[tuple[int, object]] = []

    def start(self, number: int) -> None:
        self.told.append((number, "start"))

    def send(self, number: int, order: object) -> None:
        self.told.append((number, order))

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        assert self.told == [(number, word) for number in range(2) for word in ("start", Measure())]
        return list(enumerate(self.left.pop(0)))

    def close(self) -> None:
        self.told.append((-1, "close"))


def test_a_dry_run_measures_the_pace_of_all_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.search.estimate.LocalLauncher", Timed)
    plan, paces = planned(jobs=2), [Pace({REPAINTS: 1.0}), Pace({REPAINTS: 2.0})]
    Timed.answers = [[Ready(), Ready()], list(paces)]
    assert measure_paces(plan) == paces
    Timed.answers = [[Ready(), Failed("no memory", "")]]
    assert measure_paces(plan) == []
    now = iter(range(100, 1000, 25))
    monkeypatch.setattr("harness.search.estimate.time.monotonic", lambda: next(now))
    Timed.answers = [[]] * 3  # for a minute
    assert measure_paces(plan) == []
    Timed.answers = []  # nobody is asked
    assert measure_paces(planned(jobs=2, launcher="ray")) == []
    external = Repository(folder=Path(), python="python", options=(), silence=9)
    told = plan.trial_plan.model_copy(update={"external": external})
    assert measure_paces(replace(plan, trial_plan=told)) == []


def test_only_all_workers_together_say_it() -> None:
    said: list[Expected] = []
    study = make_study(0)

    class View:
        show = staticmethod(said.append)

    forecast = Forecast(planned(jobs=2), study, View())  # type: ignore[arg-type]
    forecast.note(Pace({REPAINTS: 1.0}))
    assert said == []
    forecast.note(Pace({REPAINTS: 1.0}))
    assert len(said) == 1
    assert StudyRecord.of(study).expected_seconds == said[0].seconds
