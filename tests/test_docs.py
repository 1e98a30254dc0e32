"""The pages say what is: their commands are the program's, and run; their links lead somewhere."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from null_tracker import NullTracker
from PIL import Image

import docs.__main__ as site
import harness.search.search
import harness.tracking.server
from docs import make_commands
from harness.cli.app import app, main
from harness.config import profiles
from harness.console.views import QuietView
from harness.search.stop_signals import StopSwitch

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / page for page in site.pages()]
TAUGHT = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")

sys.path.append(str(ROOT / "tests" / "harness"))
from driving import Instant, make_plan  # noqa: E402


def command_lines(file: Path) -> list[str]:
    """Every `harness ...` in a page's shell blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", file.read_text(encoding="utf-8"), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in re.split("&&|  #", line)]
    return [part.partition(" > ")[0] for part in parts if part.startswith("harness ")]


ALL = sorted({line for file in PAGES for line in command_lines(file)})
TO_RUN = sorted({line for file in TAUGHT for line in command_lines(file)})
# What prepares pairs, trains, or looks through a network takes longer than a quick test may.
LONG = ("harness search", "harness train", "harness restore", "harness data", "harness score")


def test_the_pages_of_the_commands_are_up_to_date() -> None:
    pages = make_commands.pages()
    kept = {file.name: file.read_text("utf-8") for file in (ROOT / "docs/commands").glob("*.md")}
    assert kept == pages, "run: python docs/make_commands.py"


def test_every_command_has_a_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    root: Any = typer.main.get_command(app)
    missing = [name for name in root.commands if f"| `harness {name}` |" not in readme]
    assert missing == []


@pytest.mark.parametrize("line", ALL)
def test_every_command_line_can_be_parsed(line: str) -> None:
    """Its command is there, and it takes these options and as many arguments."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    if words == ["--help"]:
        return
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(file)):
        place, _, title = target.partition("#")
        if "://" in place:
            continue
        other = file.parent / place if place else file
        assert other.exists(), target
        titles = prose(other).splitlines() if title else []
        assert not title or title in {slug(line) for line in titles if line[:1] == "#"}, target


def test_the_site_has_every_page_and_every_module(tmp_path: Path) -> None:
    """`python -m docs` builds it, and fails at a link to what was not gathered."""
    reference = site.gather(tmp_path)
    assert all((tmp_path / page).is_file() for page in site.pages())
    assert (tmp_path / "harness" / "trials" / "trial.py").is_file()  # the README links to it
    entries = [file for entry in reference for file in entry.values()]
    text = "\n".join((tmp_path / file).read_text(encoding="utf-8") for file in entries)
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in site.PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if file.name[0] != "_"
    }
    assert modules <= set(re.findall(r"^::: (\S+)$", text, re.M))


def prose(file: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.M | re.S)


def slug(heading: str) -> str:
    """A heading's name in an address, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower())
    return kept.replace(" ", "-")


def run_search(run_dir: Path, study: str) -> None:
    plan = make_plan(run_dir, study=study, budget=9)
    harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Instant)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Runs a command line in a folder of its own; gives its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> int:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return call


@pytest.mark.parametrize("line", [line for line in TO_RUN if not line.startswith(LONG)])
def test_every_short_command_line_runs(
    run: Callable[[str], int],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a search: all that reads its record. No colour codes where no terminal is."""
    served: list[object] = []
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_, **__: NullTracker())
    monkeypatch.setattr(
        harness.tracking.server, "serve_ui", lambda *given, **_: served.append(given)
    )
    run_search(Path("runs"), "portraits")
    Path("runs/mlflow.db").touch()
    assert run(line) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert bool(served) == line.startswith("harness ui")
    written = re.search(r" -o (\S+)", line)
    assert written is None or Path(written[1]).stat().st_size > 100


@pytest.mark.slow
def test_every_long_command_line_runs_in_the_order_of_its_page(
    run: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real pairs and real training, both small."""
    small = {
        "ndf": 4, "steps": 4, "rungs": (2, 4),
        "warm_start_steps": 3, "warm_discriminator_steps": 2,
    }  # fmt: skip
    quick = profiles.QUICK.model_copy(update=small)
    monkeypatch.setitem(profiles.PROFILES, "quick", quick)
    monkeypatch.setenv("HARNESS_CACHE", str(Path("cache").absolute()))
    from skimage import data

    Path("portraits").mkdir()
    for name in ("astronaut", "coffee", "cat", "rocket", "camera"):
        Image.fromarray(getattr(data, name)()).save(f"portraits/{name}.png")
    shutil.copytree("portraits", "retouched")
    assert run("harness data make --originals portraits --out my_pairs --pairs 10 --size 128") == 0
    for line in [line for page in TAUGHT for line in command_lines(page)]:
        if not line.startswith(LONG):
            continue
        if line.startswith("harness search"):
            line = line.replace("--budget 50", "--budget 2") + " --device cpu --jobs 1"
            line += " --weights random --finalists 0"
        if line.startswith("harness train"):
            line += " --epochs 1 --epochs-decay 0 --load-size 128 --crop-size 128 --device cpu"
            line += " --weights random"
        if line.startswith("harness score"):
            Path("my_old").mkdir()
            shutil.copy("model/latest_net_G.pth", "my_old")
            line += " --weights random --device cpu"
        assert run(line) == 0, line
    assert len(list(Path("restored").iterdir())) == 5
    assert os.path.getsize("preview.png") > 1000
