"""What is installed from an sdist is what the checkout tracks, so that no file can be forgotten."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import harness

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "search_spaces", "objectives", "reports")

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="only a checkout knows which files are tracked"
)


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    # Git refuses a checkout of another user's, as a container may see it, unless it is told so.
    words = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if (ROOT / name).is_file()}


def setup(source: Path, *words: str) -> str:
    """Run a setuptools command as an installer's build does, without its separate environment."""
    command = [sys.executable, "-c", "from setuptools import setup; setup()", "-q", *words]
    run = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout


def files_below(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def unpacked(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist of the tracked files, and only of these: nothing is built in ROOT."""
    folder = tmp_path_factory.mktemp("sdist")
    for name in tracked:
        copy = folder / "copy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    setup(folder / "copy", "sdist", "--formats=gztar", f"--dist-dir={folder}")
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)  # tarfile's filter came with Python 3.11.4
    return folder / archive.name.removesuffix(".tar.gz")


def test_an_sdist_holds_all_that_is_tracked(tracked: set[str], unpacked: Path) -> None:
    """The tests and what they read included, but nothing that only the repository needs."""
    assert {name for name in tracked if name[0] != "."} - files_below(unpacked) == set()


def test_the_packages_are_installed_whole(
    tracked: set[str], unpacked: Path, tmp_path: Path
) -> None:
    """`build_py` gives what a wheel holds beside its metadata."""
    setup(unpacked, "build_py", f"--build-lib={tmp_path}")
    installed = files_below(tmp_path)
    assert installed == {name for name in tracked if name.split("/")[0] in PACKAGES}
    assert {f"{package}/py.typed" for package in PACKAGES} <= installed


def test_the_version_is_stated_once(unpacked: Path) -> None:
    """The metadata takes it from the code, and the citation names none that would grow old."""
    assert setup(unpacked, "--version").split() == [harness.__version__]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert "version" not in citation


def test_licence_in_every_form_of_the_package(unpacked: Path) -> None:
    metadata = (unpacked / "PKG-INFO").read_text(encoding="utf-8")
    assert "License-File: LICENSE\n" in metadata
    text = (unpacked / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n" in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == "Apache-2.0"


def test_every_lower_bound_becomes_a_constraint() -> None:
    """As hosted CI installs the lowest versions: those of the extras too, and no extra's name."""
    script = runpy.run_path(str(ROOT / ".ci" / "lowest_versions.py"))
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    constraints = script["lowest"](text)
    assert {"torch==2.11", "psycopg==3.2.3", "mypy==1.18.1"} <= set(constraints)
    assert len(constraints) == text.count(">=") - text.count("python_requires")
