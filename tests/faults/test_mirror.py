"""MLflow's server is stopped and started again while a search runs: the mirror catches up."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checking import check_finished, check_mirror, wait_until
from driving import Slow, make_plan

import harness.search
import harness.tracking.deliveries
from harness.stopping import StopSwitch
from harness.view import Event, Note, TrialEnded, View

BUDGET = 24


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
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
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
    monkeypatch.setattr(harness.tracking.deliveries, "RETRY_AFTER", 0.5)
    port = free_port()
    view = Switching(tmp_path, port)
    uri = f"http://127.0.0.1:{port}"
    try:
        plan = make_plan(tmp_path, jobs=2, budget=BUDGET, tracking_uri=uri)
        harness.search.run_search(plan, view, StopSwitch(None), Slow)
        check_finished(tmp_path, BUDGET, kills=0)
        check_mirror(tmp_path, uri)
    finally:
        view.close()
    assert sum("MLflow did not answer" in note for note in view.notes) == 1
    assert not any("could not be told" in note for note in view.notes)
