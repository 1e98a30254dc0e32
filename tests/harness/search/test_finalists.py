"""The confirmation stage: who is in it, what the budget pays, and what is left of it."""

import dataclasses
import json
import math
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from driving import Instant, make_plan
from optuna.trial import FrozenTrial, TrialState
from searching import Heard, run, trials

import harness.search.search
from harness.config.settings import TrialPlan
from harness.console.events import CutShort, Note, Opened, TrialEnded
from harness.errors import DivergedError, UserInputError
from harness.search.finalists import pick_finalists
from harness.search.resolve import choose_finalists
from harness.search.result import as_lines
from harness.search.stop_signals import StopSwitch
from harness.search.time_left import TimeForFinalists
from harness.study.constraints import excess, violations
from harness.study.study import FINALISTS, read_study
from harness.tracking.client import quiet_client
from harness.trials.messages import Report, Rung, TrialResult, TrialTask
from reports.export.best_yaml import best_config
from reports.record.queries import guard_violators, trials_by_score
from search_spaces.recipes import load_recipes


def final_runs(folder: Path) -> list[FrozenTrial]:
    storage = f"sqlite:///{folder}/optuna.db"
    return optuna.load_study(study_name="fake" + FINALISTS, storage=storage).get_trials()


def best_yaml(folder: Path) -> dict[str, Any]:
    held: dict[str, Any] = yaml.safe_load((folder / "fake" / "best.yaml").read_text())
    return held


def test_the_finalists_are_paid_from_the_budget_and_named_in_best_yaml(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, jobs=2, budget=24, finalists=2, repeats=3)
    outcome = run(plan)

    assert len(trials(tmp_path)) == 15
    runs = final_runs(tmp_path)
    assert len(runs) == 9
    assert {trial.state for trial in runs} == {TrialState.COMPLETE}
    each = Counter((trial.user_attrs["finalist"], trial.user_attrs["seed"]) for trial in runs)
    assert set(each.values()) == {1}
    assert len({seed for _, seed in each}) == 3

    # The two best of the search that differ, beside the guide's recommendation.
    ranked = sorted(trials(tmp_path), key=lambda trial: -(trial.value or 0))
    best = [t for t in ranked if t.state == TrialState.COMPLETE][:2]
    assert {name for name, _ in each} == {
        *(f"t{trial.number:03d}" for trial in best),
        "recommended",
    }

    held = best_yaml(tmp_path)
    assert held["confirmed"] is True
    assert held["trial"] == best[0].number
    assert held["verdict"].startswith("better than the guide's recommended setting by")
    assert held["score"]["repeats"] == 3
    assert held["score"]["ci95"][0] < held["score"]["mean"] < held["score"]["ci95"][1]
    assert held["score"]["noop"] == 0.21
    assert held["searched"]["mean"] == best[0].value
    assert held["baseline"]["mean"] < held["score"]["mean"]
    kept = [file.name for file in (plan.paths.checkpoints).glob("f*.pth")]
    assert held["checkpoint"] in [f"checkpoints/{name}" for name in kept]
    assert len(kept) == 3  # any finalist may win once the search goes on

    said = "\n".join(as_lines(outcome))
    assert "24 of 24 trials are done" in said
    assert f"Use t{held['trial']:03d}: it comes closer to the sharp original than" in said
    assert held["decision"].partition(". ")[2] in " ".join(said.split())
    scores = [line.split() for line in said.splitlines() if "the input" in line]
    assert [" ".join(words) for words in scores] == [
        "the input unchanged 0.2000",
        "the input warped back 0.9000",
        "the input unchanged 0.2100",  # on the pictures held out
    ]

    client = quiet_client(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 1 + 24
    finals = [run for run in found if "finalist_run" in run.data.tags]
    assert len(finals) == 9
    searched = [run for run in found if "trial" in run.data.tags]
    assert all("score" in run.data.metrics for run in searched)
    assert not any("score_held_out" in run.data.metrics for run in searched)
    assert all({"score_held_out", "score_held_out/D"} <= run.data.metrics.keys() for run in finals)
    assert not any("score" in run.data.metrics for run in finals)
    (tagged,) = [run for run in found if run.data.tags.get("best") == "true"]
    assert int(tagged.data.tags["trial"]) == held["trial"]
    (parent,) = [run for run in found if run.data.tags.get("role") == "study"]
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith(f"**{held['decision'].partition('. ')[0]}.**")
    finalists = note.partition("### Finalists")[2].partition("###")[0]
    assert (
        f"| ★ t{held['trial']:03d} | t{held['trial']:03d} | {held['score']['mean']:.4f}"
        in finalists
    )
    assert "| Guide's recommended |" in finalists
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED"}


def test_finalists_are_the_best_settings_that_differ_and_the_recommendation_once() -> None:
    """Whether the recommendation leads, or a leader's setting was drawn twice."""
    study = optuna.create_study(direction="maximize")
    settings = [
        (100, "recommended"),
        (100, None),
        (80, None),
        (80, None),
        (60, "lower_L1"),
        (40, None),
    ]
    for place, (lambda_L1, recipe) in enumerate(settings):
        params = load_recipes()["recommended"].model_dump() | {"lambda_L1": float(lambda_L1)}
        noted = {"params": params, **({"recipe": recipe} if recipe else {})}
        study.add_trial(optuna.trial.create_trial(value=0.3 - place / 100, user_attrs=noted))
    found = pick_finalists(study, 2)
    assert [(one.name, one.trial, one.recipe) for one in found] == [
        ("t002", 2, None),
        ("t004", 4, "lower_L1"),
        ("recommended", 0, "recommended"),
    ]
    assert [one.params["lambda_L1"] for one in found] == [80, 60, 100]
    assert [one.name for one in pick_finalists(study, 9)] == [
        "t002",
        "t004",
        "t005",
        "recommended",
    ]


def test_a_stopped_confirmation_goes_on_where_it_was(tmp_path: Path, unmirrored: None) -> None:
    plan = make_plan(tmp_path, budget=20, finalists=1, repeats=4)
    stopped = run(plan, stop_after=15)
    assert stopped.stopped == "user"
    assert stopped.finalists is None
    assert best_yaml(tmp_path)["confirmed"] is False

    stop = StopSwitch(None)
    view = Heard(stop)
    outcome = harness.search.search.run_search(plan, view, stop, Instant)
    ended = [event for event in view.events if isinstance(event, TrialEnded)]
    assert [event.done for event in ended] == [16, 17, 18, 19, 20]
    assert all(event.final for event in ended)
    notes = [event.text for event in view.events if isinstance(event, Note)]
    assert any(re.match(r"What is left takes about \d+ s on this CPU", text) for text in notes)
    leader = f"t{outcome.finalists.rows[0].trial:03d}"
    (announced,) = [text for text in notes if "trained again" in text]
    assert re.match(rf"The finalists \({leader}( \(\w+\))? and the guide's rec", announced)
    assert "on 4 fresh seeds" in announced
    assert outcome.stopped == ""
    assert outcome.final_runs == 8
    ran = (plan.paths.folder / "finals.txt").read_text().splitlines()
    counts = Counter(line.split(" ")[0] for line in ran)
    # One was being run when the search was stopped, and is the only one that ran twice.
    assert len(counts) == 8
    assert sorted(counts.values())[:-1] == [1] * 7
    assert best_yaml(tmp_path)["confirmed"] is True

    again = run(plan)
    assert len((plan.paths.folder / "finals.txt").read_text().splitlines()) == len(ran)
    assert again.finalists == outcome.finalists


def test_a_finished_search_is_opened_without_announcing_runs(
    tmp_path: Path, unmirrored: None
) -> None:
    plan = make_plan(tmp_path, budget=24, finalists=2, repeats=3)
    run(plan)
    stop = StopSwitch(None)
    view = Heard(stop)
    harness.search.search.run_search(plan, view, stop, Instant)
    (opened,) = [event for event in view.events if isinstance(event, Opened)]
    assert (opened.done, opened.final_runs) == (24, 9)
    values = [trial.value for trial in trials(tmp_path) if trial.state == TrialState.COMPLETE]
    assert opened.scores == tuple(values)
    assert opened.best.startswith(f"{max(values):.4f}  t")
    notes = [event.text for event in view.events if isinstance(event, Note)]
    assert not [text for text in notes if "trained again" in text or "takes about" in text]


def test_a_larger_budget_confirms_whoever_leads_then(tmp_path: Path, unmirrored: None) -> None:
    first = run(make_plan(tmp_path, budget=16, finalists=1, repeats=2))
    second = run(make_plan(tmp_path, budget=40, finalists=1, repeats=2))
    assert first.finalists is not None
    assert second.finalists is not None
    assert first.best is not None
    assert second.best is not None
    assert second.best.value > first.best.value
    assert second.finalists.winner == f"t{second.best.number:03d}"
    # The recommendation had run on these seeds already.
    assert len(final_runs(tmp_path)) == 4 + 2


def test_a_budget_without_room_for_the_finalists_is_refused(
    tmp_path: Path, unmirrored: None
) -> None:
    """More trials have ended than it leaves to the search."""
    run(make_plan(tmp_path, budget=12))
    said = r"After 12 trials of fake, .* takes 4 runs: --budget 16 or more .* --finalists 0"
    with pytest.raises(UserInputError, match=said):
        run(make_plan(tmp_path, budget=14, finalists=1, repeats=2))
    assert run(make_plan(tmp_path, budget=14)).done == 14
    confirmed = make_plan(tmp_path, budget=18, finalists=1, repeats=2)
    assert run(confirmed).done == 18
    # The runs that are there are among those that more finalists take.
    more = make_plan(tmp_path, budget=16, finalists=2, repeats=2)
    with pytest.raises(UserInputError, match=r"14 trials .* takes 6 runs: --budget 20 or more"):
        run(more)
    # What is finished is shown again whatever the budget.
    assert run(make_plan(tmp_path, budget=8, finalists=1, repeats=2)).finalists is not None
    # One in between that is too small for finalists of its own would search on unconfirmed.
    with pytest.raises(UserInputError, match=r"14 trials .* and 4 runs .* a budget above 18"):
        run(make_plan(tmp_path, budget=17))


def test_a_time_limit_leaves_out_trials_but_not_the_finalists(
    tmp_path: Path, unmirrored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(tmp_path, budget=40, finalists=1, repeats=2, timeout=3600)

    def needed_now(self: TimeForFinalists) -> float:
        if len(trials(tmp_path)) < 12:
            return math.inf
        self.deadline = time.monotonic()  # as if all other time had passed
        return self.limit

    with monkeypatch.context() as patch:
        patch.setattr(TimeForFinalists, "estimate", needed_now)
        patch.setattr("harness.search.time_left.ESTIMATE_EVERY", 0.0)
        view = Heard(stop := StopSwitch(plan.config.timeout))
        first = harness.search.search.run_search(plan, view, stop, Instant)
    (cut,) = [event for event in view.events if isinstance(event, CutShort)]
    assert 12 <= cut.trials < 36
    assert (cut.planned, cut.runs) == (36, 4)
    assert first.stopped == "timeout"
    assert first.counts["complete"] + first.counts["pruned"] == cut.trials
    assert first.final_runs == len(final_runs(tmp_path)) == 4
    lines = as_lines(first)
    assert lines[0].startswith(f"The time is up: {cut.trials + 4} of 40 trials are done")
    assert "4 runs of finalists" in lines[0]
    assert lines[-1] == "Or the same command again, which continues the search."
    assert best_yaml(tmp_path)["confirmed"] is True

    second = run(make_plan(tmp_path, budget=40, finalists=1, repeats=2))
    assert not second.stopped
    assert second.counts["complete"] + second.counts["pruned"] == 36
    assert second.done == 40
    assert second.finalists is not None
    assert second.best is not None
    assert second.finalists.winner == f"t{second.best.number:03d}"


class WildWinner(Instant):
    """The best setting of the search diverges on one seed when it is trained again."""

    def __init__(self, plan: TrialPlan) -> None:
        super().__init__(plan)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.phase == "final" and task.number == 0:
            raise DivergedError("G_GAN is nan at step 17")
        return super().run(task, report)


def test_a_winner_that_diverges_is_not_exported(tmp_path: Path, unmirrored: None) -> None:
    outcome = run(make_plan(tmp_path, budget=24, finalists=2, repeats=3), WildWinner)
    assert outcome.finalists is not None
    assert outcome.best is not None
    wild = outcome.finalists.rows[-1]
    assert wild.trial == outcome.best.number
    assert wild.diverged
    assert wild.repeats == 2
    assert best_yaml(tmp_path)["trial"] != wild.trial


def test_the_recommendation_is_compared_with_where_the_space_has_no_place_for_it(
    tmp_path: Path, unmirrored: None
) -> None:
    plan = make_plan(tmp_path, budget=14, finalists=1, repeats=2, pinned={"lambda_L1": "42"})
    assert not plan.recipes
    outcome = run(plan)
    assert outcome.finalists is not None
    assert outcome.finalists.rows[-1].trial is None
    assert outcome.finalists.rows[-1].params["lambda_L1"] == 100
    assert best_yaml(tmp_path)["params"]["lambda_L1"] == 42
    json.dumps(outcome.finalists.as_data())
    held = best_config(read_study(tmp_path), "recommended", folder=plan.paths.folder)
    assert (held["trial"], held["params"]["lambda_L1"]) == (None, 100)
    assert held["score"]["mean"] == outcome.finalists.rows[-1].mean
    assert held["searched"] is None
    assert (plan.paths.folder / held["checkpoint"]).exists()


@pytest.mark.parametrize(
    ("asked", "n_test", "chosen", "said"),
    [
        ({"budget": 50}, 9, 3, ""),
        ({"budget": 47}, 9, 0, "25% of a budget of 48"),
        ({"budget": 50}, 0, 0, "no pairs are held out"),
        ({"budget": 20, "finalists": 2, "repeats": 2}, 9, 2, ""),
        ({"budget": 50, "finalists": 0}, 0, 0, ""),
    ],
)
def test_how_many_are_confirmed(
    tmp_path: Path, asked: dict[str, Any], n_test: int, chosen: int, said: str
) -> None:
    config = make_plan(tmp_path, **asked).config
    count, remarks = choose_finalists(config, n_test)
    assert count == chosen
    assert said in " ".join(remarks)
    assert bool(remarks) == bool(said)


@pytest.mark.parametrize(("budget", "n_test", "said"), [(12, 9, "takes 12 runs"), (50, 0, "test/")])
def test_more_than_there_is_room_for_is_refused(
    tmp_path: Path, budget: int, n_test: int, said: str
) -> None:
    config = dataclasses.replace(make_plan(tmp_path)).config
    wanted = config.model_copy(update={"finalists": 3, "budget": budget})
    with pytest.raises(UserInputError, match=said):
        choose_finalists(wanted, n_test)


def test_without_a_baseline_none_are_confirmed(tmp_path: Path) -> None:
    auto = make_plan(tmp_path, budget=50).config
    assert choose_finalists(auto, 9, no_baseline="why") == (
        0,
        ("The winner will not be confirmed: why.",),
    )
    with pytest.raises(UserInputError, match="--finalists 3: why; add it, or use --finalists 0"):
        choose_finalists(auto.model_copy(update={"finalists": 3}), 9, no_baseline="why")


class Gaudy(Instant):
    """Low lambda_L1 scores best and shifts the colours, as the guide warns."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        shift = 8.0 if task.params.lambda_L1 < 80 else 5.0
        return dataclasses.replace(rung, components={**rung.components, "ciede2000": shift})


def test_what_breaks_a_guard_is_shown_and_never_the_best(tmp_path: Path, unmirrored: None) -> None:
    stop = StopSwitch(None)
    view, plan = Heard(stop), make_plan(tmp_path, budget=24, finalists=1, repeats=2)
    outcome = harness.search.search.run_search(plan, view, stop, Gaudy)
    done = [trial for trial in trials(tmp_path) if trial.state == TrialState.COMPLETE]
    out = {t.number for t in done if any(over > 0 for over in t.constraints.values())}
    assert out == {t.number for t in done if t.user_attrs["params"]["lambda_L1"] < 80}
    assert max(done, key=lambda trial: trial.value or 0).number in out
    ended = [event for event in view.events if isinstance(event, TrialEnded) and not event.final]
    said = {event.name for event in ended if "beyond the margin in ciede2000 by 2" in event.reason}
    assert said == {f"t{number:03d}" for number in out}
    assert outcome.best is not None
    assert outcome.best.number not in out
    assert outcome.finalists is not None
    assert not out & {row.trial for row in outcome.finalists.rows}
    assert best_yaml(tmp_path)["trial"] not in out


def test_a_recipe_that_ends_before_the_recommended_one_is_held_to_the_guards_too(
    tmp_path: Path, unmirrored: None
) -> None:
    run(make_plan(tmp_path, budget=8), Gaudy)
    study = read_study(tmp_path, "fake")
    early = optuna.create_study(direction="maximize")
    for key, value in study.user_attrs.items():
        early.set_user_attr(key, value)
    # The same trials, as a driver tells them when the recommended recipe ends last.
    recommended, *others = study.get_trials()
    for trial in [*others, recommended]:
        trial.system_attrs = {}
        early.add_trial(trial)
    assert not any(trial.constraints for trial in early.get_trials())
    shifted = {t.number for t in early.get_trials() if t.user_attrs["params"]["lambda_L1"] < 80}
    assert len(shifted) == 2
    assert guard_violators(early) == shifted
    assert not shifted & {trial.number for trial in trials_by_score(early)}


def test_a_guard_is_broken_only_beyond_its_margin() -> None:
    recommended = {"ciede2000": 5.0, "mae_outside": 0.02, "D": 0.3}
    assert excess({"ciede2000": 5.9, "mae_outside": 0.02}, recommended) == pytest.approx(
        {"ciede2000": -0.1, "mae_outside": -2 / 255}
    )
    assert excess({"ciede2000": 6.1, "mae_outside": 0.03}, recommended)["ciede2000"] > 0
    assert excess({"D": 0.1}, recommended) == {}
    assert violations({"ciede2000": -1.0}) == ""
    assert violations({"ciede2000": 1.25}) == "cannot win: beyond the margin in ciede2000 by 1.25"


@pytest.mark.usefixtures("unmirrored")
def test_finalists_keep_the_training_settings_that_the_space_varies(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=16, space="wide", finalists=1, repeats=2)
    run(plan)
    searched = {f"t{trial.number:03d}": trial.user_attrs["extras"] for trial in trials(tmp_path)}
    runs = final_runs(tmp_path)
    assert len(runs) == 4
    wanted = {trial.user_attrs["finalist"]: trial.user_attrs["params"]["beta1"] for trial in runs}
    recommended = wanted.pop("recommended")
    assert recommended == 0.5
    ((leader, beta1),) = wanted.items()
    assert beta1 == searched[leader]["beta1"]
    assert best_yaml(tmp_path)["train"]["beta1"] == beta1
