"""MLflow's own server on a run folder: this machine only, no telemetry, gone with Ctrl-C."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from harness.errors import HarnessError, UserInputError
from harness.mlflow_view import VIEW
from harness.paths import RunPaths, check_writable

HOST = "127.0.0.1"
TRIED_PORTS = 100
STARTS_WITHIN = 180.0  # seconds
ENDS_WITHIN = 10.0  # seconds


def serve_ui(paths: RunPaths, port: int, study: str | None, open_browser: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; what the server says goes to a log in the run folder.

    Args:
        study: the one to open; None: the one that was searched last.

    Raises:
        UserInputError: the run folder has no such study, or MLflow could not write there.
        HarnessError: no port is free, or the server does not start.
    """
    check_writable(paths.root, "--run-dir")
    # A shell starts what runs in its background with Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    base = f"http://{HOST}:{free_port(port)}"
    print(f"MLflow starts on {paths.root}; this takes some seconds.", flush=True)
    server = start(paths, base)
    try:
        wait_until_it_answers(server, base, paths.mlflow_log)
        address = base + page_of(chosen_experiment(base, study, paths))
        print(f"{address}\nCtrl-C ends it.", flush=True)
        if open_browser:
            webbrowser.open(address)
        server.wait()
        raise HarnessError(died(server, paths.mlflow_log))
    except KeyboardInterrupt:
        pass
    finally:
        end(server)


def interrupt(*_: object) -> None:
    """Either signal ends the server."""
    raise KeyboardInterrupt


def start(paths: RunPaths, base: str) -> "subprocess.Popen[bytes]":
    """The server, in a session of its own: Ctrl-C reaches us alone, and we end it in order."""
    with paths.mlflow_log.open("wb") as log:
        return subprocess.Popen(
            server_command(paths, base.rpartition(":")[2]),
            env=quiet_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def server_command(paths: RunPaths, port: str) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", port, "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{paths.mlflow_db.absolute()}"),
        *("--default-artifact-root", paths.mlflow_artifacts.absolute().as_uri()),
        *("--uvicorn-opts", "--log-level warning"),
    ]


def quiet_environment() -> dict[str, str]:
    return {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # A file of the user's own that is named as one of Python's must not be taken for it.
        "PYTHONSAFEPATH": "1",
    }


def free_port(wanted: int) -> int:
    """`wanted`, or the next one that nobody listens on.

    Raises:
        UserInputError: none of them is free.
    """
    for port in range(wanted, min(wanted + TRIED_PORTS, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UserInputError(
        f"No port from {wanted} to {min(wanted + TRIED_PORTS, 65536) - 1} is free: name another "
        "with --port N."
    )


def wait_until_it_answers(server: "subprocess.Popen[bytes]", base: str, log: Path) -> None:
    """Return once the server answers.

    Raises:
        HarnessError: it ended, or took too long.
    """
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise HarnessError(died(server, log))
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=5):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise HarnessError(f"MLflow did not answer within {STARTS_WITHIN:.0f} s: see {log}.")


def died(server: "subprocess.Popen[bytes]", log: Path) -> str:
    return f"MLflow's server ended by itself with exit code {server.returncode}: see {log}."


def chosen_experiment(base: str, study: str | None, paths: RunPaths) -> dict[str, Any] | None:
    """MLflow's experiment of `study`, or that of its youngest run; None where there is none yet.

    Raises:
        UserInputError: there is no experiment of that name.
    """
    answer = asked(base, "experiments/search", max_results=1000)
    experiments: dict[str, dict[str, Any]] = {
        each["experiment_id"]: each for each in answer.get("experiments", [])
    }
    if study is not None:
        for each in experiments.values():
            if each["name"] == study:
                return each
        raise UserInputError(f"MLflow has no study {study} in {paths.root}: see harness status.")
    youngest = asked(
        base,
        "runs/search",
        experiment_ids=list(experiments),
        max_results=1,
        order_by=["attributes.start_time DESC"],
    ).get("runs", [])
    return experiments[youngest[0]["info"]["experiment_id"]] if youngest else None


def page_of(experiment: dict[str, Any] | None) -> str:
    """Where MLflow shows an experiment's trials, with the study's own columns if it has them."""
    if experiment is None:
        return "/"
    tags = {tag["key"] for tag in experiment.get("tags", [])}
    query = {"workflowType": "machine_learning"}
    if f"mlflow.sharedViewState.{VIEW}" in tags:
        query["viewStateShareKey"] = VIEW
    return f"/#/experiments/{experiment['experiment_id']}/runs?{urlencode(query)}"


def asked(base: str, what: str, **body: Any) -> dict[str, Any]:
    """An answer of MLflow's REST interface.

    Raises:
        HarnessError: the server refuses.
    """
    request = urllib.request.Request(
        f"{base}/api/2.0/mlflow/{what}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise HarnessError(f"MLflow's server answered {error.code} to {what}.") from error


def end(server: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started; a second Ctrl-C does not stop this."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    tell(server, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(timeout=ENDS_WITHIN)
    tell(server, signal.SIGKILL)
    server.wait()


def tell(server: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """A signal to the server's whole session; none where it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, number)
