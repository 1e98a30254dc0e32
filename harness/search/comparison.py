"""Compare two configurations in a paired experiment, without a search."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from harness.config.best_config import BestConfig, Provenance, read_best_config
from harness.config.settings import SearchConfig, TrainSettings
from harness.errors import UserInputError
from harness.evaluation.verdict import Finalist
from harness.paths import check_run_dir
from harness.search.plan import SearchPlan, assemble
from harness.search.resolve import check_space, choose_placement
from reports.record.names import COMPARED
from search_spaces.distributions import Choice, Fixed, Parameter
from search_spaces.space import Space
from search_spaces.trial_params import Value


def plan_comparison(files: tuple[Path, Path], config: SearchConfig) -> SearchPlan:
    """Validate two configurations and plan their comparison.

    Args:
        files: two `best.yaml` files; the second is the baseline.
        config: pairs, seeds and machine; its study name is replaced.

    Raises:
        UserInputError: a file is invalid, the two have the same settings, differ in how they are
            trained or scored, or need the user's own code for it, or no pairs are held out.
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
    objective = common_objective(one, other, files)
    check_run_dir(config.run_dir)
    space = Space(COMPARED, "", space_of(one, other))
    check_space(space, train, config.from_scratch)
    named = config.model_copy(update={"study": study_name(one, other), "objective": objective})
    plan = assemble(named, space, f"of {files[0]}", train, choose_placement(config))
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
    """The training settings that both configurations share.

    Raises:
        UserInputError: they differ, or are another program's.
    """
    for file, best in zip(files, (one, other), strict=True):
        if best.provenance.trainer != "builtin":
            raise UserInputError(
                f"{file} was found with trials of your own program (--trainer external), and "
                "harness compare trains by itself: train both with your program and compare their "
                "pictures with harness score, or remove provenance.trainer from the file to "
                "compare the settings alone."
            )
    ours, theirs = one.train.model_dump(), other.train.model_dump()
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserInputError(
                f"{files[0]} and {files[1]} are trained differently (train.{name}: {value}, "
                f"{theirs[name]}): give both the same, so that the searched settings are compared."
            )
    return one.train


def common_objective(one: BestConfig, other: BestConfig, files: tuple[Path, Path]) -> str:
    """The objective that the files name, which must be one, and built in; else the default."""
    from objectives.loading import BUILT_IN

    named = {
        best.provenance.objective: file
        for file, best in zip(files, (one, other), strict=True)
        if "objective" in best.provenance.model_fields_set
    }
    for name, file in named.items():
        if name not in BUILT_IN:
            raise UserInputError(
                f"{file} was found by the objective {name}, which is your own, and harness compare "
                "has those that are built in: remove provenance.objective from the file to compare "
                "by boundary_sharpness."
            )
    if len(named) > 1:
        raise UserInputError(
            f"{files[0]} and {files[1]} were found by different objectives ({', '.join(named)}): "
            "change provenance.objective in one of them."
        )
    return next(iter(named), Provenance().objective)


def space_of(one: BestConfig, other: BestConfig) -> dict[str, Parameter]:
    """The parameters of a space that spans the two configurations."""
    ours, theirs = one.params.model_dump(), other.params.model_dump()

    def entry(a: Value, b: Value) -> Parameter:
        return Fixed(a) if a == b else Choice((a, b))

    return {name: entry(value, theirs[name]) for name, value in ours.items()}


def study_name(one: BestConfig, other: BestConfig) -> str:
    """A name derived from the parameters, so that the same comparison can be resumed."""
    text = json.dumps([one.params.model_dump(), other.params.model_dump()])
    return f"compare-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
