"""A study's runs in an MLflow store, without a search. For tests of the mirror."""

from pathlib import Path
from typing import Any

from driving import PIXEL, make_plan

from harness.paths import RunPaths
from harness.tracking.outbox import Entry
from harness.tracking.study_runs import StudyStore, Tracker, tags_of
from search_spaces.trial_params import TrialParams

PARAMS = TrialParams(
    lambda_L1=82.13, lambda_perceptual=11.3, n_layers_D=4, gan_mode="lsgan", lr=2e-4
)
IDENTITY = "1" * 32


def study_store(
    runs: Path, name: str = "fake", identity: str = IDENTITY, **more: Any
) -> StudyStore:
    """The store that a search in this run folder has."""
    setup, paths = make_plan(runs, study=name).setup, RunPaths(runs)
    return StudyStore(
        f"sqlite:///{paths.mlflow_db}",
        name,
        paths.mlflow_artifacts,
        identity=identity,
        tags=tags_of(setup),
        space=setup.space,
        **{"direction": setup.direction} | more,
    )


def opened(runs: Path, name: str = "fake", **settings: Any) -> StudyStore:
    """The same, opened without a word to the user."""
    store = study_store(runs, name, **settings)
    store.open(unexpected)
    return store


def unexpected(said: str) -> None:
    raise AssertionError(f"nothing was to be said: {said}")


def began(number: int, **more: Any) -> Entry:
    """A trial's run that begins."""
    return Entry(f"t{number:03d}", status="RUNNING", tags={"trial": str(number)}, **more)


def scored(number: int, value: float, step: int = 10) -> Entry:
    """A rung of it, with its picture."""
    scores = {"score": value}
    return Entry(f"t{number:03d}", metrics=scores, scores=scores, step=step, panel=PIXEL)


def pictures(store: StudyStore, run: str) -> list[int]:
    """Steps of the whole pictures that MLflow's pages find for a run: the latest is at 0 too."""
    found = [Path(file.path).name for file in store.client.list_artifacts(run, "images")]
    whole = [name.split("+") for name in found if name.endswith(".png")]
    assert {name for name, *_ in whole} <= {"panel~restored"}
    return sorted(int(step) for _, _, step, *_ in whole)


def tracker_of(store: Any, outbox: Path) -> tuple[Tracker, list[str]]:
    """A tracker, and what it tells the user."""
    said: list[str] = []
    return Tracker(store, outbox, said.append), said
