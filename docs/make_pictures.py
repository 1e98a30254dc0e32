"""The pictures of the pages, from a search: `python docs/make_pictures.py runs boundary-sharpness`.

Needs Debian's `chromium` and the [dev] extra. Takes MLflow's list of trials and a comparison of
five, the report's first screen, and a strip of two validation pictures (retouched, restored with
the guide's recommended setting, with the winner, original), and leaves them small in this folder.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from harness.paths import RunPaths
from harness.search.result import outcome_of
from harness.study.study import read_study
from reports.page.panel_crops import most_changed, rows_of
from reports.page.report import write_report
from reports.record.names import RECOMMENDED
from reports.record.queries import recipe_trial

HERE = Path(__file__).parent
COLOURS = 128
SIDE = 288  # pixels of a picture of the strip
SIDEBAR = 198  # pixels of MLflow's page
PATIENCE = 180_000  # milliseconds


@contextmanager
def mlflow_at(run_dir: Path, study: str) -> Iterator[str]:
    """The address that `harness ui` prints."""
    words = ["ui", "--no-browser", "--run-dir", str(run_dir), "--study", study]
    command = [sys.executable, "-m", "harness", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [process.stdout.readline().strip() for _ in range(3)][1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def keep(page: Any, name: str, left: int = 0, last: Any = None) -> None:
    """A screenshot with few colours, without the page's leftmost pixels, down to element `last`."""
    page.wait_for_timeout(2000)
    file = HERE / f"{name}.png"
    page.screenshot(path=file, timeout=PATIENCE)
    with Image.open(file) as picture:
        bottom = picture.height
        if last is not None:
            box = last.bounding_box()
            bottom = round(box["y"] + box["height"]) + 12
        shown = picture.convert("RGB").crop((left, 0, picture.width, bottom))
    shown.quantize(COLOURS).save(file, optimize=True)


def make_strip(recommended: Path, winner: Path) -> Image.Image:
    """Where the first two pictures of two trials' panels changed most, side by side, enlarged."""
    rows = []
    for old, new in zip(rows_of(recommended)[:2], rows_of(winner)[:2], strict=True):
        box = most_changed(old)
        views = (old.retouched, old.restored, new.restored, old.original)
        rows.append(
            [view.crop(box).resize((SIDE, SIDE), Image.Resampling.NEAREST) for view in views]
        )
    head = 18
    strip = Image.new("RGB", (4 * SIDE, head + len(rows) * SIDE), "white")
    draw = ImageDraw.Draw(strip)
    for column, name in enumerate(("retouched", "guide's recommended", "winner", "original")):
        draw.text((column * SIDE + 4, 3), name, fill="black")
        for row, pictures in enumerate(rows):
            strip.paste(pictures[column], (column * SIDE, head + row * SIDE))
    return strip


def take_mlflow(page: Any, address: str) -> None:
    page.goto(address)
    boxes = page.locator(".ag-selection-checkbox input")
    boxes.nth(4).wait_for()
    keep(page, "mlflow-runs", SIDEBAR)
    for place in range(5):
        boxes.nth(place).click()
    page.get_by_role("button", name="Compare").click()
    page.locator(".parcoords, .plot-container").first.wait_for()
    # The page's own layers cover the list where a click would land.
    page.get_by_text("panel.png", exact=True).first.dispatch_event("click")
    pictures = page.get_by_alt_text("panel.png")
    pictures.nth(4).wait_for(state="attached")
    page.set_viewport_size({"width": 1700, "height": 900})
    pictures.first.scroll_into_view_if_needed()
    keep(page, "mlflow-compare", SIDEBAR, pictures.first)


def take_report(page: Any, file: Path) -> None:
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    keep(page, "report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("study")
    asked = parser.parse_args()
    paths = RunPaths(asked.run_dir).study(asked.study)
    study = read_study(asked.run_dir, asked.study)
    winner = outcome_of(study, asked.run_dir, paths).winner
    recommended = recipe_trial(study, RECOMMENDED)
    if winner is None or recommended is None:
        raise SystemExit("The study has no winner, or the guide's recommended setting failed.")
    strip = make_strip(paths.panel(recommended.number), paths.panel(winner))
    strip.save(HERE / "strip.png", optimize=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        mlflow_at(asked.run_dir, asked.study) as address,
        sync_playwright() as playwright,
    ):
        report = Path(folder) / "report.html"
        write_report(study, report, panels=paths.panels)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for take, source, size in (
            (take_report, report, (1280, 900)),
            (take_mlflow, address, (1700, 800)),
        ):
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            take(page, source)
        browser.close()


if __name__ == "__main__":
    main()
