"""MLflow's own server on a run folder: this machine only, no telemetry, gone with Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser

from harness.errors import HarnessError
from harness.paths import RunPaths

HOST = "127.0.0.1"
TRIED_PORTS = 100
STARTS_WITHIN = 180.0  # seconds


def serve_ui(paths: RunPaths, port: int, open_browser: bool) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        HarnessError: no port is free, or the server does not start.
    """
    port = free_port(port)
    server = subprocess.Popen(server_command(paths, port), env=quiet_environment())
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        wait_until_it_answers(server, port)
        address = f"http://{HOST}:{port}"
        print(f"MLflow is at {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        end(server)


def server_command(paths: RunPaths, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{paths.mlflow_db.absolute()}"),
        *("--default-artifact-root", paths.mlflow_artifacts.absolute().as_uri()),
        *("--uvicorn-opts", "--log-level warning"),
    ]


def quiet_environment() -> dict[str, str]:
    return {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def free_port(wanted: int) -> int:
    """`wanted`, or the next one that nobody listens on.

    Raises:
        HarnessError: none of them is free.
    """
    for port in range(wanted, min(wanted + TRIED_PORTS, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise HarnessError(f"No port from {wanted} on is free: name another with --port N.")


def wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    """Return once the server listens.

    Raises:
        HarnessError: it ended, or took too long.
    """
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise HarnessError(f"The MLflow server ended with exit code {server.returncode}.")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise HarnessError(f"The MLflow server did not answer within {STARTS_WITHIN:.0f} s.")


def end(server: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started."""
    server.terminate()
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
