"""`--open`: a process that keeps the report of a running search up to date.

It only reads the study's record, so it never delays the driver. It always ends with the driver.
"""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.config.settings import FINAL_TIMES
from harness.console.events import Note
from harness.console.lines import rough_duration
from harness.console.views import View
from harness.paths import RunPaths

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from harness.search.plan import SearchPlan
    from reports.page.live import Live, RunningTrial
    from reports.record.names import PhaseName

# Seconds between the first pages, the minimum between later ones, and the share of a core that
# writing those may take. A page takes 0.3 s of CPU time with 50 trials and 0.5 s with 1,000.
FIRST_INTERVAL = 5.0
MIN_INTERVAL = 10.0
SHARE = 0.02
ENDS_WITHIN = 10.0  # seconds that the process gets to end before it is killed

log = logging.getLogger(__name__)


@contextmanager
def live_report(plan: "SearchPlan", view: View) -> Iterator[None]:
    """With `--open`, keep the report up to date in a browser while the block runs."""
    if not plan.config.open:
        yield
        return
    view.show(Note(f"The report, kept up to date: {plan.paths.report_html.absolute()}"))
    writer = None
    try:
        writer = start_writer(plan)
    except OSError:
        log.exception("the live report cannot be written")
    try:
        yield
    finally:
        if writer is not None:
            end(writer)


def start_writer(plan: "SearchPlan") -> "subprocess.Popen[str]":
    """Start the process. Its standard input names the study, and closes when the driver ends."""
    order = {
        "run_dir": str(plan.config.run_dir.absolute()),
        "study": plan.config.study,
        "storage": plan.config.storage,
    }
    with plan.paths.driver_log.open("a", encoding="utf-8") as errors:
        writer = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.search.live_report"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is the driver's to handle
        )
    assert writer.stdin is not None
    with suppress(BrokenPipeError):
        writer.stdin.write(json.dumps(order) + "\n")
        writer.stdin.flush()
    return writer


def end(writer: "subprocess.Popen[str]") -> None:
    """End the process; the driver writes the last page itself."""
    writer.terminate()
    try:
        writer.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        writer.kill()
        writer.wait()
    assert writer.stdin is not None
    with suppress(BrokenPipeError):
        writer.stdin.close()


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(10)
    write_pages(json.loads(sys.stdin.readline()), sys.stdin)


def write_pages(order: dict[str, Any], pipe: TextIO) -> None:
    """Write pages until the pipe closes, then a last one; open the first in a browser."""
    interval, opened = FIRST_INTERVAL, False
    while True:
        began, first = time.process_time(), not opened
        if write_page(order, interval) and first:
            opened = True
            show_in_browser(RunPaths(Path(order["run_dir"])).study(order["study"]).report_html)
        if closed_within(pipe, interval):
            break
        if not first:  # the first page mostly took the time of the imports
            interval = max(MIN_INTERVAL, (time.process_time() - began) / SHARE)
    write_page(order, None)


def closed_within(pipe: TextIO, seconds: float) -> bool:
    """Whether the other end of a pipe, which sends nothing more, closes within this time."""
    ready, _, _ = select.select([pipe], [], [], seconds)
    return bool(ready)


def show_in_browser(file: Path) -> None:
    """Open a page in a thread, since opening a terminal browser blocks until it is closed."""
    threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()


def write_page(order: dict[str, Any], interval: float | None) -> bool:
    """Write the report; returns whether it succeeded. A failure is logged.

    Args:
        interval: seconds until the next page; None: this is the last.
    """
    from harness.study.study import read_study
    from harness.study.urls import without_secrets
    from reports.page.report import write_report

    try:
        paths = RunPaths(Path(order["run_dir"])).study(order["study"])
        study = read_study(order["run_dir"], order["study"], order["storage"])
        live = None if interval is None else live_of(study, interval)
        storage = order["storage"] and without_secrets(order["storage"])
        write_report(study, paths.report_html, panels=paths.panels, storage=storage, live=live)
    except Exception:
        log.exception("the live report was not written")
        return False
    return True


def live_of(study: "Study", interval: float) -> "Live":
    """The progress of the study's search."""
    from optuna.trial import TrialState

    from harness.search.finalists import final_trials
    from harness.search.time_left import time_left
    from reports.page.live import Live
    from reports.record.names import trial_name
    from reports.record.queries import ENDED
    from reports.record.study import StudyRecord

    searched, final = study.get_trials(deepcopy=False), final_trials(study)
    record = StudyRecord.of(study)
    steps = record.setup.train.steps
    phases: list[tuple[list[FrozenTrial], PhaseName, int]] = [
        (searched, "search", steps),
        (final, "final", round(steps * FINAL_TIMES)),
    ]
    running = [
        running_trial(trial, trial_name(trial.number, phase), of)
        for trials, phase, of in phases
        for trial in trials
        if trial.state == TrialState.RUNNING
    ]
    left = time_left(study)
    return Live(
        done=sum(trial.state in ENDED for trial in (*searched, *final)),
        budget=record.setup.budget,
        left=f"about {rough_duration(left)}" if left else "",
        preparing="" if record.baseline else record.setup.warm_start,
        running=tuple(running),
        written=time.time(),
        interval=interval,
    )


def running_trial(trial: "FrozenTrial", name: str, steps: int) -> "RunningTrial":
    """A running trial, with its last score if it has one."""
    from reports.page.live import RunningTrial
    from reports.record.queries import settings_of

    scores = trial.intermediate_values
    step = max(scores, default=0)
    return RunningTrial(name, settings_of(trial), step, steps, scores.get(step))


if __name__ == "__main__":
    main()
