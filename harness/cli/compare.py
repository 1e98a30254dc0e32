"""`harness compare`: which of two configurations is better."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UserInputError, printable


def compare(
    one: Annotated[Path, typer.Argument(metavar="A.yaml", help="A best.yaml.")],
    other: Annotated[Path, typer.Argument(metavar="B.yaml", help="Another best.yaml.")],
    data: Annotated[
        Path | None, typer.Option(help="Your pairs; else the built-in photographs.")
    ] = None,
    direction: Annotated[str, typer.Option(help="AtoB: A is the retouched side; BtoA.")] = "AtoB",
    repeats: Annotated[int, typer.Option(help="Fresh seeds that each is trained on.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    jobs: Annotated[str, typer.Option(help="Trials at a time: a number, or auto.")] = "auto",
    seed: Annotated[int, typer.Option(help="What the fresh seeds are derived from.")] = 0,
    weights: Annotated[str, typer.Option(help="auto, pretrained or random.")] = "auto",
    run_dir: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the outcome.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Train two configurations on the same fresh seeds and compare them on held-out pairs.

    Example: harness compare runs/boundary-sharpness/best.yaml mine.yaml --data pairs
    """
    import json

    from pydantic import ValidationError

    from harness.cli.search import refusal
    from harness.config.settings import MOST_REPEATS, SearchConfig
    from harness.console.views import make_view
    from harness.search.comparison import plan_comparison
    from harness.search.result import as_data, confirmation, decision_lines
    from harness.search.search import run_search
    from harness.search.stop_signals import STOPPED_BY_USER, StopSwitch
    from harness.trials.launchers.local import import_for_workers
    from harness.trials.worker import trial_runner

    try:
        config = SearchConfig(
            budget=max(1, 2 * min(repeats, MOST_REPEATS)),
            repeats=repeats,
            data=data,
            direction=direction,  # type: ignore[arg-type]  # pydantic checks the words
            device=device,
            jobs=jobs,  # type: ignore[arg-type]
            seed=seed,
            weights=weights,  # type: ignore[arg-type]
            run_dir=run_dir,
        )
    except ValidationError as error:
        raise UserInputError(refusal(error)) from error
    import_for_workers()
    plan = plan_comparison((one, other), config)
    view = make_view(quiet, as_json)
    try:
        outcome = run_search(plan, view, StopSwitch(None), trial_runner)
    finally:
        view.close()
    lines = [*confirmation(outcome), "", *decision_lines(outcome)]
    print(json.dumps(as_data(outcome)) if as_json else printable("\n".join(lines)))
    if outcome.stopped == "user":
        raise typer.Exit(STOPPED_BY_USER)
