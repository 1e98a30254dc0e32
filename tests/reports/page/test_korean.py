"""A Korean report holds no sentence in English, whatever its study has in its record."""

import re
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from reports.page.report import render
from tests.panels import write_panel
from tests.reports.page.parsed_page import Page
from tests.reports.page.test_report import STUDIES
from tests.reports.texts.test_recorded import SENTENCES
from tests.synthetic_studies import (
    BEST,
    TRAIN,
    add_trial,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)

SOURCE = "/my pairs (aligned: train 40 of 96, val 12, test 24)"
DATA = study_attrs()["data"] | {"source": SOURCE, "folder": "/data/pairs"}
BUILT_IN = DATA | {"source": "built-in photographs of scikit-image, liquified", "folder": None}
CASES = STUDIES | {
    "moves": lambda: study_of_both_kinds(
        finalists=finals_of(0.1, 0.2, as_is=(-0.1, 0.1)), weights="random", data=BUILT_IN
    ),
    "kept": lambda: make_study(50, finalists=finals_of(-0.1, 0.1), data=DATA, weights="random"),
    "own score": lambda: make_study(50, finalists=finals_of(0.1, 0.2), objective="mine:score"),
    "below": lambda: study_of_both_kinds(budget=10, baseline={"noop": 0.9, "warm_start": 0.1}),
    "own model": lambda: make_study(50, budget=40, warm_start="init-from", device="cuda:0"),
    "of moves alone": lambda: make_study(50, budget=40, train=TRAIN | {"netG": "warp_unet_128"}),
}
WORDS = re.compile(r"[A-Za-z']{2,}(?:[ ,]+[A-Za-z']{2,}){2,}")
"""Three words of English in a row, which no name or setting has."""
COMMANDS = re.compile(r"harness [a-z]+(?: [a-z]+)?")


def with_reasons(study: optuna.Study) -> optuna.Study:
    for reason in SENTENCES:
        add_trial(study, BEST, TrialState.FAIL, (), reason=reason)
    return study


def texts(html: str) -> Iterator[str]:
    """Everything that a reader reads or hears, but commands and code."""
    page = Page(re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.DOTALL))
    yield from page.words
    for _, attrs in page.elements:
        yield from (attrs.get(name) or "" for name in ("aria-label", "alt", "title"))
    yield from strings(Page(html).figures)


def strings(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield re.sub("<.*?>", "\n", part)
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from strings(each)


def untranslated(html: str) -> list[str]:
    return [found for text in texts(html) for found in WORDS.findall(COMMANDS.sub("", text))]


@pytest.mark.parametrize("case", CASES)
def test_no_sentence_is_left_in_english(tmp_path: Path, case: str) -> None:
    study = CASES[case]()
    if "data" in study.user_attrs:
        study = with_reasons(study)
    for trial in range(8):
        write_panel(tmp_path / f"t{trial:03d}.png", (10 * trial, 20, 20))
    assert untranslated(render(study, "ko", tmp_path)) == []


def test_an_english_report_would_not_pass() -> None:
    assert len(untranslated(render(with_reasons(CASES["moves"]())))) > 100
