"""The notebooks run from top to bottom, and `from harness import` is what they say it is."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from null_tracker import NullTracker
from optuna import Study, create_study

import harness
import harness.config.profiles
import harness.search.api
import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.views import View
from harness.search.result import SearchOutcome
from harness.search.stop_signals import StopSwitch
from tests.synthetic_studies import make_study

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "search_from_python.ipynb"
COLAB = ROOT / "notebooks" / "colab.ipynb"

sys.path.append(str(ROOT / "tests" / "harness"))
from driving import Instant, make_plan  # noqa: E402


def run_cells(file: Path) -> tuple[dict[str, Any], list[Any]]:
    """Run a notebook's code cells as a notebook would: the names at the end, each cell's value."""
    names: dict[str, Any] = {"__name__": "__main__"}
    values = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        *body, last = ast.parse("".join(cell["source"])).body
        if not isinstance(last, ast.Expr):
            body.append(last)
        exec(compile(ast.Module(body, []), file.name, "exec"), names)
        shown = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
        values.append(eval(compile(shown, file.name, "eval"), names) if shown else None)
    return names, values


def check(names: dict[str, Any], values: list[Any], budget: int) -> None:
    """What the cells promise holds for what they computed."""
    outcome, trials = names["outcome"], names["trials"]
    assert len(trials[trials.state.isin(["complete", "pruned"])]) == budget
    best, shown = values[0], values[1]
    assert best == outcome.best
    assert shown.iloc[0].trial == best.number
    assert shown.iloc[0].score == best.value == trials.score.max()
    by_mode = values[2]
    assert by_mode["count"].sum() == (trials.state == "complete").sum()
    assert names["best"]["params"].items() <= best.params.items()  # which name netG too
    assert Path("runs/from-python/report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("file", [NOTEBOOK, COLAB], ids=lambda file: file.stem)
def test_the_notebooks_are_kept_without_their_output(file: Path) -> None:
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.fixture
def instantly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches whose trials take no time; everything around them is real but MLflow."""

    def search(config: SearchConfig, view: View) -> SearchOutcome:
        plan = make_plan(config.run_dir, study=config.study, budget=12)
        return harness.search.search.run_search(plan, view, StopSwitch(None), Instant)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_, **__: NullTracker())
    monkeypatch.setattr(harness.search.api, "search", search)


@pytest.mark.usefixtures("instantly")
def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names, values = run_cells(NOTEBOOK)
    check(names, values, budget=12)
    assert "--lambda_L1" in capsys.readouterr().out


@pytest.mark.usefixtures("instantly")
def test_the_notebook_for_colab_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but the mounting of a drive; IPython is Colab's own."""
    display = ModuleType("IPython.display")
    display.HTML = lambda filename: Path(filename).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    names, values = run_cells(COLAB)
    best, page = (value for value in values if value is not None)
    assert best == names["outcome"].best
    assert page.startswith("<!doctype html>")


@pytest.mark.usefixtures("instantly")
def test_the_lines_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(block, "README.md", "exec"), names)
    best = names["outcome"].best
    assert f"number={best.number}" in capsys.readouterr().out
    assert f"t{best.number:03d}" in Path("portraits.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_notebook_runs_with_real_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = harness.config.profiles.QUICK.model_copy(
        update={
            "ndf": 4, "steps": 4, "rungs": (2, 4),
            "warm_start_steps": 3, "warm_discriminator_steps": 2,
        }
    )  # fmt: skip
    monkeypatch.setitem(harness.config.profiles.PROFILES, "quick", quick)
    monkeypatch.chdir(tmp_path)
    text = NOTEBOOK.read_text(encoding="utf-8").replace("budget=50", "budget=2")
    small = tmp_path / "small.ipynb"
    small.write_text(text.replace("budget=2,", "budget=2, device='cpu', weights='random',"))
    check(*run_cells(small), budget=2)


def test_every_public_name_is_there_and_documented() -> None:
    for name in harness.__all__:
        thing = getattr(harness, name)
        # A file of that name would take its place once it is imported.
        assert not (ROOT / "harness" / f"{name}.py").exists(), name
        if name != "__version__":
            assert thing.__doc__, name
            assert f"`{name}" in (harness.__doc__ or ""), name
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = harness.serach


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: harness.SearchConfig(budget=0), "--budget 0 cannot be used: write a number of at"),
        (lambda: harness.SearchConfig(budgt=9), "SearchConfig has no option budgt: did you mean b"),
        (lambda: harness.SearchConfig(data="a", originals="b"), "--originals and --data exclude"),
        (lambda: harness.SearchConfig(data=3), "--data 3 cannot be used: write a path."),
        (lambda: harness.write_report(make_study(1), ROOT / "x.html", "fr"), "no language fr"),
        (lambda: harness.write_report(make_study(1), ROOT), "written (it is a folder): name anoth"),
        (lambda: harness.write_report(create_study(), "x.html"), "not made by harness search"),
        (lambda: harness.trials_frame(damaged()), "`budget` of study s is 'x'"),
        (lambda: harness.best_configuration(make_study(1), 9), "has no trial 9"),
    ],
)  # fmt: skip
def test_the_python_api_refuses_in_a_sentence(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(harness.UserInputError) as refused:
        call()
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_folder_of_pictures_is_warned_of(tmp_path: Path) -> None:
    missing = tmp_path / "panels"
    with (
        pytest.warns(UserWarning, match=f"has no pictures: there is no folder {missing}"),
        pytest.raises(harness.UserInputError, match="no language fr"),  # renders nothing
    ):
        harness.write_report(make_study(1), tmp_path / "x.html", "fr", panels=missing)


def damaged() -> Study:
    study = make_study(1)
    study.set_user_attr("budget", "x")
    return study


def test_importing_harness_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import harness; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours = {name for name in done.stdout.split() if "." not in name or name.startswith("harness")}
    assert {name for name in ours if name.startswith("harness")} == {
        "harness",
        "harness.config",
        "harness.config.version",
    }
    assert not ours & {"torch", "optuna", "mlflow", "numpy", "pandas", "pydantic", "typer"}
