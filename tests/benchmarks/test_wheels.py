"""Which wheels are fetched for a machine without an index; nothing is fetched here."""

import zipfile
from pathlib import Path

import pytest

from benchmarks import wheels

# What the made-up wheels require; of `narrow` an older version than of `first`.
REQUIRED = {
    "first": ["narrow", "second>=1", "torch>=2", 'for-windows; sys_platform == "win32"'],
    "second": ["narrow<2", 'more; extra == "more"', 'for-new>=1; python_version >= "3.12"'],
    "narrow": [],
    "for-new": [],
}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def download(folder: Path, requirement: str, python: str) -> Path:
        asked.append(requirement)
        name = next(each for each in REQUIRED if requirement.startswith(each))
        file = folder / f"{name.replace('-', '_')}-{len(asked)}-py3-none-any.whl"
        lines = ["Metadata-Version: 2.1", *(f"Requires-Dist: {each}" for each in REQUIRED[name])]
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name}-1.dist-info/METADATA", "\n".join(lines))
        return file

    own = [wheels.Requirement("first"), wheels.Requirement("Torch>=2.11")]
    monkeypatch.setattr(wheels, "own_requirements", lambda: own)
    monkeypatch.setattr(wheels, "download", download)
    return asked


@pytest.mark.parametrize(("python", "newer"), [("3.11", []), ("3.12", ["for-new>=1"])])
def test_what_a_wheel_requires_is_fetched_too_but_not_what_is_there(
    tmp_path: Path, fetched: list[str], python: str, newer: list[str]
) -> None:
    found = wheels.fetch(tmp_path, python, {"torch": ""})
    assert fetched == ["first", "narrow", "second>=1", "narrow<2", *newer]
    assert sorted(tmp_path.iterdir()) == found
    assert len(found) == 3 + len(newer)


def test_the_version_that_is_installed_here_is_fetched() -> None:
    assert wheels.installed("nowhere") == wheels.SpecifierSet()
    assert wheels.installed("pytest").contains(pytest.__version__)
    assert not wheels.installed("pytest").contains("1.0")


def test_a_freeze_is_read(tmp_path: Path) -> None:
    freeze = tmp_path / "freeze.txt"
    freeze.write_text("torch==2.11.0+cu130\n# a remark\n-e .\nTyping_Extensions @ file:///x\n\n")
    assert wheels.versions_in(freeze) == {"torch": "2.11.0+cu130", "typing-extensions": ""}


@pytest.mark.parametrize(("there", "fetched_too"), [("2.0", False), ("", False), ("0.9", True)])
def test_what_is_there_in_too_old_a_version_is_fetched(
    tmp_path: Path, fetched: list[str], there: str, fetched_too: bool
) -> None:
    wheels.fetch(tmp_path, "3.11", {"torch": "2.11.0+cu130", "second": there, "narrow": "1"})
    assert ("second>=1" in fetched) == fetched_too


def test_a_later_requirement_keeps_the_bounds_that_what_is_there_met(
    tmp_path: Path, fetched: list[str]
) -> None:
    wheels.fetch(tmp_path, "3.11", {"torch": "", "narrow": "2"})  # first any, then below 2
    assert "narrow<2" in fetched


def test_pytorch_never_travels() -> None:
    """It is hundreds of times as large as all the rest."""
    own = {wheels.canonicalize_name(each.name) for each in wheels.own_requirements()}
    assert {"mlflow", "optuna", "torch"} <= own
    assert {"torch", "torchvision", "triton"} <= set(wheels.HELD.split())
