"""MLflow's server is stopped and started again while a search runs: the mirror catches up."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checking import began, check_finished, check_mirror, started, trials, wait_until
from driving import Slow, make_plan

import harness.search.search
import harness.tracking.sender
from harness.console.events import Event, Note, TrialEnded
from harness.console.views import View
from harness.search.stop_signals import StopSwitch
from harness.tracking.client import quiet_client

BUDGET = 24
# Without what a server does beside answering.
QUICKER = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def server(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """MLflow's own server, on its own database."""
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "server.out").open("ab") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **QUICKER},
        )
    try:
        wait_until(lambda: answers(port))
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait()


class Switching(View):
    """Stops the server after some trials, and starts it again after some more."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.ended = 0
        self.notes: list[str] = []
        self.up = server(folder, port)
        self.up.__enter__()

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        if isinstance(event, TrialEnded):
            self.ended += 1
            if self.ended == 6:
                self.up.__exit__(None, None, None)
            if self.ended == 14:
                self.up = server(self.folder, self.port)
                self.up.__enter__()

    def close(self) -> None:
        self.up.__exit__(None, None, None)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_server_that_comes_back_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.tracking.sender, "RETRY_AFTER", 0.5)
    port = free_port()
    view = Switching(tmp_path, port)
    uri = f"http://127.0.0.1:{port}"
    try:
        plan = make_plan(tmp_path, jobs=2, budget=BUDGET, tracking_uri=uri)
        harness.search.search.run_search(plan, view, StopSwitch(None), Slow)
        check_finished(tmp_path, BUDGET, kills=0)
        check_mirror(tmp_path, uri)
    finally:
        view.close()
    assert sum("MLflow accepts nothing now" in note for note in view.notes) == 1
    assert not any("does not have everything yet" in note for note in view.notes)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_driver_killed_while_the_server_is_away_loses_nothing_of_the_mirror(
    tmp_path: Path,
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    folder = tmp_path / "runs"
    options = ("--budget", str(BUDGET), "--tracking-uri", uri)
    with started(folder, *options) as driver:  # there is no server
        wait_until(lambda: began(folder) >= 8)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    waiting = list((folder / "fake" / "mlflow-outbox").glob("*.entry"))
    assert len(waiting) >= 8
    with server(tmp_path, port):
        with started(folder, *options) as driver:
            assert driver.wait(timeout=600) == 0
        check_finished(folder, BUDGET, kills=1)
        check_mirror(folder, uri)
        check_rungs(folder, uri)
    assert not (folder / "fake" / "mlflow-outbox").exists()


def check_rungs(folder: Path, uri: str) -> None:
    """Every rung that the record has is in MLflow too, with its picture."""
    client = quiet_client(uri)
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.trial != ''", max_results=1000)
    of_trial = {int(run.data.tags["trial"]): run.info.run_id for run in runs}
    for trial in trials(folder):
        run = of_trial[trial.number]
        history = client.get_metric_history(run, "score")
        told = {(point.step, point.value) for point in history}
        assert told == {(rung["step"], rung["value"]) for rung in trial.user_attrs["rungs"]}
        pictures = {file.path for file in client.list_artifacts(run, "images")}
        for rung in trial.user_attrs["rungs"]:
            assert any(f"+step+{rung['step']}+" in path for path in pictures)
