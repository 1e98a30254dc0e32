"""What the page begins with: the decision, its reason, its commands and its scores."""

import re
import shlex
from html import unescape
from pathlib import Path

import optuna
import pytest
from markupsafe import escape
from optuna.trial import TrialState

from reports.analysis.decision import Decision, Verb, decide
from reports.analysis.summary import summarise, trial_facts
from reports.export.best_yaml import best_config
from reports.page.dot_chart import Dots
from reports.page.first_screen import name_of, progress, remarks, scores, setting_name
from reports.page.report import render, write_report
from reports.texts.translations import LANGUAGES, translator
from tests.reports.page.parsed_page import HOSTILE, Page
from tests.synthetic_studies import (
    BEST,
    RECIPES,
    add_trial,
    empty_study,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)


def scores_of(study: optuna.Study) -> Dots:
    say = translator("en")
    return scores(summarise(study), decide(study, say), say)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_decision_is_the_headline_with_its_reason_and_one_command(language: str) -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03, noop=0.2))
    decision = decide(study, translator(language))
    html = render(study, language)
    page = Page(html)
    assert re.findall("<h1>(.*?)</h1>", html) == [decision.sentence]
    assert decision.why in page.text
    assert page.text.count(translator(language)("scale")) == 1
    assert re.findall('<pre id="next".*?>(.*?)</pre>', html) == [decision.command]
    assert html.count('data-copy="next"') == 1
    baseline = f"{translator(language)('recommended_short')} 0.2900 0.2800 … 0.3000 3 100 10 "
    assert baseline in page.text  # its runs, and its settings
    assert not [attrs for tag, attrs in page.elements if tag == "img"]


def test_the_commands_are_those_of_the_decided_setting() -> None:
    """Trial 3 has the highest mean, and trial 6, the recommended one, is to be kept."""
    html = render(make_study(12, finalists=finals_of(-0.01, 0.03)))
    for command in ("repeat", "full"):
        text = html.partition(f'<pre id="{command}"')[2].partition("</pre>")[0]
        assert "boundary-sharpness-t006" in text
    assert "Train the recommended setting in full" in html
    assert "Repeat the recommended setting&#39;s short training" in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_commands_train_what_next_trains_and_the_short_one_elsewhere(
    language: str,
) -> None:
    """The full training is Next's own; the short one cannot take its folder from it."""
    finals = finals_of(0.1, 0.2, as_is=(-0.01, 0.02))
    html = render(study_of_both_kinds(finalists=finals), language, Path("my runs/faces/panels"))
    next_, short, full = (
        unescape(html.partition(f'<pre id="{key}"')[2].partition(">")[2].partition("</pre>")[0])
        for key in ("next", "repeat", "full")
    )
    words = shlex.split(full.replace("\\\n", ""))
    assert shlex.split(next_)[: len(words)] == words
    assert words[2] == "my runs/faces/best.yaml"
    assert words[-2:] == ["--out", "boundary-sharpness-t003"]
    assert "--out boundary-sharpness-t003-short" in short
    assert "--data ./pairs" in short
    assert short.rstrip().endswith("--epochs-decay 0")
    assert full.startswith("harness train ")
    for key in ("repeat", "full"):
        label = escape(translator(language)(key))
        assert f'<h3 id="{key}-label">{label}</h3>' in html
    notes = html.partition('id="reproduce-title"')[2].partition("</section>")[0]
    assert "full_command" not in notes
    assert translator(language)("second_command") in notes


def test_the_pages_commands_write_a_best_yaml_that_was_removed(tmp_path: Path) -> None:
    study = study_of_both_kinds(finalists=finals_of(0.1, 0.2, as_is=(-0.01, 0.02)))
    html = render(study, "en", tmp_path / "boundary-sharpness" / "panels")
    for key in ("repeat", "full"):
        text = html.partition(f'<pre id="{key}"')[2].partition(">")[2].partition("</pre>")[0]
        first, second, *_ = text.splitlines()
        assert first.startswith("harness export --run-dir ")
        assert first.endswith(" -o boundary-sharpness-t003.yaml")
        assert second.startswith("harness train boundary-sharpness-t003.yaml ")


def test_the_command_names_the_run_folder_and_the_database(tmp_path: Path) -> None:
    study, file = make_study(12, finalists=finals_of(0.01, 0.03)), tmp_path / "report.html"
    panels = Path("my runs") / "boundary-sharpness" / "panels"
    write_report(study, file, panels=panels, storage="postgresql://there/optuna")
    command = file.read_text(encoding="utf-8").partition('<pre id="next"')[2].partition("</pre>")[0]
    assert "--run-dir &#39;my runs&#39; --study boundary-sharpness" in command
    assert "--storage postgresql://there/optuna" in command


def test_what_train_py_can_do_as_it_is_stands_below() -> None:
    study = study_of_both_kinds(finalists=finals_of(0.1, 0.2, as_is=(-0.01, 0.02)))
    html = render(study).replace("\xa0", " ")
    assert "With train.py as it is: keep the recommended setting" in Page(html).text
    as_is = decide(study, translator("en")).as_is
    assert as_is is not None
    assert html.index('<pre id="next"') < html.index(as_is.sentence) < html.index('<pre id="as-is"')
    (shown,) = re.findall('<pre id="as-is".*?>(.*?)</pre>', html)
    assert unescape(shown) == as_is.command
    assert html.count('data-copy="as-is"') == 1


def test_a_command_that_both_answers_have_stands_once() -> None:
    html = render(study_of_both_kinds(9))  # it goes on: how it stands is all there is to ask
    assert "With train.py as it is" in html
    assert 'id="as-is"' not in html


def test_a_finalist_that_diverged_is_named_and_has_no_dot() -> None:
    finals = finals_of(0.01, 0.03)
    wild = finals["rows"][0] | {"name": HOSTILE, "mean": None, "ci95": None, "diverged": True}
    study = make_study(12, finalists=finals | {"rows": [*finals["rows"], wild]})
    assert "diverged" in Page(render(study)).text
    assert len(scores_of(study).rows) == 2


def test_the_winner_shown_is_the_confirmed_one() -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03))
    assert study.best_trial.number != 3
    assert summarise(study).winner == trial_facts(study.trials[3])
    assert best_config(study)["trial"] == 3
    assert best_config(study, 5)["confirmed"] is False
    config = best_config(study)
    assert config["confirmed"] is True
    own = best_config(study, config["trial"])
    assert own | {"decision": decide(study, translator("en")).answers[0]} == config


def test_the_first_screen_has_the_scores_of_the_decisions_own_pictures() -> None:
    finals = finals_of(0.01, 0.03)
    shown = scores_of(make_study(12, finalists=finals))
    assert [(row.label, shown.text(row), row.chosen) for row in shown.rows] == [
        ("t003", "0.3100 [0.3000, 0.3200]", True),
        ("Guide's recommended", "0.2900 [0.2800, 0.3000]", False),
    ]
    kept = scores_of(make_study(12, finalists=finals_of(-0.01, 0.03)))
    assert [row.chosen for row in kept.rows] == [False, True]
    assert shown.line == 0.317
    html = render(make_study(12, finalists=finals))
    assert "Input unchanged 0.3170" in Page(html).text
    for row in shown.rows:
        low, high = (shown.at(end) for end in (row.low, row.high))
        assert f"left: {low}%; width: {high - low}%" in html


def test_the_head_counts_the_finalists_runs_and_stops_in_plain_words() -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03))
    add_trial(study, BEST, TrialState.PRUNED, (100,), reason="pruned at step 100")
    study.enqueue_trial(BEST)  # the budget is used up: it waits for another
    found = progress(summarise(study), translator("en"))
    assert found == "12 completed, 1 stopped early, 6 runs of finalists of 50 trials"
    assert progress(summarise(empty_study()), translator("en")) == "no trials yet"


def test_a_winner_that_the_guide_recommends_is_shown_beside_the_one_that_blurs() -> None:
    summary = summarise(make_study(8))
    assert summary.winner == summary.baseline
    shown = scores_of(make_study(8, budget=8))
    assert shown.line == 0.22  # the input unchanged
    rows = shown.rows
    assert rows[0].chosen
    assert [row.label for row in rows] == [
        "Guide's recommended",
        "Guide's blurring",
        "Warm start",
    ]
    assert summary.problem is not None
    assert shown.text(rows[1]) == f"{summary.problem.score:.4f}"


@pytest.mark.parametrize(
    ("verb", "part"),
    [("use", "Winner: "), ("choose", "Winner: "), ("try", "Leader: "), ("keep", "")],
)
def test_only_what_is_to_be_used_or_chosen_is_called_the_winner(verb: Verb, part: str) -> None:
    summary, say = summarise(make_study(12)), translator("en")
    assert summary.winner is not None
    found = name_of(summary.winner, summary, Decision(verb, summary.winner.trial, ""), say)
    assert found == part + setting_name(summary.winner.recipe, say)


def test_what_a_reader_must_know_beside_the_decision() -> None:
    study = empty_study()
    assert remarks(summarise(study)) == []
    add_trial(study, BEST, TrialState.FAIL, (), reason="x")
    assert remarks(summarise(study)) == ["failures_first"]
    add_trial(study, RECIPES["problem"], recipe="problem")
    assert remarks(summarise(study)) == ["no_baseline_note"]
    add_trial(study, BEST, recipe="recommended")
    assert remarks(summarise(study)) == []
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    assert remarks(summarise(study)) == ["so_far"]
    begun = empty_study()  # the recommended setting may be the one that runs
    add_trial(begun, RECIPES["problem"], recipe="problem")
    begun.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    assert remarks(summarise(begun)) == ["so_far"]
    assert remarks(summarise(begun), built_in=True) == ["so_far", "on_built_in"]


def test_a_page_of_built_in_pictures_says_so_and_one_of_the_users_does_not() -> None:
    said, data = translator("en")("on_built_in"), study_attrs()["data"]
    for folder in (None, "/pairs"):
        page = Page(render(make_study(12, data=data | {"folder": folder})))
        assert (said in page.text) == (folder is None)


@pytest.mark.parametrize(
    ("low", "text"),
    [
        (0.01, "t003 leads the next best, Guide's recommended, by +0.0200"),
        (-0.01, "Which of t003 and the next best, Guide's recommended, is better"),
    ],
)
def test_the_finalists_say_whether_the_winner_is_better_than_the_next(
    low: float, text: str
) -> None:
    ahead = {"mean": 0.02, "low": low, "high": 0.05}
    finals = finals_of(0.1, 0.2, runner_up="recommended", ahead_of_runner_up=ahead)
    assert text in Page(render(make_study(12, finalists=finals))).text


def test_random_weights_are_one_line_of_the_first_screen_that_unfolds() -> None:
    html = render(make_study(8, weights="random"))
    (note,) = re.findall(r'<details class="weights"><summary>(.*?)</summary>', html)
    assert note == "Scored through random networks: compare these scores with no others"
    assert html.index(note) < html.index('class="contents"')
    assert 'class="weights"' not in render(make_study(8))
