"""`harness search`: the main command."""

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import command_of
from harness.errors import printable

if TYPE_CHECKING:
    from optuna import Study

    from harness.config.settings import SearchConfig
    from harness.search.plan import SearchPlan

OUTPUT = "Output"

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", rich_help_panel=OUTPUT, help="Check everything, run nothing."),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", rich_help_panel=OUTPUT, hidden=True, help="Print only the outcome."),
]
AsJson = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, hidden=True, help="Print JSON lines.")
]
Debug = Annotated[
    bool, typer.Option("--debug", rich_help_panel=OUTPUT, hidden=True, help="Show tracebacks.")
]


<<<<<<< HEAD
def seconds(text: str | None, option: str) -> float | None:
    """Parse a duration such as `90m`, `8h`, `45s` or a number of seconds; in seconds.

    Raises:
        UserInputError: it is not a duration.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in UNITS or not float(found[1]):
        raise UserInputError(f"{option} {text} is no duration: write for example 45s, 90m or 8h.")
    return float(found[1]) * UNITS[found[2]]


def pins(entries: list[str]) -> dict[str, str]:
    """Parse `--set NAME=VALUE` options to a mapping.

    Raises:
        UserInputError: an entry has no `=`, or nothing before it, or a name is given twice.
    """
    pinned: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        name = name.strip()
        if not (equals and name):
            lacking = "name" if equals else "value"
            raise UserInputError(f"--set {entry} has no {lacking}: write --set NAME=VALUE.")
        if name in pinned:
            raise UserInputError(
                f"--set {name} is given twice, as {pinned[name]} and as {value}: leave one out."
            )
        pinned[name] = value
    return pinned


def search(
    budget: Annotated[int, typer.Option(help="Trials of the study, earlier ones included.")] = 50,
    data: Annotated[
        Path | None,
        typer.Option(help="Your pairs: DIR/{train,val,test}/*, A and B side by side."),
    ] = None,
    direction: Annotated[str, typer.Option(help="AtoB: A is the retouched side; BtoA.")] = "AtoB",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip unreadable pictures.")] = False,
    space: Annotated[str, typer.Option(help="A space by name, or a YAML file.")] = "default",
    pinned: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Pin one setting.")
    ] = None,
    study: Annotated[str, typer.Option(help="The study's name; an existing one is continued.")] = (
        "boundary-sharpness"
    ),
    run_dir: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("runs"),
    profile: Annotated[str, typer.Option(help="auto, quick, standard or full.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N[,M].")] = "auto",
    jobs: Annotated[str, typer.Option(help="Trials at a time in all, or auto.")] = "auto",
    per_gpu: Annotated[
        int | None,
        typer.Option(help="Trials at a time on each GPU; else one, or under MPS as many as fit."),
    ] = None,
    enqueue: Annotated[
        list[Path] | None,
        typer.Option(help="Try an earlier result's best.yaml after the guide's settings."),
    ] = None,
    pareto: Annotated[
        bool,
        typer.Option("--pareto", help="Weigh sharpness against LPIPS; no trial is stopped early."),
    ] = False,
    sampler: Annotated[
        str, typer.Option(help="How settings are chosen: tpe, gp, cmaes, qmc or random.")
    ] = "tpe",
    pruner: Annotated[
        str, typer.Option(help="How trials are stopped early: asha, hyperband, median or none.")
    ] = "asha",
    launcher: Annotated[
        str, typer.Option(help="local: processes here; ray: actors of a cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster: auto or ray://HOST:PORT.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampler, networks and batches.")] = 0,
    weights: Annotated[str, typer.Option(help="auto, pretrained or random.")] = "auto",
    objective: Annotated[
        str,
        typer.Option(
            help="boundary_sharpness; boundary_sharpness_vgg or ..._squeeze, by another network of "
            "LPIPS; or your own as package.module:factory."
        ),
    ] = "boundary_sharpness",
    init_from: Annotated[
        list[Path] | None,
        typer.Option(help="Continue from your latest_net_G.pth; give it twice to add net_D."),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train every trial from nothing.")
    ] = False,
    trainer: Annotated[
        str, typer.Option(help="builtin, or external: your own train.py, or any program.")
    ] = "builtin",
    repo: Annotated[
        Path | None, typer.Option(help="External: your copy of pix2pix, or a program's YAML.")
    ] = None,
    finalists: Annotated[
        str, typer.Option(help="Best settings trained again to confirm: a number, 0, or auto.")
    ] = "auto",
    repeats: Annotated[int, typer.Option(help="Fresh seeds for each finalist.")] = 3,
    storage: Annotated[str | None, typer.Option(help="Optuna's database URL.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's tracking URI.")] = None,
    register_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Register the winner as this model in MLflow."),
    ] = None,
    timeout: Annotated[str | None, typer.Option(help="Stop after so long, such as 90m.")] = None,
    trial_timeout: Annotated[
        str | None, typer.Option(help="Fail a trial after so long; else 10x the median.")
    ] = None,
    max_failures: Annotated[
        int, typer.Option(help="Stop after so many failed trials in a row.")
    ] = 10,
    open_report: Annotated[
        bool,
        typer.Option("--open", help="Open the report in the browser, kept up to date."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, run nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the outcome.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
=======
def search() -> Callable[..., None]:
>>>>>>> main
    """Search for the settings that remove the blur.

    Trains, scores and compares short trials; continues an existing study.

    Example: harness search --budget 50
    """
    from harness.config.settings import SearchConfig

<<<<<<< HEAD
    try:
        config = SearchConfig(
            budget=budget,
            timeout=seconds(timeout, "--timeout"),
            data=data,
            direction=direction,  # type: ignore[arg-type]  # pydantic checks the words
            skip_bad=skip_bad,
            space=space,
            pinned=pins(pinned or []),
            study=study,
            run_dir=run_dir,
            profile=profile,
            device=device,
            jobs=jobs,  # type: ignore[arg-type]
            per_gpu=per_gpu,
            enqueue=tuple(enqueue or ()),
            launcher=launcher,  # type: ignore[arg-type]
            address=address,
            pareto=pareto,
            sampler=sampler,  # type: ignore[arg-type]
            pruner=pruner,  # type: ignore[arg-type]
            seed=seed,
            weights=weights,  # type: ignore[arg-type]
            objective=objective,
            init_from=tuple(init_from or ()),
            from_scratch=from_scratch,
            trainer=trainer,  # type: ignore[arg-type]
            repo=repo,
            finalists=finalists,  # type: ignore[arg-type]
            repeats=repeats,
            storage=storage,
            tracking_uri=tracking_uri,
            register_model=register_model,
            max_failures=max_failures,
            trial_timeout=seconds(trial_timeout, "--trial-timeout"),
            open=open_report,
        )
    except ValidationError as error:
        raise UserInputError(refusal(error)) from error
=======
    return command_of(SearchConfig, search_with)


def search_with(
    config: "SearchConfig",
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Search, or explain what would be done."""
>>>>>>> main
    if dry_run:
        explain(config)
    else:
        run(config, quiet, as_json)


def run(config: "SearchConfig", quiet: bool, as_json: bool) -> None:
    """Run the search with its console view, and print the outcome."""
    import json

    from harness.console.views import make_view
    from harness.search.result import as_data, as_lines
    from harness.search.search import search
    from harness.search.stop_signals import STOPPED_BY_USER

    # Imports create many objects and no garbage: collect less often.
    gc.set_threshold(100_000)
    view = make_view(quiet, as_json)
    try:
        outcome = search(config, view)
    finally:
        view.close()
    # Spares the collection at interpreter exit, which takes a second with torch and MLflow.
    gc.freeze()
    print(json.dumps(as_data(outcome)) if as_json else printable("\n".join(as_lines(outcome))))
    if outcome.stopped == "user":
        raise typer.Exit(STOPPED_BY_USER)


def explain(config: "SearchConfig") -> None:
    """`--dry-run`: print the resolved plan."""
    import yaml

    from harness.search.plan import plan_search
    from harness.trials.launchers.local import import_for_workers

    if config.launcher == "local" and config.trainer == "builtin":
        import_for_workers()  # they measure how long the search takes
    plan = plan_search(config)
    done = trials_there(plan)
    facts = {
        key: plan.facts[key]
        for key in (
            "profile",
            "device",
            "objective",
            "weights",
            "sampler",
            "pruner",
            "data",
            "train",
        )
    }
    summary = {
        "study": config.study,
        "folder": str(plan.paths.folder),
        "budget": config.budget,
        "done": done,
        "jobs": plan.jobs,
        **facts,
    }
    print(yaml.safe_dump({**summary, "recipes": list(plan.recipes)}, sort_keys=False), end="")
    print(printable("\n".join([plan.space.text.rstrip(), *plan.remarks])))
    if duration := how_long(plan):
        print(printable(duration))


def how_long(plan: "SearchPlan") -> str:
    """How long the search would take; "" if one cannot tell. Writes nothing."""
    from harness.console.lines import forecast, rest
    from harness.search.estimate import expected, measured, where
    from harness.search.time_left import left_of_plan

    study = study_there(plan)
    left = left_of_plan(study, plan) if study is not None else None
    if left is not None:
        return rest(left, where(plan))
    found = expected(plan, measured(plan))
    return forecast(found) if found else ""


def trials_there(plan: "SearchPlan") -> int:
    """The number of trials of the budget that the study already has. Reads only."""
    from harness.study.study import counted

    study = study_there(plan)
    return 0 if study is None else counted(study)


def study_there(plan: "SearchPlan") -> "Study | None":
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
        check_name(storage, name, plan.facts, bool(plan.finalists or plan.compared))
        study = find_study(storage, name)
    check_folder(plan.paths, study)
    if study is not None:
        check_same(study, plan.facts)
    return study
