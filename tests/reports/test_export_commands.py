"""`harness export`, `harness report` and `harness spaces` as a user calls them."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from harness.cli.export import export, report
from harness.cli.spaces import spaces
from harness.errors import UserInputError
from harness.study.database import open_storage, sqlite_url
from tests.reports.test_commands import SHARED, SWITCHES
from tests.synthetic_studies import RECIPES, SPACE, add_trial, empty_study, make_study

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with one small study."""
    folder = tmp_path_factory.mktemp("run folder")
    study = empty_study()
    for recipe in ("problem", "lower_L1", "recommended"):
        params = dict(zip(SPACE, RECIPES[recipe], strict=True))
        add_trial(study, params, rungs=(160, 400), recipe=recipe)
    keep(study, folder, "얼굴")
    return folder


def keep(study: optuna.Study, folder: Path, name: str) -> None:
    """Put a study where the driver keeps it."""
    study.set_user_attr("name", name)
    storage = open_storage(sqlite_url(folder / "optuna.db"))
    optuna.copy_study(
        from_study_name=study.study_name,
        from_storage=study._storage,
        to_storage=storage,
        to_study_name=name,
    )


@pytest.fixture
def run() -> Run:
    app = typer.Typer()
    for command in (export, report, spaces):
        app.command()(command)

    def call(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


def refused(result: Result) -> str:
    """The one sentence of a refusal."""
    assert isinstance(result.exception, UserInputError)
    assert result.stdout == ""
    sentence = str(result.exception)
    assert "\n" not in sentence
    return sentence


def test_export_prints_the_best(run: Run, run_dir: Path) -> None:
    config = yaml.safe_load(run("export", "--run-dir", run_dir).stdout)
    assert config["study"] == "얼굴"
    assert config["trial"] == 2
    command = run("export", "--run-dir", run_dir, "--format", "command").stdout
    assert command == config["command"]
    script = run("export", "--run-dir", run_dir, "--format", "script").stdout
    assert script.endswith(config["full_command"])


# A copy of before August 2025 on a machine without a GPU and without visdom.
OLD_COPY = """
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
for name in OPTIONS:
    parser.add_argument(f"--{name}")
for name in ("no_flip", "no_dropout", "continue_train"):
    parser.add_argument(f"--{name}", action="store_true")
parser.add_argument("--gpu_ids", default="0")
parser.add_argument("--display_id", type=int, default=1)
opt = parser.parse_args()
assert opt.gpu_ids == "-1", "no CUDA here"
assert opt.display_id < 1, "no module named visdom"
run = Path("checkpoints") / opt.name
run.mkdir(parents=True, exist_ok=True)
epochs = int(opt.niter) + int(opt.niter_decay)
(run / "latest_net_G.pth").write_text(f"{epochs} epochs, lambda_L1 {opt.lambda_L1}")
"""


def test_what_is_exported_for_a_copy_runs_there_as_printed(
    run: Run, run_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "my copy"
    copy.mkdir()
    names = [name.replace("n_epochs", "niter") for name in SHARED - SWITCHES]
    (copy / "train.py").write_text(OLD_COPY.replace("OPTIONS", repr(names)))
    words = ("export", "--run-dir", run_dir, "--trial", 1, "--format", "script")
    exported = run(*words, "--repo", copy)
    assert exported.exit_code == 0, exported.exception
    script = exported.stdout
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    (made,) = (copy / "checkpoints").glob("*/latest_net_G.pth")
    assert made.read_text() == "2000 epochs, lambda_L1 50"
    told = run("export", "--run-dir", run_dir, "--format", "command", "--repo", tmp_path)
    assert "There is no train.py" in refused(told)


def test_a_command_comes_with_what_it_needs_beside_it(run: Run, run_dir: Path) -> None:
    """On the standard error: what is printed can be piped into a shell."""
    told = run("export", "--run-dir", run_dir, "--format", "command")
    assert "train.py" in told.stdout
    assert "--gpu_ids" not in told.stdout
    assert "pix2pix_with_perceptual is the guide's own model file" in told.stderr
    assert "--repo DIR" in told.stderr


def test_export_writes_a_file(run: Run, run_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "best.yaml"
    result = run("export", "--run-dir", run_dir, "--trial", 1, "-o", file)
    assert result.exit_code == 0
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["trial"] == 1


def test_report_goes_into_the_studys_folder(run: Run, run_dir: Path) -> None:
    result = run("report", "--run-dir", run_dir, "--lang", "ko")
    file = Path(result.stdout.strip())
    assert file.parent.parent == run_dir
    assert '<html lang="ko">' in file.read_text(encoding="utf-8")


def test_report_formats_are_one_table(run: Run, run_dir: Path, tmp_path: Path) -> None:
    texts = {
        form: run("report", "--run-dir", run_dir, "--format", form).stdout
        for form in ("csv", "json", "md")
    }
    assert len(json.loads(texts["json"])) == 3
    assert len(list(csv.reader(io.StringIO(texts["csv"])))) == 1 + 3
    assert len(texts["md"].splitlines()) == 2 + 3
    file = tmp_path / "trials.csv"
    run("report", "--run-dir", run_dir, "--format", "csv", "-o", file)
    assert file.read_text(encoding="utf-8") == texts["csv"]


def test_several_studies_must_be_named(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        keep(make_study(1), tmp_path, name)
    assert "several studies (a, b)" in refused(run("export", "--run-dir", tmp_path))
    result = run("export", "--run-dir", tmp_path, "--study", "b")
    assert yaml.safe_load(result.stdout)["study"] == "b"


def test_what_is_refused(run: Run, run_dir: Path, tmp_path: Path) -> None:
    assert str(tmp_path) in refused(run("export", "--run-dir", tmp_path))
    assert "no study other" in refused(run("report", "--run-dir", run_dir, "--study", "other"))
    assert "no trial 99" in refused(run("export", "--run-dir", run_dir, "--trial", 99))
    assert "cannot be written" in refused(run("export", "--run-dir", run_dir, "-o", tmp_path))
    blocked = tmp_path / "file"
    blocked.touch()
    for command in ("export", "report"):
        result = run(command, "--run-dir", run_dir, "-o", blocked / "x")
        assert "cannot be written" in refused(result)
    assert list(tmp_path.iterdir()) == [blocked]


def test_spaces_are_listed_and_a_copy_reads_back(run: Run, tmp_path: Path) -> None:
    listed = run("spaces").stdout
    for word in ("default:", "narrow:", "wide:", "lambda_perceptual", "problem", "recommended"):
        assert word in listed
    copy = tmp_path / "my_space.yaml"
    copy.write_text(run("spaces", "default").stdout, encoding="utf-8")
    assert run("spaces", copy).stdout == copy.read_text(encoding="utf-8")


def test_a_bad_space_is_named(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "mine.yaml"
    bad.write_text("params: {lrate: 1}", encoding="utf-8")
    assert "lrate is no setting" in refused(run("spaces", bad))
    assert "neither a file" in refused(run("spaces", "defualt"))
