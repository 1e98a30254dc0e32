"""The record: what may not change, what is counted, how a trial returns to the queue."""

import os
from pathlib import Path
from typing import Any

import pytest
from driving import make_plan, with_setup
from optuna import Study
from optuna.trial import TrialState

from harness.errors import UserInputError
from harness.paths import RunPaths
from harness.study import study as record
from harness.study.database import open_storage, reading_url, sqlite_url
from harness.study.urls import without_secrets
from reports.record.study import StudyRecord


def new_study(folder: Path, **settings: Any) -> Study:
    plan = make_plan(folder, **settings)
    storage = open_storage(sqlite_url(folder / "optuna.db"))
    return record.create_study(storage, "fake", plan.setup, plan.recipes)


def test_a_copy_in_a_folder_that_cannot_be_written_is_read_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "빈 칸 100%"
    folder.mkdir()
    new_study(folder)._storage._backend.engine.dispose()  # type: ignore[attr-defined]
    left = sorted(file.name for file in folder.iterdir())
    access = os.access
    # As root a test may write everywhere: the folder is only said to be read-only.
    monkeypatch.setattr("os.access", lambda at, mode: Path(at) != folder and access(at, mode))
    study = record.read_study(folder, "fake")
    assert len(study.trials) == len(make_plan(tmp_path).recipes)
    assert sorted(file.name for file in folder.iterdir()) == left
    (folder / "optuna.db-wal").touch()
    assert "immutable" not in reading_url(folder / "optuna.db")


def test_a_study_has_a_folder_of_its_own_whatever_it_is_called(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    own = {paths.optuna_db, paths.mlflow_db, paths.mlflow_artifacts, paths.mlflow_log}
    names = [*(file.name for file in own), "a/b", "a b", "..", "plain"]
    folders = {paths.study(name).folder for name in names}
    assert len(folders) == len(names)
    assert not folders & own
    assert {folder.parent for folder in folders} == {tmp_path}
    assert paths.study("plain").folder.name == "plain"


def test_a_trial_put_back_keeps_its_number_and_values(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    study = new_study(tmp_path)
    asked = [record.ask(study, plan.space, "tpe", 0) for _ in range(10)]
    record.requeue(study, asked[9])
    record.requeue(study, asked[3])
    assert record.counted(study) == 8
    again = [record.ask(study, plan.space, "tpe", 0) for _ in range(3)]
    assert [trial.number for trial in again] == [3, 9, 10]
    assert [again[0].params, again[1].params] == [asked[3].params, asked[9].params]
    assert again[0].user_attrs["recipe"] == asked[3].user_attrs["recipe"]


def test_a_failed_trial_is_not_counted(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    study = new_study(tmp_path)
    first, second, _ = (record.ask(study, plan.space, "tpe", 0) for _ in range(3))
    study.tell(first, state=TrialState.FAIL)
    study.tell(second, 0.5)
    assert record.counted(study) == 2


def test_a_half_made_study_is_made_anew(tmp_path: Path) -> None:
    storage = new_study(tmp_path)._storage
    half = record.create_marked(storage, "half", ["maximize"], {"identity": "a" * 32})
    half.set_user_attr("name", "half")
    half.enqueue_trial({})
    assert record.find_study(storage, "half") is None
    plan = make_plan(tmp_path)
    made = record.create_study(storage, "half", plan.setup, plan.recipes)
    assert record.identity_of(made) != "a" * 32
    assert len(made.trials) == len(plan.recipes)
    assert record.find_study(storage, "half") is not None


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("profile", "full", "another profile (quick, now full)"),
        ("weights", "pretrained", "another weights (random, now pretrained)"),
        ("warm_start", "none", "another warm start (shared, now none)"),
        ("train", {"steps": 1}, "another training settings (steps 30, now 1): go on"),
        ("space", "params: {lr: 0.1, beta1: 0.5}", "another space (lambda_L1; lambda_perceptual; "),
        ("data", {"digest": "e" * 64, "direction": "AtoB"}, "another set of pictures (some were "),
        ("data", {"direction": "BtoA"}, "another direction (AtoB, now BtoA): go on"),
        ("init_from", ["/mine/net_G.pth"], "another init-from ([], now ['/mine/net_G.pth']): go"),
        ("trainer", "external", "another trainer (builtin, now external): go on"),
        (
            "train",
            {"steps": 1, "rungs": [1], "ngf": 5, "ndf": 5, "norm": "none", "beta1": 0.9},
            "(ngf 12, now 5; ndf 4, now 5; norm batch, now none; beta1 0.5, now 0.9; and 2 more)",
        ),
        ("objective", "m" * 41, "another objective: go on"),
    ],
)
def test_what_made_the_numbers_may_not_change(
    tmp_path: Path, key: str, value: Any, named: str
) -> None:
    study = new_study(tmp_path)
    plan = make_plan(tmp_path)
    others = {"device": "cuda:0", "budget": 9, "created": "later"}
    record.check_same(study, with_setup(plan, **others).setup)
    with pytest.raises(UserInputError) as refused:
        record.check_same(study, with_setup(plan, **{key: value}).setup)
    assert named in str(refused.value)


def test_pairs_that_another_seed_drew_are_not_called_other_data(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    drawn = {"digest": "e" * 32, "direction": "AtoB"}
    with pytest.raises(UserInputError, match=r"another seed \(0, now 3\): go on"):
        record.check_same(study, with_setup(make_plan(tmp_path), data=drawn, seed=3).setup)


def test_another_precision_is_refused_by_its_name(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    plan = make_plan(tmp_path)
    with pytest.raises(UserInputError) as refused:
        record.check_same(study, with_setup(plan, train={"precision": "bfloat16"}).setup)
    assert "with another precision (float32, now bfloat16): go on" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://me:s3cret@host:5432/db", "https://me:s3cret@mlflow.example/x"],
)
def test_passwords_are_not_shown(url: str) -> None:
    shown = without_secrets(url)
    assert "s3cret" not in shown
    assert "example" in shown or "host" in shown


def test_a_database_that_cannot_be_reached_is_one_sentence_without_its_password() -> None:
    with pytest.raises(UserInputError) as refused:
        open_storage("postgresql+psycopg://me:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_a_database_in_a_folder_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=rf"there is no folder {tmp_path}/nowhere\.$"):
        open_storage(f"sqlite:///{tmp_path}/nowhere/optuna.db")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("held", ["no database at all, " * 400, None], ids=["text", "folder"])
def test_what_is_no_database_is_one_sentence(tmp_path: Path, held: str | None) -> None:
    file = tmp_path / "optuna.db"
    file.mkdir() if held is None else file.write_text(held)
    for opening in (
        lambda: sqlite_url(file),
        lambda: record.open_existing(RunPaths(tmp_path), None),
    ):
        with pytest.raises(UserInputError, match=r"optuna\.db cannot be opened .*harness doctor"):
            opening()


def test_what_can_be_named_instead_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"no study in .*: run harness search first|no study"):
        record.read_study(tmp_path)
    with pytest.raises(UserInputError, match="name its folder with --run-dir DIR, or its database"):
        record.open_existing(RunPaths(tmp_path), None)
    url = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(UserInputError, match=f"no study in {url}: to .* search name its database"):
        record.open_existing(RunPaths(tmp_path), url)
    open_storage(sqlite_url(tmp_path / "optuna.db"))
    with pytest.raises(UserInputError, match=f"There is no study in {tmp_path} yet: run harness"):
        record.read_study(tmp_path)


def test_an_unknown_study_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    new_study(tmp_path)
    paths = RunPaths(tmp_path)
    studies, unreadable = record.open_existing(paths, None)
    assert ([s.study_name for s in studies], unreadable) == (["fake"], {})
    with pytest.raises(UserInputError, match=r"no study other.*its studies are: fake"):
        record.open_existing(paths, None, "other")
    with pytest.raises(UserInputError, match="--run-dir"):
        record.open_existing(RunPaths(tmp_path / "nowhere"), None)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("key", "new"),
    [
        ("data", {"folder": "/moved/pairs"}),
        ("warm_start_folder", "/moved/runs/fake/checkpoints/warm_start"),
        (
            "program",
            {"file": "/moved/p.yaml", "folder": "/moved", "command": ["train"]}
            | {"pairs": "A", "inputs": "B"},
        ),
    ],
)
def test_what_was_moved_is_recorded_where_it_is_now(tmp_path: Path, key: str, new: Any) -> None:
    study = new_study(tmp_path)
    moved = with_setup(make_plan(tmp_path), **{key: new}).setup
    assert getattr(moved, key) != getattr(StudyRecord.of(study).setup, key)
    record.update_paths(study, moved)
    assert StudyRecord.of(study).setup == moved
