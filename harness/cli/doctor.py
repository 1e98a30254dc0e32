"""`harness doctor`: check whether a search can run here, and how to fix what prevents it."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import printable


def doctor(
    run_dir: Annotated[Path, typer.Option(help="The run folder to check.")] = Path("runs"),
) -> None:
    """Check what a search needs, and say how to fix what is missing.

    Every warning comes with its fix. Exit code 2 if a search cannot run here, else 0.

    Example: harness doctor
    """
    from harness.cli.machine_checks import examine

    worst = 0
    for finding in examine(run_dir):
        print(printable(f"{finding.level:<8} {finding.what:<11} {finding.message}"))
        if finding.fix:
            print(printable(f"{'':<20} fix: {finding.fix}"))
        worst = max(worst, 2 if finding.level == "problem" else 0)
    if worst:
        raise typer.Exit(worst)
