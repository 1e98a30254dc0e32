"""Crops of one photograph are recognised; different photographs are not grouped."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.config.profiles import QUICK
from harness.data.check.check import check, measure_all
from harness.data.files.duplicates import (
    Signature,
    difference_hash,
    same_picture_groups,
    signature,
)
from harness.data.files.overlapping_crops import (
    FEWEST_ALIKE,
    FOLLOWING,
    LANDMARK,
    MOST,
    ORDERS,
    candidates,
    landmarks,
    show_one_picture,
)
from harness.data.files.pair_folders import find_pairs
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.pair_set import load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.synthesis.liquify import displacement, resample
from harness.data.synthesis.retouch import middle_face, slim_jaw

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "ihc.png", "page.png")
TEXTURES = ("brick.png", "grass.png", "gravel.png", "coins.png", "moon.png", "rocket.jpg")


def photograph(name: str) -> np.ndarray:
    return np.asarray(Image.open(scikit_image_file(name)).convert("RGB"))


def crop(picture: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """A square crop of this share of the short side, scaled, darkened and saved as JPEG."""
    side = int(share * min(picture.shape[:2]))
    top, left = (int(random.integers(0, length - side + 1)) for length in picture.shape[:2])
    part = Image.fromarray((picture[top : top + side, left : left + side] * 0.9).astype(np.uint8))
    scaled = part.resize((round(side * random.uniform(0.7, 1.2)),) * 2, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    scaled.save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def pair_of(original: np.ndarray, seed: int = 0) -> np.ndarray:
    """A side-by-side pair: the central square with a slimmed jaw, and unchanged; side 192."""
    side = min(original.shape[:2])
    square = Image.fromarray(original[:side, :side]).resize((192, 192), Image.Resampling.LANCZOS)
    b = np.array(square)
    strokes = slim_jaw(middle_face(192), np.random.default_rng(seed))
    return np.hstack([resample(b, displacement(strokes, 192, 192)), b])


def signed(picture: np.ndarray) -> Signature:
    return signature(picture, picture)


def test_crops_are_grouped_with_their_photograph_and_different_ones_are_not() -> None:
    random = np.random.default_rng(0)
    pictures = [photograph(name) for name in PHOTOGRAPHS]
    crops = [crop(picture, share, random) for share in (0.85, 0.65) for picture in pictures]
    others = [photograph(name) for name in TEXTURES]
    groups = same_picture_groups([signed(picture) for picture in pictures + crops + others])
    count = len(pictures)
    assert groups == [
        *([number, number + count, number + 2 * count] for number in range(count)),
        *([3 * count + number] for number in range(len(others))),
    ]


def test_two_overlapping_crops_are_grouped_without_the_whole_picture() -> None:
    picture = photograph("astronaut.png")
    left, right = picture[:420, :420], picture[60:480, 90:510]
    assert same_picture_groups([signed(left), signed(right)]) == [[0, 1]]


def test_a_crop_of_a_trained_picture_is_found_in_validation(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
    astronaut = photograph("astronaut.png")
    Image.fromarray(pair_of(astronaut)).save(tmp_path / "train" / "whole.png")
    Image.fromarray(pair_of(photograph("coffee.png"))).save(tmp_path / "train" / "other.png")
    Image.fromarray(pair_of(photograph("chelsea.png"))).save(tmp_path / "val" / "apart.png")
    closer = pair_of(astronaut[20:400, 60:440], seed=1)
    Image.fromarray(closer).save(tmp_path / "val" / "crop.jpg", quality=90)
    found = find_pairs(tmp_path)
    result = check(found, measure_all(found, 1), None)
    (finding,) = (finding for finding in result.findings if finding.kind == "duplicate")
    assert (finding.level, finding.name) == ("error", "val/crop.jpg")
    assert "train/whole.png" in finding.what
    assert result.seen_in_training == {"train/whole.png"}


def test_crops_of_one_portrait_are_never_in_two_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in PHOTOGRAPHS[:4]:
        whole = photograph(name)
        for number, picture in enumerate([whole, crop(whole, 0.8, random)]):
            file = folder / f"{Path(name).stem}-{number}.png"
            Image.fromarray(pair_of(picture, number)).save(file)
    sides = set()
    for seed in range(4):
        dataset = load_dataset(
            prepare_data(folder, "AtoB", QUICK, tmp_path / "cache", seed=seed).file
        )
        train, val = (
            {name.split("-")[0] for name in split.names} for split in (dataset.train, dataset.val)
        )
        assert not train & val
        assert len(dataset.train) + len(dataset.val) == 8
        sides.add(frozenset(val))
    assert len(sides) > 1

    def never(*_: object) -> None:
        raise AssertionError("pictures were opened again")

    monkeypatch.setattr("harness.data.pairs.splits.read_signature", never)
    prepare_data(folder, "AtoB", QUICK, tmp_path / "cache")


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (400, 3), (64, 64)])
def test_pictures_without_landmarks_are_in_no_group(shape: tuple[int, int]) -> None:
    flat = np.full((*shape, 3), 90, np.uint8)
    assert landmarks(flat) == b""
    assert list(candidates([landmarks(flat), b"", landmarks(photograph("moon.png"))])) == []


def test_the_work_is_bounded_if_all_pictures_look_alike() -> None:
    same = np.zeros(MOST, LANDMARK)
    same["x"] = np.arange(MOST)
    found = list(candidates([same.tobytes()] * 50))
    assert found
    assert all(len(matches) >= FEWEST_ALIKE for _, _, matches in found)
    assert sum(len(matches) for _, _, matches in found) <= 50 * MOST * ORDERS * FOLLOWING


@pytest.mark.parametrize(("alike", "same"), [(8, True), (7, False)])
@pytest.mark.parametrize(("scale", "off"), [(1.0, 0), (0.75, 0), (1.0, 40)])
def test_eight_landmarks_must_agree(alike: int, same: bool, scale: float, off: int) -> None:
    """With one shift and one scale, to four pixels; other landmarks do not count."""
    random = np.random.default_rng(3)
    one = np.zeros(alike + 5, LANDMARK)
    one["x"], one["y"] = random.integers(0, 250, (2, alike + 5))
    one["level"] = 4
    one["code"] = random.integers(0, 2**60, alike + 5)
    other = one.copy()
    other["x"], other["y"] = np.rint(scale * one["x"] + 30), np.rint(scale * one["y"] + 10)
    other["level"] = 4 + round(3 * np.log2(scale))
    # The others match only by their codes.
    other["x"][alike:], other["y"][alike:] = random.integers(300, 900, (2, 5))
    other["y"][0] += off
    found = list(candidates([one.tobytes(), other.tobytes()]))
    assert [(first, second) for first, second, _ in found] == [(0, 1)]
    assert len(found[0][2]) == alike + 5
    expected = same and not off  # one that is 40 pixels off leaves seven
    assert show_one_picture(one.tobytes(), other.tobytes(), found[0][2]) == expected


@pytest.mark.parametrize(("levels", "same"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_the_scale_of_the_arrangement_is_that_of_the_landmarks(levels: int, same: bool) -> None:
    """By a factor of 1.43; three levels double the scale."""
    random = np.random.default_rng(3)
    one = np.zeros(12, LANDMARK)
    one["x"], one["y"] = random.integers(0, 250, (2, 12))
    other, one["level"] = one.copy(), 4
    other["level"] = 4 + levels
    matches = np.column_stack([range(12)] * 2)
    assert show_one_picture(one.tobytes(), other.tobytes(), matches) == same


def test_a_pair_is_known_by_the_landmarks_of_its_original() -> None:
    names = ("astronaut.png", "chelsea.png")
    retouched, original = (photograph(name)[:128, 100:228] for name in names)
    known = signature(retouched, original)
    assert known.landmarks == landmarks(original) != landmarks(retouched)
    assert known.hashes == (difference_hash(retouched), difference_hash(original))


@pytest.mark.parametrize("side", [0, 1])
def test_a_landmark_counts_once_however_many_match_it(side: int) -> None:
    random = np.random.default_rng(3)
    one = np.zeros(8, LANDMARK)
    one["x"], one["y"] = random.integers(0, 250, (2, 8))
    one[7] = one[6]
    pairs = np.column_stack([[0, 1, 2, 3, 4, 5, 6, 6], range(8)])[:, :: -1 if side else 1]
    assert show_one_picture(one.tobytes(), one.tobytes(), np.column_stack([range(8)] * 2))
    assert not show_one_picture(one.tobytes(), one.tobytes(), pairs)


def test_pictures_of_one_tone_match_no_other(
    halves: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    black, noisy = np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)
    noisy[::2, ::3] = 3
    known = [signature(black, original) for _, original in halves[:4]]
    known += [signature(noisy, original) for _, original in halves[4:6]]
    known += [signature(black, black), signature(black, black)]
    assert same_picture_groups(known) == [[number] for number in range(8)]
