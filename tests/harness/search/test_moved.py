"""A run folder may be moved: what lies in it is found in it, and nothing is written elsewhere."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from driving import make_plan, with_setup
from searching import run
from typer.testing import CliRunner

import harness
from harness.cli.app import app
from harness.config.best_config import read_best_config
from harness.config.train_config import TrainConfig
from harness.full_training.plan import data_folder
from harness.paths import RunPaths
from harness.search.plan import SearchPlan
from harness.study.study import read_study

pytestmark = pytest.mark.usefixtures("unmirrored")

MADE = "512px-0123456789ab"


def planned(folder: Path, budget: int, program: bool = False) -> SearchPlan:
    """A plan whose record names places in its run folder."""
    plan = make_plan(folder, budget=budget)
    made = plan.run_paths.made_pairs / MADE
    made.mkdir(parents=True, exist_ok=True)
    places: dict[str, Any] = {
        "warm_start_folder": str(plan.paths.warm_start.folder.absolute()),
        "data": {"folder": str(made.absolute())},
    }
    if program:
        external = plan.paths.external
        places["program"] = {
            "file": "/mine/train.yaml",
            "folder": "/mine",
            "command": ["./train", "{pairs}", "{inputs}", "{out}", "{start_G}"],
            "pairs": str(external.pairs.absolute()),
            "inputs": str(external.inputs("search").absolute()),
        }
    return with_setup(plan, **places)


def contents(folder: Path) -> dict[Path, float]:
    """All files and when each was written last; without what a reader has beside the database."""
    files = (file for file in folder.rglob("*") if not file.name.startswith("optuna.db-"))
    return {file: file.stat().st_mtime for file in files if file.is_file()}


def exported(folder: Path) -> str:
    words = ["export", "--format", "command", "--repeat-trial", "--run-dir", str(folder)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("program", [False, True], ids=["built in", "program"])
@pytest.mark.parametrize("copied", [False, True], ids=["moved", "copied"])
def test_a_search_goes_on_where_its_folder_is_now(
    tmp_path: Path, program: bool, copied: bool
) -> None:
    old, new = tmp_path / "old", tmp_path / "else where" / "new"
    run(planned(old, 2, program))
    assert str(old) in exported(old)
    new.parent.mkdir()
    if copied:
        shutil.copytree(old, new)
        left = contents(old)
    else:
        old.rename(new)
        left = {}

    command = exported(new)
    assert str(old) not in command
    words = shlex.split(command.replace("\\\n", " "))
    start = str(RunPaths(new).study("fake").warm_start.generator)
    assert start in words
    if not program:
        assert words[words.index("--dataroot") + 1] == str(new / "made-pairs" / MADE)
    else:
        assert str(new / "fake" / "external" / "pairs") in words
        assert str(new / "fake" / "external" / "inputs" / "search") in words
    study = read_study(new)
    assert harness.best_configuration(study, run_dir=new)["command"] == command
    file = RunPaths(new).study("fake").best_yaml
    train_in_full = TrainConfig(config=file, out=tmp_path / "full")
    assert data_folder(train_in_full, read_best_config(file)) == new / "made-pairs" / MADE

    outcome = run(planned(new, 3, program))
    assert outcome.counts["complete"] == 3
    assert contents(old) == left
    assert old.exists() == copied
    assert str(old) not in str(read_study(new).user_attrs)
    best = yaml.safe_load(RunPaths(new).study("fake").best_yaml.read_text())
    assert str(old) not in str(best)
    assert start in best["command"].replace("'", "")
    assert str(old) not in RunPaths(new).study("fake").report_html.read_text()


def test_a_study_begun_with_another_program_is_still_refused(tmp_path: Path) -> None:
    run(planned(tmp_path, 1, program=True))
    plan = with_setup(planned(tmp_path, 2, program=True), program={"command": ["./another"]})
    with pytest.raises(harness.UserInputError, match="another program that trains"):
        run(plan)
