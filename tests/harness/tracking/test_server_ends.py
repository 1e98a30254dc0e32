"""The server of `harness ui` ends with it, however that ends, and is asked without a proxy."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from harness.tracking.server import quiet_environment
from harness.trials.warden import guarded

ROOT = Path(__file__).parents[3]

# Answers as MLflow's server does on a store without an experiment; has a child, as that has.
SERVER = """
import subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")
    do_POST = do_GET

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
HTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
"""
UI = """
import sys
import harness.tracking.server
from harness.cli.app import main

folder, server = sys.argv[1:]
harness.tracking.server.server_command = lambda database, artifacts, base: [
    sys.executable, server, base.rpartition(":")[2]
]
sys.argv = ["harness", "ui", "--run-dir", folder, "--no-browser"]
main()
"""


@contextmanager
def ui(folder: Path, *before: str) -> Iterator["subprocess.Popen[str]"]:
    """`harness ui` on a server that starts at once, behind a proxy that answers nobody."""
    (folder / "server.py").write_text(SERVER)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE experiments (name, artifact_location)")
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    process = subprocess.Popen(
        [*before, sys.executable, "-c", UI, str(folder), str(folder / "server.py")],
        env={**os.environ, **proxies, "PYTHONPATH": str(ROOT), "no_proxy": "", "NO_PROXY": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def started_by(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """What serves: our guard, the server and the server's own child."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(3)]
    assert said[2] == "Ctrl-C ends it.\n", process.stderr and process.stderr.read()
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) == 3
    return below


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGHUP, 0),  # the terminal was closed
        (signal.SIGTERM, 0),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_the_server_ends_with_it(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with ui(tmp_path) as process:
        serving = started_by(process)
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert psutil.wait_procs(serving, timeout=30)[1] == []


def test_nohup_keeps_it(tmp_path: Path) -> None:
    with ui(tmp_path, "nohup") as process:
        started_by(process)
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        assert ignored >> (signal.SIGHUP - 1) & 1


def test_the_guard_passes_on_how_its_command_ended() -> None:
    with guarded([sys.executable, "-c", "exit(7)"]) as guard:
        assert guard.wait(timeout=30) == 7


def test_the_server_gets_no_other_store_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", "/prefix")
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mine")
    own = {name for name in quiet_environment() if name.startswith("MLFLOW_")}
    assert own == {
        "MLFLOW_DISABLE_TELEMETRY",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
        "MLFLOW_SERVER_ALLOWED_HOSTS",
    }
    values = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
              "MLFLOW_SERVER_ALLOWED_HOSTS": "mine", "PYTHONSAFEPATH": "1"}  # fmt: skip
    assert quiet_environment() | values == quiet_environment()
