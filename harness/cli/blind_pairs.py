"""Serve blind pairs to a browser on this machine, and record each judgement as it arrives."""

import json
import secrets
import sys
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from optuna import Study

from harness.errors import inline
from harness.study.locks import judgement_lock
from reports.analysis.judgements import CHOICES, Pair, add_judgement, pairs_to_judge, unjudged
from reports.page.look import page
from reports.page.look_result import result
from reports.page.panel_crops import Cut

HOST = "127.0.0.1"
MAX_BODY = 1000  # bytes


def judge(study: Study, pictures: Mapping[int, tuple[Cut, ...]], open_browser: bool = True) -> None:
    """Serve the pairs that nobody has judged yet, until the user has finished or presses Ctrl-C.

    Args:
        study: the study in which the judgements are recorded.
        pictures: each trial's crops, one row per validation picture, the same rows for all trials.
    """
    rows = len(next(iter(pictures.values())))
    pairs = pairs_to_judge(study, list(pictures), rows)
    with PairsServer(study, pictures, pairs) as server:
        print(f"{server.address}\nCtrl-C ends it; every judgement is kept.", flush=True)
        if open_browser:
            webbrowser.open(server.address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


class PairsServer(ThreadingHTTPServer):
    """A server for one user: its address contains a secret, which other web pages cannot know."""

    daemon_threads = True

    def __init__(
        self, study: Study, pictures: Mapping[int, tuple[Cut, ...]], pairs: list[Pair]
    ) -> None:
        super().__init__((HOST, 0), Handler)
        self.study = study
        self.pairs = pairs
        self.path = f"/{secrets.token_urlsafe(16)}/"
        self.address = f"http://{HOST}:{self.server_port}{self.path}"
        self.pictures = pictures
        self.lock = Lock()

    def record(self, index: int, choice: Any) -> bool:
        """Record the judgement of a pair; returns False if there is no such pair or choice.

        A repeated judgement, from a second page or command, changes nothing.
        """
        if choice not in CHOICES or not 0 <= index < len(self.pairs):
            return False
        with self.lock, judgement_lock(self.study):
            if self.pairs[index] in unjudged(self.study, self.pairs):
                add_judgement(self.study, self.pairs[index], choice)
        return True

    def page(self) -> str:
        """The page. It starts at the first pair that is not judged yet, so it can be reloaded."""
        with self.lock:
            remaining = unjudged(self.study, self.pairs)
        first = self.pairs.index(remaining[0]) if remaining else len(self.pairs)
        return page(self.study, self.pictures, self.pairs, first)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a line about a failed request, except for a browser that closed the connection."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            print(f"Not kept: {inline(error)}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers requests for the page, for a judgement and for the result."""

    server: PairsServer

    def do_GET(self) -> None:
        if self.path == self.server.path:
            self.send(self.server.page().encode(), "text/html; charset=utf-8")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        routes: dict[str, Callable[[dict[str, Any]], None]] = {
            f"{self.server.path}judge": self.judge,
            f"{self.server.path}finish": self.reveal,
        }
        route = routes.get(self.path)
        if route is None:
            self.send_error(404)
            return
        try:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if 0 < length <= MAX_BODY else None
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            route(body)
        else:
            self.send_error(400)

    def judge(self, body: dict[str, Any]) -> None:
        index = body.get("pair")
        if type(index) is int and self.server.record(index, body.get("choice")):
            self.send(b"{}", "application/json")
        else:
            self.send_error(400)

    def reveal(self, body: dict[str, Any]) -> None:
        """Reveal the settings, and end the server."""
        self.send(result(self.server.study).encode(), "text/html; charset=utf-8")
        Thread(target=self.server.shutdown, daemon=True).start()

    def send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Do not print a line per request."""
