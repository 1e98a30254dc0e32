"""The glossary: the same words in the documentation and in the report of either language."""

import re
from pathlib import Path

import pytest
from markupsafe import escape

from reports.page.figures_by_setting import BANDS
from reports.page.rendering import unbroken
from reports.page.report import render
from reports.texts.translations import LANGUAGES, glossary_words
from search_spaces.recipes import load_recipes
from tests.synthetic_studies import make_study

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str) -> list[list[str]]:
    """The cells of a page's tables, without Markdown's marks."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", (DOCS / page).read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in re.sub("[*`]", "", line).split("|")[1:-1]]
            for line in lines]  # fmt: skip


def test_the_page_defines_the_words_of_the_report() -> None:
    texts, words = LANGUAGES["en"], glossary_words(of_score=True)
    assert rows("glossary.md")[2:] == [
        [texts[f"word_{word}"], texts[f"means_{word}"]] for word in words
    ]
    assert len(words) > 20


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_report_has_them_folded(lang: str) -> None:
    page = render(make_study(9), lang)
    (folded,) = re.findall(
        r'<details>\s*<summary><h2 id="glossary-title">.*?</details>', page, re.S
    )
    for key, text in LANGUAGES[lang].items():
        assert escape(unbroken(text)) in folded or not key.startswith(("word_", "means_"))


def test_the_guide_s_page_has_its_settings_and_bands() -> None:
    """As the recipes and the report's figures have them."""
    found = {row[0]: row[1:6] for row in rows("guide.md") if len(row) == 7}
    for name, params in load_recipes().items():
        numbers = [f"{params.lambda_L1:g}", f"{params.lambda_perceptual:g}",
                   f"{params.n_layers_D}", params.gan_mode]  # fmt: skip
        assert found[name][:4] == numbers
        assert float(found[name][4].partition(",")[0]) == params.lr
    advice = rows("guide.md")
    for setting in ("lambda_L1", "lambda_perceptual"):
        start = next(place for place, row in enumerate(advice) if row[0] == setting)
        ends = {tuple(map(float, re.findall(r"\d+", row[1]))) for row in advice[start : start + 3]}
        for band in BANDS[setting]:
            assert (band.low, band.high) in ends or (band.low,) in ends
