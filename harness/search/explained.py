"""Describe a planned search in about ten lines, for `--dry-run`."""

from collections.abc import Iterator

import yaml

from harness.config.settings import Program
from harness.console.lines import wrapped
from harness.search.plan import SearchPlan
from reports.record.names import MOVING
from reports.record.study import Data
from search_spaces.generators import REPAINT, WARP, kind_of

LABEL = 12
KINDS = {WARP: "moves pixels", REPAINT: "repaints"}


def explained(plan: SearchPlan, done: int, duration: str = "") -> list[str]:
    """One entry per line, a label and a text; then the plan's remarks. Long lines are wrapped.

    Args:
        done: trials of the budget that the study already has, with finalists' runs.
        duration: the expected duration, if known.
    """
    lines = []
    for label, text in [*entries(plan, done), *([("Time", duration)] if duration else [])]:
        lines.append(labelled(label, text))
    return [*lines, *(wrapped(remark, "  ") for remark in plan.remarks)]


def labelled(label: str, text: str) -> str:
    return wrapped(f"{label:<{LABEL}}{text}", " " * LABEL)


def entries(plan: SearchPlan, done: int) -> Iterator[tuple[str, str]]:
    setup, config = plan.setup, plan.config
    yield "Study", f"{config.study}: {progress(done, config.budget)}"
    yield "Pictures", pictures(setup.data)
    yield "Profile", profile(plan)
    yield "Generator", generators(plan)
    yield "Start", start(plan)
    yield "Settings", settings(plan)
    yield "Trials", trials(plan)
    yield "Finalists", finalists(plan)
    yield "Score", f"{config.objective}, weights {setup.weights}"
    yield "Results", f"{plan.paths.folder}, MLflow in {mlflow(plan)}"


def progress(done: int, budget: int) -> str:
    if done >= budget:
        return f"finished: all {budget} trials are done; a larger --budget goes on"
    return f"goes on, {done} of {budget} trials are done" if done else f"{budget} trials"


def pictures(data: Data) -> str:
    held_out = f", {data.n_test} held out for the finalists" if data.n_test else ""
    return f"{data.n_train} pairs to train on, {data.n_val} to score{held_out}: {data.source}"


def profile(plan: SearchPlan) -> str:
    train = plan.trial_plan.train
    jobs = f"{plan.jobs} at a time" if plan.jobs > 1 else "one at a time"
    return (
        f"{plan.setup.profile}: {train.crop_size} pixels, {train.steps} steps a trial, {jobs} "
        f"on {plan.setup.device}"
    )


def generators(plan: SearchPlan) -> str:
    if isinstance(plan.trial_plan.external, Program):
        return f"that of {plan.trial_plan.external.file}"
    named = (f"{name} ({KINDS[kind_of(name)]})" for name in plan.trial_plan.generators)
    return " and ".join(named)


def start(plan: SearchPlan) -> str:
    train, times = plan.trial_plan.train, len(plan.trial_plan.generators)
    match plan.setup.warm_start:
        case "init-from":
            files = " and ".join(str(file) for file in plan.config.init_from)
            return f"every trial continues from your model, {files}"
        case "none":
            return "every trial begins from nothing"
    each = ", for each generator" if times > 1 else ""
    return f"every trial continues from a warm start of {train.warm_start_steps} steps{each}"


def settings(plan: SearchPlan) -> str:
    pinned = [f"{name}={value}" for name, value in plan.config.pinned.items()]
    varied = [name for name in plan.space.parameters if name not in plan.space.fixed]
    return f"varied: {', '.join(varied) or 'none'}" + (
        f"; kept: {', '.join(pinned)}" if pinned else ""
    )


def trials(plan: SearchPlan) -> str:
    config = plan.config
    recipes = min(len(plan.recipes), plan.search_budget)
    first = f"{plan.search_budget}: first {recipes} recipes"
    if plan.earlier:
        first += f" and {len(plan.earlier)} of --enqueue"
    stopped = (
        "none stopped early" if config.pruner == "none" else f"stopped early by {config.pruner}"
    )
    return f"{first}, then as {config.sampler} chooses; {stopped}"


def finalists(plan: SearchPlan) -> str:
    runs = plan.config.budget - plan.search_budget
    if not runs:
        return "none"
    has_place = MOVING in plan.recipes and plan.finalists > 1 and not plan.config.pareto
    ours = f" (with the recipe {MOVING})" if has_place else ""
    repaints = f"{ours}, the best that repaints" if plan.of_both_kinds else ""
    return (
        f"{runs} runs: the best {plan.finalists}{repaints} and the recommended setting, on "
        f"{plan.config.repeats} fresh seeds"
    )


def mlflow(plan: SearchPlan) -> str:
    from harness.study.urls import without_secrets

    uri = plan.config.tracking_uri
    return without_secrets(uri) if uri else str(plan.run_paths.mlflow_db)


def in_full(plan: SearchPlan) -> str:
    """The resolved plan as YAML: metadata, recipes and space."""
    names = ("profile", "device", "objective", "weights", "sampler", "pruner", "data", "train")
    setup = plan.setup.as_data()
    facts = {name: setup[name] for name in names}
    summary = {"jobs": plan.jobs, **facts, "recipes": list(plan.recipes)}
    return yaml.safe_dump(summary, sort_keys=False) + plan.space.text.rstrip()
