"""Pairs to plant faults into: windows of the built-in photographs, as files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planting import WritePairs

import harness.data.check.facts
import harness.data.files.processes
import objectives.masks
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.built_in import built_in_pairs
from harness.data.pairs.pair_set import PairSet
from harness.data.synthesis.make_pairs import MakePlan, make_pairs


def once(find: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The same, which finds what belongs to two pictures once."""
    known: dict[Any, np.ndarray] = {}

    def found(*pictures: np.ndarray) -> np.ndarray:
        key = tuple((picture.shape, picture.tobytes()) for picture in pictures)
        if key not in known:
            known[key] = find(*pictures)
        return known[key].copy()

    return found


MOVING = once(objectives.masks.moved_region)
DISPLACEMENT = once(harness.data.check.facts.estimated_displacement)


@pytest.fixture(scope="module", autouse=True)
def quicker() -> Iterator[None]:
    """One process, which is quicker for few pairs; and each pair's optical flow is found once.

    Most tests are of the same pairs, and flow is most of their time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.data.files.processes, "available_cores", lambda: 1)
        patch.setattr(objectives.masks, "moved_region", MOVING)
        patch.setattr(harness.data.check.facts, "estimated_displacement", DISPLACEMENT)
        yield


@pytest.fixture(scope="session")
def pairs_128() -> dict[str, PairSet]:
    return built_in_pairs(128)


@pytest.fixture(scope="session")
def halves(pairs_128: dict[str, PairSet]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(retouched, original), bytes `[128, 128, 3]`; each of another photograph or position."""
    train = pairs_128["train"]
    chosen = range(0, len(train), 6)
    return [
        (train.retouched[i].permute(1, 2, 0).numpy(), train.originals[i].permute(1, 2, 0).numpy())
        for i in chosen
    ]


@pytest.fixture
def write_pairs(halves: list[tuple[np.ndarray, np.ndarray]]) -> WritePairs:
    """`write_pairs(folder, train=4, val=2)` -> folder of side-by-side PNG files."""

    def write(folder: Path, **splits: int) -> Path:
        todo = iter(halves)
        for split, count in (splits or {"train": 4, "val": 2}).items():
            (folder / split).mkdir(parents=True)
            for number in range(count):
                picture = Image.fromarray(np.hstack(next(todo)))
                picture.save(folder / split / f"{split}{number}.png")
        return folder

    return write


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs of scikit-image, one of a face."""
    folder = tmp_path_factory.mktemp("originals")
    astronaut = Image.open(scikit_image_file("astronaut.png"))
    astronaut.crop((60, 0, 380, 320)).save(folder / "astronaut.png")
    Image.open(scikit_image_file("chelsea.png")).save(folder / "chelsea.png")
    Image.open(scikit_image_file("coffee.png")).save(folder / "coffee.png")
    return folder


@pytest.fixture(scope="session")
def made(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs made of them; a test that changes them copies them."""
    out = tmp_path_factory.mktemp("out") / "made"
    return make_pairs(originals, 6, MakePlan(out, 192, seed=4), processes=1)
