"""Helpers for tests of `harness score`, in addition to the fixtures of conftest.py."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

SIGMAS = (0.4, 0.5, 0.8, 1.5, 2.5, 5.0)


@dataclass(frozen=True)
class Ran:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def save(picture: torch.Tensor, file: Path) -> None:
    """A float `[3, h, w]` or bool `[1, h, w]` tensor as a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = (picture.float() * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels.squeeze()).save(file)


def assert_same(found: dict[str, float | str], expected: dict[str, float | str]) -> None:
    """Asserts that the rows have equal names and values."""
    assert found.pop("name") == expected["name"]
    figures = {key: value for key, value in expected.items() if key != "name"}
    assert found == pytest.approx(figures, rel=1e-4, abs=1e-6)


def flags(folder: Path, *kinds: str) -> list[str]:
    return [word for kind in kinds for word in (f"--{kind}", str(folder / kind))]


def refused(ran: Ran, message: str, folder: Path) -> None:
    assert ran.code == 2, ran.out
    assert ran.err.startswith("harness: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert ran.out == ""
    assert not list(folder.glob("out.*"))
