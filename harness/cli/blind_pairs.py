"""Serve blind pairs to a browser on this machine, and note each judgement as it arrives."""

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
from harness.study.locks import only_judge
from reports.analysis.judgements import CHOICES, Pair, note, pairs_to_judge, unjudged
from reports.page.look import page
from reports.page.look_result import result
from reports.page.panel_crops import Cut

HOST = "127.0.0.1"
LONGEST_BODY = 1000  # bytes


def judge(study: Study, pictures: Mapping[int, tuple[Cut, ...]], open_browser: bool = True) -> None:
    """Serve the pairs that nobody has judged yet, until the person has finished or Ctrl-C.

    Args:
        study: the judgements are noted in it.
        pictures: trial -> its crops, a row a validation picture; the same rows for every trial.
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
    """A server for one person: its address has a secret, which other pages cannot know."""

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

    def answer(self, place: int, choice: Any) -> bool:
        """Note the judgement of a pair; False where there is no such pair or choice.

        A repeated answer, as of a second page or command, changes nothing.
        """
        if choice not in CHOICES or not 0 <= place < len(self.pairs):
            return False
        with self.lock, only_judge(self.study):
            if self.pairs[place] in unjudged(self.study, self.pairs):
                note(self.study, self.pairs[place], choice)
        return True

    def page(self) -> str:
        """The page, which begins at the first pair that is not judged: it may be reloaded."""
        with self.lock:
            left = unjudged(self.study, self.pairs)
        begin = self.pairs.index(left[0]) if left else len(self.pairs)
        return page(self.study, self.pictures, self.pairs, begin)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a line about a failed request, but not of a browser that left: it shows why."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            print(f"Not kept: {inline(error)}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """The page, a judgement, the result."""

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
            sent = json.loads(self.rfile.read(length)) if 0 < length <= LONGEST_BODY else None
        except (ValueError, RecursionError):
            sent = None
        if isinstance(sent, dict):
            route(sent)
        else:
            self.send_error(400)

    def judge(self, sent: dict[str, Any]) -> None:
        place = sent.get("pair")
        if type(place) is int and self.server.answer(place, sent.get("choice")):
            self.send(b"{}", "application/json")
        else:
            self.send_error(400)

    def reveal(self, sent: dict[str, Any]) -> None:
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
        """Print no line a request."""
