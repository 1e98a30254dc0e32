"""Absurd values of options: exit code 2, one sentence that names the option, nothing written."""

import errno
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from harness.cli.score import print_table
from harness.config.settings import SearchConfig
from harness.console.events import Note, Opened
from harness.console.views import LiveView, PlainView
from harness.errors import inline, printable
from harness.training.networks import build_generator
from tests.golden.pix2pix_case import SETTINGS
from tests.harness.portraits import write_best, write_pairs

HUGE = "99999999999999999999"
LONG = "x" * 300  # longer than a file's name can be
ESCAPE = "\x1b[31m"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a command needs besides the option at fault."""
    folder = tmp_path_factory.mktemp("inputs")
    write_best(folder / "a.yaml")
    write_best(folder / "b.yaml", params={"lambda_L1": 50.0})
    write_pairs(folder / "pairs", 1, 1)
    torch.save(build_generator(SETTINGS, 1).state_dict(), folder / "net.pth")
    names = {"A": "a.yaml", "B": "b.yaml", "PAIRS": "pairs/train", "NET": "net.pth"}
    return {name: str(folder / file) for name, file in names.items()}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: Run) -> Run:
    """A command with a cache of its own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return in_process


# Of each command, what it takes besides and the values of its options that it must refuse.
COMMANDS: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "search": (
        "--weights random --device cpu --profile quick",
        [
            *((f"--{name}", HUGE) for name in ("budget", "jobs", "per-gpu", "seed", "repeats")),
            *((f"--{name}", HUGE) for name in ("finalists", "max-failures")),
            *((f"--{name}", "-1") for name in ("budget", "jobs", "seed", "finalists")),
            ("--timeout", "99999d"),
            ("--timeout", "9" * 400),
            ("--trial-timeout", HUGE + "h"),
            *(("--set", f"{name}=1000000000") for name in ("n_layers_D", "ngf", "batch_size")),
            ("--set", "ndf=257"),
            ("--set", "lr=nan"),
            ("--set", "lr=" + "9" * 5000),
            ("--set", "lr=1", "--set", " lr =2"),
            *((f"--{name}", LONG) for name in ("run-dir", "space", "data", "init-from", "enqueue")),
            ("--repo", LONG, "--trainer", "external"),
            *((f"--{name}", "/dev/zero") for name in ("space", "init-from", "enqueue")),
            *((f"--{name}", ESCAPE) for name in ("study", "profile", "register-model", "space")),
            ("--study", "two\nlines"),
            ("--device", "cuda:" + HUGE),
            ("--device", "cuda:" + "9" * 5000),
            ("--device", ESCAPE),
        ],
    ),
    "train A --out out": (
        "--data PAIRS --weights random --device cpu",
        [
            *((f"--{name}", HUGE) for name in ("epochs", "epochs-decay", "load-size", "crop-size")),
            *((f"--{name}", HUGE) for name in ("check-every", "save-every", "patience", "seed")),
            ("--lr-decay-iters", HUGE),
            ("--crop-size", "0"),
            *((f"--{name}", LONG) for name in ("out", "data", "init-from", "run-dir", "objective")),
            ("--out", "/dev/null"),
            ("--lr-policy", ESCAPE),
        ],
    ),
    "compare A B": (
        "--weights random --device cpu",
        [
            *((f"--{name}", HUGE) for name in ("repeats", "jobs", "seed")),
            ("--repeats", "1"),
            *((f"--{name}", LONG) for name in ("data", "run-dir")),
            ("--direction", ESCAPE),
        ],
    ),
    "restore NET PAIRS": (
        "--out out --device cpu",
        [("--out", LONG), ("--out", "/dev/null"), ("--device", "cuda:" + HUGE), (LONG,), (ESCAPE,)],
    ),
    "score": (
        "--weights random",
        [("--pred", LONG, "--target", LONG), ("--results", LONG), ("--json", "/dev/null/x")],
    ),
    "status": ("", [("--run-dir", LONG), ("--study", ESCAPE)]),
    "export": ("", [("--run-dir", LONG), ("--study", ESCAPE), ("--repo", LONG)]),
    "report": ("", [("--run-dir", LONG), ("--study", ESCAPE), ("--lang", ESCAPE)]),
    "ui": ("", [("--run-dir", LONG), ("--port", HUGE), ("--port", "0")]),
    "spaces": ("", [(LONG,), ("/dev/zero",), (ESCAPE,), ("",)]),
    "data check": ("", [(LONG,), (ESCAPE,), ("PAIRS", "--fix", LONG), ("PAIRS", "-o", LONG)]),
    "data preview": ("", [(LONG,), ("PAIRS", "-o", "/dev/null/x"), ("PAIRS", "--direction", "A")]),
    "data make": (
        "--originals PAIRS --out new",
        [
            *((f"--{name}", HUGE) for name in ("pairs", "size", "seed", "jpeg")),
            *((f"--{name}", LONG) for name in ("originals", "out")),
            ("--pairs", "0"),
            ("--seed", "-1"),
        ],
    ),
}
CASES = [
    (command, besides, values)
    for command, (besides, all_values) in COMMANDS.items()
    for values in all_values
]


@pytest.mark.parametrize(
    ("command", "besides", "values"), CASES, ids=[f"{c}: {ascii(v)[:50]}" for c, _, v in CASES]
)
def test_an_absurd_value_is_one_sentence_and_nothing_is_written(
    command: str,
    besides: str,
    values: tuple[str, ...],
    run: Run,
    inputs: dict[str, str],
    tmp_path: Path,
) -> None:
    words = (*command.split(), *besides.split(), *values)
    code, out, refusal = run(*(inputs.get(word, word) for word in words))
    assert (code, out) == (2, "")
    assert refusal.startswith("harness: ")
    assert refusal.count("\n") == 1
    assert "\x1b" not in refusal
    assert list(tmp_path.iterdir()) == []
    if values[0].startswith("--") and values[1] == HUGE:
        assert f"--{values[0].lstrip('-')}" in refusal


def test_too_many_layers_are_refused_with_the_range(run: Run) -> None:
    assert "write a number of at most 12" in run("search", "--set", "n_layers_D=1000000000")[2]
    assert "a number of at most 256" in run("search", "--set", "ngf=1000000000")[2]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENAMETOOLONG])
def test_a_place_that_the_system_refuses_is_no_fault_of_the_program(
    number: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "words of the system", f"some{ESCAPE}where")

    monkeypatch.setattr("search_spaces.space.load_space", refuse)
    said = "harness: some\\x1b[31mwhere cannot be used (words of the system): choose another.\n"
    assert run("spaces") == (2, "", said)


def test_an_error_of_the_system_without_a_path_is_ours(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EACCES, "nobody's")

    monkeypatch.setattr("search_spaces.space.load_space", fail)
    code, _, said = run("spaces")
    assert code == 1
    Path(said.partition("the report is in ")[2].partition(";")[0]).unlink()


def test_what_would_command_a_terminal_is_written_as_its_escape() -> None:
    assert printable("\x1b[31m[red]얼굴 e\u0301\t\n\x9b\u202e\r") == (
        "\\x1b[31m[red]얼굴 e\u0301\t\n\\x9b\\u202e\\r"
    )
    assert inline(Path("a\nb")) == "a\\nb"


def test_names_of_others_do_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(sys.stdout)
    view.show(Opened(f"[red]{ESCAPE}", 1, 0, "quick", "cpu", 1, "random", ESCAPE, ESCAPE))
    view.show(Note(f"a note of {ESCAPE}"))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.startswith("Study [red]\\x1b[31m: 1 trial")
    assert SearchConfig(study="[red]얼굴 🙂").study == "[red]얼굴 🙂"


def test_a_live_view_takes_names_as_text() -> None:
    """rich's own sequences stay; those of a name do not, and its markup is no markup."""
    out = io.StringIO()
    view = LiveView(Console(file=out, force_terminal=True, width=200))
    view.show(Opened("[bold]mine", 1, 0, "quick", "cpu", 1, "random", "\x1b]0;owned", "runs"))
    view.show(Note("[red]a note\x9b"))
    view.close()
    assert "Study [bold]mine: 1 trial" in out.getvalue()
    assert "[red]a note\\x9b" in out.getvalue()
    assert "\x1b]0;" not in out.getvalue()


def test_the_table_of_scores_takes_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "[red]\x1b[31mp.png", "score": 0.5}
    figures = {
        "objective": "[blue]mine",
        "score": 0.5,
        "n": 1,
        "n_scored": 1,
        "weights": "pretrained",
        "components": {"median": 0.5, "worst_tenth": 0.5, "[i]own": 1.0},
        "images": [row],
    }
    print_table(figures, "maximize")
    shown = capsys.readouterr().out
    assert "[blue]mine 0.5000" in shown
    assert "[i]own" in shown
    assert "[red]\\x1b[31mp.png" in shown
