"""Two settings against one another: only the paired experiment, without a search."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from harness.config.best_config import BestConfig, read_best_config
from harness.config.settings import SearchConfig, TrainSettings
from harness.errors import UserInputError
from harness.evaluation.verdict import Finalist
from harness.paths import check_run_dir
from harness.search.plan import SearchPlan, assemble
from harness.search.resolve import check_space, choose_places
from search_spaces.parameters import Choice, Fixed, Parameter
from search_spaces.params import Value
from search_spaces.space import Space


def plan_comparison(files: tuple[Path, Path], config: SearchConfig) -> SearchPlan:
    """Check two configurations and what the user said of their comparison.

    Args:
        files: two files as `best.yaml`; the second is what the first is compared with.
        config: of the pairs, the seeds and the machine; its study gets a name of its own.

    Raises:
        UserInputError: a file cannot be used, they are trained differently or are the same, or no
            pairs are held out.
    """
    one, other = (read_best_config(file) for file in files)
    if one.params == other.params:
        raise UserInputError(f"{files[0]} and {files[1]} hold the same settings: name two.")
    train = common_training(one, other, files)
    check_run_dir(config.run_dir)
    space = Space("compared", "", both(one, other))
    check_space(space, train, config.from_scratch)
    named = config.model_copy(update={"study": study_name(one, other)})
    plan = assemble(named, space, f"of {files[0]}", train, choose_places(config))
    if not plan.facts["data"]["n_test"]:
        raise UserInputError(
            "No pairs are held out to compare on: put some into test/, or give more different "
            "pictures."
        )
    names = [str(file) for file in files]
    compared = (finalist(name, held) for name, held in zip(names, (one, other), strict=True))
    return replace(plan, compared=tuple(compared))


def common_training(one: BestConfig, other: BestConfig, files: tuple[Path, Path]) -> TrainSettings:
    """How both are trained; what is compared is the searched settings alone.

    Raises:
        UserInputError: they differ in more; the first difference is named.
    """
    ours, theirs = one.train.model_dump(), other.train.model_dump()
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserInputError(
                f"{files[0]} and {files[1]} are trained differently (train.{name}: {value}, "
                f"{theirs[name]}): give both the same, so that the searched settings are compared."
            )
    return one.train


def both(one: BestConfig, other: BestConfig) -> dict[str, Parameter]:
    """The space of just these two settings."""
    ours, theirs = one.params.model_dump(), other.params.model_dump()

    def entry(a: Value, b: Value) -> Parameter:
        return Fixed(a) if a == b else Choice((a, b))

    return {name: entry(value, theirs[name]) for name, value in ours.items()}


def study_name(one: BestConfig, other: BestConfig) -> str:
    """The same for the same comparison, so that one that was stopped goes on."""
    told = json.dumps([one.params.model_dump(), other.params.model_dump()])
    return f"compare-{hashlib.sha256(told.encode()).hexdigest()[:10]}"


def finalist(name: str, held: BestConfig) -> Finalist:
    return Finalist(name, None, None, held.params.model_dump())
