"""The glossary: the same words in the documentation and in the report of either language."""

import re
from pathlib import Path

import pytest
from markupsafe import escape

from reports.page.figures_by_setting import BANDS
from reports.page.glossary import FOUND, SETTINGS, word_links
from reports.page.rendering import unbroken
from reports.page.report import render
from reports.record.names import MOVING
from reports.texts.translations import LANGUAGES, glossary_words, translator
from search_spaces.recipes import load_recipes
from tests.synthetic_studies import finals_of, make_study, study_of_both_kinds

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
def test_the_report_ends_with_them_and_the_guide_in_short(lang: str) -> None:
    page = render(make_study(9), lang)
    section = page.partition('id="glossary-title"')[2].partition("</section>")[0]
    for key, text in LANGUAGES[lang].items():
        assert escape(unbroken(text)) in section or not key.startswith(("word_", "means_"))
    guide = section.partition('id="word-guide"')[2].partition("</div>")[0]
    assert escape(unbroken(LANGUAGES[lang]["guide_methods"])) in guide
    assert guide.count("<li>") == 8
    if lang == "en":
        blurring = "Guide's blurring: L1 500, perceptual 0, 3 layers, vanilla, lr 1e-4"
        assert f"<li>{escape(unbroken(blurring))}" in guide


def test_the_guide_s_settings_are_the_recipes() -> None:
    recipes = {name: tuple(params.model_dump().values()) for name, params in load_recipes().items()}
    assert {name: values for name, values in recipes.items() if name != MOVING} == SETTINGS


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_word_is_explained_where_it_stands(lang: str) -> None:
    """By a link to its entry, on pages that have all of them."""
    finals = finals_of(0.1, 0.2, as_is=(-0.01, 0.02))
    finals["rows"][1]["diverged"] = True
    pages = [
        render(study_of_both_kinds(24, finalists=finals), lang),
        render(make_study(50), lang),
    ]
    links = {word for page in pages for word in re.findall('class="word" href="#word-(.*?)"', page)}
    assert links == set(FOUND)


def test_the_first_mention_of_a_word_is_its_link() -> None:
    linked = word_links(["rung", "guide"], translator("en"))
    assert linked("<b> rungs & the guide's rung at a warm start") == (
        '&lt;b&gt; <a class="word" href="#word-rung">rungs</a> &amp; the '
        '<a class="word" href="#word-guide">guide</a>&#39;s rung at a warm start'
    )


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
