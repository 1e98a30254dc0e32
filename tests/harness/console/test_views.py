"""The views of one search: for a terminal, for a file, and for programs."""

import io
import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from driving import Instant, make_plan
from null_tracker import NullTracker
from rich.console import Console

import harness.search.search
from harness.console import lines
from harness.console.events import Note, Opened, Prepared, RungReached, TrialBegan, TrialEnded
from harness.console.lines import leader_line, opening_text, sparkline
from harness.console.views import JsonView, LiveView, PlainView, QuietView, View, make_view
from harness.paths import RunPaths
from harness.search.result import as_data, as_lines, outcome_of
from harness.search.status import score_history, status_lines
from harness.search.stop_signals import StopSwitch
from harness.study.folder import claim
from harness.study.locks import driven_by, record_driver
from reports.record.queries import completed, score_of
from tests.synthetic_studies import make_study

ESCAPE = "\x1b"
PARAMS = {
    "lambda_L1": 82.0, "lambda_perceptual": 11.0, "n_layers_D": 4, "gan_mode": "lsgan", "lr": 2e-4,
}  # fmt: skip


def ended(number: int, state: str, value: float | None, **changed: object) -> TrialEnded:
    fields = {
        "name": f"t{number:03d}", "state": state, "value": value, "params": PARAMS,
        "recipe": None, "reason": "", "seconds": 20.0, "best": False, "done": number + 1,
        "final": False,
    }  # fmt: skip
    return TrialEnded(**{**fields, **changed})  # type: ignore[arg-type]


def show_search(view: View) -> None:
    """A search with every kind of event; its names and reasons contain rich's markup."""
    view.show(Opened("[bold]얼굴[/]", 4, 0, "quick", "cpu", 2, "random", "8 + 2 pairs", "runs/[x]"))
    view.show(Note("a note [/nothing] more"))
    view.show(Prepared(noop=0.2, warm_start=0.22, oracle=0.97))
    view.show(TrialBegan("t000", PARAMS, "problem"))
    view.show(RungReached("t000", 10, 30, 0.2))
    view.show(ended(0, "complete", 0.21, recipe="problem", best=True))
    view.show(ended(1, "pruned", 0.2, reason="stopped at step 10: too low", stopped_at=10))
    view.show(ended(2, "failed", None, reason="ValueError: [/b] is no tag"))
    view.show(ended(3, "complete", 0.25, best=True))
    view.show(TrialBegan("t004", PARAMS, None))


def test_the_live_view_shows_all_text_and_the_current_state() -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, force_terminal=True, width=120, height=40))
    show_search(view)
    frame = Console(file=io.StringIO(), width=120, record=True)
    frame.print(view.render())
    text = frame.export_text()
    view.close()
    assert "4/4 trials" in text
    assert "2 completed, 1 stopped early; 1 running, 1 failed" in text
    assert sparkline([0.21, 0.25]) in text
    assert "leader 0.2500  t003" in text
    assert text.split()[-8:] == ["t004", "-", "-", "L1=82", "perc=11", "nD=4", "lsgan", "lr=0.0002"]
    printed = out.getvalue()
    for words in ("[bold]얼굴[/]", "runs/[x]", "[/nothing]", "[problem]", "ValueError: [/b] is no"):
        assert words in printed, words
    assert "t001" not in printed  # one that was stopped is only counted


def test_a_trial_that_diverged_stands_in_the_columns_of_one_that_was_stopped() -> None:
    stopped = lines.trial_line(ended(1, "pruned", 0.2, reason="too low there", stopped_at=10), 4)
    assert stopped.endswith("lr=0.0002 at step 10")
    diverged = lines.trial_line(
        ended(2, "pruned", None, reason="diverged: G_L1 is nan at step 7"), 4
    )
    line, why = diverged.splitlines()
    assert line.split()[:3] == ["3/4", "t002", "stopped"]
    assert line.index("L1=82") == stopped.index("L1=82")
    assert why.strip() == "diverged: G_L1 is nan at step 7"


def test_a_resumed_search_shows_its_best_trial_and_scores() -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    view = LiveView(console)
    earlier = {"best": leader_line(0.31, "t007", PARAMS), "scores": (0.2, 0.31, 0.25)}
    view.show(Opened("s", 9, 4, "quick", "cpu", 2, "random", "pairs", "runs", **earlier))  # type: ignore[arg-type]
    view.show(ended(4, "complete", 0.26))
    console.print(view.render())
    view.close()
    text = console.export_text()
    assert "Leader so far: 0.3100  t007 L1=82" in text
    assert "leader 0.3100  t007 L1=82" in text
    assert sparkline([0.2, 0.31, 0.25, 0.26]) in text
    assert "Study s: 9 trials, 4 of them done; profile quick, 2 workers on cpu" in text
    smaller = opening_text(Opened("s", 3, 4, "quick", "cpu", 2, "random", "pairs", "runs"))
    assert smaller.startswith("Study s: 4 trials, 4 of them done; ")
    one = opening_text(Opened("s", 1, 0, "quick", "cpu", 1, "random", "pairs", "runs"))
    assert one.startswith("Study s: 1 trial; profile quick, 1 worker on cpu,")


def test_lines_in_a_file_contain_no_colour_codes() -> None:
    out = io.StringIO()
    show_search(PlainView(out))
    lines = out.getvalue().splitlines()
    assert ESCAPE not in out.getvalue()
    assert sum("/4 t00" in line for line in lines) == 4
    assert lines[4].startswith("1/4 t000 leads     0.2100")
    assert lines[4].endswith("[problem]")
    assert lines[8].startswith("4/4 t003 leads     0.2500")
    assert lines[5].endswith(" at step 10")
    assert lines[7] == "      ValueError: [/b] is no tag"


def test_json_output_has_one_object_per_line() -> None:
    out = io.StringIO()
    show_search(JsonView(out))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [each["event"] for each in events[:3]] == ["Opened", "Note", "Prepared"]
    assert events[0]["study"] == "[bold]얼굴[/]"
    assert events[-2]["value"] == 0.25


def test_json_lines_reach_a_pipe_at_once(tmp_path: Path) -> None:
    with (tmp_path / "lines").open("w") as pipe:  # as a pipe, it holds lines back unless flushed
        JsonView(pipe).show(Note("here"))
        assert json.loads((tmp_path / "lines").read_text()) == {"event": "Note", "text": "here"}


def test_the_view_depends_on_whether_stdout_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    view = make_view(quiet=False, as_json=False)
    assert isinstance(view, PlainView)
    show_search(view)
    assert ESCAPE not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert isinstance(make_view(quiet=False, as_json=False), LiveView)
    assert isinstance(make_view(quiet=False, as_json=True), JsonView)
    assert isinstance(make_view(quiet=True, as_json=True), QuietView)


def test_files_of_a_search_contain_no_colour_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_, **__: NullTracker())
    plan = make_plan(tmp_path, budget=3)
    harness.search.search.run_search(plan, PlainView(sys.stdout), StopSwitch(None), Instant)
    written = [
        file
        for file in plan.paths.folder.rglob("*")
        if file.suffix in (".yaml", ".log", ".json", ".txt", ".html")
    ]
    assert {"best.yaml", "driver.log", "report.html"} <= {file.name for file in written}
    for file in written:
        assert ESCAPE.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("values", "blocks"),
    [([], ""), ([0.5], "▁"), ([0.0, 1.0], "▁█"), ([1.0, 0.5, 0.0], "█▅▁"), ([0.3] * 3, "▁▁▁")],
)
def test_scores_as_blocks(values: list[float], blocks: str) -> None:
    assert sparkline(values) == blocks
    assert len(sparkline([float(n) for n in range(100)])) == 40


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        (None, "harness ui --run-dir RUNS"),
        ("http://me:s3cret@tracking:5000", "http://***@tracking:5000"),
        (
            "sqlite:////data/all runs.db",
            "mlflow ui --backend-store-uri 'sqlite:////data/all runs.db'",
        ),
    ],
)
def test_the_outcome_names_the_address_of_mlflow(
    tmp_path: Path, uri: str | None, address: str
) -> None:
    paths = RunPaths(tmp_path).study("boundary-sharpness")
    lines = as_lines(outcome_of(make_study(3), tmp_path, paths, tracking_uri=uri))
    [mlflow] = [line for line in lines if line.startswith("Compare in MLflow:")]
    assert mlflow.split(":", 1)[1].strip() == address.replace("RUNS", str(tmp_path))


def test_status_shows_progress_and_the_driver(tmp_path: Path) -> None:
    study, paths = make_study(20), RunPaths(tmp_path).study("boundary-sharpness")
    outcome = outcome_of(study, tmp_path, paths)
    head, _, course, *_ = status_lines(study, outcome)
    assert head == "Study boundary-sharpness, budget 50, not being searched now"
    assert set(course.split()[1]) <= set("▁▂▃▄▅▆▇█")
    many = make_study(80)  # of which 48 complete
    latest = [score_of(trial) for trial in completed(many)][-40:]
    ends = f"{min(latest):.4f} to {max(latest):.4f}"
    assert score_history(many) == f"  scores {sparkline(latest)} {ends}"
    assert status_lines(study, replace(outcome, budget=outcome.done))[0].endswith(", finished")
    begun = replace(outcome, counts=Counter({"complete": 5, "running": 2}))
    assert status_lines(study, begun)[1].endswith(": 5 completed; 2 interrupted.")
    record_driver(study)
    assert status_lines(study, begun)[1].endswith(": 5 completed; 2 running.")
    assert driven_by(study) == f"process {os.getpid()}"
    assert status_lines(study, outcome)[0].endswith(f"being searched by process {os.getpid()}")
    host = os.uname().nodename
    for attributes in (
        {"driver": f"process {os.getpid()} on elsewhere"},
        {"driver": f"process {2**22 + 1} on {host}"},
        {"driver": f"process {os.getpid()} on {host}", "driver_began": 1.0},  # of another process
        {"driver": "a text that somebody has edited"},
    ):
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        assert driven_by(study) == ""


def test_files_of_a_study_of_the_same_name_are_not_shown_as_its_own(tmp_path: Path) -> None:
    study, paths = make_study(3), RunPaths(tmp_path).study("boundary-sharpness")
    other = make_study(3, identity="2" * 32)
    paths.folder.mkdir()
    claim(paths, other)
    outcome = outcome_of(study, tmp_path, paths)
    text = "\n".join(as_lines(outcome))
    assert "in another run folder" in text
    assert str(paths.best_yaml) not in text
    data = as_data(outcome)
    assert data["folder"] is data["best_yaml"] is None
    assert str(paths.folder) in "\n".join(as_lines(outcome_of(other, tmp_path, paths)))
    elsewhere = RunPaths(tmp_path / "none").study("boundary-sharpness")
    assert not outcome_of(study, tmp_path / "none", elsewhere, storage="postgresql://x").files_here


def test_status_names_the_mlflow_of_the_last_search(tmp_path: Path) -> None:
    study, paths = make_study(3), RunPaths(tmp_path).study("boundary-sharpness")
    study.set_user_attr("tracking_uri", "http://***@tracking:5000")
    assert as_lines(outcome_of(study, tmp_path, paths))[-1].endswith("http://***@tracking:5000")
