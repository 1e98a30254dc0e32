"""`harness export`, `harness report` and `harness spaces` as a user calls them."""

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
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
from tests.harness.trials.external.test_plugin import copy_of_pix2pix
from tests.reports.commands.test_train_py import SHARED, SWITCHES
from tests.synthetic_studies import RECIPES, TRAIN, add_trial, empty_study, make_study

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with one small study."""
    folder = tmp_path_factory.mktemp("run folder")
    study = empty_study()
    for recipe in ("problem", "lower_L1", "recommended"):
        add_trial(study, RECIPES[recipe], rungs=(160, 400), recipe=recipe)
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
    words = ("export", "--run-dir", run_dir, "--format", "command")
    assert run(*words).stdout == config["full_command"]
    assert run(*words, "--repeat-trial").stdout == config["command"]
    script = run("export", "--run-dir", run_dir, "--format", "script").stdout
    assert script.endswith(config["full_command"])


# The options that the train.py of every copy has.
OPTIONS = """
import argparse, json
from pathlib import Path

parser = argparse.ArgumentParser()
for name in NAMES:
    parser.add_argument(f"--{name}")
for name in ("no_flip", "no_dropout", "continue_train"):
    parser.add_argument(f"--{name}", action="store_true")
"""


def write_train_py(copy: Path, names: Iterable[str], rest: str) -> None:
    """A train.py with options of these names, and what else it has and does."""
    program = OPTIONS.replace("NAMES", repr(sorted(names))) + rest
    (copy / "train.py").write_text(program, encoding="utf-8")


# A copy of before August 2025 on a machine without a GPU and without visdom.
OLD_COPY = """
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
    write_train_py(copy, names, OLD_COPY)
    words = ("export", "--run-dir", run_dir, "--trial", 1, "--format", "script")
    exported = run(*words, "--repo", copy)
    assert exported.exit_code == 0, exported.exception
    script = exported.stdout
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    (made,) = (copy / "checkpoints").glob("*/latest_net_G.pth")
    assert made.read_text() == "2000 epochs, lambda_L1 50"
    told = run("export", "--run-dir", run_dir, "--format", "command", "--repo", tmp_path)
    assert "There is no train.py" in refused(told)


# A clone of today, which finds models by the names of their files; it only notes its options.
CLONE = """
model = parser.parse_known_args()[0].model
assert Path("models", f"{model}_model.py").exists(), f"no model {model}"
if "perceptual" in model:
    parser.add_argument("--use_perceptual", action="store_true")
    parser.add_argument("--lambda_perceptual")
Path("options.json").write_text(json.dumps(vars(parser.parse_args())))
"""


def test_the_full_training_runs_in_a_fresh_clone_as_printed(
    run: Run, run_dir: Path, tmp_path: Path
) -> None:
    """Twice: the model that no public copy has is added once."""
    clone = copy_of_pix2pix(tmp_path / "clone")
    write_train_py(clone, SHARED - SWITCHES, CLONE)
    exported = run("export", "--run-dir", run_dir, "--format", "command")
    assert "full training: 1024 px, ngf 64, 1000 + 1000 epochs, with" in exported.stderr
    assert "The trials were smaller (128 px, ngf 16), so that many could be" in exported.stderr
    assert "--repeat-trial" in exported.stderr
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run(["bash", "-euc", exported.stdout], cwd=clone, env=path, check=True)
    options = json.loads((clone / "options.json").read_text())
    wanted = {"n_epochs": "1000", "n_epochs_decay": "1000", "load_size": "1024", "lr": "0.0001",
              "lambda_L1": "100", "use_perceptual": True, "lambda_perceptual": "10"}  # fmt: skip
    assert options | wanted == options


def test_a_size_that_the_user_kept_is_that_of_the_full_training_too(
    run: Run, tmp_path: Path
) -> None:
    kept = {"crop_size": 256, "ngf": 32}
    study = make_study(9, train={**TRAIN, **kept}, pinned=kept)
    keep(study, tmp_path, "portraits")
    exported = run("export", "--run-dir", tmp_path, "--trial", 0, "--format", "command")
    assert "--crop_size 256 " in exported.stdout.replace("\\\n ", "")
    assert "full training: 256 px, ngf 32, 1000 + 1000 epochs" in exported.stderr
    assert "trials were smaller" not in exported.stderr


def test_the_short_training_is_for_asking(run: Run, run_dir: Path) -> None:
    words = ("export", "--run-dir", run_dir, "--trial", 1)
    short = run(*words, "--format", "command", "--repeat-trial")
    assert "--n_epochs 8 " in short.stdout
    assert "-t001-short" in short.stdout
    assert "the short training of trial 1: about 384 steps at 128 px" in short.stderr
    for form in ("yaml", "script", "plugin"):
        told = refused(run(*words, "--format", form, "--repeat-trial"))
        assert told.startswith(f"--repeat-trial is for --format command, not {form}")


@pytest.mark.parametrize("trial", [None, 0])
@pytest.mark.parametrize("written", [True, False])
def test_a_generator_that_moves_pixels_is_trained_from_the_file_that_holds_it(
    run: Run, tmp_path: Path, trial: int | None, written: bool
) -> None:
    """From the study's best.yaml, or from one that the printed lines write, in any folder."""
    moving = {"train": {**TRAIN, "netG": "warp_unet_128"}}
    keep(make_study(9, **moving), tmp_path, "portraits")
    if written:
        (tmp_path / "portraits").mkdir()
        (tmp_path / "portraits" / "best.yaml").touch()
    asked_for = [] if trial is None else ["--trial", trial]
    words = ("export", "--run-dir", tmp_path, *asked_for, "--format", "command")
    exported = run(*words)
    assert "128 px, ngf 16, 1000 + 1000 epochs, with the settings exactly" in exported.stderr
    assert "smaller" not in exported.stderr
    lines = exported.stdout.replace("\\\n", "").splitlines()
    *before, train = [shlex.split(line) for line in lines]
    assert train[:2] == ["harness", "train"]
    if trial is None and written:
        assert before == []
        assert Path(train[2]) == tmp_path / "portraits" / "best.yaml"
        return
    ((program, *export_words),) = before
    assert program == "harness"
    file = tmp_path / train[2]
    assert run(*export_words[:-1], file).exit_code == 0
    assert export_words[-1] == train[2]
    held = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert trial is None or held["trial"] == trial
    assert held["full_command"].startswith(f"harness train {file} ")


def test_the_password_of_a_database_is_in_nothing_that_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(9, train={**TRAIN, "netG": "warp_unet_128"})
    monkeypatch.setattr("harness.study.study.read_study", lambda *_: study)
    words = ("--run-dir", tmp_path, "--storage", "postgresql://me:s3cret@db/studies")
    page = tmp_path / "report.html"
    assert run("report", *words, "-o", page).exit_code == 0
    for text in (run("export", *words, "--format", "command").stdout, page.read_text()):
        assert "***@db/studies" in text
        assert "s3cret" not in text


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
    assert f"no pictures: there is no folder {file.with_name('panels')}." in result.stderr
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
    table = ("report", "--run-dir", run_dir, "--lang", "ko", "--format", "md")
    assert "--lang is for --format html, not md: leave it out." in refused(run(*table))
    forced = refused(run("export", "--run-dir", run_dir, "--force"))
    assert forced == "--force replaces model files: use it with --format plugin."
    assert "no trial 99" in refused(run("export", "--run-dir", run_dir, "--trial", 99))
    told = refused(run("export", "--run-dir", run_dir, "--trial", "best"))
    assert told == "--trial best cannot be used: write the number of a trial, or recommended."
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
    warp = next(line for line in listed.splitlines() if line.startswith("  warp "))
    assert warp.endswith("(in default, wide)")  # narrow has only the generator that repaints
    assert "what the guide recommends (in default, narrow, wide)\n" in listed
    assert "a lower L1 weight (in default, wide)\n" in listed  # narrow has a perceptual term
    copy = tmp_path / "my_space.yaml"
    copy.write_text(run("spaces", "default").stdout, encoding="utf-8")
    assert run("spaces", copy).stdout == copy.read_text(encoding="utf-8")


def test_a_bad_space_is_named(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "mine.yaml"
    bad.write_text("params: {lrate: 1}", encoding="utf-8")
    assert "lrate is not a setting" in refused(run("spaces", bad))
    assert "neither a file" in refused(run("spaces", "defualt"))
