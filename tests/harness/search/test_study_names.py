"""The default name of a study: other data is another study, and an earlier one goes on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from portraits import planned, write_pairs

from harness.config.settings import SearchConfig
from harness.errors import UserInputError
from harness.search.plan import SearchPlan
from harness.search.resumed_settings import has_same_data
from harness.study.database import open_storage, sqlite_url
from harness.study.study import create_study


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "boundary-sharpness"),
        ({"data": "portraits"}, "portraits"),
        ({"data": "somewhere/portraits/"}, "portraits"),
        ({"data": "."}, "here"),
        ({"data": "/"}, "boundary-sharpness"),
        ({"data": "faces/pairs.csv"}, "faces-pairs"),
        ({"data": "faces/made.JSONL"}, "faces-made"),
        ({"data": "x" * 255}, "x" * 200),
        ({"data": "two\nlines"}, "two\\nlines"),
        ({"originals": "faces"}, "faces"),
        ({"data": "portraits", "study": "mine"}, "mine"),
    ],
)
def test_a_study_is_named_after_its_data(
    given: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert SearchConfig.model_validate(given).study == name


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def begun(plan: SearchPlan) -> None:
    """The study of a plan, as its search leaves it in the run folder's database."""
    plan.config.run_dir.mkdir(exist_ok=True)
    storage = open_storage(sqlite_url(plan.run_paths.optuna_db))
    create_study(storage, plan.config.study, plan.setup, plan.recipes)


def test_a_study_of_the_built_in_pairs_is_not_taken_for_one_of_these(place: Path) -> None:
    pairs, runs = write_pairs(place / "portraits"), place / "runs"
    begun(planned(None, run_dir=runs, study="boundary-sharpness"))
    assert planned(pairs, run_dir=runs).config.study == "portraits"


def test_the_same_pairs_elsewhere_are_the_study_s_and_others_of_their_name_are_not(
    place: Path,
) -> None:
    pairs = write_pairs(place / "portraits", 2, 1)
    recorded = planned(pairs, run_dir=place / "runs").setup
    copy = shutil.copytree(pairs, place / "copy")
    asked = {"direction": "AtoB", "run_dir": place / "runs"}
    for data, same in ((pairs, True), (copy, True), (place / "nowhere", False), (None, False)):
        assert has_same_data(SearchConfig(data=data, **asked), recorded) == same
    Image.new("RGB", (256, 128)).save(copy / "train" / "train0.png")
    assert not has_same_data(SearchConfig(data=copy, **asked), recorded)


def test_only_the_study_of_these_pairs_goes_on_in_spite_of_errors_in_them(place: Path) -> None:
    """A study of the name on other data does not hide what is wrong with this data."""
    pairs, runs = write_pairs(place / "portraits"), place / "runs"
    begun(planned(pairs, run_dir=runs))
    sheet = np.asarray(Image.open(pairs / "train" / "train0.png"))
    half = sheet[:, :128]
    Image.fromarray(np.hstack([half, half])).save(pairs / "train" / "same.png")
    (told,) = (line for line in planned(pairs, run_dir=runs).remarks if "same.png" in line)
    assert told.startswith("Warning: train/same.png: A and B are the same picture; remove it")
    others = shutil.copytree(pairs, place / "elsewhere" / "portraits")
    (others / "train" / "train0.png").unlink()
    with pytest.raises(UserInputError, match=r"same\.png: A and B are the same picture"):
        planned(others, run_dir=runs)
