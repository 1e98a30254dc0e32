"""The report in a real browser, opened as a file with the network off."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reports.analysis.decision import decide
from reports.commands.next_command import Where
from reports.page.report import write_report
from reports.texts.translations import translator
from tests.panels import write_panel
from tests.synthetic_studies import BEST, add_trial, finals_of, make_study

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

COLOURS = {
    "retouched": (90, 90, 90),
    "t000": (200, 200, 20),
    "t006": (200, 20, 20),
    "t003": (20, 200, 20),
    "original": (20, 20, 200),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a confirmed study of fifty trials, whose winner is trial 3, and of a thousand.

    Of its recipes, trial 0 is the one that blurs and trial 6 the recommended one.
    """
    folder = tmp_path_factory.mktemp("report")
    study = make_study(50, weights="random", finalists=finals_of(0.1, 0.2))
    for name in ("t000", "t001", "t002", "t003", "t006"):
        write_panel(folder / f"{name}.png", COLOURS.get(name, (200, 100, 20)))
    files = {language: folder / f"{language}.html" for language in ("en", "ko")}
    for language, file in files.items():
        write_report(study, file, language, folder)
    files["thousand"] = folder / "thousand.html"
    write_report(make_study(1000), files["thousand"])
    return files


def opened(chromium: Any, file: Path, **context: Any) -> tuple[Any, list[str]]:
    """The page once its figures are drawn, and everything it complained about or asked for."""
    said: list[str] = []
    page = chromium.new_context(offline=True, **context).new_page()
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: request.url.startswith("http") and said.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    return page, said


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", ["en", "ko", "thousand"])
def test_drawn_without_complaint_and_no_wider_than_the_screen(
    chromium: Any, report: dict[str, Path], name: str, viewport: dict[str, int], scheme: str
) -> None:
    page, said = opened(chromium, report[name], viewport=viewport, color_scheme=scheme)
    assert said == []
    canvases = page.locator("[data-figure]")
    assert canvases.count() >= 8
    assert page.locator("[data-figure] .main-svg").count() >= canvases.count()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]


def test_the_decision_the_command_and_the_strip_are_in_the_first_screen(
    chromium: Any, report: dict[str, Path]
) -> None:
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    for part in ("h1", ".why", "#next", ".strip"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] < DESKTOP["height"], part
    page.set_viewport_size(PHONE)
    box = page.locator("#next").bounding_box()
    assert box["y"] + box["height"] < PHONE["height"]


def colour_of(locator: Any, across: float = 0.5) -> tuple[int, ...]:
    """A pixel of an element as the browser paints it."""
    shot = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
    pixel = shot.getpixel((round(shot.width * across), 30))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_strip_is_one_crop_of_every_setting(
    chromium: Any, report: dict[str, Path], viewport: dict[str, int]
) -> None:
    page, _ = opened(chromium, report["en"], viewport=viewport)
    chief = page.locator(".strip").first.locator(".cell")
    assert chief.locator(".name").all_text_contents() == [
        "Retouched (input)", "Guide's blurring", "Guide's recommended",
        "Winner: Deeper discriminator", "Original",
    ]  # fmt: skip
    scores = chief.locator(".score").all_text_contents()
    assert [scores[0], scores[-1]] == ["0.2200", "1.0000"]
    assert all(re.fullmatch(r"0\.[1-3]\d{3}", score) for score in scores[:-1])
    assert page.locator(".cell.chosen").get_attribute("data-view") == "t003"
    keys = ("retouched", "t000", "t006", "t003", "original")
    widths = []
    for cell, key in zip(chief.all(), keys, strict=True):
        image = cell.locator("img")
        assert colour_of(image) == COLOURS[key]
        assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
        widths.append(image.bounding_box()["width"])
    assert max(widths) - min(widths) <= 4
    others = page.locator(".strip.others .cell .name")
    assert others.all_text_contents() == ["With a perceptual term", "Lower L1"]


def test_a_click_on_the_strip_opens_the_slider_on_that_picture(
    chromium: Any, report: dict[str, Path]
) -> None:
    page, said = opened(chromium, report["en"], viewport=DESKTOP)
    dialog, slider = page.locator("dialog"), page.locator("dialog .slider")
    assert not dialog.is_visible()
    page.locator('.cell[data-view="t006"]').click()
    assert dialog.is_visible()
    assert colour_of(slider, 0.2) == COLOURS["t006"]
    assert colour_of(slider, 0.8) == COLOURS["original"]
    page.select_option("[data-side=right]", "t003")
    assert colour_of(slider, 0.8) == COLOURS["t003"]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.dataset.view") == "t006"
    page.locator('.cell[data-view="original"]').click()
    assert colour_of(slider, 0.2) == COLOURS["retouched"]
    page.locator("dialog [data-close]").click()
    assert not dialog.is_visible()
    page.locator('.cell[data-view="t002"]').click()
    page.select_option("[data-picture]", label="2")  # which has the chief settings alone
    left = page.locator("[data-side=left]")
    assert left.input_value() != "t002"
    assert left.locator("option[value=t002]").is_disabled()
    assert left.locator("option[value=t006]").is_enabled()
    assert said == []


def test_holding_a_picture_shows_the_original_in_its_place(
    chromium: Any, report: dict[str, Path]
) -> None:
    page, said = opened(chromium, report["en"], viewport=DESKTOP)
    cell = page.locator('.cell[data-view="t006"]')
    image, name = cell.locator("img"), cell.locator(".name")
    cell.hover()
    page.mouse.down()
    page.wait_for_selector('.cell.flipped[data-view="t006"]')
    assert name.text_content() == "Original"
    assert colour_of(image) == COLOURS["original"]
    page.mouse.up()
    assert name.text_content() == "Guide's recommended"
    assert colour_of(image) == COLOURS["t006"]
    assert not page.locator("dialog").is_visible()
    cell.focus()
    page.keyboard.down("Space")
    page.wait_for_selector('.cell.flipped[data-view="t006"]')
    assert colour_of(image) == COLOURS["original"]
    page.keyboard.up("Space")
    assert page.locator(".flipped").count() == 0
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    assert said == []


BROKEN = """() => {
  const found = [];
  const parts = document.querySelectorAll("h1, .settings-line, .why, .note, .cell span, .next pre");
  for (const part of [...part_texts(parts)]) {
    for (const word of part.textContent.matchAll(/[^ \\n]+/g)) {
      const range = document.createRange();
      range.setStart(part, word.index);
      range.setEnd(part, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1 && !word[0].includes("/")) found.push(word[0]);
    }
  }
  return found;
  function* part_texts(parts) {
    for (const part of parts) {
      const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) yield walker.currentNode;
    }
  }
}"""
"""The words of the first screen that stand on more than one line. A number and its unit are one
word, and so is an option of a command; a path may be as long as it likes."""


@pytest.mark.parametrize("width", [390, 720, 1280])
def test_no_word_is_broken_on_the_screen_or_on_paper(
    chromium: Any, tmp_path: Path, width: int
) -> None:
    study = make_study(8, finalists=finals_of(0.1, 0.2))
    add_trial(study, BEST, recipe="warp")
    for name in ("warm_start", *(f"t{number:03d}" for number in range(9))):
        write_panel(tmp_path / f"{name}.png", (200, 100, 20))
    write_report(study, tmp_path / "report.html", "en", tmp_path)
    page, said = opened(
        chromium, tmp_path / "report.html", viewport={"width": width, "height": 900}
    )
    copied = page.locator("#next").text_content()
    assert copied == decide(study, translator("en"), Where(tmp_path.parent)).command
    assert "95\u00a0% interval" in page.locator(".why").first.text_content()
    assert page.evaluate(BROKEN) == []
    page.set_viewport_size({"width": 718, "height": 1047})
    page.emulate_media(media="print")
    assert page.evaluate(BROKEN) == []
    assert said == []


def test_the_command_is_copied(chromium: Any, report: dict[str, Path]) -> None:
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', "
        "{value: {writeText: async (text) => { window.copied = text; }}})"
    )
    button = page.locator("[data-copy=next]")
    button.click()
    assert page.evaluate("window.copied") == page.locator("#next").text_content()


def test_a_folded_section_opens_when_the_contents_lead_to_it(
    chromium: Any, report: dict[str, Path]
) -> None:
    page, _ = opened(chromium, report["en"], viewport=PHONE)
    assert not page.locator("td", has_text="built-in pairs").is_visible()
    page.locator(".contents a", has_text="Where the numbers come from").click()
    assert page.locator("td", has_text="built-in pairs").is_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_word_is_explained_where_it_stands(
    chromium: Any, report: dict[str, Path], viewport: dict[str, int]
) -> None:
    page, said = opened(chromium, report["en"], viewport=viewport, has_touch=viewport == PHONE)
    meaning = page.locator("#word")
    assert not meaning.is_visible()
    word = page.locator("main a.word", has_text="rung").first
    word.tap() if viewport == PHONE else word.click()
    assert meaning.is_visible()
    assert meaning.inner_text().startswith("rung\na step of a trial")
    box = meaning.bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= viewport["width"]
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    guide = page.locator("main a.word[href='#word-guide']").first
    guide.focus()
    page.keyboard.press("Enter")
    text = " ".join(meaning.inner_text().split())
    assert "L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4" in text
    page.keyboard.press("Escape")
    assert guide.evaluate("link => link === document.activeElement")
    assert said == []


def test_without_scripts_a_word_leads_to_its_meaning(
    chromium: Any, report: dict[str, Path]
) -> None:
    page = chromium.new_context(java_script_enabled=False, viewport=DESKTOP).new_page()
    page.goto(report["en"].as_uri())
    page.locator("main a.word", has_text="held-out").first.click()
    entry = page.locator("#word-held_out")
    assert 0 <= entry.bounding_box()["y"] < DESKTOP["height"]


def split_of(slider: Any) -> float:
    """Where the upper picture is cut off, in parts of the width, as the browser paints it."""
    over, box = slider.locator(".over"), slider.bounding_box()
    clip = over.evaluate("image => getComputedStyle(image).clipPath")
    right = clip.removeprefix("inset(").split()[1]
    if right.endswith("px"):
        return 1 - float(right[:-2]) / box["width"]
    handle = slider.locator(".handle").bounding_box()
    return (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]


def test_the_slider_moves_by_mouse_and_keyboard(chromium: Any, report: dict[str, Path]) -> None:
    page, said = opened(chromium, report["en"], viewport=DESKTOP)
    page.locator('.cell[data-view="t003"]').click()
    slider = page.locator("dialog .slider")
    box = slider.bounding_box()
    assert box["width"] > 450  # of some 60 pixels
    assert split_of(slider) == pytest.approx(0.5, abs=0.02)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    dragged = split_of(slider)
    assert dragged == pytest.approx(0.8, abs=0.05)
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert split_of(slider) == pytest.approx(dragged - 0.1, abs=0.01)
    page.keyboard.press("Home")
    assert split_of(slider) == pytest.approx(0, abs=0.01)
    assert said == []


def test_a_heading_sorts_the_table(chromium: Any, report: dict[str, Path]) -> None:
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    page.locator("summary", has_text="All trials").click()
    heading = page.locator(".sortable th", has_text="Score")
    cells = page.locator(".sortable tbody td:nth-child(4)")
    for direction, reverse in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        texts = cells.all_text_contents()
        scores = [float(text) for text in texts if text != "-"]
        assert scores == sorted(scores, reverse=reverse)
        assert texts[len(scores) :] == ["-"] * (len(texts) - len(scores))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["en", "ko"])
def test_axe_finds_nothing(chromium: Any, report: dict[str, Path], name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, _ = opened(chromium, report[name], viewport=DESKTOP, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    for opens in ("main a.word", ".cell"):
        page.locator(opens).first.click()
        found += axe.Axe().run(page).response["violations"]
        page.keyboard.press("Escape")
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []


@pytest.mark.parametrize("name", ["en", "ko"])
def test_printed_it_begins_with_the_strip_and_takes_four_pages(
    chromium: Any, report: dict[str, Path], name: str
) -> None:
    page, _ = opened(chromium, report[name], viewport=DESKTOP)
    pdf = page.pdf(format="A4")
    assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", pdf)) <= 4
    page.set_viewport_size({"width": 718, "height": 1047})  # A4 within its margins
    page.emulate_media(media="print")
    strip = page.locator(".strip").first.bounding_box()
    assert strip["y"] + strip["height"] < 1047 / 2
    assert page.locator("#word-rung").is_visible()
    for part in ("dialog", "#word", ".plot", ".contents", "[data-copy]"):
        assert not any(each.is_visible() for each in page.locator(part).all()), part
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
