"""Compare two configurations in a paired experiment, without a search."""

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
from search_spaces.distributions import Choice, Fixed, Parameter
from search_spaces.space import Space
from search_spaces.trial_params import Value


def plan_comparison(files: tuple[Path, Path], config: SearchConfig) -> SearchPlan:
    """Validate two configurations and plan their comparison.

    Args:
        files: two `best.yaml` files; the second is the baseline.
        config: pairs, seeds and machine; the study's name in it is replaced.

    Raises:
        UserInputError: a file is invalid, the two are trained differently or are the same, or no
            pairs are held out.
    """
    for file in files:
        if file.is_dir() or file.suffix == ".pth":
            raise UserInputError(
                f"{file} is no best.yaml: harness compare trains two settings anew. Of trained "
                "models, restore the same pictures with each by harness restore, and score both "
                "results by harness score."
            )
    one, other = (read_best_config(file) for file in files)
    if one.params == other.params:
        raise UserInputError(f"{files[0]} and {files[1]} hold the same settings: name two.")
    train = common_training(one, other, files)
    check_run_dir(config.run_dir)
    space = Space("compared", "", both(one, other))
    check_space(space, train, config.from_scratch)
    named = config.model_copy(update={"study": study_name(one, other)})
    plan = assemble(named, space, f"of {files[0]}", train, choose_places(config))
    if not plan.setup.data.n_test:
        raise UserInputError(
            "No pairs are held out to compare on: put some into test/, or give more different "
            "pictures."
        )
    compared = tuple(
        Finalist(str(file), None, None, best.params.model_dump())
        for file, best in zip(files, (one, other), strict=True)
    )
    return replace(plan, compared=compared)


def common_training(one: BestConfig, other: BestConfig, files: tuple[Path, Path]) -> TrainSettings:
    """The training settings of both, which must be equal."""
    ours, theirs = one.train.model_dump(), other.train.model_dump()
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserInputError(
                f"{files[0]} and {files[1]} are trained differently (train.{name}: {value}, "
                f"{theirs[name]}): give both the same, so that the searched settings are compared."
            )
    return one.train


def both(one: BestConfig, other: BestConfig) -> dict[str, Parameter]:
    """The space that contains just these two configurations."""
    ours, theirs = one.params.model_dump(), other.params.model_dump()

    def entry(a: Value, b: Value) -> Parameter:
        return Fixed(a) if a == b else Choice((a, b))

    return {name: entry(value, theirs[name]) for name, value in ours.items()}


def study_name(one: BestConfig, other: BestConfig) -> str:
    """A name derived from the parameters, so that the same comparison can be resumed."""
    text = json.dumps([one.params.model_dump(), other.params.model_dump()])
    return f"compare-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
