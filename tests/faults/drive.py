"""One search in a process of its own, to be ended by force; `started` starts it."""

import argparse
import functools
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import driving

import harness.search
from harness.outcome import as_lines
from harness.search import run_search
from harness.stopping import STOPPED_BY_USER, StopSwitch
from harness.tracking import NullTracker
from harness.view import PlainView


def die_in(place: str) -> None:
    """Make this process kill itself in `MODULE:FUNCTION:before|after:NTH`, at the n-th call."""
    module, path, when, nth = place.split(":")
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    function = getattr(owner, name)
    left = int(nth)

    @functools.wraps(function)
    def deadly(*args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--runner", default="Slow")
    parser.add_argument("--storage")
    parser.add_argument("--tracking-uri")
    parser.add_argument("--unmirrored", action="store_true", help="without MLflow")
    parser.add_argument("--die-in", metavar="MODULE:FUNCTION:before|after:NTH")
    asked = parser.parse_args()
    if asked.unmirrored:
        harness.search.open_tracker = lambda *_: NullTracker()
    if asked.die_in:
        die_in(asked.die_in)
    plan = driving.make_plan(
        asked.folder,
        jobs=asked.jobs,
        budget=asked.budget,
        storage=asked.storage,
        tracking_uri=asked.tracking_uri,
    )
    view = PlainView(sys.stdout)
    outcome = run_search(plan, view, StopSwitch(None), getattr(driving, asked.runner))
    print("\n".join(as_lines(outcome)))
    return STOPPED_BY_USER if outcome.stopped == "user" else 0


if __name__ == "__main__":
    sys.exit(main())
