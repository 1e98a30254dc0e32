"""The command line: quick, and every refusal one sentence with exit code 2 and nothing written."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import make_plan

from harness.__main__ import main as start
from harness.config.options import parse_duration, parse_pins
from harness.errors import HarnessError, SearchFailedError, UserInputError
from harness.study import study as record
from harness.study.database import open_storage, sqlite_url
from harness.trials.messages import Pace
from search_spaces.space import space_text

ROOT = Path(__file__).parents[3]


def harness(
    *words: str, folder: Path, encoding: str = "utf-8"
) -> "subprocess.CompletedProcess[str]":
    """Run the command in `folder`, in a terminal of this encoding."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=folder,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "",
            "HARNESS_CACHE": str(folder / "cache"),
            "PYTHONIOENCODING": encoding,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


InProcess = Callable[..., tuple[int, str, str]]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import harness.cli.app, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "mlflow", "optuna", "numpy", "pandas", "pydantic", "PIL"}


def test_help_of_each_command_has_an_example(in_process: InProcess) -> None:
    for command in ("search", "status", "ui", "export", "train", "restore"):
        code, out, _ = in_process(command, "--help")
        assert code == 0
        assert "Example: harness" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "0"], "--budget 0 cannot be used: write a number of at least 1."),
        (["--budget", "many"], "used: write a whole number, for example --budget 50."),
        (["--budget", ""], "--budget '' cannot be used: write a whole number, for example"),
        (["--set", "lr=abc"], "lr cannot be 'abc': write a number."),
        (["--set", "lambda_l1=100"], "searched (did you mean lambda_L1?); these can: "),
        (["--direction", "CtoD"], "--direction CtoD cannot be used: write AtoB or BtoA."),
        (["--jobs", "many"], "--jobs many cannot be used: write a whole number, or auto."),
        (["--sampler", "magic"], "--sampler magic cannot be used"),
        (["--pruner", "shears"], "--pruner shears cannot be used"),
        (["--register-model", "a/b"], "--register-model a/b cannot be used: a model's name holds"),
        (["--enqueue", "missing.yaml"], "missing.yaml cannot be read"),
        (["--timeout", "soon"], "--timeout soon cannot be used: it is not a duration"),
        (["--set", "lr"], "--set lr has no value"),
        (["--set", "=1"], "--set =1 has no name"),
        (["--set", "momentum=1"], "momentum is not a setting"),
        (["--space", "missing.yaml"], "missing.yaml"),
        (["--objective", "ssim"], "--objective ssim is neither"),
        (["--objective", "missing:make"], "missing cannot be imported"),
        (["--profile", "huge"], "--profile huge is no profile"),
        (["--device", "cuda:99"], "--device cuda:99"),
        (["--data", "nowhere"], "nowhere"),
        (["--originals", "nowhere"], "There is no folder nowhere: name"),
        (["--originals", ".", "--data", "."], "--originals and --data exclude one another"),
        (["--originals", ".", "--direction", "BtoA"], "cannot be used with --originals"),
        (["--init-from", "missing.pth"], "missing.pth"),
        (["--init-from", "a", "--init-from", "b", "--init-from", "c"], "--init-from a b c cannot"),
        (["--init-from", "a.pth", "--from-scratch"], "exclude one another"),
        (["--run-dir", "/proc/nothing"], "cannot be written"),
        (["--study", "x" * 201], "at most 200 characters"),
        (["--storage", "foo://bar", "--dry-run"], "foo://bar cannot be opened"),
        (["--run-dir", "which?"], "which? has a question mark in its path"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    tmp_path: Path,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    code, out, refusal = in_process("search", *words)
    assert (code, out) == (2, "")
    assert refusal.startswith("harness: ")
    assert refusal.count("\n") == 1
    assert said in refusal
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "--bugdet", "5"], "--bugdet is no option of harness search: did you mean"),
        (["search", "--qqq"], "--qqq is no option of harness search: leave it out."),
        (
            ["data", "check", "-d"],
            "leave it out, or write ./ before the name of a file that begins",
        ),
        (["search", "--budget"], "write one after it, for example --budget 50. See harness search"),
        (["search", "--set"], "--set has no value: write one after it. See harness search"),
        (["search", "here"], "here belongs to no option: did you mean an option's value"),
        (["search", "50"], "50 belongs to no option: did you mean --budget 50?"),
        (["report", "50"], "50 belongs to no option: did you mean an option's value, after"),
        (["export", "--format", "comand"], "used: write yaml, command, script or plugin. See"),
        (["export", "--format"], "--format has no value: write one after it, for example --format"),
        (["report", "--lang", "de"], "--lang de cannot be used: write en or ko. See"),
        (["ui", "--port", "70000"], "--port 70000 cannot be used: write a number of at most"),
        (["ui", "--port", "web"], "--port web cannot be used: write a whole number."),
        (["train"], "CONFIG.yaml is missing: write harness train CONFIG.yaml --out DIR."),
        (["data", "check"], "FOLDER is missing: write harness data check FOLDER."),
        (["data", "make", "--out", "new"], "--originals is missing: write harness data make --or"),
        (["searhc"], "searhc is no command of harness: did you mean search?"),
        (["data", "nothing"], "nothing is no command of harness data: choose another."),
    ],
)
def test_what_cannot_be_parsed_is_one_sentence_too(
    tmp_path: Path, in_process: InProcess, words: list[str], said: str
) -> None:
    code, out, refusal = in_process(*words)
    assert (code, out) == (2, "")
    assert refusal.startswith("harness: ")
    assert refusal.count("\n") == 1
    assert said in refusal
    assert re.search(
        r"[.?] See harness( search| export| report| ui| train| data( \w+)?)? --help\.\n$", refusal
    )
    assert list(tmp_path.iterdir()) == []


def test_the_status_of_a_folder_that_does_not_exist_says_so(in_process: InProcess) -> None:
    code, out, refusal = in_process("status", "--run-dir", "nofolder")
    assert (code, out) == (2, "")
    assert refusal.startswith("harness: There is no folder nofolder: name the folder of a search")


def test_a_folder_without_a_study_is_told_so(in_process: InProcess, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    open_storage(sqlite_url(tmp_path / "runs" / "optuna.db")).engine.dispose()
    assert in_process("status") == (0, "No study in runs yet.\n", "")
    assert in_process("status", "--json")[:2] == (0, "[]\n")
    code, out, refusal = in_process("ui")
    assert (code, out) == (2, "")
    assert refusal.startswith("harness: There is no runs/mlflow.db: name the folder of a search")


@pytest.mark.parametrize(("words", "shown"), [([], "search"), (["data"], "check")])
def test_a_command_that_only_groups_others_shows_its_help(
    in_process: InProcess, words: list[str], shown: str
) -> None:
    code, out, said = in_process(*words)
    assert (code, out) == (2, "")
    assert said.startswith(f"Usage: {' '.join(['harness', *words])} ")
    assert shown in said
    assert "..." not in said.partition("Commands:")[2]  # no sentence is cut off


def test_ctrl_c_is_130_and_a_fault_of_ours_1_with_its_report(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BrokenPipeError(errno.EPIPE, "a worker's")  # not that of standard output
    for raised, code in ((KeyboardInterrupt(), 130), (ZeroDivisionError("oh"), 1), (broken, 1)):

        def fail(*_: object, error: BaseException = raised) -> None:
            raise error

        monkeypatch.setattr("search_spaces.space.load_space", fail)
        ended, _, said = in_process("spaces")
        assert ended == code
        if code == 1:
            report = Path(said.partition("the report is in ")[2].partition(";")[0])
            assert f"{type(raised).__name__}: {raised}" in report.read_text()
            report.unlink()


def test_a_reader_that_leaves_stops_a_command() -> None:
    """As `head` does; without a word, since no bug is at fault."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "harness", "spaces"]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_command_runs_without_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under cron, where it may be closed."""
    monkeypatch.setattr(sys, "argv", ["harness", "--version"])
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as ended:
        start()
    assert not ended.value.code


def test_ctrl_c_while_the_command_is_imported_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Imported:
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "harness.cli.app", Imported())
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (HarnessError("the disk is full"), 1),
        (UserInputError("there is no such folder"), 2),
        (SearchFailedError("the last 10 trials all failed"), 3),
    ],
    ids=["fault", "input", "trials"],
)
def test_each_failure_has_its_exit_code_and_one_sentence(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, raised: HarnessError, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("harness.search.search.search", fail)
    assert in_process("search", "--quiet") == (code, "", f"harness: {raised}\n")
    printed = json.loads(in_process("search", "--json")[1])
    assert printed == {"event": "Failed", "reason": str(raised), "code": code}


@pytest.mark.parametrize(
    "words",
    [("search", "--qqq"), ("search", "--budget", "0"), ("search", "50"), ("compare", "a.yaml")],
)
def test_what_cannot_be_parsed_is_the_last_json_object_too(
    in_process: InProcess, words: tuple[str, ...]
) -> None:
    code, out, said = in_process(*words, "--json")
    reason = said.removeprefix("harness: ").rstrip("\n")
    assert json.loads(out) == {"event": "Failed", "reason": reason, "code": 2}
    assert code == 2


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    space = f"# 얼굴\n{space_text('narrow')}"
    (tmp_path / "mine.yaml").write_text(space, encoding="utf-8")
    shown = harness("spaces", "mine.yaml", folder=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, space)
    escaped = harness("spaces", "mine.yaml", folder=tmp_path, encoding="ascii")
    assert escaped.returncode == 0
    assert escaped.stdout.startswith("# \\uc5bc\\uad74\n")


def test_a_dry_run_says_what_is_done_of_the_study_and_refuses_another(
    in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(tmp_path)
    monkeypatch.setattr("harness.search.plan.plan_search", lambda *_: plan)
    begins = f"Study      {plan.config.study} (score boundary_sharpness, weights random): "
    assert f"{begins}50 trials\n" in in_process("search", "--dry-run")[1]
    storage = open_storage(sqlite_url(tmp_path / "optuna.db"))
    study = record.create_study(storage, plan.config.study, plan.setup, plan.recipes)
    record.ask(study, plan.space, "tpe", 0)
    assert f"{begins}1 of 50 trials are done\n" in in_process("search", "--dry-run")[1]
    [shown] = json.loads(in_process("status", "--json", "--run-dir", ".")[1])
    waiting = len(plan.recipes) - 1
    assert shown["counts"] == {"waiting": waiting, "interrupted": 1}  # nothing drives the study
    plan = make_plan(tmp_path, seed=1)
    code, out, said = in_process("search", "--dry-run")
    assert (code, out) == (2, "")
    assert "another seed (0, now 1)" in said


def test_a_dry_run_says_in_ten_lines_what_would_be_done(
    in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    paces = [Pace({"unet_128": 0.09, "warp_unet_128": 0.09}, 0.01)] * 2
    monkeypatch.setattr("harness.search.estimate.measure_paces", lambda _: paces)
    words = ["search", "--dry-run", "--weights=random", "--device=cpu", "--jobs=2"]
    code, out, _ = in_process(*words)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 100
    assert dict(line.split(maxsplit=1) for line in lines[:8]) == {
        "Study": "boundary-sharpness (score boundary_sharpness, weights random): 50 trials",
        "Pairs": "96 to train on, 12 to score, 24 held out: built-in photographs of scikit-image, "
        "liquified",
        "Trials": "35 (profile quick): 200 steps at 128 px, 2 at a time on cpu, stopped early by "
        "asha",
        "Settings": "9 recipes, then tpe varies lambda_L1, lambda_perceptual, n_layers_D, "
        "gan_mode, lr",
        "Generator": "unet_128 (repaints), warp_unet_128 (moves pixels), each from a warm start of "
        "900 steps",
        "Finalists": "15 runs on 3 fresh seeds: best 3 (with recipe warp), best that repaints, "
        "recommended",
        "Results": "runs/boundary-sharpness (report.html, best.yaml), MLflow in runs/mlflow.db",
        "Time": "about 11 min: warm start 3 min, trials 4 min if half stop early, finalists 4 min",
    }
    assert lines[8].startswith("WEIGHTS ARE RANDOM: ")
    assert "(AlexNet and VGG19; as asked)" in lines[8]
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_has_the_whole_plan_as_yaml_behind_verbose(
    in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.search.estimate.measure_paces", lambda _: [])
    words = ["search", "--dry-run", "--weights=random", "--device=cpu", "--set", "ndf=6"]
    out = in_process(*words, "--set", "gan_mode=lsgan", "--finalists", "1", "--debug")[1]
    assert "crop_size" not in out
    assert "n_layers_D, lr; kept: ndf=6," in out
    assert "9 runs on 3 fresh seeds: best 1, best that repaints, recommended\n" in out
    assert "\n  crop_size: 128\n" in in_process(*words, "--verbose")[1]


def test_verbose_is_refused_where_it_has_no_meaning(in_process: InProcess) -> None:
    code, out, said = in_process("search", "--verbose")
    assert (code, out) == (2, "")
    assert said == "harness: --verbose is for --dry-run: add that, or leave it out.\n"


@pytest.mark.parametrize("words", [("--debug", "spaces"), ("spaces", "--debug")])
def test_any_command_shows_its_traceback_where_asked(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    def refuse(*_: object) -> None:
        raise UserInputError("no such space")

    monkeypatch.setattr("search_spaces.space.load_space", refuse)
    assert in_process("spaces")[::2] == (2, "harness: no such space\n")
    code, _, said = in_process(*words)
    assert code == 2
    assert "in refuse" in said


@pytest.mark.parametrize(
    ("text", "value"),
    [("90m", 5400), ("8h", 28800), ("45", 45), ("45s", 45), ("1.5 h", 5400), ("2d", 172800)],
)
def test_durations(text: str, value: float) -> None:
    assert parse_duration(text) == value


def test_too_few_repeats_are_called_so(in_process: InProcess) -> None:
    code, _, said = in_process("compare", "a.yaml", "b.yaml", "--repeats", "0")
    assert code == 2
    assert "--repeats 0 cannot be used" in said


@pytest.mark.parametrize("text", ["", "0", "h", "-5m", "10 parsecs"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_pins_keep_what_follows_the_first_equals_sign() -> None:
    assert parse_pins(["lr=0.0001", "gan_mode=a=b"]) == {"lr": "0.0001", "gan_mode": "a=b"}


@pytest.mark.parametrize("file", [None, "target.yaml"])
def test_a_full_disk_is_one_sentence_of_every_command(
    file: str | None, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file)

    monkeypatch.setattr("harness.study.study.open_existing", full)
    code, out, err = in_process("status")
    assert (code, out) == (2, "")
    where = f" that holds {file}" if file else ""
    assert err == f"harness: The disk{where} is full: free some space, and run the command again.\n"
