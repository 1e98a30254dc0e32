"""Run MLflow's own server on a run folder: local only, without telemetry, until Ctrl-C."""

import fcntl
import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from harness.errors import HarnessError, UserInputError
from harness.paths import RunPaths
from harness.study.urls import sqlite_address
from harness.tracking.client import RefusedError, UnavailableError, classified_errors, quiet_client
from harness.tracking.columns import VIEW, VIEW_TAG
from harness.tracking.database import served_files
from harness.trials.warden import guarded

if TYPE_CHECKING:
    from mlflow.entities import Experiment

APP = "harness"
"""The entry point of `harness.tracking.pages`."""
HOST = "127.0.0.1"
TRIED_PORTS = 100
STARTS_WITHIN = 180.0  # seconds
ENDS_WITHIN = 10.0  # seconds
# Bypasses proxies, which would resolve the loopback address on their own machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def serve_ui(paths: RunPaths, port: int, study: str | None, open_browser: bool) -> None:
    """Serve until Ctrl-C, SIGTERM or the end of the terminal; the server's output goes to a log.

    Args:
        study: the study to open; None: the latest.

    Raises:
        UserInputError: the run folder has no such study, or MLflow's database is damaged.
        HarnessError: no port is free, or the server does not start.
    """
    base = f"http://{HOST}:{free_port(port)}"
    with served_files(paths) as (database, log):
        print(f"MLflow starts on {paths.root}; this takes some seconds.", flush=True)
        command = server_command(database, paths.mlflow_artifacts, base)
        with suppress(KeyboardInterrupt), started(command, log) as server:
            wait_until_it_answers(server, base, log)
            try:
                with classified_errors():
                    address = base + page_of(chosen_experiment(base, study, paths))
            except (UnavailableError, RefusedError) as error:
                raise HarnessError(f"MLflow's server answers with an error ({error}).") from error
            print(f"{address}\nCtrl-C ends it.", flush=True)
            if open_browser:
                webbrowser.open(address)
            server.wait()
            raise HarnessError(exit_message(server, log))


@contextmanager
def started(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the server in its own session: Ctrl-C reaches only this process, which then ends it.

    Since a warden runs the server, it always ends with this process.
    """
    with log.open("ab") as output:
        # Truncate the log unless another server, which holds its lock, still writes to it.
        with suppress(OSError):
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            output.truncate(0)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(output, fcntl.LOCK_SH)
        with guarded(command, stdout=output, env=quiet_environment()) as server:
            try:
                yield server
            finally:
                server.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.wait(timeout=ENDS_WITHIN)


def server_command(database: Path, artifacts: Path, base: str) -> list[str]:
    store = sqlite_address(database)
    # Missing only if the harness is not installed, or an earlier version is.
    pages = entry_points(group="mlflow.app", name=APP)
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *(("--app-name", APP) if pages else ()),
        *("--host", HOST, "--port", base.rpartition(":")[2], "--workers", "1"),
        *("--backend-store-uri", store, "--registry-store-uri", store),
        *("--default-artifact-root", artifacts.absolute().as_uri()),
        *("--uvicorn-opts", "--log-level warning"),
    ]


def quiet_environment() -> dict[str, str]:
    """The environment without variables that change MLflow's store, address or options."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MLFLOW_") or name.startswith("MLFLOW_SERVER_")
    }
    return {
        **own,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # A file in the current folder must not shadow a module of the standard library.
        "PYTHONSAFEPATH": "1",
    }


def free_port(preferred: int) -> int:
    """`preferred`, or the next port that is free."""
    limit = min(preferred + TRIED_PORTS, 65536)
    for port in range(preferred, limit):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UserInputError(
        f"No port from {preferred} to {limit - 1} is free: name another with --port N."
    )


def wait_until_it_answers(server: "subprocess.Popen[bytes]", base: str, log: Path) -> None:
    """Return once the server answers."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise HarnessError(exit_message(server, log))
        try:
            with DIRECT.open(f"{base}/health", timeout=5):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise HarnessError(f"MLflow did not answer within {STARTS_WITHIN:.0f} s: see {log}.")


def exit_message(server: "subprocess.Popen[bytes]", log: Path) -> str:
    return f"MLflow's server ended by itself with exit code {server.returncode}: see {log}."


def chosen_experiment(base: str, study: str | None, paths: RunPaths) -> "Experiment | None":
    """MLflow's experiment of `study`, or of the latest run; None if there is no run yet."""
    client = quiet_client(base)
    if study is not None:
        found = client.get_experiment_by_name(study)
        if found is None or found.lifecycle_stage != "active":
            raise UserInputError(
                f"MLflow has no study {study} in {paths.root}: see harness status."
            )
        return found
    ids = [each.experiment_id for each in client.search_experiments()]
    latest = client.search_runs(ids, max_results=1, order_by=["attributes.start_time DESC"])
    return client.get_experiment(latest[0].info.experiment_id) if latest else None


def page_of(experiment: "Experiment | None") -> str:
    """The path of an experiment's page in MLflow, with the study's own columns if it has them."""
    if experiment is None:
        return "/"
    query = {"workflowType": "machine_learning"}
    if VIEW_TAG in experiment.tags:
        query["viewStateShareKey"] = VIEW
    return f"/#/experiments/{experiment.experiment_id}/runs?{urlencode(query)}"
