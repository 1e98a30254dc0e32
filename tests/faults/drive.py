"""One search in a process of its own, to be killed: drive.py FOLDER JOBS BUDGET RUNNER."""

import sys
from pathlib import Path

import driving

from harness.outcome import as_lines
from harness.search import run_search
from harness.stopping import STOPPED_BY_USER, StopSwitch
from harness.view import PlainView


def main() -> int:
    folder, jobs, budget, runner = sys.argv[1:]
    plan = driving.make_plan(Path(folder), jobs=int(jobs), budget=int(budget))
    view = PlainView(sys.stdout)
    outcome = run_search(plan, view, StopSwitch(None), getattr(driving, runner))
    print("\n".join(as_lines(outcome)))
    return STOPPED_BY_USER if outcome.stopped == "user" else 0


if __name__ == "__main__":
    sys.exit(main())
