"""Two configurations compared: what is run, what is said, what is refused."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from driving import TRAIN, Instant, make_plan
from searching import run

import harness.search.plan
from harness.config.settings import SearchConfig
from harness.data.pairs.prepare import PreparedData
from harness.errors import UserInputError
from harness.search.comparison import plan_comparison
from harness.search.plan import SearchPlan
from harness.search.result import as_lines, confirmation, decision_lines
from harness.study.database import open_storage, sqlite_url
from harness.study.study import FINALISTS, create_study, read_study
from reports.page.report import render
from tests.reports.page.parsed_page import Page

PARAMS = {"lambda_perceptual": 0, "n_layers_D": 3, "gan_mode": "lsgan", "lr": 2e-4}


def write(
    file: Path, lambda_L1: float, provenance: dict[str, str] | None = None, **train: Any
) -> Path:
    held = {
        "schema": 1,
        "provenance": provenance or {},
        "params": {"lambda_L1": lambda_L1, **PARAMS},
        "train": TRAIN.model_dump(mode="json") | train,
    }
    file.write_text(yaml.safe_dump(held))
    return file


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No pairs are made; the returned list says how many are held out."""
    n_test = [2]

    def prepare(*_: object) -> PreparedData:
        return PreparedData(tmp_path / "none.pt", "d" * 32, "nothing", 8, 2, n_test[0], 8, 0)

    monkeypatch.setattr(harness.search.plan, "prepare", prepare)
    return n_test


def plan_of(folder: Path, one: Path, other: Path) -> SearchPlan:
    config = SearchConfig(budget=6, run_dir=folder / "runs", weights="random", device="cpu", jobs=1)
    return plan_comparison((one, other), config)


@pytest.mark.usefixtures("unmirrored")
def test_another_programs_record_of_their_runs_is_refused_before_any(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, write(tmp_path / "a.yaml", 60), write(tmp_path / "b.yaml", 300))
    plan.config.run_dir.mkdir()
    storage = f"sqlite:///{plan.run_paths.optuna_db}"
    optuna.create_study(study_name=plan.config.study + FINALISTS, storage=storage)
    with pytest.raises(UserInputError, match=r"a study compare-\w+ \(finalists\) that this search"):
        run(plan, Instant)
    assert not plan.paths.folder.exists()


@pytest.mark.usefixtures("unmirrored")
def test_only_the_two_are_trained_each_on_every_seed(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.yaml", 60), write(tmp_path / "b.yaml", 300)
    plan = plan_of(tmp_path, one, other)
    assert plan.setup.objective == "boundary_sharpness"
    outcome = run(plan, Instant)
    assert outcome.final_runs == 6
    assert outcome.finalists is not None
    assert outcome.finalists.winner == str(one)
    assert outcome.finalists.verdict.startswith(f"better than {other} by 0.")
    assert outcome.finalists.level == pytest.approx(0.95)
    said = "\n".join(confirmation(outcome))
    assert str(one) in said
    decision = " ".join(" ".join(decision_lines(outcome)).split())
    assert decision.startswith(f"Use {one}: it is better than {other}. It leads by 0.")

    assert "No trial has completed" not in "\n".join(as_lines(outcome))
    page = Page(render(read_study(tmp_path / "runs"))).text
    assert "Two settings trained on the same seeds" in page
    assert "search's leaders" not in page

    again = run(plan_of(tmp_path, one, other), Instant)
    assert again.finalists == outcome.finalists
    assert len((plan.paths.folder / "finals.txt").read_text().splitlines()) == 6

    search = make_plan(tmp_path / "runs", budget=1)
    create_study(open_storage(sqlite_url(search.run_paths.optuna_db)), "fake", search.setup, {})
    assert read_study(tmp_path / "runs").study_name == "fake"  # the only search


@pytest.mark.parametrize("name", ["best_net_G.pth", "."])
def test_trained_models_are_refused_with_the_way_to_compare_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"is no best\.yaml: .* by harness score\."):
        plan_of(tmp_path, write(tmp_path / "a.yaml", 60), tmp_path / name)
    with pytest.raises(UserInputError, match=r"is no best\.yaml"):
        plan_of(tmp_path, tmp_path / name, tmp_path / "a.yaml")


def test_the_objective_is_that_of_the_files(tmp_path: Path) -> None:
    of_vgg = {"objective": "boundary_sharpness_vgg"}
    one, other = write(tmp_path / "a.yaml", 60, of_vgg), write(tmp_path / "b.yaml", 300)
    assert plan_of(tmp_path, one, other).setup.objective == "boundary_sharpness_vgg"
    assert plan_of(tmp_path, other, one).setup.objective == "boundary_sharpness_vgg"


def test_each_comparison_is_a_study_of_its_own(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{weight}.yaml", weight) for weight in (60, 90, 300)]
    asked = [(0, 1), (1, 0), (0, 2), (2, 1)]
    names = {plan_of(tmp_path, files[one], files[other]).config.study for one, other in asked}
    assert len(names) == len(asked)
    assert plan_of(tmp_path, files[0], files[1]).config.study in names


@pytest.mark.parametrize(
    ("change", "n_test", "said"),
    [
        ({"lambda_L1": 60}, 2, "hold the same settings"),
        ({"lambda_L1": 90, "steps": 60}, 2, r"train\.steps: 30, 60"),
        ({"lambda_L1": 90}, 0, "No pairs are held out"),
        ({"lambda_L1": 90, "provenance": {"trainer": "external"}}, 2, "b.yaml was .* own program"),
        ({"lambda_L1": 90, "provenance": {"objective": "mine:goal"}}, 2, "b.yaml .* mine:goal"),
        (
            {"lambda_L1": 90, "provenance": {"objective": "boundary_sharpness_vgg"}},
            2,
            r"different objectives \(boundary_sharpness, boundary_sharpness_vgg\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, prepared: list[int], change: dict[str, Any], n_test: int, said: str
) -> None:
    prepared[0] = n_test
    ours = {"objective": "boundary_sharpness", "trainer": "builtin"}
    one, other = write(tmp_path / "a.yaml", 60, ours), write(tmp_path / "b.yaml", **change)
    with pytest.raises(UserInputError, match=said):
        plan_of(tmp_path, one, other)
    assert not (tmp_path / "runs").exists()
