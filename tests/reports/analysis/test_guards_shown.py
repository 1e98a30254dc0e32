"""A setting that scores best and breaks a guard: every surface says why it does not win."""

import optuna
import pytest

from reports.analysis.decision import decide
from reports.analysis.summary import summarise
from reports.export.trials_table import as_markdown, trials_frame
from reports.page.figures import history
from reports.page.report import render
from reports.texts.translations import translator
from tests.synthetic_studies import BEST, add_trial, empty_study


@pytest.fixture
def study() -> optuna.Study:
    """Trials 1 and 3 score better than the recommended one, 1 with colours that shifted."""
    made = empty_study(guards={"ciede2000": 1.0}, budget=4)
    for number, (noise, shift) in enumerate(((0.0, 0.0), (0.06, 3.0), (-0.1, 3.0), (0.03, 0.0))):
        add_trial(
            made,
            BEST | {"lr": 1e-4 + number * 1e-6},
            noise=noise,
            recipe=None if number else "recommended",
            components={"D": 0.3, "ciede2000": 4.0 + shift},
        )
    return made


def test_the_decision_names_the_better_scores_that_it_leaves_out(study: optuna.Study) -> None:
    found = decide(study, translator("en"))
    assert found.trial == 3
    assert "Left out: t001, of a better score," in found.why
    assert "t001" in decide(study, translator("ko")).why


def test_of_many_the_best_are_named(study: optuna.Study) -> None:
    for number in range(4, 9):
        components = {"D": 0.3, "ciede2000": 7.0}
        add_trial(study, BEST, noise=number / 50, components=components)
        if number == 5:
            assert "Left out: t005, t004, t001, of a better" in decide(study, translator("en")).why
    assert "Left out: t008, t007, t006, …, of a better" in decide(study, translator("en")).why


def test_where_less_is_better_the_lower_scores_are_left_out(study: optuna.Study) -> None:
    study.set_user_attr("direction", "minimize")
    add_trial(study, BEST, noise=-0.2, components={"D": 0.3, "ciede2000": 7.0})
    found = decide(study, translator("en"))
    assert "t000 leads" in found.sentence
    assert "Left out: t004, t002, of a better score" in found.why


def test_the_course_of_the_best_leaves_them_out(study: optuna.Study) -> None:
    say = translator("en")
    frame = trials_frame(study)
    drawn = history(frame, summarise(study), say)["data"]
    line = next(each for each in drawn if each["name"] == say("best_so_far"))
    assert line["x"] == [0, 3]
    assert line["y"] == frame["score"][[0, 3]].tolist()


def test_the_tables_mark_them(study: optuna.Study) -> None:
    study.enqueue_trial(BEST)
    page = render(study)
    assert page.count("completed, cannot win") == 2
    assert "<td>waiting</td>" in page
    head, _, *rows = as_markdown(trials_frame(study)).splitlines()
    assert "| feasible |" in head
    assert ["| False |" in row for row in rows] == [False, True, True, False, False]
