"""`--open`: the report of a search that runs."""

import io
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from driving import Failing, Instant, make_plan
from optuna.trial import TrialState, create_trial
from searching import Heard, run

import harness.search.search
from harness.console.events import Note
from harness.errors import SearchFailedError
from harness.paths import RunPaths
from harness.search import live_report
from harness.search.live_report import live_of, write_page, write_pages
from harness.search.stop_signals import StopSwitch
from harness.search.time_left import note_undertaken
from harness.study.database import sqlite_url
from harness.study.study import final_study
from tests.reports.page.parsed_page import Page
from tests.synthetic_studies import SPACE, make_study

LIVE = 'class="live"'
PARAMS = {
    "lambda_L1": 82.5, "lambda_perceptual": 10.0, "n_layers_D": 4, "gan_mode": "lsgan", "lr": 2e-4,
}  # fmt: skip


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    """A study that is being searched, in a run folder: twelve trials done, two running."""
    runs = tmp_path / "빈 칸"
    runs.mkdir()
    study = make_study(12)
    note_undertaken(study, make_plan(tmp_path, budget=50, jobs=2))
    storage = sqlite_url(runs / "optuna.db")
    optuna.copy_study(
        from_study_name=study.study_name,
        from_storage=study._storage,
        to_storage=storage,
        to_study_name="faces",
    )
    copied = optuna.load_study(study_name="faces", storage=storage)
    for scores in ({160: 0.21, 220: 0.2345}, {}):
        copied.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=PARAMS,
                distributions=SPACE,
                intermediate_values=scores,
                user_attrs={"params": PARAMS, "extras": {"netG": "warp_unet_128"}},
            )
        )
    return {"run_dir": str(runs), "study": "faces", "storage": None}


def report_of(order: dict[str, Any]) -> Path:
    return RunPaths(Path(order["run_dir"])).study(order["study"]).report_html


def study_of(order: dict[str, Any]) -> optuna.Study:
    return optuna.load_study(study_name="faces", storage=f"sqlite:///{order['run_dir']}/optuna.db")


def test_it_tells_how_far_the_search_is(order: dict[str, Any]) -> None:
    study = study_of(order)
    live = live_of(study, 10)
    assert (live.done, live.budget, live.preparing) == (12, 50, "")
    assert live.left.startswith("about ")
    first, second = live.running
    assert (first.name, first.step, first.steps, first.score) == ("t012", 220, 400, 0.2345)
    assert first.settings == PARAMS | {"netG": "warp_unet_128"}
    assert (second.name, second.step, second.score) == ("t013", 0, None)


def test_finalists_run_on_a_longer_way(order: dict[str, Any]) -> None:
    study = study_of(order)
    finals = final_study(study)
    finals.add_trial(create_trial(value=0.3, user_attrs={"finalist": "t001", "seconds": 9.0}))
    finals.add_trial(
        create_trial(state=TrialState.RUNNING, user_attrs={"finalist": "t001", "params": PARAMS})
    )
    live = live_of(study, 10)
    assert live.done == 13
    assert (live.running[-1].name, live.running[-1].steps) == ("f01", 600)


def test_the_page_lists_running_trials_and_loads_itself_again(order: dict[str, Any]) -> None:
    assert write_page(order, 12.5)
    page = report_of(order).read_text()
    assert "12 of 50 trials are done, about" in page
    assert "220 of 400" in page
    assert "<td>0.2345</td>" in page
    assert 'data-interval="12.5"' in page
    written = page.partition('data-written="')[2].partition('"')[0]
    assert abs(float(written) - report_of(order).stat().st_mtime) < 60
    assert "location.reload()" in page
    assert list(report_of(order).parent.iterdir()) == [report_of(order)]


def test_its_commands_name_the_database_without_its_password(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:s3cret@db/studies"
    study = study_of(order)
    monkeypatch.setattr("harness.study.study.read_study", lambda *_: study)
    assert write_page(order | {"storage": url}, 10)
    page = report_of(order).read_text()
    assert "s3cret" not in page
    assert "***@db/studies" in page


def test_the_last_page_is_the_ordinary_report(order: dict[str, Any]) -> None:
    assert write_page(order, 12.5)
    assert write_page(order, None)
    page = report_of(order).read_text()
    assert LIVE not in page
    assert "location.reload" not in page


def test_a_page_that_cannot_be_written_is_logged_and_leaves_the_last_one(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert write_page(order, 10)
    written = report_of(order).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert not write_page(order, 10)
    assert "No space left on device" in caplog.text
    assert report_of(order).read_bytes() == written
    assert not write_page(order | {"study": "another"}, 10)


class Pipe:
    """A pipe that closes after some waits."""

    def __init__(self, waits: int) -> None:
        self.waits = waits

    def closed(self, _: object, seconds: float) -> bool:
        assert seconds >= live_report.FIRST_INTERVAL
        self.waits -= 1
        return self.waits == 0


def test_pages_are_written_until_the_driver_ends_and_opened_once(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    intervals: list[float | None] = []

    def write(_: object, interval: float | None) -> bool:
        intervals.append(interval)
        return len(intervals) > 1  # the first attempt fails

    monkeypatch.setattr(live_report, "write_page", write)
    monkeypatch.setattr(live_report, "show_in_browser", opened.append)
    monkeypatch.setattr(live_report, "closed_within", Pipe(4).closed)
    write_pages(order, sys.stdin)
    assert [interval is None for interval in intervals] == [False] * 4 + [True]
    assert opened == [report_of(order)]


def test_the_first_pages_come_soon_and_later_ones_as_their_writing_costs(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page's time is mostly that of imports."""
    costs, intervals, waits = [1.1, 0.3, 0.3, 0.1, 0.3], [], []

    def write(_: object, interval: float | None) -> bool:
        intervals.append(interval)
        return True

    def closed(_: object, seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 5

    monkeypatch.setattr(live_report, "write_page", write)
    monkeypatch.setattr(live_report, "show_in_browser", lambda _: None)
    monkeypatch.setattr(live_report, "closed_within", closed)
    monkeypatch.setattr(
        live_report.time, "process_time", lambda: 100.0 + sum(costs[: len(intervals)])
    )
    write_pages(order, sys.stdin)
    assert waits == pytest.approx([5, 5, 15, 15, 10])
    assert intervals == [*waits, None]


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("shared", "The warm start that all trials begin with is being trained."),
        ("init-from", "Your model is being prepared for the trials."),
        ("none", "The first trials are about to start."),
    ],
)
def test_before_the_first_trial_it_says_what_is_being_made(
    order: dict[str, Any], start: str, says: str
) -> None:
    study = study_of(order)
    study.set_user_attr("warm_start", start)
    study.set_user_attr("baseline", None)
    assert write_page(order, 10)
    page = Page(report_of(order).read_text()).text
    assert says in page
    assert ("warm start that" in page) == (start == "shared")
    study.set_user_attr("baseline", {"noop": 0.22, "warm_start": None, "oracle": 0.96})
    assert write_page(order, 10)
    assert says not in Page(report_of(order).read_text()).text


def test_a_pipe_says_that_its_other_end_is_closed() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours) as pipe:
        assert not live_report.closed_within(pipe, 0)
        os.close(theirs)
        assert live_report.closed_within(pipe, 0)


class Writer:
    """Stands in for the process: a live page at once, and nothing after it is ended."""

    def __init__(self, plan: Any) -> None:
        self.order = {"run_dir": str(plan.config.run_dir), "study": "fake", "storage": None}
        self.live = write_page(self.order, 10)

    def end(self) -> None:
        self.live = False


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Writer]]:
    started: list[Writer] = []
    monkeypatch.setattr(
        live_report, "start_writer", lambda plan: started.append(Writer(plan)) or started[-1]
    )
    monkeypatch.setattr(live_report, "end", Writer.end)
    yield started
    assert not any(writer.live for writer in started)


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize("stop_after", [None, 2])
def test_a_search_that_ends_or_is_stopped_leaves_the_ordinary_report(
    tmp_path: Path, writers: list[Writer], stop_after: int | None
) -> None:
    plan = make_plan(tmp_path, budget=4, open=True)
    run(plan, Instant, stop_after)
    assert len(writers) == 1
    assert LIVE not in plan.paths.report_html.read_text()


@pytest.mark.usefixtures("unmirrored")
def test_a_search_that_fails_leaves_the_ordinary_report(
    tmp_path: Path, writers: list[Writer]
) -> None:
    plan = make_plan(tmp_path, budget=4, open=True, max_failures=2)
    with pytest.raises(SearchFailedError):
        run(plan, Failing)
    assert len(writers) == 1
    assert LIVE not in plan.paths.report_html.read_text()


@pytest.mark.usefixtures("unmirrored")
def test_a_search_goes_on_without_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(live_report.subprocess, "Popen", none_left)
    plan, stop = make_plan(tmp_path, budget=2, open=True), StopSwitch(None)
    view = Heard(stop)
    assert harness.search.search.run_search(plan, view, stop, Instant).done == 2
    said = [event.text for event in view.events if isinstance(event, Note)]
    assert any(str(plan.paths.report_html) in text for text in said)
    assert "Resource temporarily unavailable" in plan.paths.driver_log.read_text()


def test_the_process_reads_its_order_and_leaves_the_core_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    order = {"run_dir": "runs", "study": "faces", "storage": None}
    pipe = io.StringIO(json.dumps(order) + "\n")
    monkeypatch.setattr("sys.stdin", pipe)
    monkeypatch.setattr(live_report.os, "nice", told.append)
    monkeypatch.setattr(live_report.signal, "signal", lambda number, _: told.append(number))
    monkeypatch.setattr(live_report, "write_pages", lambda *given: told.extend(given))
    live_report.main()
    assert told == [signal.SIGTERM, 10, order, pipe]


def test_a_page_is_opened_by_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    live_report.show_in_browser(tmp_path / "빈 칸.html")
    assert opened.get(timeout=60) == (tmp_path / "빈 칸.html").as_uri()


class Started:
    """Stands in for the process: notes what it is started with and told."""

    def __init__(self, words: list[str], **settings: Any) -> None:
        self.words, self.settings = words, settings
        self.stdin = io.StringIO()
        self.told: list[str] = []

    def terminate(self) -> None:
        self.told.append("terminate")

    def wait(self, seconds: float | None = None) -> None:
        self.told.append("wait")
        if seconds is not None:
            raise subprocess.TimeoutExpired("it", seconds)

    def kill(self) -> None:
        self.told.append("kill")


def test_the_process_is_told_which_study_it_is_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live_report.subprocess, "Popen", Started)
    url = "postgresql://me:s3cret@db/studies"
    plan = make_plan(Path("runs"), open=True, storage=url)
    plan.paths.folder.mkdir(parents=True)
    writer: Any = live_report.start_writer(plan)
    order = {"run_dir": str(tmp_path / "runs"), "study": "fake", "storage": url}
    assert json.loads(writer.stdin.getvalue()) == order
    assert writer.stdin.getvalue().endswith("\n")
    assert writer.settings["start_new_session"]
    assert writer.settings["stdout"] == subprocess.DEVNULL
    live_report.end(writer)
    assert writer.told == ["terminate", "wait", "kill", "wait"]
    assert writer.stdin.closed


@pytest.mark.usefixtures("unmirrored")
def test_without_the_option_no_page_is_written_before_the_end(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=4)
    run(plan, Instant, stop_after=2)
    assert not plan.paths.report_html.exists()


@pytest.mark.slow
def test_the_process_ends_with_its_driver_and_leaves_the_ordinary_report(
    order: dict[str, Any], tmp_path: Path
) -> None:
    """Even if the driver is killed: its end closes the pipe."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}; kill -TERM $(cat {tmp_path}/driver)\n')
    browser.chmod(0o755)
    line = json.dumps(order).encode() + b"\n"
    driver = (
        "import os, subprocess, sys, time\n"
        "w = subprocess.Popen([sys.executable, '-m', 'harness.search.live_report'],"
        " stdin=subprocess.PIPE, start_new_session=True)\n"
        f"open({str(tmp_path / 'driver')!r}, 'w').write(str(os.getpid()))\n"
        f"w.stdin.write({line!r}); w.stdin.flush()\n"
        "print(w.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    environment = os.environ | {"BROWSER": f"{browser} %s"}
    driving = subprocess.Popen(
        [sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True, env=environment
    )
    # The writer holds the other end of this pipe too: the end of the file is its end.
    assert driving.stdout is not None
    driving.stdout.read()
    driving.wait()
    assert opened.read_text() == report_of(order).as_uri() + "\n"
    assert LIVE not in report_of(order).read_text()
