"""The strip shows what is there: every notable setting with a panel, the winner last."""

import re
from pathlib import Path

import optuna
import pytest

from reports.analysis.decision import decide, measures_blur
from reports.analysis.summary import summarise
from reports.page.picture_strip import Shown, shown_pictures
from reports.page.report import render
from reports.texts.translations import LANGUAGES, translator
from tests.panels import write_panel
from tests.reports.page.parsed_page import Page
from tests.synthetic_studies import empty_study, finals_of, make_study, study_of_both_kinds


def shown_of(study: optuna.Study, panels: Path) -> Shown:
    say = translator("en")
    blur = measures_blur(study)
    return shown_pictures(summarise(study), decide(study, say), panels, say, blur)


def panels_of(folder: Path, *trials: int) -> Path:
    panels = folder / "runs" / "study" / "panels"
    panels.mkdir(parents=True)
    for trial in trials:
        write_panel(panels / f"t{trial:03d}.png", (10 * trial, 20, 20))
    return panels


def test_settings_stand_in_the_order_of_the_story(tmp_path: Path) -> None:
    """Retouched, what blurs, the recommended, the best for train.py, the others, the winner."""
    finals = finals_of(0.1, 0.2, as_is=(0.01, 0.02))
    study = study_of_both_kinds(finalists=finals)
    strip = shown_of(study, panels_of(tmp_path, *range(12))).strip
    assert [cell.view.key for cell in strip] == [
        *("retouched", "t000", "t006", "t004", "t001", "t002", "t005", "t007", "t003", "original")
    ]
    assert [cell.view.key for cell in strip if cell.chief] == [
        *("retouched", "t000", "t006", "t004", "t003", "original")
    ]
    assert [cell.view.key for cell in strip if cell.chosen] == ["t003"]
    named = {cell.view.key: (cell.view.name, cell.score) for cell in strip}
    assert named["t000"] == ("Guide's blurring", f"{study.trials[0].value:.4f}")
    assert named["t004"][0] == "Best for train.py as it is: LSGAN"
    assert named["original"] == ("Original", "1.0000")


@pytest.mark.parametrize("confirmed", [False, True])
def test_every_picture_has_the_score_of_the_run_that_made_it(
    tmp_path: Path, confirmed: bool
) -> None:
    """Not the finalists' means on other pictures, of runs that leave no pictures."""
    finals = {"finalists": finals_of(0.1, 0.2)} if confirmed else {}
    study = make_study(12, **finals)
    panels = panels_of(tmp_path, *range(12))
    scores = {cell.view.key: cell.score for cell in shown_of(study, panels).strip}
    assert scores.pop("retouched") == "0.2200"
    assert scores.pop("original") == "1.0000"
    assert len(scores) == 8
    assert scores == {f"t{n:03d}": f"{study.trials[n].value:.4f}" for n in range(8)}
    html = render(study, panels=panels)
    assert html.count('class="score"') == 10
    text = Page(html).text
    assert "of the one run" in text
    assert ("come from longer runs on other," in text) == confirmed


def test_the_original_has_no_score_of_a_users_own_objective(tmp_path: Path) -> None:
    strip = shown_of(make_study(8, objective="mine:score"), panels_of(tmp_path, 0, 6)).strip
    assert strip[-1].view.key == "original"
    assert strip[-1].score == ""


@pytest.mark.parametrize("with_problem", [True, False])
def test_the_warm_start_stands_in_the_strip(tmp_path: Path, with_problem: bool) -> None:
    """In the first row where no trial had the guide's blurring setting, which it is made with."""
    panels = panels_of(tmp_path, 0, 6)
    for name in ("warm_start", "warm_start_warp"):
        write_panel(panels / f"{name}.png", (1, 2, 3))
    baseline = {"noop": 0.22, "warm_start": 0.219, "other_warm_start": 0.33}
    study = make_study(8, baseline=baseline)
    if not with_problem:
        study = without_recipe("problem", study)
    strip = shown_of(study, panels).strip
    starts = [cell for cell in strip if cell.view.key.startswith("warm_start")]
    assert [(cell.view.name, cell.score, cell.chief) for cell in starts] == [
        ("Warm start", "0.2190", not with_problem),
        ("Warm start, moving pixels", "0.3300", not with_problem),
    ]
    assert strip[1:3] == tuple(starts)


def without_recipe(name: str, study: optuna.Study) -> optuna.Study:
    made = empty_study(**study.user_attrs)
    for trial in study.trials:
        if trial.user_attrs["recipe"] != name:
            made.add_trial(trial)
    return made


def test_a_setting_that_is_kept_is_marked_and_what_led_is_no_winner(tmp_path: Path) -> None:
    study = make_study(12, finalists=finals_of(-0.01, 0.03))
    other = summarise(study).best_other
    assert other is not None
    assert other.trial == 3
    strip = shown_of(study, panels_of(tmp_path, 0, 3, 6)).strip
    assert [cell.view.key for cell in strip if cell.chosen] == ["t006"]
    assert [cell.view.name for cell in strip] == [
        "Retouched (input)",
        "Guide's blurring",
        "Deeper discriminator",
        "Guide's recommended",
        "Original",
    ]


@pytest.mark.parametrize(
    ("there", "keys"),
    [
        ((), []),
        ((0,), ["retouched", "t000", "original"]),
        ((3,), ["retouched", "t003", "original"]),
        ((1, 6), ["retouched", "t006", "t001", "original"]),
    ],
)
def test_what_left_no_panel_is_left_out(
    tmp_path: Path, there: tuple[int, ...], keys: list[str]
) -> None:
    study = make_study(12, finalists=finals_of(0.1, 0.2))
    panels = panels_of(tmp_path, *there)
    shown = shown_of(study, panels)
    assert [cell.view.key for cell in shown.strip] == keys
    assert len(shown.pictures) == (2 if keys else 0)
    for language in LANGUAGES:
        page = render(study, language, panels)
        assert page.count('class="cell') == len(keys)
        assert ("<dialog" in page) == bool(keys)
        assert re.findall(r'<option value="(\w+)" selected>', page) == keys[-2:]


def test_a_study_of_which_nothing_completed_has_no_strip(tmp_path: Path) -> None:
    for study in (empty_study(), optuna.create_study()):
        assert shown_of(study, panels_of(tmp_path / study.study_name)) == ((), ())
