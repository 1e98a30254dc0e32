"""The last lines of a search: a decision that fits a terminal, and commands to be copied."""

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from driving import make_plan

from harness.console.lines import wrapped
from harness.paths import RunPaths
from harness.search.publishing import study_note
from harness.search.result import (
    SearchOutcome,
    as_data,
    as_lines,
    command_lines,
    decision_lines,
    headline,
    next_lines,
    outcome_of,
)
from harness.search.time_left import note_undertaken
from reports.export.best_yaml import best_config
from reports.page.report import render
from reports.texts.translations import translator
from tests.synthetic_studies import RECIPES, finals_of, make_study, study_of_both_kinds


def read(study: optuna.Study, storage: str | None = None) -> SearchOutcome:
    return outcome_of(study, Path("runs"), RunPaths(Path("runs")).study("faces"), storage=storage)


def both_kinds() -> optuna.Study:
    return study_of_both_kinds(finalists=finals_of(0.1, 0.2, noop=0.35, as_is=(-0.01, 0.02)))


def test_the_decision_its_reason_and_both_commands_in_a_hundred_columns() -> None:
    outcome = read(both_kinds())
    lines = "\n".join([*decision_lines(outcome), *next_lines(outcome)]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(
        "Use t003: it comes closer to the sharp original than the recommended"
    )
    assert lines[-1].startswith("  ")
    text = " ".join(" ".join(lines).replace("\\", "").split())
    decision = outcome.decision
    assert decision is not None
    assert decision.as_is is not None
    for part in (decision, decision.as_is):
        for said in (part.sentence, part.settings, part.why, part.command, part.trains):
            assert said in text
    assert "Next, with your own pairs in place of ./pairs:" in text
    data = as_data(outcome)
    assert data["decision"]["command"] == decision.command
    assert data["answers"] == list(outcome.answers) == list(decision.answers)


def test_the_head_says_stopped_early_and_the_table_the_reports_short_names() -> None:
    outcome = replace(
        read(both_kinds()), counts=Counter({"complete": 23, "pruned": 12}), final_runs=15
    )
    first, *rest = as_lines(outcome)
    assert first.endswith(": 23 completed, 12 stopped early, 15 runs of finalists.")
    rows = [line for line in rest if translator("en")("recommended_short") in line]
    assert len(rows) == 2  # of the search, and of the finalists
    assert translator("en")("problem_short") in "\n".join(rest)


def test_the_last_lines_name_the_report_and_the_one_next_command(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).study("faces")
    outcome = outcome_of(both_kinds(), tmp_path, paths)
    assert "Report" not in "\n".join(as_lines(outcome))  # it was not written
    paths.folder.mkdir()
    paths.report_html.touch()
    lines = "\n".join(as_lines(outcome)).splitlines()
    mlflow = lines.index(f"Compare in MLflow:            harness ui --run-dir {tmp_path}")
    place, empty, label, *command = lines[mlflow + 1 :]
    assert place == f"Report, for a browser:        {paths.report_html}"
    assert empty == ""
    assert label == "Next, with your own pairs in place of ./pairs:"
    assert outcome.decision is not None
    printed = " ".join(" ".join(command).replace("\\", "").split())
    assert printed == f"{outcome.decision.command} {outcome.decision.trains}"


def test_a_search_that_was_stopped_is_continued_and_one_that_runs_has_no_next_command() -> None:
    outcome = read(make_study(12))
    assert outcome.decision is not None
    assert outcome.decision.verb == "wait"
    assert "Next" not in "\n".join(as_lines(outcome))
    stopped = replace(outcome, stopped="user")
    assert as_lines(stopped)[-1] == "Next: the same command again, which continues the search."
    assert headline(stopped).startswith("Stopped: 12 of 50 trials are done: ")


def test_a_time_in_which_no_trial_ends_is_to_be_longer() -> None:
    nothing = replace(read(make_study(12)), stopped="timeout", counts=Counter(), best=None)
    assert as_lines(nothing)[-1] == (
        "Next: the same command with a longer --timeout: no trial has ended in this one."
    )


def test_the_counts_of_the_head_add_up_to_the_trials_done() -> None:
    outcome = replace(read(both_kinds()), budget=3, final_runs=0)
    queued = replace(outcome, counts=Counter({"complete": 2, "pruned": 1, "waiting": 6}))
    assert headline(queued) == "3 of 3 trials are done: 2 completed, 1 stopped early."
    others = replace(
        outcome, counts=Counter({"complete": 1, "running": 2, "failed": 1}), final_runs=1
    )
    assert headline(others) == (
        "2 of 3 trials are done: 1 completed, 1 run of finalists; 2 running, 1 failed."
    )
    assert headline(replace(queued, budget=2)).startswith("3 of 3 trials are done")
    one = replace(outcome, budget=1, counts=Counter({"complete": 1}))
    assert headline(one) == "1 of 1 trial is done: 1 completed."
    assert headline(replace(outcome, counts=Counter({}))) == "0 of 3 trials are done."


def test_the_commands_name_the_database_without_its_secrets() -> None:
    study = make_study(12, finalists=finals_of(0.1, 0.2))
    outcome = read(study, "postgresql://me:secret@there/optuna")
    assert outcome.decision is not None
    assert "--storage" in outcome.decision.command
    assert "secret" not in outcome.decision.command
    here = replace(outcome, files_here=True)
    assert next_lines(here)[1] == "Next, with the password in place of ***:"


@pytest.mark.parametrize("long", [20, 60, 130])
def test_a_long_command_is_the_same_to_a_shell(long: int) -> None:
    words = ["harness", "train", "best.yaml", "--data", "d" * long, "--out", "m", "--run-dir", "r"]
    lines = command_lines(shlex.join(words), "  ")
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == words
    if long < 100:
        assert max(map(len, lines)) <= 100
    assert (len(lines) > 1) == (len("  " + shlex.join(words)) > 100)


def test_a_quoted_name_is_not_broken() -> None:
    command = shlex.join(["harness", "export", "--study", f"a'b --b {'c' * 100}", "--trial", "1"])
    first, study, trial = command_lines(command, "  ")
    assert first == "  harness export \\"
    assert trial == "    --trial 1"
    assert shlex.split(study.removesuffix("\\")) == shlex.split(command)[2:4]


def test_mlflow_s_note_has_the_bounds_the_finalists_and_the_recipes_in_order() -> None:
    finals = finals_of(0.1, 0.2)
    finals["rows"][1] |= {"mean": None, "ci95": None, "diverged": True}
    study = make_study(12, finalists=finals)
    lines = study_note(study, read(study)).splitlines()
    assert "| the input unchanged | | 0.2200 | |" in lines
    assert "| the input warped back | | 0.9600 | |" in lines
    first = lines.index("### Finalists")
    assert lines[first + 2] == "Finalists: 600 steps, 3 fresh seeds, 12 held-out pairs."
    ranked = [line.split(" | ")[:3] for line in lines[first + 6 : first + 8]]
    assert ranked == [
        ["| ★ t003", "t003", "0.4400"],
        ["| Guide's recommended", "t006", "diverged"],
    ]
    table = lines[lines.index("### The recipes") + 4 :]
    numbers = [line.split(" | ")[1] for line in table]
    assert numbers == [f"t{number:03d}" for number in range(len(RECIPES))]


def test_what_is_no_better_than_doing_nothing_is_recommended_nowhere(tmp_path: Path) -> None:
    study = make_study(50, budget=40, baseline={"noop": 0.3, "warm_start": 0.2})
    plan = make_plan(tmp_path, jobs=2, seed=3, pinned={"gan_mode": "lsgan"})
    note_undertaken(study, plan)
    outcome = read(study)
    sentence = f"Search on: t{study.best_trial.number:03d} leads, but doing nothing scores at least"
    assert decision_lines(outcome)[0].startswith(sentence)
    text = " ".join(" ".join(as_lines(outcome)).replace("\\", "").split())
    assert (
        "Next: harness search --set gan_mode=lsgan --jobs 2 --seed 3 --run-dir runs "
        "--study boundary-sharpness --budget 96"  # 48 trials have ended, more than its last budget
    ) in text
    html = render(study)
    assert f"<h1>{sentence}" in html
    assert study_note(study, outcome).startswith(f"**{sentence}")
    assert best_config(study)["decision"].startswith(sentence)
    assert as_data(outcome)["decision"]["sentence"].startswith(sentence)
    for text in ("\n".join(as_lines(outcome)), html):
        assert "harness train " not in text
        assert "harness export --format command" not in text


@pytest.mark.parametrize("shift", range(90, 100))
def test_a_number_keeps_its_unit_on_its_line(shift: int) -> None:
    text = "x" * shift + " (95 % of 12 px and 9 s) and more"
    lines = wrapped(text, "  ").splitlines()
    assert " ".join(line.strip() for line in lines) == text
    assert not [line for line in lines if line.lstrip().startswith(("%", "px", "s)"))]


def test_a_best_yaml_that_was_removed_is_exported_again_and_not_named(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).study("faces")
    study = both_kinds()
    study.set_user_attr("budget", 12)
    gone = outcome_of(study, tmp_path, paths)
    assert as_data(gone)["best_yaml"] is None
    text = "\n".join(as_lines(gone))
    assert "Best configuration" not in text
    assert "best.yaml" not in text
    assert gone.decision is not None
    export, train = gone.decision.command.split(" && ")
    file = shlex.split(export)[-1]
    assert shlex.split(train)[:3] == ["harness", "train", file]
    paths.folder.mkdir(parents=True)
    paths.best_yaml.write_text("schema: 1")
    there = outcome_of(study, tmp_path, paths)
    assert as_data(there)["best_yaml"] == str(paths.best_yaml)
    assert f"harness train {paths.best_yaml}" in "\n".join(as_lines(there)).replace(" \\\n   ", "")
