"""Describe a planned search in at most ten lines, for `--dry-run`."""

from collections.abc import Iterator

import yaml

from harness.config.settings import Program
from harness.console.lines import wrapped
from harness.search.plan import SearchPlan
from reports.record.names import MOVING
from reports.record.study import Data
from reports.texts.numbers import quantity
from search_spaces.generators import GENERATOR, REPAINT, WARP, kind_of

LABEL = 11
KINDS = {WARP: "moves pixels", REPAINT: "repaints"}


def explained(plan: SearchPlan, done: int, duration: str = "") -> list[str]:
    """One entry per line, a label and a text; then the plan's remarks. Long lines are wrapped.

    Those of a default search fit 100 columns unwrapped.

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
    score = f"score {config.objective}, weights {setup.weights}"
    yield "Study", f"{config.study} ({score}): {progress(done, config.budget)}"
    yield "Pairs", pairs(setup.data)
    yield "Trials", trials(plan)
    yield "Settings", settings(plan)
    yield "Generator", f"{generators(plan)}, {start(plan)}"
    yield "Finalists", finalists(plan)
    yield "Results", f"{plan.paths.folder} (report.html, best.yaml), MLflow in {mlflow(plan)}"


def progress(done: int, budget: int) -> str:
    if done >= budget:
        return f"finished after {quantity(done, 'trial')}; a --budget above {done} goes on"
    return f"{done} of {budget} trials are done" if done else quantity(budget, "trial")


def pairs(data: Data) -> str:
    held_out = f", {data.n_test} held out" if data.n_test else ""
    return f"{data.n_train} to train on, {data.n_val} to score{held_out}: {data.source}"


def trials(plan: SearchPlan) -> str:
    train, pruner = plan.trial_plan.train, plan.config.pruner
    ends = "none stopped early" if pruner == "none" else f"stopped early by {pruner}"
    return (
        f"{plan.search_budget} (profile {plan.setup.profile}): {quantity(train.steps, 'step')} at "
        f"{train.crop_size} px, {plan.jobs} at a time on {plan.setup.device}, {ends}"
    )


def settings(plan: SearchPlan) -> str:
    named = quantity(min(len(plan.recipes), plan.search_budget), "recipe")
    if plan.earlier:
        named += f", {len(plan.earlier)} of --enqueue"
    shown = {*plan.space.fixed, GENERATOR}  # the generators have a line of their own
    varied = [name for name in plan.space.parameters if name not in shown]
    pinned = [f"{name}={value}" for name, value in plan.config.pinned.items()]
    return f"{named}, then {plan.config.sampler} varies {', '.join(varied) or 'none'}" + (
        f"; kept: {', '.join(pinned)}" if pinned else ""
    )


def generators(plan: SearchPlan) -> str:
    if isinstance(plan.trial_plan.external, Program):
        return f"that of {plan.trial_plan.external.file}"
    return ", ".join(f"{name} ({KINDS[kind_of(name)]})" for name in plan.trial_plan.generators)


def start(plan: SearchPlan) -> str:
    """What every trial continues from."""
    match plan.setup.warm_start:
        case "init-from":
            return f"from your model, {' and '.join(map(str, plan.config.init_from))}"
        case "none":
            return "every trial from nothing"
    each = "each " if len(plan.trial_plan.generators) > 1 else ""
    steps = quantity(plan.trial_plan.train.warm_start_steps, "step")
    return f"{each}from a warm start of {steps}"


def finalists(plan: SearchPlan) -> str:
    runs = plan.config.budget - plan.search_budget
    if not runs:
        return "none"
    has_place = MOVING in plan.recipes and plan.finalists > 1 and not plan.config.pareto
    ours = f" (with recipe {MOVING})" if has_place and plan.of_both_kinds else ""
    repaints = ", best that repaints" if plan.of_both_kinds else ""
    return (
        f"{runs} runs on {plan.config.repeats} fresh seeds: best {plan.finalists}{ours}{repaints}, "
        "recommended"
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
