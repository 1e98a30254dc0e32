"""`harness score --against`, and `--model`: is one model better than another?"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ttest_rel
from scoring import SIGMAS, flags, refused

from harness.config.profiles import QUICK
from harness.evaluation.score_comparison import compare_scores
from harness.training.networks import build_generator
from objectives.score import Score

PAIRS = 3


@pytest.fixture
def data(folder: Path) -> Path:
    """Pairs side by side, originals left, in test/; val/ has the first alone."""
    root = folder / "pairs"
    for number in range(PAIRS):
        halves = [
            np.asarray(Image.open(folder / kind / f"face {number}.png").convert("RGB"))
            for kind in ("target", "input")
        ]
        for split in ("test", "val") if number == 0 else ("test",):
            (root / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.hstack(halves)).save(root / split / f"face {number}.png")
    return root


def checkpoint(file: Path, netG: str) -> Path:
    net = build_generator(QUICK.model_copy(update={"netG": netG, "ngf": 2}), seed=3)
    torch.save(net.state_dict(), file)
    return file


def figures_of(score, folder: Path, *words: str | Path) -> dict:
    ran = score(*words, "--json", folder / "out.json")
    assert ran.code == 0, ran.err
    return json.loads((folder / "out.json").read_text()) | {"ran": ran}


def test_the_lead_is_paired_by_picture(score, folder: Path) -> None:
    words = flags(folder, "pred", "target", "mask")
    worse = folder / "worse"
    worse.mkdir()
    for number in range(len(SIGMAS)):
        file = Image.open(folder / "pred" / f"face {number}.png")
        file.resize((64, 64)).resize(file.size).save(worse / f"face {number}.bmp")
    other = figures_of(score, folder, *flags(folder, "target", "mask"), "--pred", worse)
    found = figures_of(score, folder, *words, "--against", worse, "--csv", folder / "out.csv")
    against = found["against"]
    assert (against["name"], against["n"]) == (str(worse), len(SIGMAS))
    assert against["score"] == pytest.approx(other["score"])
    mine, theirs = ([row["score"] for row in one["images"]] for one in (found, other))
    assert [row["against"] for row in found["images"]] == pytest.approx(theirs)
    paired = ttest_rel(mine, theirs)
    interval = paired.confidence_interval(0.95)
    assert against["lead"] == pytest.approx(
        {"mean": np.subtract(mine, theirs).mean(), "low": interval.low, "high": interval.high}
    )
    better = sum(a > b for a, b in zip(mine, theirs, strict=True))
    assert against["better"] == better
    assert f"better in {better} of 6 pictures" in found["ran"].out
    assert "against" in (folder / "out.csv").read_text().splitlines()[0]


def test_the_verdict_is_the_intervals_side_of_zero(score, folder: Path) -> None:
    rest = flags(folder, "target", "mask")
    same = score(*rest, "--pred", folder / "pred", "--against", folder / "pred")
    assert "no reliable difference, +0.0000" in same.out
    assert "better in 0 of 6 pictures" in same.out
    blurred = folder / "blurred"
    blurred.mkdir()
    for file in (folder / "target").iterdir():
        picture = Image.open(file)
        picture.resize((32, 32)).resize(picture.size).save(blurred / file.name)
    sharp = score(*rest, "--pred", folder / "target", "--against", blurred)
    assert f"Against {blurred}" in sharp.out
    assert "reliably better, +" in sharp.out
    assert "reliably worse, -" in score(
        *rest, "--pred", blurred, "--against", folder / "target"
    ).out  # fmt: skip


def test_less_is_better_where_the_objective_says_so() -> None:
    def scored(*values: float | None) -> Score:
        rows = [
            {"name": f"{n}", "skipped": "too small"} if value is None else
            {"name": f"{n}", "score": value} for n, value in enumerate(values)
        ]  # fmt: skip
        return Score(0.0, {}, tuple(rows))

    first, second = scored(1.0, 2.0, None, 4.0), scored(2.0, 4.0, 1.0, 3.0)
    most = compare_scores(first, second)
    least = compare_scores(first, second, "minimize")
    assert (most.pictures, most.better, least.better) == (3, 1, 2)
    assert most.lead is not None
    assert least.lead is not None
    assert (most.lead.mean, least.lead.mean) == pytest.approx((-2 / 3, 2 / 3))
    assert compare_scores(scored(1.0), scored(2.0)).lead is None


def test_results_of_test_py_are_compared(score, folder: Path) -> None:
    for name, kind in (("mine", "target"), ("theirs", "input")):
        images = folder / name / "images"
        images.mkdir(parents=True)
        for number in range(3):
            sources = (("fake_B", kind), ("real_B", "target"), ("real_A", "input"))
            for ending, source in sources:
                picture = Image.open(folder / source / f"face {number}.png")
                picture.save(images / f"f{number}_{ending}.png")
    found = figures_of(score, folder, "--results", folder / "mine", "--against", folder / "theirs")
    assert found["score"] == pytest.approx(1, abs=1e-3)
    assert found["against"]["better"] == 3
    (folder / "theirs" / "images" / "f1_fake_B.png").unlink()
    (folder / "out.json").unlink()
    ran = score("--results", folder / "mine", "--against", folder / "theirs")
    refused(ran, f"--against {folder / 'theirs'} lacks", folder)


def test_a_model_restores_the_held_out_pairs(score, folder: Path, data: Path) -> None:
    moving = checkpoint(folder / "moving.pth", "warp_unet_128")  # untrained: the identity
    words = ("--model", moving, "--data", data, "--direction", "BtoA")
    unchanged = figures_of(score, folder, *words)
    assert [row["name"] for row in unchanged["images"]] == [
        f"test/face {number}.png" for number in range(PAIRS)
    ]
    assert unchanged["against"]["name"] == "the input unchanged"
    assert unchanged["against"]["lead"] == {"mean": 0, "low": 0, "high": 0}
    # The input unchanged is as far from the original as the reference of Lrel.
    assert all(row["Lrel"] == pytest.approx(1, abs=1e-4) for row in unchanged["images"])
    assert "the pairs in test/ are scored" in unchanged["ran"].err
    repainting = checkpoint(folder / "repainting.pth", "unet_128")
    found = figures_of(score, folder, *words, "--against", repainting)
    assert found["score"] == unchanged["score"]
    assert found["against"]["lead"]["low"] > 0
    assert "reliably better" in found["ran"].out


def test_without_test_the_model_restores_val(score, folder: Path, data: Path) -> None:
    (data / "test").rename(data / "train")
    model = checkpoint(folder / "moving.pth", "warp_unet_128")
    words = ("--model", model, "--data", data, "--direction", "BtoA")
    ran = score(*words)
    assert ran.code == 0, ran.err
    assert "the pairs in val/ are scored" in ran.err
    assert "nothing can be said with 1 picture." in ran.out
    (data / "val" / "face 0.png").unlink()
    refused(score(*words), "has neither test/ nor val/", folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "a.pth"], "--model and --data belong together"),
        (["--data", "pairs"], "--model and --data belong together"),
        (["--model", "a.pth", "--data", "pairs", "--pred", "pred"], "leave out --pred"),
        (["--model", "a.pth", "--data", "pairs"], "a.pth cannot be read as a checkpoint"),
        (["--pred", "pred", "--target", "target", "--mask", "mask", "--against", "pairs"],
         "--against pairs lacks the counterparts of face 0.png"),
    ],
)  # fmt: skip
def test_incompatible_options_are_refused(
    score, folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    refused(score(*words), message, folder)
