"""The report of a search that runs, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.page.live import Live, RunningTrial
from reports.page.report import write_report
from tests.synthetic_studies import make_study

pytestmark = pytest.mark.browser

PARAMS = {
    "lambda_L1": 82.5, "lambda_perceptual": 10.0, "n_layers_D": 4, "gan_mode": "lsgan", "lr": 2e-4,
}  # fmt: skip
STUDY = make_study(20)


def live(done: int, interval: float = 600, written: float | None = None) -> Live:
    running = RunningTrial(f"t{done:03d}", PARAMS, 220, 400, 0.2345)
    written = time.time() if written is None else written
    return Live(done, 50, "about 3 min", "", (running,), written, interval)


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    page = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    page.clock.install()  # the tests move the time forward
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    assert page.complaints == []
    page.context.close()


def shown(page: Any, text: str) -> None:
    page.wait_for_function("text => document.body.innerText.includes(text)", arg=text)


def test_it_loads_itself_again_where_it_was_read_and_stops_at_the_end(
    page: Any, tmp_path: Path
) -> None:
    file = tmp_path / "빈 칸" / "report.html"
    write_report(STUDY, file, live=live(11))
    page.goto(file.as_uri())
    shown(page, "11 of 50 trials are done, about 3 min left")
    shown(page, "220 of 400")
    page.wait_for_selector("html[data-drawn]", state="attached")
    page.locator("summary", has_text="Where the numbers come from").click()
    page.evaluate("scrollTo(0, 700)")
    write_report(STUDY, file, live=live(12))
    page.clock.fast_forward(601_000)
    shown(page, "12 of 50 trials are done")
    page.wait_for_function("() => scrollY === 700")
    assert page.locator("td", has_text="built-in pairs").is_visible()
    write_report(STUDY, file)
    page.clock.fast_forward(601_000)
    page.wait_for_selector(".live", state="detached")
    page.wait_for_selector("html[data-drawn]", state="attached")
    page.wait_for_function("() => scrollY > 0")
    page.evaluate("window.same = true")
    page.clock.fast_forward(6_000_000)
    assert page.evaluate("window.same")


def test_it_waits_while_somebody_chooses_and_says_when_nothing_was_written(
    page: Any, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    write_report(STUDY, file, live=live(11, 70, time.time() - 301))
    page.goto(file.as_uri())
    shown(page, "wrote nothing for 5 min")
    assert "The search is running" not in page.inner_text(".live")
    page.wait_for_selector("html[data-drawn]", state="attached")
    page.evaluate("() => { document.body.append(document.createElement('input')); }")
    page.locator("body > input").focus()
    page.evaluate("window.same = true")
    page.clock.fast_forward(71_000)
    assert page.evaluate("window.same")
    page.locator("body > input").blur()
    page.evaluate("() => { document.body.append(document.createElement('dialog')); }")
    page.evaluate("() => document.querySelector('body > dialog:last-child').showModal()")
    page.clock.fast_forward(71_000)
    assert page.evaluate("window.same")
    page.evaluate("() => document.querySelector('dialog[open]').close()")
    page.locator("a.word").first.click()
    page.clock.fast_forward(71_000)
    assert page.evaluate("window.same")
    page.keyboard.press("Escape")
    page.clock.fast_forward(71_000)
    page.wait_for_function("() => !window.same")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_it_is_no_wider_than_the_screen(
    chromium: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    file = tmp_path / "report.html"
    write_report(STUDY, file, live=live(11, interval=1000))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found] == []
    context.close()
