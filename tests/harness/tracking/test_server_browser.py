"""MLflow's own page after a search, in a real browser, as a person sees it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from driving import Instant, make_plan

import harness.search.search
from harness.console.views import QuietView
from harness.search.result import SearchOutcome
from harness.search.stop_signals import StopSwitch

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
PATIENCE = 60_000  # milliseconds


@dataclass(frozen=True)
class Served:
    """A finished search, and the address that `harness ui` printed for its moved folder."""

    outcome: SearchOutcome
    address: str

    @property
    def base(self) -> str:
        return self.address.partition("/#")[0]

    @property
    def experiment(self) -> str:
        return self.address.partition("?")[0].removesuffix("/runs")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    before = tmp_path_factory.mktemp("ui")
    plan = make_plan(before, study="portraits <b>", budget=12)
    outcome = harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Instant)
    folder = before.with_name("moved 폴더")
    before.rename(folder)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "harness", "ui"),
            *("--no-browser", "--run-dir", str(folder), "--port", "5300"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(3)]
    yield Served(outcome, said[1])
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page in a context of its own: MLflow keeps what a person chose in the browser."""
    context = chromium.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_the_printed_address_shows_the_trials_best_first_with_their_settings(
    page: Any, served: Served
) -> None:
    best = served.outcome.best
    assert best is not None
    page.goto(served.address)
    names = page.locator(".ag-pinned-left-cols-container .ag-row")
    names.nth(8).wait_for()
    rows = sorted(names.all(), key=lambda row: int(row.get_attribute("row-index")))
    shown = [row.inner_text().strip() for row in rows]
    assert f"t{best.number:03d} L1=" in shown[0]
    page.get_by_text("lambda_L1").first.wait_for()
    headings = page.locator(".ag-header").all_inner_texts()[-1].split("\n")
    for column in ("score", "score/D", "gan_mode", "lambda_L1"):
        assert column in headings
    assert "Model training" in page.locator("body").inner_text()


def test_the_trials_stand_under_their_study(page: Any, served: Served) -> None:
    page.goto(f"{served.experiment}/runs?orderByKey=attributes.start_time&orderByAsc=false")
    parent = page.locator(".ag-row", has_text="portraits <b>").first
    parent.wait_for()
    assert page.locator(".ag-row", has_text="L1=").count() == 0
    parent.get_by_role("button").first.click()
    page.locator(".ag-row", has_text="L1=").nth(8).wait_for()
    page.get_by_role("link", name="portraits <b>").last.click()
    page.get_by_text("The recipes", exact=True).wait_for(state="attached")
    text = page.locator("body").inner_text()
    assert "Child runs" in text
    assert "12 of 12 trials are done" in text
    assert "nothing" in text  # the name of the data
    page.get_by_role("tab", name="Artifacts").click()
    for file in ("best.yaml", "report.html", "space.yaml"):
        page.get_by_text(file, exact=True).first.wait_for()


def compare_five(page: Any, served: Served) -> None:
    page.goto(served.address)
    boxes = page.locator(".ag-selection-checkbox input")
    boxes.nth(5).wait_for()
    for place in range(5):
        boxes.nth(place).click()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Comparing 5 Runs").wait_for()
    page.locator(".parcoords, .plot-container").first.wait_for()


def test_five_trials_compared_show_their_settings_and_the_score(page: Any, served: Served) -> None:
    compare_five(page, served)
    text = page.locator("body").inner_text()
    assert len(set(re.findall(r"t\d{3} L1=", text))) == 5
    for word in ("lambda_L1", "lambda_perceptual", "n_layers_D", "gan_mode", "score/D"):
        assert word in text
    assert text.partition("Metrics:")[2].split()[0] == "score"
    assert text.index("\nscore/D") < text.index("\ntrain_loss/G_L1")
    assert "Model training" in text


def test_five_trials_compared_show_their_pictures_of_a_moved_folder(
    page: Any, served: Served
) -> None:
    compare_five(page, served)
    assert page.get_by_text("No common artifacts").count() == 0
    # The page's own layers cover the list where a click would land.
    page.get_by_text("panel.png", exact=True).first.dispatch_event("click")
    pictures = page.get_by_alt_text("panel.png")
    pictures.nth(4).wait_for(state="attached")
    assert pictures.count() == 5
    for picture in pictures.all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    page.get_by_text("scores.csv", exact=True).first.dispatch_event("click")
    page.get_by_text("Previewing the first").nth(4).wait_for()


def test_the_assistant_stays_closed_until_it_is_asked_for(page: Any, served: Served) -> None:
    page.goto(served.address)
    page.locator(".ag-row").first.wait_for()
    sign, panel = page.locator("button[data-assistant-ui]"), page.get_by_text("Beta", exact=True)
    sign.wait_for()
    assert panel.count() == 0
    sign.click()
    panel.wait_for()
    page.reload()
    panel.wait_for()  # what a person chose stays


def test_the_charts_begin_with_the_latest_pictures_and_can_be_searched_for(
    page: Any, served: Served
) -> None:
    page.goto(f"{served.address}&compareRunsMode=CHART")
    page.get_by_text("panel/restored").first.wait_for()
    sections = re.findall(r"\n(\w+)\n\(\d+\)", page.locator("body").inner_text())
    assert sections[:3] == ["panel", "score", "train_loss"]
    page.locator("img[src*='%2Bstep%2B0%2B'][src*='compressed.webp']").first.wait_for()
    page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(state="attached")
    page.get_by_placeholder("Search metric charts").fill("score/")
    page.get_by_text("score/D").first.wait_for()
    assert page.get_by_text("train_loss/G_L1").count() == 0
