"""`harness status` and `harness ui`: the state of studies, and their runs in MLflow."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import NoBrowser, RunDir, Storage
from harness.errors import UserInputError, printable


def status(
    run_dir: RunDir = Path("runs"),
    study: Annotated[str | None, typer.Option(help="One study; else all.")] = None,
    storage: Storage = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the state of studies, also while they run.

    Example: harness status --run-dir runs
    """
    from harness.paths import RunPaths
    from harness.search.result import as_data, outcome_of
    from harness.search.status import status_lines, with_interrupted
    from harness.study.study import open_existing
    from harness.study.urls import without_secrets

    studies, unreadable = open_existing(RunPaths(run_dir), storage, study)
    for name, error in unreadable.items():
        if not studies:
            raise error
        print(printable(f"Study {name} cannot be read: {error}"), file=sys.stderr)
    outcomes = [
        outcome_of(found, run_dir, RunPaths(run_dir).study(found.study_name), storage=storage)
        for found in studies
    ]
    if as_json:
        pairs = zip(studies, outcomes, strict=True)
        print(json.dumps([as_data(with_interrupted(*pair)) for pair in pairs]))
        return
    if not studies:
        print(f"No study in {without_secrets(storage) if storage else run_dir} yet.")
        return
    parts = [status_lines(*pair) for pair in zip(studies, outcomes, strict=True)]
    print(printable("\n\n".join("\n".join(lines) for lines in parts)))


def ui(
    run_dir: RunDir = Path("runs"),
    study: Annotated[str | None, typer.Option(help="The study to open; else the latest.")] = None,
    port: Annotated[
        int,
        typer.Option(min=1, max=65535, help="Its port, or the next one that is free."),
    ] = 5000,
    no_browser: NoBrowser = False,
) -> None:
    """Open MLflow at a study's trials, on this machine only.

    It runs until Ctrl-C.

    Example: harness ui --run-dir runs
    """
    from harness.paths import RunPaths
    from harness.tracking.server import serve_ui

    paths = RunPaths(run_dir)
    if not paths.mlflow_db.exists():
        raise UserInputError(
            f"There is no {paths.mlflow_db}: name the folder of a search with --run-dir DIR, or "
            "run harness search first."
        )
    serve_ui(paths, port, study, open_browser=not no_browser)
