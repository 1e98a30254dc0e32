"""The mirror may be away: nothing is lost, nothing is out of order, nothing is raised."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

import harness.tracking
from harness.registration import Left
from harness.tracking import Ending, MlflowStore, MlflowTracker, run_name
from harness.trial_messages import Rung, TrialTask
from search_spaces.params import TrialParams

PARAMS = TrialParams(
    lambda_L1=82.13, lambda_perceptual=11.3, n_layers_D=4, gan_mode="lsgan", lr=2e-4
)


class Away:
    """A store that can be switched off, and notes what reached it."""

    def __init__(self) -> None:
        self.there = True
        self.reached: list[str] = []
        self.runs: dict[int, str] = {}

    def note(self, what: str) -> None:
        if not self.there:
            raise ConnectionError("away, with the password s3cret")
        self.reached.append(what)

    def open(self) -> None:
        self.note("open")

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        self.note(f"begin {task.number}")

    def rung(self, number: int, rung: Rung) -> None:
        self.note(f"rung {number} {rung.step}")

    def end(self, number: int, ending: Ending) -> None:
        self.note(f"end {number} {ending.state}")

    def close(self, ending: Ending, left: Left) -> None:
        self.note("close")


def test_what_cannot_be_delivered_comes_later_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.tracking, "RETRY_AFTER", 0.0)
    store, warned = Away(), cast(list[str], [])
    tracker = MlflowTracker(cast(MlflowStore, store), warned.append)
    store.there = False
    tracker.begin(TrialTask(0, PARAMS, 0), {})
    tracker.rung(0, Rung(10, 0.5, {}, {}, b""))
    store.there = True
    tracker.rung(0, Rung(20, 0.6, {}, {}, b""))
    tracker.end(0, Ending("FINISHED", "complete"))
    tracker.close(Ending("FINISHED", "finished"), Left(0, ""))
    assert store.reached == ["open", "begin 0", "rung 0 10", "rung 0 20", "end 0 complete", "close"]
    assert len(warned) == 1
    assert "s3cret" not in warned[0]


def test_a_store_that_stays_away_stops_nothing() -> None:
    store, warned = Away(), cast(list[str], [])
    store.there = False
    tracker = MlflowTracker(cast(MlflowStore, store), warned.append)
    for number in range(100):
        tracker.begin(TrialTask(number, PARAMS, 0), {})
    tracker.close(Ending("FINISHED", "finished"), Left(None, ""))
    assert store.reached == []
    assert "102 entries could not be delivered" in warned[-1]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "t037 L1=82.1 perc=11.3 D4 lsgan"),
        ({"lambda_perceptual": 0, "lambda_L1": 500}, "t037 L1=500 D4 lsgan"),
    ],
)
def test_a_run_is_named_by_its_settings(change: dict[str, Any], name: str) -> None:
    assert run_name("t037", PARAMS.model_copy(update=change)) == name
