"""Pairs that cannot be used: each is refused by its name, before anything is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from planting import WritePairs, prepared

from harness.config.profiles import QUICK
from harness.data.files.pair_folders import find_pairs
from harness.data.pairs.pair_set import load_dataset, save_dataset
from harness.data.pairs.splits import with_held_out
from harness.errors import UserInputError


def plant_truncated(folder: Path) -> None:
    file = folder / "train" / "train1.png"
    file.write_bytes(file.read_bytes()[:900])


def plant_odd(folder: Path) -> None:
    Image.new("RGB", (255, 128)).save(folder / "train" / "train1.png")


def plant_small(folder: Path) -> None:
    Image.new("RGB", (40, 20)).save(folder / "train" / "train1.png")


def plant_text(folder: Path) -> None:
    (folder / "train" / "train1.png").write_text("not a picture")


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (plant_truncated, "truncated"),
        (plant_odd, "odd number"),
        (plant_small, "too small"),
        (plant_text, "is no picture"),
    ],
)
def test_a_bad_file_is_named_and_skipped_only_on_request(
    tmp_path: Path, write_pairs: WritePairs, plant, sentence: str
) -> None:
    folder = write_pairs(tmp_path / "data")
    plant(folder)
    with pytest.raises(UserInputError, match=sentence) as caught:
        prepared(folder, tmp_path / "c")
    assert "train1.png" in str(caught.value)
    assert f"harness data check {folder} --fix NEW writes a copy" in str(caught.value)
    assert not (tmp_path / "c" / "pairs").exists()
    assert prepared(folder, tmp_path / "c", skip_bad=True).n_train == 3


def test_bad_pairs_are_not_drawn_to_be_held_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(8):
        pair = random.integers(0, 256, (48, 96, 3), np.uint8)
        Image.fromarray(pair).save(tmp_path / f"{number}.png")

    def names() -> dict[str, list[str]]:
        drawn = with_held_out(find_pairs(tmp_path), 100, seed=0, cache=tmp_path / "c")
        return {split: [pair.name for pair in pairs] for split, pairs in drawn.splits.items()}

    bad = names()["val"][:1] + names()["test"][:1]
    for name in bad:
        (tmp_path / name).write_text("not a picture")
    drawn = names()
    assert [len(drawn[split]) for split in ("train", "val", "test")] == [6, 1, 1]
    assert set(bad) < set(drawn["train"])
    (tmp_path / drawn["val"][0]).write_text("not a picture")
    # Of five that can be read, four are left to train on, whatever cannot be read besides.
    assert {split: len(pairs) for split, pairs in names().items()} == {"train": 7, "val": 1}


def test_too_small_for_a_preprocess_that_does_not_scale(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    train = QUICK.model_copy(update={"preprocess": "crop", "crop_size": 256, "load_size": 256})
    with pytest.raises(UserInputError, match="smaller than crop_size"):
        prepared(write_pairs(tmp_path / "data"), tmp_path / "c", train)


def test_load_size_under_crop_size(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="load_size"):
        prepared(None, tmp_path, QUICK.model_copy(update={"load_size": 100}))


def test_missing_empty_and_single(tmp_path: Path, write_pairs: WritePairs) -> None:
    with pytest.raises(UserInputError, match="no data folder"):
        prepared(tmp_path / "nowhere", tmp_path / "c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserInputError, match="holds no pairs"):
        prepared(tmp_path / "empty", tmp_path / "c")
    with pytest.raises(UserInputError, match="one pair only"):
        prepared(write_pairs(tmp_path / "single", train=1), tmp_path / "c")
    with pytest.raises(UserInputError, match="no training pairs"):
        prepared(write_pairs(tmp_path / "valonly", val=2), tmp_path / "c")


def test_one_picture_only_cannot_be_split(tmp_path: Path, halves) -> None:
    (tmp_path / "data").mkdir()
    for number in range(3):
        Image.fromarray(np.hstack(halves[0])).save(tmp_path / "data" / f"{number}.png")
    with pytest.raises(UserInputError, match="one picture"):
        prepared(tmp_path / "data", tmp_path / "c")


def test_nothing_warped_in_validation(tmp_path: Path, write_pairs: WritePairs, halves) -> None:
    folder = write_pairs(tmp_path / "data", train=2)
    (folder / "val").mkdir()
    Image.fromarray(np.hstack([halves[5][1], halves[5][1]])).save(folder / "val" / "same.png")
    with pytest.raises(UserInputError, match="nothing to restore"):
        prepared(folder, tmp_path / "c")


def test_nothing_warped_in_the_held_out_pairs_leaves_none(
    tmp_path: Path, write_pairs: WritePairs, halves
) -> None:
    """The finalists are then compared on the validation pairs, as without a test split."""
    folder = write_pairs(tmp_path / "data", train=1, val=1, test=1)
    Image.fromarray(np.hstack([halves[5][1]] * 2)).save(folder / "test" / "test0.png")
    made = prepared(folder, tmp_path / "c")
    assert (made.n_train, made.n_val, made.n_test) == (1, 1, 0)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_a_readable_pair_is_refused(
    tmp_path: Path, write_pairs: WritePairs, split: str
) -> None:
    folder = write_pairs(tmp_path / "data", train=1, val=1)
    (folder / split / f"{split}0.png").write_text("not a picture")
    with pytest.raises(UserInputError, match=f"data has no readable pair left for {split}"):
        prepared(folder, tmp_path / "c", skip_bad=True)


@pytest.mark.parametrize(
    ("white", "message"),
    [(0, "0.000%"), (1, "0.006%")],
    ids=["black", "one pixel"],
)
def test_almost_black_masks_are_refused_with_name_and_rule(
    tmp_path: Path, write_pairs: WritePairs, white: int, message: str
) -> None:
    folder = write_pairs(tmp_path / "data", train=2, val=2)
    mask = np.zeros((128, 128), np.uint8)
    mask[64, 64 : 64 + white] = 255
    (folder / "masks" / "val").mkdir(parents=True)
    for number in (1, 0):  # the one with the most white is named
        Image.fromarray(mask).save(folder / "masks" / "val" / f"val{number}.png")
        mask[64, 64] = 0
    with pytest.raises(UserInputError) as caught:
        prepared(folder, tmp_path / "c")
    for part in (
        "a warped region of at least 0.05% of its area",
        message,
        f"masks/val/val{min(white, 1)}.png, has ",
    ):
        assert part in str(caught.value)
    assert "same picture" not in str(caught.value)
    # One scorable pair is enough.
    mask[40:80, 40:80] = 255
    Image.fromarray(mask).save(folder / "masks" / "val" / "val1.png")
    assert prepared(folder, tmp_path / "c").n_val == 2


def test_cached_pairs_that_cannot_be_scored_are_refused_too(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder = write_pairs(tmp_path / "data", train=2, val=1)
    data = prepared(folder, tmp_path / "c")
    dataset = load_dataset(data.file)
    empty = tuple(torch.zeros_like(mask) for mask in dataset.val.masks)
    save_dataset(replace(dataset, val=replace(dataset.val, masks=empty)), data.file)
    with pytest.raises(UserInputError, match="nothing to restore or score"):
        prepared(folder, tmp_path / "c")


def test_halves_of_one_tone_are_not_grouped_as_crops(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder = write_pairs(tmp_path / "data", train=6)
    for number, file in enumerate(sorted((folder / "train").iterdir())):
        pair = np.asarray(Image.open(file)).copy()
        pair[:, :128] = 10 * number
        Image.fromarray(pair).save(file)
    with pytest.raises(UserInputError, match="nothing has moved") as caught:
        prepared(folder, tmp_path / "c")
    assert "show one picture" not in str(caught.value)
