"""How a study stands at this moment, for `harness status`."""

import json
import socket
from typing import TYPE_CHECKING

from harness.console.lines import sparkline
from harness.paths import StudyPaths
from harness.search.result import SearchOutcome, as_lines

if TYPE_CHECKING:
    from optuna import Study


def standing_lines(study: "Study", outcome: SearchOutcome) -> list[str]:
    """A study's head, its outcome so far, and the course of its scores."""
    headline, *table = as_lines(outcome)
    driver = driver_of(outcome.paths)
    now = f"being searched by {driver}" if driver else "not being searched now"
    course = course_of(study)
    return [
        f"Study {outcome.study}, budget {outcome.budget}, {now}",
        headline,
        *([course] if course else []),
        *table,
    ]


def course_of(study: "Study") -> str:
    """The last completed trials' scores as blocks, with their range; "" where there are none."""
    from reports.record import completed, score_of

    values = [score_of(trial) for trial in completed(study)]
    shown = values[-40:]
    if not shown:
        return ""
    return f"  scores {sparkline(shown)} {min(shown):.4f} to {max(shown):.4f}"


def driver_of(paths: StudyPaths) -> str:
    """Which process searches the study, as far as can be told from here; "" where none does.

    The lock itself is left alone: to try it could turn away a search that begins just then.
    """
    import psutil

    try:
        said = json.loads(paths.driver.read_text(encoding="utf-8"))
        noted = paths.driver.stat().st_mtime
        number, host = said["pid"], said["host"]
        if host != socket.gethostname():
            return ""
        # One that began after the note was written only has the number of an earlier process.
        earlier = psutil.Process(number).create_time() <= noted + 1
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return ""
    return f"process {number}" if earlier else ""
