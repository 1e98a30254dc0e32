"""The report in a real browser, opened as a file with the network off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reports.html import write_report
from tests.panels import write_panel
from tests.synthetic_studies import make_study

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    study = make_study(50)
    write_panel(folder / f"t{study.best_trial.number:03d}.png", (20, 200, 20))
    write_panel(folder / "t006.png", (200, 20, 20))
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
    assert canvases.count() >= 9
    assert page.locator("[data-figure] .main-svg").count() >= canvases.count()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]


def test_the_verdict_and_the_winner_are_in_the_first_screen(
    chromium: Any, report: dict[str, Path]
) -> None:
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    for part in ("h1", ".levels", ".look .slider"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] < DESKTOP["height"], part
    slider = page.locator(".look .slider").bounding_box()
    assert slider["width"] > 450  # of some 60 pixels
    page, _ = opened(chromium, report["en"], viewport=PHONE)
    assert page.locator(".look .slider").bounding_box()["y"] < PHONE["height"] - 250


def split_of(slider: Any) -> float:
    """Where the upper picture is cut off, in parts of the width, as the browser paints it."""
    over, box = slider.locator(".over"), slider.bounding_box()
    clip = over.evaluate("image => getComputedStyle(image).clipPath")
    right = clip.removeprefix("inset(").split()[1]
    if right.endswith("px"):
        return 1 - float(right[:-2]) / box["width"]
    handle = slider.locator(".handle").bounding_box()
    return (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]


def test_sliders_move_by_mouse_and_keyboard(chromium: Any, report: dict[str, Path]) -> None:
    page, said = opened(chromium, report["en"], viewport=DESKTOP)
    slider = page.locator(".slider").nth(1)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
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
    assert split_of(page.locator(".slider").first) == pytest.approx(0.5, abs=0.02)
    assert said == []


def test_the_pictures_are_the_chosen_ones(chromium: Any, report: dict[str, Path]) -> None:
    """Red is the recommended recipe's picture, green the winner's, blue the original."""
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    slider = page.locator(".slider").first
    slider.scroll_into_view_if_needed()

    def colours() -> tuple[str, str]:
        import io

        shot = Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
        names = ("red", "green", "blue")
        ends = (shot.getpixel((round(shot.width * part), 30)) for part in (0.2, 0.8))
        left, right = (names[int(np.argmax(pixel))] for pixel in ends)
        return left, right

    assert colours() == ("red", "green")
    page.select_option("[data-side=right]", "original")
    assert colours() == ("red", "blue")


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
def test_axe_finds_nothing_serious(
    chromium: Any, report: dict[str, Path], name: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, _ = opened(chromium, report[name], viewport=DESKTOP, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (rule["id"], rule["nodes"][0]["html"][:200]) for rule in found if rule["impact"] in SERIOUS
    ]
    assert serious == []


def test_printed_it_shows_the_views_side_by_side(chromium: Any, report: dict[str, Path]) -> None:
    page, _ = opened(chromium, report["en"], viewport=DESKTOP)
    page.emulate_media(media="print")
    assert not any(part.is_visible() for part in page.locator(".compare").all())
    pdf = page.pdf(format="A4")
    assert pdf[:5] == b"%PDF-"
    assert page.locator(".strip img").first.is_visible()
