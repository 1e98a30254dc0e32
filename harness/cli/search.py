"""`harness search`: the main command."""

import gc
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import command_of
from harness.errors import UserInputError, printable

if TYPE_CHECKING:
    from optuna import Study

    from harness.config.settings import SearchConfig
    from harness.search.plan import SearchPlan

OUTPUT = "Output"

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", rich_help_panel=OUTPUT, help="Check everything and say what would be done."
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", rich_help_panel=OUTPUT, hidden=True, help="Print only the outcome."),
]
AsJson = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, hidden=True, help="Print JSON lines.")
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        rich_help_panel=OUTPUT,
        hidden=True,
        help="With --dry-run: print the whole plan as YAML, too.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", rich_help_panel=OUTPUT, hidden=True, help="Show tracebacks.")
]


def search() -> Callable[..., None]:
    """Search for the settings that remove the blur.

    Trains, scores and compares short trials; continues an existing study.

    Example: harness search --budget 50
    """
    from harness.config.settings import SearchConfig

    return command_of(SearchConfig, search_with)


def search_with(
    config: "SearchConfig",
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Search, or explain what would be done."""
    if verbose and not dry_run:
        raise UserInputError("--verbose is for --dry-run: add that, or leave it out.")
    if dry_run:
        explain(config, verbose)
    else:
        run(config, quiet, as_json)


def run(config: "SearchConfig", quiet: bool, as_json: bool) -> None:
    """Run the search with its console view, and print the outcome."""
    import json

    from harness.console.signals import STOPPED_BY_USER
    from harness.console.views import make_view
    from harness.search.result import as_data, as_lines
    from harness.search.search import search

    # Imports create many objects and no garbage: collect less often.
    gc.set_threshold(100_000)
    with closing(make_view(quiet, as_json)) as view:
        outcome = search(config, view)
    # Spares the collection at interpreter exit, which takes a second with torch and MLflow.
    gc.freeze()
    print(json.dumps(as_data(outcome)) if as_json else printable("\n".join(as_lines(outcome))))
    if outcome.stopped == "user":
        raise typer.Exit(STOPPED_BY_USER)


def explain(config: "SearchConfig", in_full: bool) -> None:
    """`--dry-run`: print what would be done; with `--verbose` also the whole plan as YAML."""
    from harness.console.lines import wrapped
    from harness.search import explained
    from harness.search.plan import PairsToMakeError, plan_search
    from harness.trials.launchers.local import import_for_workers

    if config.launcher == "local" and config.trainer == "builtin":
        import_for_workers()  # they measure how long the search takes
    try:
        plan = plan_search(config, lambda remark: print(printable(wrapped(remark, "  "))), False)
    except PairsToMakeError as error:
        lines = [
            explained.labelled("Pairs", str(error)),
            "The rest is known once they are made.",
        ]
        print(printable("\n".join(lines)))
        return
    done = trials_done(plan)
    duration = how_long(plan) if done < plan.config.budget else ""
    lines = explained.plan_lines(plan, done, duration)
    if in_full:
        lines += ["", explained.plan_as_yaml(plan)]
    print(printable("\n".join(lines)))


def how_long(plan: "SearchPlan") -> str:
    """How long the search would take; "" if unknown. Writes nothing."""
    from harness.console.lines import duration_parts, remaining_text, rough_duration
    from harness.search.estimate import expected, measure_paces, where
    from harness.search.time_left import time_left_of_plan

    study = existing_study(plan)
    left = time_left_of_plan(study, plan) if study is not None else None
    if left is not None:
        return remaining_text(left, where(plan))
    found = expected(plan, measure_paces(plan))
    return f"about {rough_duration(found.seconds)}: {duration_parts(found)}" if found else ""


def trials_done(plan: "SearchPlan") -> int:
    """The trials of the budget that the study already has, finalists' runs too. Reads only."""
    from harness.search.finalists import counted_runs
    from harness.study.study import counted

    study = existing_study(plan)
    if study is None:
        return 0
    return counted(study) + counted_runs(study, plan.search_budget, plan.final_runs)


def existing_study(plan: "SearchPlan") -> "Study | None":
    """The study, if it exists. Reads only.

    Raises:
        UserInputError: the study was created with other metadata, or its name or folder belongs to
            another study.
    """
    from harness.study.database import open_to_read, reading_url
    from harness.study.folder import check_folder
    from harness.study.study import check_name, check_same, find_study

    name = plan.config.study
    storage = open_to_read(plan.config.storage or reading_url(plan.run_paths.optuna_db))
    study = None
    if storage is not None:
        check_name(storage, name, bool(plan.finalists or plan.compared))
        study = find_study(storage, name)
    check_folder(plan.paths, study)
    if study is not None:
        check_same(study, plan.setup)
    return study
