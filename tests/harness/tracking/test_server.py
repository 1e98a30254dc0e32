"""A real store with two trials in it, and `harness ui` on it: the address, the port, the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from driving import PIXEL
from mirroring import PARAMS, study_store
from mlflow.entities import Experiment

from harness.errors import HarnessError, UserInputError
from harness.paths import RunPaths
from harness.tracking import sender as deliveries
from harness.tracking.client import quiet_client
from harness.tracking.columns import VIEW
from harness.tracking.model_registry import SearchResults
from harness.tracking.outbox import Entry
from harness.tracking.server import (
    APP,
    DIRECT,
    chosen_experiment,
    free_port,
    page_of,
    serve_ui,
    started,
    wait_until_it_answers,
)
from harness.tracking.store import Ending
from harness.tracking.study_runs import Tracker
from harness.trials.messages import Rung, TrialTask

ROOT = Path(__file__).parents[3]


def write_runs(paths: RunPaths, name: str) -> None:
    """A study of two trials as a search leaves it in MLflow."""
    notes: list[str] = []
    tracker = Tracker(study_store(paths.root, name), paths.study(name).outbox, notes.append)
    for number in range(2):
        task = TrialTask(number, PARAMS, 0)
        tracker.begin(task, {"recipe": "recommended"})
        tracker.rung(task, Rung(10, 0.2 + number / 10, {"D": 1.0}, {"G_L1": 0.5}, PIXEL))
        tracker.rung(task, Rung(20, 0.3 + number / 10, {"D": 0.9}, {"G_L1": 0.4}, PIXEL))
        tracker.end(task.name, Ending("FINISHED", "complete"))
    tracker.conclude(Ending("FINISHED", "finished"), SearchResults(1, "the note"))
    tracker.finish()
    assert notes == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    patch = pytest.MonkeyPatch()
    patch.setattr(deliveries, "BATCH_SIZE", 1)
    before = RunPaths(tmp_path_factory.mktemp("before"))
    for name in ("first", "얼굴 <b>"):
        write_runs(before, name)
    patch.undo()
    # All that follows is seen of a folder that was moved.
    paths = RunPaths(before.root.with_name("빈 칸 's"))
    before.root.rename(paths.root)
    return paths


def test_the_parent_says_what_was_searched_on_which_pairs(runs: RunPaths) -> None:
    client = quiet_client(f"sqlite:///{runs.mlflow_db}")
    experiment = client.get_experiment_by_name("first")
    assert experiment is not None
    (parent,) = client.search_runs([experiment.experiment_id], "tags.role = 'study'")
    (given,) = parent.inputs.dataset_inputs
    assert given.dataset.name == "nothing"
    assert given.dataset.digest == "d" * 36
    assert (runs.mlflow_artifacts / parent.info.run_id / "artifacts" / "space.yaml").exists()
    assert parent.data.tags["mlflow.note.content"] == "the note"


def test_the_view_names_columns_that_the_trials_have(runs: RunPaths) -> None:
    client = quiet_client(f"sqlite:///{runs.mlflow_db}")
    experiment = client.get_experiment_by_name("first")
    assert experiment is not None
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{VIEW}"])
    (best,) = client.search_runs([experiment.experiment_id], "tags.best = 'true'")
    data: dict[str, Any] = {
        "metrics": best.data.metrics, "params": best.data.params, "tags": best.data.tags,
    }  # fmt: skip
    shown = [column.split(".", 1) for column in view["selectedColumns"]]
    missing = {name for kind, name in shown if kind in data and name.strip("`") not in data[kind]}
    # These trials are no finalists, and of one kind of generator.
    assert missing == {"`score_held_out`", "`netG`"}
    # MLflow would sort the columns by their names; a finalist's score is not a trial's.
    assert view["columnOrder"] == ["attributes.`Run Name`", *view["selectedColumns"]]
    assert shown[0] == ["metrics", "`score`"]
    assert shown[-1] == ["metrics", "`score_held_out`"]
    assert view["columnWidths"].keys() == {*view["selectedColumns"], "attributes.`Run Name`"}
    params = {name.strip("`") for kind, name in shown if kind == "params"}
    assert params == {*best.data.params, "netG"}
    assert view["orderByKey"] == "metrics.`score`"
    assert experiment.tags["mlflow.experiment.primaryMetric.name"] in best.data.metrics


def test_the_best_so_far_is_tagged_while_the_search_goes_on(tmp_path: Path) -> None:
    store = study_store(tmp_path, "live")
    store.open(pytest.fail)
    store.write([Entry(f"t{number:03d}", status="RUNNING") for number in range(3)])
    for name in ("t000", "t002", None):
        store.lead(name, f"{name} leads")
        tagged = [run.info.run_id for run in store.search("tags.best = 'true'")]
        assert tagged == ([] if name is None else [store.runs[name]])
        (parent,) = store.search("tags.role = 'study'")
        assert parent.data.tags["mlflow.note.content"] == f"{name} leads"
        assert parent.info.status == "RUNNING"


@pytest.fixture(scope="module")
def served(runs: RunPaths) -> Iterator[tuple["subprocess.Popen[str]", int, list[str]]]:
    """`harness ui` on a port that is taken: its process, that port, and what it printed."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "harness", "ui"),
                *("--no-browser", "--run-dir", str(runs.root), "--port", str(taken)),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        yield process, taken, said
        process.kill()
        process.wait()


def picture_of(base: str, experiment: str) -> bytes:
    """A picture of the best run, as MLflow's page loads it."""
    (best,) = quiet_client(base).search_runs([experiment], "tags.best = 'true'")
    run = best.info.run_id
    with DIRECT.open(f"{base}/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path=images") as got:
        files = [file["path"] for file in json.load(got)["files"]]
    path = next(path for path in files if path.endswith(".png"))
    with DIRECT.open(f"{base}/get-artifact?{urlencode({'run_id': run, 'path': path})}") as got:
        held: bytes = got.read()
    return held


def test_the_page_opens_for_training_runs_with_the_assistant_closed(
    served: tuple["subprocess.Popen[str]", int, list[str]],
) -> None:
    if not entry_points(group="mlflow.app", name=APP):
        pytest.skip("needs the harness installed")
    _, _, said = served
    with DIRECT.open(said[1].strip().partition("/#")[0]) as answer:
        page = answer.read().decode()
        headers = answer.headers
    script = page.partition("<script>")[2].partition("</script>")[0]
    assert page.index(script) < page.index("main.")  # before MLflow's own
    assert '"mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": true' in script
    assert '"mlflow.workflowType_v1": "machine_learning"' in script
    assert "ETag" not in headers
    assert int(headers["Content-Length"]) == len(page.encode())


def test_it_prints_where_the_last_study_is_and_ends_with_ctrl_c(
    served: tuple["subprocess.Popen[str]", int, list[str]], runs: RunPaths
) -> None:
    process, taken, said = served
    assert process.poll() is None, process.stderr and process.stderr.read()
    address = said[1].strip()
    base, _, page = address.partition("/#")
    port = int(base.rpartition(":")[2])
    assert taken < port < taken + 100
    last = chosen_experiment(base, None, runs)
    assert last is not None
    assert last.name == "얼굴 <b>"
    assert page.startswith(f"/experiments/{last.experiment_id}/runs?")
    assert page.endswith(f"&viewStateShareKey={VIEW}")
    first = chosen_experiment(base, "first", runs)
    assert first is not None
    assert first.experiment_id != last.experiment_id
    with pytest.raises(UserInputError, match="no study other"):
        chosen_experiment(base, "other", runs)
    with urllib.request.urlopen(base, timeout=60) as page_of_mlflow:
        assert b"<html" in page_of_mlflow.read()
    assert picture_of(base, last.experiment_id) == PIXEL
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert free_port(port) == port
    assert runs.mlflow_log.exists()


def test_the_log_begins_anew_once_no_server_writes_to_it(tmp_path: Path) -> None:
    log = tmp_path / "server.log"

    def writing(text: str) -> ExitStack:
        command = "print({!r}, flush=True); __import__('time').sleep(60)"
        running = ExitStack()
        server = running.enter_context(started([sys.executable, "-c", command.format(text)], log))
        while text not in log.read_text("utf-8"):
            assert server.poll() is None
        return running

    first = writing("first")
    second = writing("second")
    first.close()
    third = writing("third")
    assert log.read_text("utf-8").split() == ["first", "second", "third"]
    second.close()
    third.close()
    writing("fourth").close()
    assert log.read_text("utf-8").split() == ["fourth"]


def test_an_older_store_opens_without_the_view() -> None:
    assert page_of(Experiment("7", "old", "", "active")) == (
        "/#/experiments/7/runs?workflowType=machine_learning"
    )
    assert page_of(None) == "/"


def test_a_study_deleted_in_the_pages_is_not_opened(
    runs: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pages:
        def get_experiment_by_name(self, name: str) -> Experiment:
            return Experiment("7", name, "", name)

    monkeypatch.setattr("harness.tracking.server.quiet_client", lambda _: Pages())
    found = chosen_experiment("", "active", runs)
    assert found is not None
    assert found.experiment_id == "7"
    with pytest.raises(UserInputError, match=r"no study deleted in .*: see harness status"):
        chosen_experiment("", "deleted", runs)


@pytest.mark.parametrize("open_browser", [True, False])
def test_a_browser_opens_where_it_is_wanted_and_an_end_of_the_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_browser: bool
) -> None:
    opened: list[str] = []
    paths, log = RunPaths(tmp_path), tmp_path / "server.log"
    command = [sys.executable, "-c", "exit(7)"]
    for name, found in (
        ("served_files", lambda _: nullcontext((paths.mlflow_db, log))),
        ("server_command", lambda *_: command),
        ("wait_until_it_answers", lambda *_: None),
        ("chosen_experiment", lambda *_: None),
        ("webbrowser.open", opened.append),
    ):
        monkeypatch.setattr(f"harness.tracking.server.{name}", found)
    with pytest.raises(HarnessError, match=r"ended by itself with exit code 7: see .*server\.log"):
        serve_ui(paths, 5000, None, open_browser)
    assert [page.endswith("/") for page in opened] == [True] * open_browser


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "ended by itself with exit code 3"),
        ("input()", "did not answer within 0 s"),
    ],
)
def test_a_server_that_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.setattr("harness.tracking.server.STARTS_WITHIN", 0.3)
    with subprocess.Popen([sys.executable, "-Sc", code], stdin=subprocess.PIPE) as server:
        if "Exit" in code:
            server.wait(timeout=30)
        with pytest.raises(HarnessError, match=said):
            wait_until_it_answers(server, "http://127.0.0.1:9", tmp_path / "server.log")
        server.kill()


def test_a_taken_port_gives_way_to_the_next_and_none_is_one_sentence() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) > taken
    with pytest.raises(UserInputError, match=r"No port from 65536 .*--port N"):
        free_port(65536)
