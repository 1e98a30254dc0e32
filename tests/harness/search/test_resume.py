"""What is looked at, made again or queued again before a study that goes on spends a trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml
from driving import WEIGHTS, Failing, Instant, Warm, make_plan, note_run, runs_of
from in_threads import ThreadLauncher
from optuna.trial import TrialState
from searching import Heard, remembered, run, trials

import harness.search.search
from harness.console.events import Note
from harness.errors import HarnessError, SearchFailedError, SharedInputError, UserInputError
from harness.search.resume import check_same_start, is_intact
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Report, TrialResult, TrialTask
from reports.record.baseline import Baseline
from reports.record.study import StudyRecord
from reports.record.trial import Cause

pytestmark = pytest.mark.usefixtures("unmirrored")


@pytest.fixture(autouse=True)
def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        harness.search.search,
        "make_launcher",
        lambda plan, make: ThreadLauncher(make, plan.trial_plan),
    )


class OtherWarm(Warm):
    """On another machine the same steps round otherwise."""

    SCORE = 0.2200001


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip_a_bit(file: Path) -> None:
    held = bytearray(file.read_bytes())
    held[held.index(WEIGHTS) + 40] ^= 1
    file.write_bytes(held)


def test_the_warm_start_of_the_other_kind_is_looked_at_too(tmp_path: Path) -> None:
    plan, stop = make_plan(tmp_path, both=True, budget=2), StopSwitch(None)
    run(plan, Warm)
    own, other = plan.paths.warm_start, plan.paths.warm_start.other_kind
    files = [own.discriminator(3, "lsgan"), other.discriminator(3, "lsgan")]
    files += [own.generator, other.generator]
    assert len({*files}) == 4
    truncate(files[1])
    view = Heard(stop)
    again = make_plan(tmp_path, both=True, budget=3)
    assert harness.search.search.run_search(again, view, stop, Warm).counts["complete"] == 3
    assert any(f"{files[1]} is damaged" in e.text for e in view.events if isinstance(e, Note))
    assert all(is_intact(file) for file in files)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, Path.unlink])
def test_a_damaged_warm_start_is_made_again_before_a_trial_is_spent(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    plan, stop = make_plan(tmp_path, budget=2), StopSwitch(None)
    run(plan, Warm)
    file = plan.paths.warm_start.discriminator(3, "lsgan")
    whole = file.read_bytes()
    damage(file)
    view = Heard(stop)
    outcome = harness.search.search.run_search(make_plan(tmp_path, budget=4), view, stop, Warm)
    assert outcome.counts == {"complete": 4, "waiting": 4}
    assert file.read_bytes() == whole
    notes = [event.text for event in view.events if isinstance(event, Note)]
    assert any(str(file) in text and "made again" in text for text in notes)
    assert plan.paths.warm_start.damaged.is_dir()


def test_the_files_of_torch_are_told_whole_from_damaged(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    for damage in (truncate, lambda file: file.write_bytes(b""), Path.unlink):
        torch.save({"weights": torch.arange(64.0)}, file)
        assert is_intact(file)
        damage(file)
        assert not is_intact(file)
    torch.save({"weights": torch.arange(64.0)}, file)
    held = bytearray(file.read_bytes())
    held[held.index(torch.arange(64.0).numpy().tobytes())] ^= 1
    file.write_bytes(held)
    assert not is_intact(file)


def test_a_whole_warm_start_is_left_alone(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=2)
    run(plan, Warm)
    made = plan.paths.warm_start.generator.stat().st_mtime_ns
    run(make_plan(tmp_path, budget=3), OtherWarm)  # which would be refused if it were asked
    assert plan.paths.warm_start.generator.stat().st_mtime_ns == made


def test_a_warm_start_that_cannot_be_made_again_is_refused_each_time(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=2)
    run(plan, Warm)
    copy = {file: file.read_bytes() for file in plan.paths.warm_start.folder.iterdir()}
    truncate(plan.paths.warm_start.generator)
    for _ in range(2):
        with pytest.raises(HarnessError, match=r"scores 0\.2200001, not 0\.22.*--enqueue"):
            run(make_plan(tmp_path, budget=4), OtherWarm)
    assert [trial.state for trial in trials(tmp_path)].count(TrialState.COMPLETE) == 2
    assert TrialState.FAIL not in {trial.state for trial in trials(tmp_path)}
    plan.paths.warm_start.folder.mkdir()
    for file, held in copy.items():
        file.write_bytes(held)
    assert run(make_plan(tmp_path, budget=4), OtherWarm).counts["complete"] == 4


@pytest.mark.parametrize("name", ["warm_start", "other_warm_start"])
def test_another_warm_start_of_either_kind_is_refused(tmp_path: Path, name: str) -> None:
    plan = make_plan(tmp_path, both=True)
    study = remembered(plan)
    known = Baseline(
        noop=0.2, warm_start=0.22, other_warm_start=0.31, oracle=None, held_out_noop=0.21
    )
    StudyRecord.note(study, baseline=known)
    study.add_trial(optuna.trial.create_trial(value=0.3))
    check_same_start(study, plan, known)
    with pytest.raises(HarnessError, match=r"different \(it scores 0\.5, not 0\.(22|31)\)"):
        check_same_start(study, plan, known.model_copy(update={name: 0.5}))


def test_before_the_first_result_any_warm_start_will_do(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1)
    with pytest.raises(SearchFailedError):
        run(make_plan(tmp_path, budget=1, max_failures=1), WarmFailing)
    truncate(plan.paths.warm_start.generator)
    assert run(plan, OtherWarm).counts["complete"] == 1


class WarmFailing(Warm, Failing):
    """Makes a warm start; its trials fail."""

    run = Failing.run


class LosesItsStart(Instant):
    """Trial 1 finds that what all trials share is damaged."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 1:
            raise SharedInputError("the warm start is damaged")
        return super().run(task, report)


def test_damage_met_by_a_trial_ends_the_search_and_costs_no_trial(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="the warm start is damaged"):
        run(make_plan(tmp_path, budget=9), LosesItsStart)
    states = [trial.state for trial in trials(tmp_path)]
    assert states[:2] == [TrialState.COMPLETE, TrialState.WAITING]
    assert run(make_plan(tmp_path, budget=9)).counts == {"complete": 9}
    assert trials(tmp_path)[1].state == TrialState.COMPLETE


def test_what_was_asked_for_and_failed_is_queued_again(tmp_path: Path) -> None:
    run(make_plan(tmp_path / "a", budget=10))
    earlier = tmp_path / "earlier.yaml"
    found = yaml.safe_load((tmp_path / "a" / "fake" / "best.yaml").read_text())
    found["params"] |= {"lambda_L1": 123.0, "lr": 0.0003}
    earlier.write_text(yaml.safe_dump(found))
    options: dict[str, Any] = {"enqueue": (earlier,), "max_failures": 9, "pruner": "none"}
    with pytest.raises(SearchFailedError):
        run(make_plan(tmp_path / "b", budget=10, **options), Failing)
    plan = make_plan(tmp_path / "b", budget=10, **options)
    assert run(plan).counts == {"failed": 9, "complete": 10}
    done = [trial for trial in trials(tmp_path / "b") if trial.state == TrialState.COMPLETE]
    assert [trial.user_attrs["recipe"] for trial in done[:8]] == list(plan.recipes)
    assert done[8].user_attrs["enqueued"] == f"fake t{found['trial']:03d}"
    assert done[8].user_attrs["params"] == found["params"]
    # What has ended well is not queued again.
    assert run(make_plan(tmp_path / "b", budget=12, **options)).counts["complete"] == 12
    recipes = [trial.user_attrs.get("recipe") for trial in trials(tmp_path / "b")]
    assert [recipes.count(name) for name in plan.recipes] == [2] * 8


class TooLarge(Instant):
    """The second of the guide's recipes needs more memory than there is."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 1:
            note_run(self.plan, task)
            raise MemoryError("16 GiB")
        return super().run(task, report)


def test_a_recipe_that_is_too_large_for_the_memory_is_not_queued_again(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=3), TooLarge)
    assert trials(tmp_path)[1].user_attrs["cause"] == Cause.OUT_OF_MEMORY
    assert run(make_plan(tmp_path, budget=8)).counts == {"failed": 1, "complete": 8}
    assert runs_of(tmp_path / "fake", 1) == 2


class FailsThenTooLarge(TooLarge):
    """The second recipe fails at first; run again, it needs more memory than there is."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 1:
            raise RuntimeError("a node was lost")
        if task.number == 8:
            raise MemoryError("16 GiB")
        return Instant.run(self, task, report)


def test_whether_a_recipe_is_queued_again_is_said_by_its_last_attempt(tmp_path: Path) -> None:
    assert run(make_plan(tmp_path, budget=7), FailsThenTooLarge).counts["failed"] == 1
    assert run(make_plan(tmp_path, budget=8), FailsThenTooLarge).counts["failed"] == 2
    causes = [trials(tmp_path)[number].user_attrs["cause"] for number in (1, 8)]
    assert causes == [Cause.FAILED, Cause.OUT_OF_MEMORY]
    recipe = trials(tmp_path)[8].user_attrs["recipe"]
    run(make_plan(tmp_path, budget=9))
    assert [one.user_attrs.get("recipe") for one in trials(tmp_path)].count(recipe) == 2
