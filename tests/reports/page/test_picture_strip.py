"""The strip shows what is there: every notable setting with a panel, the winner last."""

from html import unescape
from pathlib import Path

import optuna
import pytest

from reports.analysis.decision import decide
from reports.analysis.summary import summarise
from reports.page.picture_strip import Shown, shown_pictures
from reports.page.report import render
from reports.texts.translations import LANGUAGES, translator
from tests.panels import write_panel
from tests.synthetic_studies import empty_study, finals_of, make_study, study_of_both_kinds


def shown_of(study: optuna.Study, panels: Path) -> Shown:
    say = translator("en")
    return shown_pictures(summarise(study), decide(study, say), panels, say)


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
    assert named["t000"] == ("Guide's blurring", "")
    assert named["t004"][0] == "Best for train.py as it is: LSGAN"
    assert named["original"] == ("Original", "")


def test_scores_stand_in_the_strip_unless_the_finalists_have_others(tmp_path: Path) -> None:
    """Beside the finalists' scores, those of the search, on other pictures, only confuse."""
    panels = panels_of(tmp_path, *range(8))
    study = make_study(8)
    scored = {cell.view.key: cell.score for cell in shown_of(study, panels).strip}
    assert scored["t000"] == f"{study.trials[0].value:.4f}"
    assert scored["retouched"] == "0.2200"
    confirmed = make_study(12, finalists=finals_of(0.1, 0.2))
    assert {cell.score for cell in shown_of(confirmed, panels).strip} == {""}
    assert "finalists' scores below" in unescape(render(confirmed, panels=panels))


def test_a_setting_that_is_kept_is_marked_and_what_led_is_no_winner(tmp_path: Path) -> None:
    study = make_study(12, finalists=finals_of(-0.01, 0.03))
    strip = shown_of(study, panels_of(tmp_path, 0, 3, 6)).strip
    assert [cell.view.key for cell in strip if cell.chosen] == ["t006"]
    assert [cell.view.name for cell in strip] == [
        "Retouched (input)",
        "Guide's blurring",
        "Guide's recommended",
        "Leader: Deeper discriminator",
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


def test_a_study_of_which_nothing_completed_has_no_strip(tmp_path: Path) -> None:
    for study in (empty_study(), optuna.create_study()):
        assert shown_of(study, panels_of(tmp_path / study.study_name)) == ((), ())
