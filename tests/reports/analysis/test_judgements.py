"""Blind pairs: every two settings on every picture, and what the judgements say of the score."""

import json
import math
import re
from itertools import combinations
from pathlib import Path

import optuna
import pytest
from PIL import Image
from scipy.stats import binomtest

from reports.analysis.judgements import (
    Agreement,
    Pair,
    add_judgement,
    agreement,
    interval,
    judged_trials,
    judgements,
    pairs_to_judge,
    picture_score,
)
from reports.page.look import crops, page
from reports.page.look_result import agreement_sentence, result
from reports.page.panel_crops import HEADING, Cut
from reports.page.report import render
from reports.record.names import RECOMMENDED
from reports.record.trial import TrialRecord
from reports.texts.translations import translator
from tests.panels import write_panel
from tests.synthetic_studies import RECIPES, add_trial, empty_study, finals_of

TRIALS = [7, 3, 6]
SCORES = {7: (0.30, 0.20), 3: (0.35, 0.25), 6: (0.10, 0.20)}


@pytest.fixture
def study() -> optuna.Study:
    """The guide's eight recipes; three have scores on two pictures, 3 the best ones."""
    made = empty_study()
    for number, (recipe, params) in enumerate(RECIPES.items()):
        rows = [{"name": f"p{i}", "score": score} for i, score in enumerate(SCORES.get(number, ()))]
        add_trial(made, params, recipe=recipe, per_image=rows)
    return made


def test_every_two_settings_meet_once_on_every_picture(study: optuna.Study) -> None:
    pairs = pairs_to_judge(study, TRIALS, pictures=4)
    met = [(pair.picture, frozenset((pair.left, pair.right))) for pair in pairs]
    assert len(set(met)) == len(met) == 4 * 3
    first = {frozenset((pair.left, pair.right)) for pair in pairs[:3]}
    assert first == {frozenset(two) for two in combinations(TRIALS, 2)}
    assert len({pair.picture for pair in pairs[:3]}) == 3  # each on another picture


def test_the_sides_are_left_to_chance(study: optuna.Study) -> None:
    pairs = pairs_to_judge(study, list(range(6)), pictures=4)
    left_is_lower = sum(pair.left < pair.right for pair in pairs)
    assert 0.3 < left_is_lower / len(pairs) < 0.7


def test_judging_goes_on_where_it_stopped(study: optuna.Study) -> None:
    pairs = pairs_to_judge(study, TRIALS, pictures=2)
    add_judgement(study, pairs[0], "left")
    other_way = Pair(pairs[1].picture, pairs[1].right, pairs[1].left)
    add_judgement(study, other_way, "same")
    assert pairs_to_judge(study, TRIALS, pictures=2) == pairs[2:]
    assert [row.choice for row in judgements(study)] == ["left", "same"]


def test_agreement_counts_the_choices_of_the_higher_score(study: optuna.Study) -> None:
    assert agreement(study) is None
    add_judgement(study, Pair(0, left=7, right=3), "right")  # agrees
    add_judgement(study, Pair(1, left=3, right=6), "left")  # agrees
    add_judgement(study, Pair(0, left=7, right=6), "right")  # disagrees
    add_judgement(study, Pair(1, left=7, right=6), "left")  # equal scores
    add_judgement(study, Pair(1, left=7, right=3), "same")
    found = agreement(study)
    assert found is not None
    assert (found.agreed, found.decided, found.undecided) == (2, 3, 2)
    assert found.preferred == {3: (2, 2), 7: (1, 3), 6: (1, 3)}
    assert next(iter(found.preferred)) == 3


def test_where_less_is_better_the_lower_score_agrees(study: optuna.Study) -> None:
    study.set_user_attr("direction", "minimize")
    add_judgement(study, Pair(0, left=7, right=3), "left")
    found = agreement(study)
    assert found is not None
    assert (found.agreed, found.decided) == (1, 1)


def test_the_most_often_chosen_is_first_for_the_pairs_it_was_in(study: optuna.Study) -> None:
    for pair in (Pair(0, left=7, right=6), Pair(1, left=7, right=6), Pair(0, left=3, right=7)):
        add_judgement(study, pair, "left")
    found = agreement(study)
    assert found is not None
    assert list(found.preferred.items()) == [(3, (1, 1)), (7, (2, 3)), (6, (0, 2))]


def test_a_picture_without_a_score_decides_nothing(study: optuna.Study) -> None:
    for picture in (2, 5):  # two have scores
        add_judgement(study, Pair(picture, left=7, right=3), "left")
    found = agreement(study)
    assert found is not None
    assert (found.decided, found.undecided) == (0, 2)
    assert math.isnan(picture_score(TrialRecord(), 0))


@pytest.mark.parametrize(("successes", "of"), [(0, 0), (0, 5), (5, 5), (31, 40), (1, 2)])
def test_the_interval_is_the_exact_one(successes: int, of: int) -> None:
    low, high = interval(successes, of)
    if of == 0:
        assert (low, high) == (0.0, 1.0)
        return
    exact = binomtest(successes, of).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))


def test_before_the_finalists_the_leaders_and_the_recommended_are_judged(
    study: optuna.Study,
) -> None:
    best_first = sorted(study.trials, key=lambda trial: -trial.value)
    leaders = [trial.number for trial in best_first[:3]]
    assert judged_trials(study) == list(dict.fromkeys([*leaders, 6]))  # the recommended one
    study.set_user_attr("finalists", finals_of(-0.03, -0.01, as_is=(-0.05, -0.02)))
    assert judged_trials(study) == [6, 3, 4]


def test_trials_without_a_picture_are_left_out(study: optuna.Study, tmp_path: Path) -> None:
    first, second, *_ = judged_trials(study)
    write_panel(tmp_path / f"t{first:03d}.png", (20, 200, 20))
    assert list(crops(study, tmp_path)) == [first]
    write_panel(tmp_path / f"t{second:03d}.png", (200, 20, 20))
    assert list(crops(study, tmp_path)) == [first, second]


def test_one_panel_of_other_pictures_leaves_the_others_to_judge(
    study: optuna.Study, tmp_path: Path
) -> None:
    other, *rest = judged_trials(study)
    for trial in (other, *rest):
        write_panel(tmp_path / f"t{trial:03d}.png", (20, 200, 20))
    with Image.open(tmp_path / f"t{other:03d}.png") as sheet:
        one_row = sheet.crop((0, 0, sheet.width, HEADING + 128))
    one_row.save(tmp_path / f"t{other:03d}.png")
    assert list(crops(study, tmp_path)) == rest


def test_the_page_does_not_say_which_is_which(study: optuna.Study, tmp_path: Path) -> None:
    for number, colour in zip(judged_trials(study), [(20, 200, 20), (200, 20, 20)], strict=False):
        write_panel(tmp_path / f"t{number:03d}.png", colour)
    pictures = crops(study, tmp_path)
    html = page(study, pictures, pairs_to_judge(study, list(pictures), 2))
    assert "data:image/webp" in html
    for number in pictures:
        assert f"t{number:03d}" not in html


def test_each_side_of_the_page_is_its_own_trials_picture(study: optuna.Study) -> None:
    pictures = {
        trial: tuple(
            Cut("input", {f"t{trial:03d}": f"{trial} of {row}"}, f"original of {row}", 9, 9)
            for row in range(2)
        )
        for trial in (7, 3)
    }
    html = page(study, pictures, [Pair(1, left=3, right=7), Pair(0, left=7, right=3)], 1)
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    shown = [{side: data["crops"][crop] for side, crop in pair.items()} for pair in data["pairs"]]
    assert shown == [
        {"left": "3 of 1", "right": "7 of 1", "original": "original of 1"},
        {"left": "7 of 0", "right": "3 of 0", "original": "original of 0"},
    ]
    assert data["begin"] == 1


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_compares_eyes_and_score(study: optuna.Study, lang: str) -> None:
    assert result(study, lang) == ""
    assert 'id="eyes-title"' not in render(study, lang)
    add_judgement(study, Pair(0, left=7, right=3), "right")
    html = render(study, lang)
    assert 'id="eyes-title"' in html
    assert "100%" in html
    assert "t003" in result(study, lang)


def test_the_guides_setting_has_the_reports_name_also_in_an_earlier_study(
    study: optuna.Study,
) -> None:
    add_judgement(study, Pair(0, left=6, right=3), "left")
    assert ">Guide&#39;s recommended (t006)<" in result(study)
    rows = re.findall(r"\((t\d+)\)</th><td>(.*?)</td><td>(.*?)</td>", result(study))
    values = [f"{study.trials[trial].value:.4f}" for trial in (6, 3)]
    assert rows == [("t006", "1 of 1", values[0]), ("t003", "0 of 1", values[1])]
    earlier = empty_study()
    row = [{"name": "p0", "score": 0.2}]
    for recipe in ("best", "lsgan"):
        params = RECIPES[RECOMMENDED if recipe == "best" else recipe]
        add_trial(earlier, params, recipe=recipe, per_image=row)
    add_judgement(earlier, Pair(0, left=0, right=1), "left")
    assert ">Guide&#39;s recommended (t000)<" in result(earlier)


@pytest.mark.parametrize(
    ("agreed", "decided", "undecided", "sentence"),
    [
        (
            4,
            4,
            0,
            "Eyes and score agree in 4 of 4 blind pairs (100%, but too few for an interval).",
        ),
        (
            3,
            5,
            1,
            "Eyes and score agree in 3 of 5 blind pairs (60%; 95 % interval 15% to 95%, as if the "
            "pairs were independent). Pairs in which the eyes saw no difference, or the scores "
            "have none: 1.",
        ),
        (0, 0, 1, "Pairs in which the eyes saw no difference, or the scores have none: 1."),
    ],
)
def test_the_sentence_gives_an_interval_from_five_pairs_on(
    agreed: int, decided: int, undecided: int, sentence: str
) -> None:
    found = Agreement(agreed, decided, undecided, *interval(agreed, decided), {})
    assert agreement_sentence(found, translator("en")) == sentence
