"""What is done after a search neither fails it nor hides why it failed."""

from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from searching import Heard, trials

import harness.search.search
from benchmarks.simulated import SimulatedLauncher
from harness.console.events import Note
from harness.errors import HarnessError
from harness.search.recorder import Recorder
from harness.search.search import run_search
from harness.search.stop_signals import StopSwitch
from harness.tracking.model_registry import SearchResults
from harness.tracking.outbox import Ending
from harness.trials.messages import TrialResult
from harness.trials.worker import Message

AFTERWARDS = (
    "harness.search.recorder.requeue",
    "harness.search.conclusion.outcome_of",
    "harness.search.conclusion.search_results",
    "null_tracker.NullTracker.parent",
    "null_tracker.NullTracker.conclude",
    "null_tracker.NullTracker.finish",
)


def broken(*_: Any) -> NoReturn:
    raise RuntimeError("the second thing that went wrong")


class OneByOne(SimulatedLauncher):
    """Hears one worker at a time: while its trial ends, the other's runs."""

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        number = max(self.messages)
        message = self.next_of(number)
        if isinstance(message, TrialResult) and message.checkpoint is not None:
            message.checkpoint.parent.mkdir(exist_ok=True)
            message.checkpoint.write_bytes(b"weights")
        return [(number, message)]


def search(folder: Path, stop_after: int | None = None, **asked: Any) -> tuple[Any, Heard]:
    """Two workers of this process, four trials."""
    plan, stop = make_plan(folder, jobs=2, budget=4, **asked), StopSwitch(None)
    view = Heard(stop, stop_after)
    with pytest.MonkeyPatch.context() as patch:
        launcher = OneByOne(plan.trial_plan.folder, b"")
        patch.setattr(harness.search.search, "make_launcher", lambda *_: launcher)
        patch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
        return run_search(plan, view, stop, Instant), view


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second trial that completes cannot be recorded."""
    complete = Recorder.complete

    def once(self: Recorder, *arguments: Any) -> None:
        if self.done:
            raise HarnessError("the first thing that went wrong")
        complete(self, *arguments)

    monkeypatch.setattr(Recorder, "complete", once)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("step", AFTERWARDS)
def test_the_user_sees_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(step, broken)
    with pytest.raises(HarnessError, match="the first thing"):
        search(tmp_path)
    assert "the second thing" in (tmp_path / "fake" / "driver.log").read_text()
    monkeypatch.undo()
    assert search(tmp_path)[0].counts == {"complete": 4, "waiting": 4}


@pytest.mark.parametrize("step", [step for step in AFTERWARDS if "outcome_of" not in step])
def test_a_stopped_search_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(step, broken)
    outcome, view = search(tmp_path, stop_after=2)
    assert outcome.stopped == "user"
    notes = [event.text for event in view.events if isinstance(event, Note)]
    assert any("RuntimeError" in text and "driver.log" in text for text in notes)
    monkeypatch.undo()
    assert search(tmp_path)[0].counts == {"complete": 4, "waiting": 4}
    assert TrialState.RUNNING not in {trial.state for trial in trials(tmp_path)}


Concluded = list[tuple[Ending, SearchResults]]


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> Concluded:
    """What MLflow is told at the end of a search."""
    told: Concluded = []
    monkeypatch.setattr(NullTracker, "conclude", lambda _, *end: told.append(end))
    return told


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (HarnessError("the first thing"), "the first thing"),
        (RuntimeError("a fault of ours"), "the driver failed"),
    ],
)
def test_mlflow_is_told_why_a_search_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    concluded: Concluded,
    raised: Exception,
    reason: str,
) -> None:
    def fail(*_: Any) -> NoReturn:
        raise raised

    monkeypatch.setattr(Recorder, "complete", fail)
    with pytest.raises(type(raised)):
        search(tmp_path)
    assert [ending for ending, _ in concluded] == [Ending("FAILED", "failed", reason)]


def test_only_a_search_that_reached_its_end_gives_mlflow_a_model(
    tmp_path: Path, concluded: Concluded
) -> None:
    _, view = search(tmp_path, stop_after=2, register_model="mine")
    _, last = search(tmp_path, register_model="mine")
    endings, results = zip(*concluded, strict=True)
    assert endings == (
        Ending("KILLED", "stopped", "stopped by user"),
        Ending("FINISHED", "finished"),
    )
    assert [each.model and each.model.name for each in results] == [None, "mine"]
    model = results[-1].model
    assert model is not None
    assert {name: model.tags[name] for name in ("study", "weights", "netG", "ngf")} == {
        **{"study": "fake", "weights": "random", "netG": "unet_128", "ngf": "12"},
    }
    best = yaml.safe_load(model.config.read_text())
    assert model.tags["score"] == str(best["score"]["mean"])
    for heard, wanted in ((view, False), (last, True)):
        texts = [event.text for event in heard.events if isinstance(event, Note)]
        assert any("a version of the model mine" in text for text in texts) == wanted


def test_a_database_that_was_waited_for_in_vain_is_not_waited_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> NoReturn:
        raise HarnessError("the database has been unavailable") from StorageInternalError()

    asked = []
    monkeypatch.setattr(Recorder, "complete", away)
    monkeypatch.setattr("harness.search.recorder.requeue", lambda *_: asked.append("put back"))
    monkeypatch.setattr("harness.search.conclusion.outcome_of", lambda *_: asked.append("outcome"))
    with pytest.raises(HarnessError, match="has been unavailable"):
        search(tmp_path)
    assert asked == []
