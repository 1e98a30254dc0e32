"""A new study's setup, which is stored with it: how its trials are run and scored."""

import datetime
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from harness.config.settings import (
    External,
    Program,
    Repository,
    SearchConfig,
    TrainSettings,
    Weights,
)
from harness.config.version import __version__
from harness.paths import ExternalPaths, RunPaths
from harness.study.constraints import MARGINS
from harness.study.pareto import OBJECTIVES
from reports.record.study import Data, ProgramRecord, RepositoryRecord, StudySetup, Train
from search_spaces.space import Space

if TYPE_CHECKING:
    from harness.data.pairs.prepare import PreparedData
    from objectives.score import Goal

LIBRARIES = ("torch", "torchvision", "optuna", "mlflow", "lpips", "scikit-image")


def setup_of(
    config: SearchConfig,
    space: Space,
    profile: str,
    train: TrainSettings,
    weights: Weights,
    goal: "Goal",
    devices: tuple[str, ...],
    data: "PreparedData",
    start: str,
    external: External | None,
) -> StudySetup:
    """The setup of a new study, without pinned settings.

    Args:
        start: what trials continue from: `shared`, `init-from` or `none`.
        external: the program that runs the trials; None: this one.
    """
    paths = RunPaths(config.run_dir).study(config.study)
    return StudySetup(
        name=config.study,
        direction=goal.direction,
        worst_score=goal.worst,
        objective=config.objective,
        objectives=OBJECTIVES if config.pareto else None,
        guards=MARGINS,
        space=space.text,
        space_name=space.name,
        profile=profile,
        train=Train.model_validate(train.model_dump(mode="json")),
        data=Data(
            digest=data.digest,
            source=data.source,
            folder=str(config.data.absolute()) if config.data else None,
            direction=config.direction,
            n_train=data.n_train,
            n_val=data.n_val,
            n_test=data.n_test,
            n_folder=data.n_folder,
            n_drawn=data.n_drawn,
        ),
        pinned={},
        weights=weights,
        seed=config.seed,
        sampler=config.sampler,
        pruner=config.pruner,
        device=", ".join(devices),
        versions=versions(),
        budget=config.budget,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        host=socket.gethostname(),
        warm_start=start,
        warm_start_folder=None if start == "none" else str(paths.warm_start.folder.absolute()),
        init_from=[str(file.absolute()) for file in config.init_from],
        trainer=config.trainer,
        program=program_record(external, paths.external) if isinstance(external, Program) else None,
        repository=RepositoryRecord.model_validate(external.model_dump(mode="json"))
        if isinstance(external, Repository)
        else None,
    )


def program_record(program: Program, paths: ExternalPaths) -> ProgramRecord:
    return ProgramRecord(
        file=str(program.file),
        folder=str(program.folder),
        command=list(program.command),
        pairs=str(paths.pairs.absolute()),
        inputs=str(paths.inputs("search").absolute()),
    )


def versions() -> dict[str, str]:
    """Versions of Python, of the libraries that affect results, and of the harness."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return {**found, "harness": __version__}
