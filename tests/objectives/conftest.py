"""A few real photographs with slimmed jaws, and folders of them for `harness score`."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scoring import SIGMAS, Ran, save

from benchmarks.ladders import as_pictures, blur, inside
from harness.cli import app as cli
from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.liquify import displacement, resample
from harness.data.synthesis.retouch import middle_face, slim_jaw
from objectives.masks import dilate, region_from_field
from objectives.score import Reference

SIDE = 128
CROPS = {
    "astronaut.png": (130, 38, 316, 224),
    "chelsea.png": (90, 0, 390, 300),
    "coffee.png": (120, 60, 380, 320),
    "motorcycle_left.png": (200, 100, 500, 400),
}


@pytest.fixture(scope="session")
def reference() -> Reference:
    random = np.random.default_rng(0)
    originals, retouched, masks = [], [], []
    for name, box in CROPS.items():
        photograph = Image.open(scikit_image_file(name)).convert("RGB").crop(box)
        original = np.array(photograph.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        field = displacement(slim_jaw(middle_face(SIDE), random), SIDE, SIDE)
        originals.append(original)
        retouched.append(resample(original, field))
        masks.append(region_from_field(torch.from_numpy(field)))
    return Reference(
        tuple(CROPS), as_pictures(originals), torch.stack(masks), as_pictures(retouched)
    )


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of found masks."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
) -> Callable[..., Ran]:
    """`harness score` in a wide terminal, on the CPU, with random weights unless given."""

    def run(*words: str | Path) -> Ran:
        fixed = ["--device", "cpu", *([] if "--weights" in words else ["--weights", "random"])]
        monkeypatch.setattr(sys, "argv", ["harness", "score", *fixed, *map(str, words)])
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setenv("HARNESS_CACHE", str(cache))
        with pytest.raises(SystemExit) as end:
            cli.main()
        output = capsys.readouterr()
        return Ran(int(end.value.code or 0), output.out, output.err)

    return run


@pytest.fixture(scope="session")
def made(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures with increasing blur, in the folders pred, target, mask and input."""
    root = tmp_path_factory.mktemp("made")
    assert reference.inputs is not None
    for number, sigma in enumerate(SIGMAS):
        chosen = slice(number % 4, number % 4 + 1)
        original, mask = reference.targets[chosen], reference.masks[chosen]
        restored = inside(blur(sigma)(original), original, dilate(mask))
        kinds = (restored, original, mask, reference.inputs[chosen])
        for kind, picture in zip(("pred", "target", "mask", "input"), kinds, strict=True):
            turned = picture if number < 4 else picture.flip(3)
            save(turned[0], root / kind / f"face {number}.png")
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder that one test may change."""
    return shutil.copytree(made, tmp_path / "faces")
