"""One search in a process of its own, to be ended by force; `started` starts it."""

import argparse
import multiprocessing
import sys
from functools import partial
from pathlib import Path

import driving
import striking
from null_tracker import NullTracker

import harness.search.search
from harness.console.signals import STOPPED_BY_USER
from harness.console.views import PlainView
from harness.search.result import as_lines
from harness.search.search import run_search
from harness.search.stop_signals import StopSwitch
from harness.trials.launchers.ray import connect


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--runner", default="Slow")
    parser.add_argument("--launcher", choices=["local", "ray"], default="local")
    parser.add_argument("--storage")
    parser.add_argument("--tracking-uri")
    parser.add_argument("--unmirrored", action="store_true", help="without MLflow")
    parser.add_argument("--finalists", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--victims", choices=striking.VICTIMS, default="driver")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--strike-at", metavar=striking.PLACE, help="in this process")
    where.add_argument("--strike-in-worker-at", metavar=striking.PLACE)
    asked = parser.parse_args()
    if asked.unmirrored:
        harness.search.search.open_tracker = lambda *_: NullTracker()
    runner = getattr(driving, asked.runner, None) or getattr(striking, asked.runner)
    victims, mark = asked.victims, asked.folder.with_suffix(".struck")
    if asked.strike_at:
        strike = partial(striking.strike_from_driver, victims, mark)
        striking.strike_at(asked.strike_at, strike)
    if asked.strike_in_worker_at:
        runner = partial(striking.struck, runner, victims, asked.strike_in_worker_at, mark)
    # As a search's fork server, and what each runner imports.
    multiprocessing.set_forkserver_preload(
        ["harness.trials.launchers.preload", "harness.search.plan"]
    )
    if asked.launcher == "ray":
        connect(None)
    plan = driving.make_plan(
        asked.folder,
        jobs=asked.jobs,
        budget=asked.budget,
        launcher=asked.launcher,
        storage=asked.storage,
        tracking_uri=asked.tracking_uri,
        finalists=asked.finalists,
        repeats=asked.repeats,
    )
    view = PlainView(sys.stdout)
    outcome = run_search(plan, view, StopSwitch(None), runner)
    print("\n".join(as_lines(outcome)))
    return STOPPED_BY_USER if outcome.stopped == "user" else 0


if __name__ == "__main__":
    sys.exit(main())
