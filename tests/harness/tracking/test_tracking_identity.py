"""A run is a study's own by its identity, never by a name: others' runs are left alone."""

import json
from pathlib import Path
from typing import Any

import optuna
from driving import make_plan
from mirroring import began, opened, scored, unexpected
from optuna.storages import InMemoryStorage
from searching import run as search

from harness.search.search import recorded_runs
from harness.study.study import FINALISTS
from harness.tracking.columns import VIEW_TAG
from harness.tracking.store import Ending
from harness.tracking.study_runs import IDENTITY_TAG, StudyStore
from harness.tracking.training_run import TrainingStore

OTHER = "2" * 32
OVER = Ending("KILLED", "requeued", "why")


def everything(store: StudyStore) -> dict[str, Any]:
    """All runs of the experiment, whoever's: what each holds."""
    found = store.client.search_runs([store.experiment], run_view_type=3)
    return {run.info.run_id: (run.info.status, run.info.lifecycle_stage, run.data) for run in found}


def test_two_studies_of_one_name_have_their_own_runs_in_one_experiment(runs: Path) -> None:
    mine, other = opened(runs), opened(runs, identity=OTHER)
    for store, value in ((mine, 0.3), (other, 0.4)):
        store.write([began(0), scored(0, value)])
        store.lead("t000", f"{value} leads")
    assert mine.experiment == other.experiment
    assert mine.parent != other.parent
    assert not set(mine.runs.values()) & set(other.runs.values())
    mine.write([began(0)])
    other.reconcile({"t000": OVER})
    for store, value, status in ((mine, 0.3, "RUNNING"), (other, 0.4, "KILLED")):
        run = store.client.get_run(store.runs["t000"])
        assert run.info.status == status
        assert run.data.metrics["score"] == value
        assert run.data.tags["best"] == "true"
        assert run.data.tags["mlflow.parentRunId"] == store.parent
        assert run.data.tags[IDENTITY_TAG] == store.identity
        assert store.parent is not None
        parent = store.client.get_run(store.parent)
        assert parent.data.tags["mlflow.note.content"] == f"{value} leads"
        assert opened(runs, identity=store.identity).runs == store.runs


def test_foreign_runs_with_our_tags_are_neither_written_nor_deleted(runs: Path) -> None:
    first = opened(runs)
    for tags in (
        {"trial": "0"},
        {"trial": "0"},
        {"role": "study"},
        {"best": "true"},
        {"trial": "x"},
    ):
        first.client.create_run(first.experiment, 1000, tags)
    foreign = {
        id for id, (_, _, data) in everything(first).items() if IDENTITY_TAG not in data.tags
    }
    before = {id: held for id, held in everything(first).items() if id in foreign}
    assert len(before) == 5
    store = opened(runs)
    assert store.runs == {}
    store.write([began(0), scored(0, 0.5)])
    store.lead("t000", "note")
    store.reconcile({"t000": OVER})
    assert store.runs["t000"] not in foreign
    after = everything(store)
    for id, (status, stage, data) in before.items():
        assert after[id][:2] == (status, stage) == ("RUNNING", "active")
        assert after[id][2].to_dictionary() == data.to_dictionary()


def test_a_training_that_goes_on_has_the_run_that_it_had(runs: Path) -> None:
    def training(key: str) -> TrainingStore:
        store = TrainingStore(
            f"sqlite:///{runs}/mlflow.db",
            "portraits",
            runs / "mlflow-artifacts",
            name="train model",
            key=key,
            tags={"study": "portraits"},
            params={"lr": 1e-4},
        )
        store.open(unexpected)
        return store

    first, other = training("1" * 8), training("2" * 8)
    first.conclude(Ending("KILLED", "stopped", "stopped by user"))
    later = training(first.key)
    assert later.runs == first.runs
    assert set(later.runs.values()).isdisjoint(other.runs.values())
    run = later.client.get_run(later.runs[first.key])
    assert (run.info.run_name, run.info.status) == ("train model", "RUNNING")
    assert run.data.params == {"lr": "0.0001"}
    tags = {"study": "portraits", "role": "training", "training": first.key, "state": "stopped"}
    assert run.data.tags | tags == run.data.tags


def test_somebodys_own_experiment_keeps_its_tags(runs: Path) -> None:
    store = opened(runs, "first")
    theirs = store.client.create_experiment(
        "portraits", str(runs.parent / "theirs"), {"mlflow.experimentKind": "genai"}
    )
    opened(runs, "portraits", direction="minimize")
    tags = store.client.get_experiment(theirs).tags
    assert tags["mlflow.experimentKind"] == "genai"
    view = json.loads(tags["mlflow.sharedViewState.harness"])
    # Best first.
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`score`", True)
    own = json.loads(store.client.get_experiment(store.experiment).tags[VIEW_TAG])
    assert own["orderByAsc"] is False
    store.client.set_experiment_tag(store.experiment, VIEW_TAG, "an earlier version's")
    opened(runs, "first")
    assert json.loads(store.client.get_experiment(store.experiment).tags[VIEW_TAG]) == own


def test_a_study_deleted_and_begun_again_gets_runs_of_its_own(runs: Path) -> None:
    plan = make_plan(runs, budget=2)
    url = f"sqlite:///{plan.run_paths.optuna_db}"
    search(plan)
    optuna.delete_study(study_name="fake", storage=url)
    search(plan)
    store = opened(runs, identity=OTHER)
    of_study: dict[str, list[str]] = {}
    for each in store.client.search_runs([store.experiment], "tags.study_identity != ''"):
        of_study.setdefault(each.data.tags[IDENTITY_TAG], []).append(each.info.run_id)
    ours = optuna.load_study(study_name="fake", storage=url)
    assert {len(of_study[key]) for key in of_study if key != OTHER} == {3}  # with its parent
    assert len(of_study) == 3
    assert recorded_runs(ours) <= set(of_study[ours.user_attrs["identity"]])
    for own in of_study.values():
        for each in own:
            steps = [point.step for point in store.client.get_metric_history(each, "score")]
            assert sorted(set(steps)) == sorted(steps)  # one curve a run


def test_the_record_names_runs_of_trials_of_finalists_and_the_studys_own() -> None:
    storage = InMemoryStorage()
    study = optuna.create_study(study_name="a", storage=storage)
    assert recorded_runs(study) == frozenset()
    finals = optuna.create_study(study_name="a" + FINALISTS, storage=storage)
    study.set_user_attr("mlflow_run", "of the study")
    for record, run in ((study, "of a trial"), (study, None), (finals, "of a finalist")):
        trial = record.ask()
        trial.set_user_attr("mlflow_run", run)
        trial.set_user_attr("finalist", "recommended")
    study.ask()
    assert recorded_runs(study) == {"of the study", "of a trial", "of a finalist"}
