"""`harness score` refuses unusable input with one sentence and writes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scoring import flags, refused

from harness.evaluation.folder_scoring import match_results


def test_the_weights_of_the_chosen_network_are_required(
    score, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("objectives.weights.try_download", lambda arch: False)
    words = flags(folder, "pred", "target", "mask")
    asked = ("--objective", "boundary_sharpness_vgg", "--weights", "pretrained")
    refused(score(*words, *asked), "vgg16-397923af.pth are missing", folder)


def cut(folder: Path, kind: str) -> None:
    file = folder / kind / "face 3.png"
    with Image.open(file) as picture:
        picture.crop((0, 0, 128, 96)).save(file)


def all_small(folder: Path, kind: str) -> None:
    for each in ("pred", "target", "mask"):
        for file in (folder / each).iterdir():
            with Image.open(file) as picture:
                picture.resize((16, 16)).save(file)


def all_black(folder: Path, kind: str) -> None:
    for file in (folder / kind).iterdir():
        Image.new("L", (128, 128)).save(file)


def remove(folder: Path, kind: str) -> None:
    (folder / kind / "face 3.png").unlink()


def remove_all(folder: Path, kind: str) -> None:
    for file in (folder / kind).iterdir():
        file.unlink()


def remove_folder(folder: Path, kind: str) -> None:
    (folder / kind).rename(folder / "elsewhere")


def no_picture(folder: Path, kind: str) -> None:
    (folder / kind / "face 3.png").write_bytes(b"this is no picture")


def truncate(folder: Path, kind: str) -> None:
    file = folder / kind / "face 3.png"
    file.write_bytes(file.read_bytes()[:900])


def empty(folder: Path, kind: str) -> None:
    (folder / kind / "face 3.png").write_bytes(b"")


def animate(folder: Path, kind: str) -> None:
    frames = [Image.new("RGB", (128, 128), colour) for colour in ("red", "blue")]
    frames[0].save(folder / kind / "face 3.png", save_all=True, append_images=frames[1:])


def floats(folder: Path, kind: str) -> None:
    (folder / kind / "face 3.png").unlink()
    Image.fromarray(np.zeros((128, 128), np.float32)).save(folder / kind / "face 3.tiff")


def twice(folder: Path, kind: str) -> None:
    Image.new("RGB", (128, 128)).save(folder / kind / "face 3.jpg")


@pytest.mark.parametrize("kind", ["pred", "target"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, "face 3.png is 128 x "),
        (remove, "lacks the counterparts of face 3.png"),
        (remove_all, "holds no pictures"),
        (remove_folder, "is not a folder: name one with the pictures"),
        (no_picture, "face 3.png is no picture"),
        (truncate, "face 3.png cannot be read as a picture"),
        (empty, "face 3.png is empty"),
        (animate, "face 3.png holds 2 frames"),
        (floats, "face 3.tiff cannot be read as a picture (floating-point"),
        (twice, "face 3.png and 'face 3.jpg' differ only in their ending"),
    ],
)
def test_bad_pictures_are_one_sentence_and_nothing_is_written(
    score, folder: Path, spoil: Callable[[Path, str], None], kind: str, message: str
) -> None:
    spoil(folder, kind)
    refused(
        score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json"),
        message,
        folder,
    )


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        ("mask", cut, "mask/face 3.png is 128 x 96 and its original"),
        ("mask", remove, "lacks the counterparts of face 3.png"),
        ("mask", no_picture, "mask/face 3.png is no picture"),
        ("mask", all_black, "No picture has a warped region"),
        ("mask", all_small, "too small for LPIPS"),
        ("input", cut, "input/face 3.png is 128 x 96 and its original"),
        ("input", remove, "lacks the counterparts of face 3.png"),
        ("input", truncate, "input/face 3.png cannot be read"),
    ],
)
def test_bad_masks_and_inputs_are_one_sentence(
    score, folder: Path, kind: str, spoil: Callable[[Path, str], None], message: str
) -> None:
    spoil(folder, kind)
    words = flags(folder, "pred", "target", kind)
    refused(score(*words, "--json", folder / "out.json"), message, folder)


def test_many_missing_counterparts_are_listed_and_counted(score, folder: Path) -> None:
    (folder / "target" / "face 0.png").rename(folder / "target" / "other.png")
    for number in range(1, 6):
        (folder / "target" / f"face {number}.png").unlink()
    names = ", ".join(f"face {number}.png" for number in range(5))
    refused(score(*flags(folder, "pred", "target", "mask")), f"of {names} and 1 more in", folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Give --pred and --target, or --results"),
        (["--pred", "pred"], "Give --pred and --target, or --results"),
        (["--pred", "pred", "--target", "target"], "give --mask"),
        (["--results", "pred", "--pred", "pred"], "leave out"),
        (["--results", "pred", "--input", "input"], "leave out"),
        (["--target", "target"], "Give --pred and --target, or --results"),
        (["--results", "pred"], "holds no *_fake_B.png"),
        (["--pred", "pred", "--target", "target", "--mask", "mask", "--device", "tpu"], "--device"),
        (
            ["--pred", "pred", "--target", "target", "--mask", "mask", "--objective", "ssim"],
            "--objective ssim is neither",
        ),
        (
            ["--pred", "pred", "--target", "target", "--mask", "mask", "--json", "pred"],
            "pred cannot be written (it is a folder): name another file with --json",
        ),
        (
            ["--pred", "pred", "--target", "target", "--mask", "mask", "--csv", "mask.txt/a.csv"],
            "mask.txt/a.csv cannot be written (Not a directory)",
        ),
    ],
)
def test_incompatible_options_are_refused(
    score, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "mask.txt").write_text("a file, no folder")
    refused(score(*words), message, folder)


def test_results_that_lack_a_part_are_listed(score, folder: Path) -> None:
    for ending in ("fake_B", "real_B"):
        Image.new("RGB", (64, 64)).save(folder / "pred" / f"p_{ending}.png")
    refused(score("--results", folder / "pred"), "lacks p_real_A", folder)


def test_results_are_found_below_the_named_folder_unless_there_are_several(
    score, folder: Path
) -> None:
    run = folder / "results" / "face"
    images = run / "test_latest" / "images"
    images.mkdir(parents=True)
    for ending in ("fake_B", "real_A", "real_B"):
        Image.new("RGB", (64, 64)).save(images / f"p_{ending}.png")
    for named in (run, run.parent):
        remarks: list[str] = []
        found = match_results(named, remarks.append)
        assert [one.restored for one in found] == [images / "p_fake_B.png"]
        assert remarks == [f"--results {named}: the pictures in {images} are scored."]
    other = shutil.copytree(images, run / "test_20" / "images")
    message = f"holds results of pix2pix in {other}, {images}: name one of them"
    refused(score("--results", run), message, folder)
