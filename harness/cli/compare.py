"""`harness compare`: which of two configurations is better."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Debug, command_of
from harness.errors import printable

if TYPE_CHECKING:
    from harness.config.settings import SearchConfig

OPTIONS = ("data", "direction", "repeats", "device", "jobs", "seed", "weights", "run_dir")


def compare() -> Callable[..., None]:
    """Compare two configurations on fresh seeds and held-out pairs.

    Example: harness compare best.yaml mine.yaml --data pairs
    """
    from harness.config.settings import SearchConfig

    return command_of(SearchConfig, run, OPTIONS)


def run(
    config: "SearchConfig",
    one: Annotated[Path, typer.Argument(metavar="A.yaml", help="A best.yaml.")],
    other: Annotated[Path, typer.Argument(metavar="B.yaml", help="Another best.yaml.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the outcome.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    debug: Debug = False,
) -> None:
    """Compare, with a console view, and print the outcome."""
    import json

    from harness.console.signals import STOPPED_BY_USER
    from harness.console.views import make_view
    from harness.search.comparison import plan_comparison
    from harness.search.result import as_data, confirmation, decision_lines, next_lines
    from harness.search.search import run_search
    from harness.search.stop_signals import StopSwitch
    from harness.trials.launchers.local import import_for_workers
    from harness.trials.worker import trial_runner

    config = config.model_copy(update={"budget": 2 * config.repeats})
    import_for_workers()
    with closing(make_view(quiet, as_json)) as view:
        plan = plan_comparison((one, other), config)
        outcome = run_search(plan, view, StopSwitch(None), trial_runner)
    lines = [*confirmation(outcome), "", *decision_lines(outcome), *next_lines(outcome)]
    print(json.dumps(as_data(outcome)) if as_json else printable("\n".join(lines)))
    if outcome.stopped == "user":
        raise typer.Exit(STOPPED_BY_USER)
