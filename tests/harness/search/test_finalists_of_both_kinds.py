"""A search of both kinds of generator: who is confirmed, and the two answers that it ends with."""

import html
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from driving import Instant, make_plan
from of_kinds import Behind, OfKinds, TornOfKinds, TornUnlucky, Unlucky, UnluckyAndGaudy
from optuna.trial import FrozenTrial, TrialState, create_trial
from searching import remembered, run, trials, without_mlflow

from harness.config.best_config import read_best_config
from harness.evaluation.verdict import conclude
from harness.paths import WarmStartPaths
from harness.search.finalists import pick_finalists
from harness.search.publishing import study_note
from harness.search.resolve import choose_finalists
from harness.search.result import SearchOutcome, as_data, as_lines, decision_lines
from harness.study.study import read_study
from reports.commands.recorded_paths import mark_of_warm_start
from reports.commands.train_py import continue_from, quoted
from reports.export.best_yaml import best_config
from reports.page.report import render
from reports.record.queries import dominates, guard_violators
from reports.record.study import StudyRecord
from tests.harness.evaluation.test_verdict import finalist
from tests.harness.search.test_finalists import final_runs
from tests.reports.page.parsed_page import Page
from tests.synthetic_studies import RECIPES, empty_study

pytestmark = pytest.mark.usefixtures("unmirrored")

NOOP = 0.21  # of the pictures held out


def searched(folder: Path, runner: type[Instant] = OfKinds, **settings: Any) -> SearchOutcome:
    asked = {"budget": 36, "finalists": 3, "repeats": 3, **settings}
    return run(make_plan(folder, both=True, **asked), runner)


@dataclass(frozen=True)
class Searched:
    folder: Path
    outcome: SearchOutcome


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A search with finalists of both kinds, which tests only read."""
    folder = tmp_path_factory.mktemp("both")
    with without_mlflow():
        return Searched(folder, searched(folder))


def best_yaml(folder: Path) -> dict[str, Any]:
    held: dict[str, Any] = yaml.safe_load((folder / "fake" / "best.yaml").read_text())
    return held


def moves(trial: FrozenTrial) -> bool:
    return trial.params["generator"] == "warp"


def ranked(folder: Path) -> list[FrozenTrial]:
    done = [trial for trial in trials(folder) if trial.state == TrialState.COMPLETE]
    return sorted(done, key=lambda trial: -(trial.value or 0))


def number_of_recipe(folder: Path, recipe: str) -> int:
    return next(t.number for t in trials(folder) if t.user_attrs.get("recipe") == recipe)


def test_the_best_three_the_best_that_repaints_and_the_recommendation(usual: Searched) -> None:
    folder = usual.folder
    assert len(trials(folder)) == 36 - 5 * 3
    assert usual.outcome.final_runs == 15
    best = ranked(folder)
    three = best[:3]
    assert all(moves(trial) for trial in three)
    repaints = next(trial for trial in best if not moves(trial))
    assert repaints.user_attrs.get("recipe") != "recommended"
    names = {trial.user_attrs["finalist"] for trial in final_runs(folder)}
    assert names == {*(f"t{trial.number:03d}" for trial in (*three, repaints)), "recommended"}
    netGs = {t.user_attrs["finalist"]: t.user_attrs["params"]["netG"] for t in final_runs(folder)}
    assert netGs.pop("recommended") == netGs.pop(f"t{repaints.number:03d}") == "unet_128"
    assert set(netGs.values()) == {"warp_unet_128"}


def test_where_the_best_repaint_the_next_best_has_the_place(tmp_path: Path) -> None:
    searched(tmp_path, Behind)
    study = read_study(tmp_path, "fake")
    *four, last = pick_finalists(study, 3, "unet_128")
    assert last.name == "recommended"
    own = last.params
    different = [
        t for t in ranked(tmp_path) if {**t.user_attrs["params"], "netG": "unet_128"} != own
    ]
    first, second, third = (trial.number for trial in different[:3])
    warp = number_of_recipe(tmp_path, "warp")
    assert warp not in (first, second, third)
    assert [one.trial for one in four] == [first, second, warp, third]
    assert best_yaml(tmp_path)["as_is"]["trial"] == best_yaml(tmp_path)["trial"]


def test_the_recipe_that_moves_pixels_is_confirmed_though_others_lead(tmp_path: Path) -> None:
    searched(tmp_path, Unlucky)
    warp = number_of_recipe(tmp_path, "warp")
    best = [trial.number for trial in ranked(tmp_path)]
    assert warp not in best[:3]
    study = read_study(tmp_path, "fake")
    assert [one.trial for one in pick_finalists(study, 3, "unet_128")[:3]] == [*best[:2], warp]
    assert pick_finalists(study, 1, "unet_128")[0].trial == best[0]


def test_the_recipe_that_moves_pixels_is_no_finalist_where_it_breaks_a_guard(
    tmp_path: Path,
) -> None:
    searched(tmp_path, UnluckyAndGaudy)
    study = read_study(tmp_path, "fake")
    warp = number_of_recipe(tmp_path, "warp")
    assert warp in guard_violators(study)
    assert warp not in [one.trial for one in pick_finalists(study, 3, "unet_128")]


def test_a_study_confirmed_without_that_recipe_keeps_its_finalists(tmp_path: Path) -> None:
    """An earlier version gave the third place to the third best setting."""
    searched(tmp_path, Unlucky)
    third = ranked(tmp_path)[2]
    earlier = {
        "finalist": f"t{third.number:03d}",
        "params": {**third.user_attrs["params"], "netG": "warp_unet_128"},
        "recipe": None,
    }
    runs = [trial for trial in final_runs(tmp_path) if trial.user_attrs.get("recipe") == "warp"]
    assert len(runs) == 3
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optuna.db")
    with storage.engine.begin() as connection:
        for one, (key, value) in itertools.product(runs, earlier.items()):
            connection.exec_driver_sql(
                "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = ?",
                (json.dumps(value), one._trial_id, key),
            )
    again = searched(tmp_path, Unlucky)
    assert again.final_runs == 15
    assert third.number in [
        one.trial for one in pick_finalists(read_study(tmp_path, "fake"), 3, "unet_128")
    ]


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        ("warp repaint warp repaint", [0.9, 0.8, 0.7]),
        ("repaint warp warp repaint", [0.9, 0.8, 0.7]),
        ("warp warp warp repaint", [0.9, 0.8, 0.6]),
        ("repaint repaint warp warp", [0.9, 0.8, 0.7]),
    ],
)
def test_one_finalist_repaints_and_all_others_are_the_best(
    tmp_path: Path, kinds: str, chosen: list[float]
) -> None:
    study = remembered(make_plan(tmp_path, both=True))
    for kind, score in zip(kinds.split(), (0.9, 0.8, 0.7, 0.6), strict=True):
        netG = {"warp": "warp_unet_128", "repaint": "unet_128"}[kind]
        noted = {"params": {**RECIPES["recommended"], "lr": score}, "extras": {"netG": netG}}
        study.add_trial(create_trial(value=score, user_attrs=noted))
    *found, last = pick_finalists(study, 2, "unet_128")
    assert [one.params["lr"] for one in found] == chosen
    assert last.name == "recommended"


def test_best_yaml_holds_the_winner_and_what_is_best_as_it_is(usual: Searched) -> None:
    held = best_yaml(usual.folder)
    file = usual.folder / "fake" / "best.yaml"
    assert held["schema"] == 1
    assert held["train"]["netG"] == "warp_unet_128"
    assert held["verdict"].startswith("better than the guide's recommended setting by 0.")
    assert held["lead"]["low"] > 0.3
    for command in ("command", "full_command"):  # to be pasted anywhere
        assert held[command].startswith(f"harness train {quoted(str(file.absolute()))} ")
    assert held["decision"].startswith(f"Use t{held['trial']:03d}: it comes closer to the sharp")
    as_is = held["as_is"]
    assert as_is["netG"] == as_is["train"]["netG"] == "unet_128"
    assert as_is["train"] == held["train"] | {"netG": "unet_128"}
    assert as_is["confirmed"] is True
    assert as_is["trial"] == next(t for t in ranked(usual.folder) if not moves(t)).number
    assert as_is["command"].startswith("mkdir") or as_is["command"].startswith("python train.py")
    assert "--netG unet_128" in as_is["command"]
    assert as_is["score"]["repeats"] == 3
    assert as_is["score"]["mean"] < NOOP < held["score"]["mean"]
    assert as_is["lead"]["mean"] == pytest.approx(as_is["score"]["mean"] - held["baseline"]["mean"])
    assert as_is["verdict"] != held["verdict"]
    folder = usual.folder / "fake"
    assert {(folder / each["checkpoint"]).exists() for each in (held, as_is)} == {True}
    for each in (held, as_is):
        number = int(each["checkpoint"].partition("/f")[2].partition("_")[0])
        run_of_it = final_runs(usual.folder)[number]
        assert run_of_it.user_attrs["finalist"] == f"t{each['trial']:03d}"
    assert held["checkpoint"] != as_is["checkpoint"]
    assert len(list((folder / "checkpoints").glob("f*.pth"))) == 5  # one of each finalist
    assert read_best_config(file).train.netG == "warp_unet_128"


def test_both_answers_in_terminal_record_mlflow_and_report(usual: Searched) -> None:
    outcome = usual.outcome
    held, study = best_yaml(usual.folder), read_study(usual.folder, "fake")
    decision = outcome.decision
    assert decision is not None
    assert decision.as_is is not None
    assert (decision.trial, decision.verb) == (held["trial"], "use")
    assert decision.why.endswith(
        "the picture returned unchanged 0.2100. It leads the recipe warp, whose generator moves "
        "pixels too, by 0.0093 (0.0093 to 0.0093)."
    )
    assert "0.2100 of the picture returned unchanged" in decision.as_is.why
    one, other = decision.answers
    assert (held["decision"], held["as_is"]["decision"]) == (one, other)
    lines = as_lines(outcome)
    said = " ".join(" ".join(lines).split())
    for part in (decision, decision.as_is):
        assert f"{part.sentence}. {part.settings}".strip() in said
        assert part.why in said
        assert part.command in said.replace(" \\ ", " ")
    printed = "\n".join(decision_lines(outcome)).splitlines()
    assert max(len(line) for line in printed if "harness " not in line) <= 100
    data = as_data(outcome)
    assert data["answers"] == [one, other]
    assert data["decision"]["as_is"]["trial"] == held["as_is"]["trial"]
    note = study_note(study, outcome)
    assert note.startswith(f"**{decision.sentence}.** {decision.settings}. {decision.why}")
    assert f"**{decision.as_is.sentence}.** {decision.as_is.settings}"[:60] in note
    page = html.unescape(render(study, panels=usual.folder / "fake" / "panels")).replace(
        "\xa0", " "
    )
    assert f"<h1>{decision.sentence}</h1>" in page
    for text in (decision.why, decision.as_is.why):
        assert text in Page(page).text
    assert f">{decision.command}</pre>" in page
    korean = render(study, "ko")
    assert "train.py를 그대로 쓸 때" in korean


def test_before_anything_is_confirmed_the_answers_are_of_one_run_each(tmp_path: Path) -> None:
    outcome = searched(tmp_path, budget=14, finalists=0)
    assert outcome.decision is not None
    assert outcome.decision.verb == "try"
    one, other = outcome.decision.answers
    assert "in one run" in one
    assert "the picture returned unchanged 0.2000" in one
    assert other.startswith("With train.py as it is: ")
    held = best_yaml(tmp_path)
    assert held["as_is"]["confirmed"] is False
    assert (held["decision"], held["as_is"]["decision"]) == (one, other)  # though it led before


def test_a_pareto_search_answers_both_though_what_moves_beats_all_that_repaints(
    tmp_path: Path,
) -> None:
    outcome = searched(tmp_path, TornOfKinds, pareto=True, pruner="none")
    done = [trial for trial in trials(tmp_path) if trial.state == TrialState.COMPLETE]
    front = {point.number for point in outcome.front}
    assert front
    assert all(moves(trial) for trial in done if trial.number in front)
    assert outcome.decision is not None
    assert len(outcome.decision.answers) == 2
    as_is = best_yaml(tmp_path)["as_is"]
    assert as_is["netG"] == "unet_128"
    assert as_is["confirmed"] is True
    study = read_study(tmp_path, "fake")
    repaints = [trial for trial in done if not moves(trial)]
    unbeaten = [
        trial
        for trial in repaints
        if not any(dominates(study, other.values, trial.values) for other in repaints)
    ]
    assert unbeaten
    assert as_is["trial"] in {trial.number for trial in unbeaten}
    kept = {path.name for path in (tmp_path / "fake" / "checkpoints").glob("t*.pth")}
    assert {f"t{trial.number:03d}_net_G.pth" for trial in unbeaten} <= kept


def test_the_finalists_of_a_pareto_search_that_move_pixels_are_of_its_front(tmp_path: Path) -> None:
    outcome = searched(tmp_path, TornUnlucky, pareto=True, pruner="none")
    front = {point.number for point in outcome.front}
    assert number_of_recipe(tmp_path, "warp") not in front
    chosen = pick_finalists(read_study(tmp_path, "fake"), 3, "unet_128")
    assert {one.trial for one in chosen if one.moves} <= front


def test_as_it_is_can_be_exported_by_its_number(usual: Searched) -> None:
    held = best_yaml(usual.folder)
    own = best_config(read_study(usual.folder, "fake"), held["as_is"]["trial"])
    assert own["verdict"] == held["as_is"]["verdict"]
    assert own["train"]["netG"] == "unet_128"
    assert "as_is" not in own


def test_a_copy_with_our_model_file_continues_from_the_moving_kind_s_warm_start() -> None:
    """The names are those that the worker writes."""
    params = {"n_layers_D": 4, "gan_mode": "lsgan"}
    warm_start, setup = WarmStartPaths(Path("/w")), StudyRecord.of(empty_study()).setup
    assert setup.train.netG == "unet_128"
    for netG, paths in (("unet_128", warm_start), ("warp_unet_128", warm_start.other_kind)):
        mark = mark_of_warm_start(setup, {"netG": netG})
        _, generator, discriminator = continue_from("/w", params, "mine", mark)
        assert Path(generator[1]) == paths.generator
        assert Path(discriminator[1]) == paths.discriminator(4, "lsgan")


def test_a_search_of_one_kind_has_one_answer(tmp_path: Path) -> None:
    outcome = run(make_plan(tmp_path, budget=20, finalists=2, repeats=2))
    assert outcome.decision is not None
    assert outcome.decision.as_is is None
    held = best_yaml(tmp_path)
    assert "as_is" not in held
    assert [held["decision"]] == as_data(outcome)["answers"]


@pytest.mark.parametrize(
    ("budget", "chosen", "said"), [(50, 3, ""), (49, 0, "15 runs, 30% of a budget of 50")]
)
def test_the_default_budget_has_room_for_all_of_them(
    tmp_path: Path, budget: int, chosen: int, said: str
) -> None:
    count, remarks = choose_finalists(make_plan(tmp_path, budget=budget).config, 9, both=True)
    assert count == chosen
    assert said in " ".join(remarks)


def test_what_is_best_as_it_is_may_be_the_recommendation_itself() -> None:
    moving = finalist("t9", 0.5, params={"netG": "warp_unet_128"})
    shown = conclude(
        [moving, finalist("t3", 0.2), finalist("recommended", 0.25)], "recommended", 1, True
    )
    assert shown is not None
    assert shown.winner == "t9"
    assert (shown.as_is.name, shown.as_is.challenger) == ("recommended", "t3")
    assert shown.as_is.verdict.startswith("the guide's recommended setting is the best: t3")
    assert not shown.as_is.better
    without = conclude([moving, finalist("recommended", 0.25)], "recommended", 1, True)
    assert without is not None
    assert without.as_is is None
