"""`--pareto`: two objectives, no pruning, a front that is listed and exported."""

import dataclasses
import math
from pathlib import Path

import optuna
import pytest
import yaml
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState
from typer.testing import CliRunner

import harness.search.search
from harness.cli.app import app
from harness.console.views import QuietView
from harness.errors import UserInputError
from harness.search.publishing import outcome_note
from harness.search.result import SearchOutcome, as_data, as_lines
from harness.search.stop_signals import StopSwitch
from harness.study.pareto import check_pareto, values_of
from harness.study.study import read_study
from harness.trials.messages import Rung, TrialTask
from reports.export.trials_table import trials_frame
from reports.record.queries import excluded_leaders, score_of, trials_by_score
from tests.synthetic_studies import study_attrs


class Torn(Instant):
    """Low lambda_L1 is sharp, high lambda_L1 is alike; the loss matters to neither."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        tone = math.log(task.params.lambda_L1 / 10) / math.log(50)
        wrong = abs(math.log(task.params.lr / 1e-4))
        parts = {"D": tone + wrong, "E": 0.1, "lpips": 1 - tone + wrong, "Lrel": 1.0}
        value = math.exp(-(parts["D"] + parts["E"] + parts["lpips"] + abs(tone - 0.3)))
        return dataclasses.replace(super().rung(task, step), value=value, components=parts)


def run(folder: Path, budget: int, **settings: object) -> SearchOutcome:
    plan = make_plan(folder, budget=budget, pareto=True, pruner="none", **settings)
    return harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Torn)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchOutcome]:
    folder = tmp_path_factory.mktemp("pareto")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
        run(folder, 16)
        outcome = run(folder, 30, finalists=2, repeats=2)  # it goes on
    return folder, outcome


Found = tuple[Path, SearchOutcome]


def test_every_trial_is_told_both_values_and_runs_to_its_end(found: Found) -> None:
    study = read_study(found[0], "fake")
    assert study.metric_names == ["sharpness", "lpips"]
    trials = study.get_trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert len(trials) == 24
    for trial in trials:
        parts = trial.user_attrs["components"]
        assert trial.values == pytest.approx([math.exp(-(parts["D"] + 0.1)), parts["lpips"]])
        assert trial.values == pytest.approx(values_of(parts))
        assert score_of(trial) == trial.user_attrs["rungs"][-1]["value"]


def test_the_front_is_what_nothing_beats_in_both(found: Found) -> None:
    folder, outcome = found
    study = read_study(folder, "fake")
    numbers = [point.number for point in outcome.front]
    # Optuna's own front is the reference.
    assert sorted(numbers) == sorted(trial.number for trial in study.best_trials)
    assert 3 <= len(numbers) < 24
    scores = [point.score for point in outcome.front]
    assert scores == sorted(scores, reverse=True)
    assert outcome.best is not None
    assert outcome.best.number == numbers[0]
    said = [line for line in as_lines(outcome) if "sharpness" in line]
    assert len(said) == 1 + len(numbers) + 1
    sharpest = sorted(outcome.front, key=lambda point: point.values["sharpness"], reverse=True)
    assert [line.split()[0] for line in said[1:-1]] == [f"t{one.number:03d}" for one in sharpest]
    assert said[-1].startswith(f"Choose: {len(numbers)} settings are beaten by none in both")
    assert {point["number"] for point in as_data(outcome)["front"]} == set(numbers)
    table = outcome_note(outcome).partition("### The front")[2].partition("###")[0]
    assert f"| ★ t{outcome.winner:03d} |" in table
    for point in outcome.front:
        assert f"t{point.number:03d} | {point.values['sharpness']:.4f} | " in table
    frame = trials_frame(study)
    assert frame.loc[frame["front"], "trial"].tolist() == sorted(numbers)


def test_the_whole_front_is_kept_and_exported_by_number(found: Found) -> None:
    folder, outcome = found
    for point in outcome.front:
        assert outcome.paths.checkpoint(point.number).exists()
        assert outcome.paths.panel(point.number).exists()
        asked = ["export", "--run-dir", str(folder), "--trial", str(point.number)]
        exported = yaml.safe_load(CliRunner().invoke(app, asked).output)
        assert exported["params"] == point.params
        assert exported["pareto"]["on_the_front"]
        assert exported["pareto"]["sharpness"] == point.values["sharpness"]
        # The winner's own is that of its repeats, beside the one of the search.
        assert (exported["searched"] or exported["score"])["mean"] == point.score
    beaten = {*range(24)} - {point.number for point in outcome.front}
    assert not any(outcome.paths.checkpoint(number).exists() for number in beaten)


def test_the_finalists_are_of_the_front(found: Found) -> None:
    _, outcome = found
    assert outcome.finalists is not None
    tried = {row.trial for row in outcome.finalists.rows if row.recipe is None}
    assert tried <= {point.number for point in outcome.front}
    held = yaml.safe_load(outcome.paths.best_yaml.read_text())
    assert held["confirmed"]
    assert any("sharpness against LPIPS" in note for note in held["notes"])


def test_a_broken_guard_keeps_a_trial_off_the_front() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for key, value in study_attrs(guards={"ciede2000": 1.0}).items():
        study.set_user_attr(key, value)
    for values, shift, recipe in (([0.5, 0.5], 5.0, "recommended"), ([0.9, 0.1], 6.5, None)):
        noted = {"components": {"ciede2000": shift}, "score": values[0]}
        named = {"recipe": recipe} if recipe else {}
        study.add_trial(optuna.trial.create_trial(values=values, user_attrs=noted | named))
    assert [trial.number for trial in trials_by_score(study)] == [0]
    assert excluded_leaders(study) == []  # of a front there is no first


@pytest.mark.parametrize("other", [[0.5, 0.6], [0.4, 0.5]])
@pytest.mark.parametrize("first", [0, 1])
def test_who_is_level_in_one_and_behind_in_the_other_is_beaten(
    other: list[float], first: int
) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in ([0.5, 0.5], other)[:: 1 - 2 * first]:
        study.add_trial(optuna.trial.create_trial(values=values))
    assert [trial.number for trial in trials_by_score(study)] == [first]


def test_trials_that_are_level_in_both_share_the_front() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for _ in range(2):
        study.add_trial(optuna.trial.create_trial(values=[0.5, 0.5]))
    assert [trial.number for trial in trials_by_score(study)] == [0, 1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"objective": "mine:make"}, "--objective mine:make does not have"),
        ({"sampler": "cmaes"}, "--sampler cmaes knows one"),
    ],
)
def test_what_cannot_be_weighed_is_refused(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    config = make_plan(tmp_path).config.model_copy(update=changed)
    with pytest.raises(UserInputError, match=said):
        check_pareto(config)


def test_a_study_stays_of_its_kind(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = make_plan(found[0], budget=40, pruner="none")
    with pytest.raises(UserInputError, match="choice of --pareto"):
        harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Torn)
