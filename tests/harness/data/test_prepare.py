"""Prepared data: correct pixels in the correct split, cached by the content of the files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from planting import WritePairs, prepared

from harness.config.profiles import QUICK
from harness.data.files.pair_folders import find_pairs
from harness.data.pairs import prepare
from harness.data.pairs import splits as held_out
from harness.data.pairs.cache import default_cache, digest_of, fingerprints, stamp
from harness.data.pairs.pair_set import (
    FILE_FORMAT,
    PairSet,
    TrainingPair,
    load_dataset,
    write_pairs,
)
from harness.data.pairs.prepare import prepare_data
from harness.data.pairs.splits import most_train
from harness.errors import UserInputError
from objectives.masks import region_by_difference, region_from_pair

WIDE = QUICK.model_copy(update={"load_size": 144})


def test_built_in(tmp_path: Path) -> None:
    made = prepared(None, tmp_path)
    dataset = load_dataset(made.file)
    assert (made.n_train, made.n_val) == (len(dataset.train), len(dataset.val)) == (96, 12)
    assert len(dataset.test) == 24
    assert dataset.digest == made.digest
    assert dataset.val.retouched[0].shape == (3, 128, 128)


@pytest.mark.parametrize(
    ("preprocess", "side"),
    [("resize_and_crop", 144), ("scale_width_and_crop", 144), ("crop", 128), ("none", 128)],
)
def test_built_in_pairs_have_the_size_that_is_trained_on(
    preprocess: str, side: int, pairs_128, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    few = {split: PairSet.of(list(pairs)[:1]) for split, pairs in pairs_128.items()}
    monkeypatch.setattr(prepare, "built_in_pairs", lambda size: asked.append(size) or few)
    train = WIDE.model_copy(update={"preprocess": preprocess, "crop_size": 128})
    assert prepare.built_in(train).keys() == {"train", "val", "test"}
    assert asked == [side]


def test_users_folder_keeps_its_pixels(tmp_path: Path, write_pairs: WritePairs, halves) -> None:
    folder = write_pairs(tmp_path / "data")
    dataset = load_dataset(prepared(folder, tmp_path / "cache").file)
    assert dataset.val.names == ("val/val0.png", "val/val1.png")
    for number, (a, b) in enumerate(halves[:4]):
        assert np.array_equal(dataset.train.retouched[number].permute(1, 2, 0), a)
        assert np.array_equal(dataset.train.originals[number].permute(1, 2, 0), b)


def test_direction_swaps_the_halves(tmp_path: Path, write_pairs: WritePairs) -> None:
    folder = write_pairs(tmp_path / "data")
    there = load_dataset(prepare_data(folder, "AtoB", QUICK, tmp_path).file)
    back = load_dataset(prepare_data(folder, "BtoA", QUICK, tmp_path).file)
    assert torch.equal(there.train.retouched[0], back.train.originals[0])
    assert there.digest != back.digest


def test_named_sides_are_pairs_with_a_known_direction(
    tmp_path: Path, write_pairs: WritePairs, halves
) -> None:
    """Split as pairs side by side are, and refused in the direction that the names exclude."""
    folder = tmp_path / "data"
    for side in (0, 1):
        place = folder / ("retouched", "original")[side]
        place.mkdir(parents=True)
        for number, pair in enumerate(halves):
            Image.fromarray(pair[side]).save(place / f"{number}.png")
    made = prepared(folder, tmp_path / "cache")
    dataset = load_dataset(made.file)
    assert made.n_train + made.n_val + made.n_test == len(halves)
    first = Path(dataset.train.names[0])
    assert first.parent.name == "retouched"
    assert np.array_equal(dataset.train.retouched[0].permute(1, 2, 0), halves[int(first.stem)][0])
    assert np.array_equal(dataset.train.originals[0].permute(1, 2, 0), halves[int(first.stem)][1])
    with pytest.raises(UserInputError, match="BtoA contradicts the folders retouched/ and"):
        prepare_data(folder, "BtoA", QUICK, tmp_path / "cache")


def test_training_keeps_load_size_and_validation_is_cut_at_the_warp(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    dataset = load_dataset(prepared(write_pairs(tmp_path / "data"), tmp_path / "c", WIDE).file)
    assert {tuple(picture.shape) for picture in dataset.train.retouched} == {(3, 144, 144)}
    assert {tuple(picture.shape) for picture in dataset.val.retouched} == {(3, 128, 128)}
    for mask in dataset.val.masks:
        middle = mask[0].nonzero().float().mean(0)
        assert (middle - 64).abs().max() <= 64 - 144 * 0.25


def test_portrait_format_is_scaled_by_its_width(tmp_path: Path, halves) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number, (a, b) in enumerate(halves[:6]):
        tall = [np.vstack([half, half[:64]]) for half in (a, b)]
        Image.fromarray(np.hstack(tall)).save(folder / f"{number}.png")
    dataset = load_dataset(prepared(folder, tmp_path / "c", WIDE).file)
    assert dataset.train.retouched[0].shape == (3, 216, 144)


def test_what_is_scored_is_what_moved_of_validation_and_of_held_out_pairs(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    """Training needs only a place to look at, found faster by the difference."""
    dataset = load_dataset(
        prepared(write_pairs(tmp_path / "d", train=1, val=1, test=1), tmp_path).file
    )
    for pairs, find, other in (
        (dataset.train, region_by_difference, region_from_pair),
        (dataset.val, region_from_pair, region_by_difference),
        (dataset.test, region_from_pair, region_by_difference),
    ):
        halves = pairs.retouched[0], pairs.originals[0]
        assert torch.equal(pairs.masks[0], find(*halves))
        assert not torch.equal(pairs.masks[0], other(*halves))


def test_own_masks_are_used(tmp_path: Path, write_pairs: WritePairs) -> None:
    folder = write_pairs(tmp_path / "data")
    (folder / "masks" / "val").mkdir(parents=True)
    drawn = np.zeros((128, 128), np.uint8)
    drawn[10:20, 30:50] = 255
    Image.fromarray(drawn).save(folder / "masks" / "val" / "val0.png")
    dataset = load_dataset(prepared(folder, tmp_path / "c").file)
    assert np.array_equal(dataset.val.masks[0][0], drawn > 0)
    assert dataset.val.masks[1].sum() > 500


def test_the_second_time_only_the_cache_is_read(
    tmp_path: Path, write_pairs: WritePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pairs(tmp_path / "data")
    first = prepared(folder, tmp_path / "c")

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(prepare, "sized_pair", never)
    assert prepared(folder, tmp_path / "c") == first


def test_a_damaged_cache_is_made_again(tmp_path: Path, write_pairs: WritePairs) -> None:
    folder = write_pairs(tmp_path / "data")
    first = prepared(folder, tmp_path / "c")
    first.file.write_bytes(first.file.read_bytes()[:1000])
    assert prepared(folder, tmp_path / "c") == first
    assert len(load_dataset(first.file).val) == 2


def test_digest_depends_on_the_content_not_the_path(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder = write_pairs(tmp_path / "data")
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    digest = prepared(folder, tmp_path / "c").digest
    assert prepared(moved, tmp_path / "c").digest == digest
    picture = Image.open(moved / "val" / "val0.png")
    picture.putpixel((3, 3), (1, 2, 3))
    picture.save(moved / "val" / "val0.png")
    assert prepared(moved, tmp_path / "c").digest != digest
    assert prepared(folder, tmp_path / "c", WIDE).digest != digest


def test_the_digest_contains_all_that_affects_the_pixels(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    """Otherwise a search would use pairs that were prepared for other settings."""
    folder = write_pairs(tmp_path / "data")
    none = QUICK.model_copy(update={"preprocess": "none"})
    settings = [
        QUICK,
        WIDE,
        WIDE.model_copy(update={"crop_size": 120}),
        WIDE.model_copy(update={"preprocess": "resize_and_crop"}),
        none,
        none.model_copy(update={"netG": "resnet_6blocks"}),
    ]
    cache = tmp_path / "c"
    digests = [prepared(folder, cache, train).digest for train in settings]
    digests += [prepared(folder, cache, skip_bad=True).digest]
    digests += [prepare_data(folder, "BtoA", QUICK, cache).digest]
    assert len(set(digests)) == len(settings) + 2
    again = [prepared(folder, cache, train).digest for train in settings]
    assert again == digests[: len(settings)]
    # Settings that do not affect the pixels are not in it.
    trained = QUICK.model_copy(update={"steps": 7, "ngf": 9, "flip": False})
    assert prepared(folder, cache, trained).digest == digests[0]


def test_the_digest_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """A recorded value: a study can be resumed wherever its pairs are."""
    folder = tmp_path / "초상 data"
    for split, files in {"train": ("a b.png", "다.png"), "val": ("it's.png",)}.items():
        (folder / split).mkdir(parents=True)
        for number, name in enumerate(files):
            (folder / split / name).write_bytes(bytes([number]) * 100)
    found = find_pairs(folder)
    assert digest_of(["settings"], fingerprints(found)) == "b916435b2e8948bd179d486b4c6d0b1c"


def test_only_pairs_that_are_used_are_opened(
    tmp_path: Path, write_pairs: WritePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "MOST_TRAIN_BYTES", 4 * 6 * QUICK.load_size**2)
    monkeypatch.setattr(held_out, "MOST_VAL", 1)
    folder = write_pairs(tmp_path / "data", train=8)
    opened = []
    really = held_out.read_signature
    monkeypatch.setattr(held_out, "read_signature", lambda p: opened.append(p.name) or really(p))
    made = prepared(folder, tmp_path / "c")
    assert len(opened) == 6
    assert (made.n_train, made.n_val, made.n_test) == (4, 1, 1)
    assert (made.n_folder, made.n_drawn) == (8, 2)
    assert "drawn from 8" in made.source


def test_the_user_s_own_splits_do_not_change(tmp_path: Path, write_pairs: WritePairs) -> None:
    made = prepared(write_pairs(tmp_path / "data", train=3, test=2), tmp_path / "c")
    dataset = load_dataset(made.file)
    assert dataset.test.names == ("test/test0.png", "test/test1.png")
    assert all(name.startswith("train/") for name in dataset.val.names)
    assert (made.n_train, made.n_val, made.n_test) == (2, 1, 2)
    assert (made.n_folder, made.n_drawn) == (3, 1)


def test_missing_splits_are_drawn_by_whole_pictures(tmp_path: Path, halves) -> None:
    """Two retouchings of one original are never in two splits; the seed chooses the split."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number, (a, b) in enumerate(halves[:8]):
        Image.fromarray(np.hstack([a, b])).save(folder / f"{number}-one.png")
        Image.fromarray(np.hstack([b, b])).save(folder / f"{number}-two.png")
    held_out = set()
    for seed in range(4):
        dataset = load_dataset(prepared(folder, tmp_path / "c", seed=seed).file)
        splits = (dataset.train, dataset.val, dataset.test)
        train, val, test = ({name[0] for name in split.names} for split in splits)
        assert len(train) + len(val) + len(test) == len(train | val | test) == 8
        assert [len(split) for split in splits] == [8, 4, 4]
        held_out.add((frozenset(val), frozenset(test)))
    assert len(held_out) > 1


def test_a_folder_too_small_for_both_gets_no_test_split(tmp_path: Path, halves) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number, (a, b) in enumerate(halves[:4]):
        Image.fromarray(np.hstack([a, b])).save(folder / f"{number}.png")
    made = prepared(folder, tmp_path / "c")
    assert (made.n_train, made.n_val, made.n_test) == (3, 1, 0)


def test_more_pairs_than_can_be_used_are_drawn_by_seed(
    tmp_path: Path, write_pairs: WritePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "MOST_VAL", 2)
    folder = write_pairs(tmp_path / "data", train=3, val=5)
    made = [prepared(folder, tmp_path / "c", seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert {one.n_val for one in made} == {2}
    assert made[0].digest == made[1].digest
    assert len({one.digest for one in made}) > 1
    assert "val 2 of 5" in made[0].source


def test_unwritable_cache(tmp_path: Path, write_pairs: WritePairs) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserInputError, match="HARNESS_CACHE"):
        prepared(write_pairs(tmp_path / "data"), tmp_path / "file")


def test_a_stamp_is_of_the_path_the_size_and_the_time_of_a_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    found = [stamp(one), stamp(other)]
    for body, time in ((b"a", 1), (b"ab", 1), (b"ab", 2)):
        one.write_bytes(body)
        os.utime(one, ns=(0, time))
        found.append(stamp(one))
    shutil.copy2(one, other)
    assert len({*found, stamp(other)}) == 6
    assert stamp(one) == found[-1]


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_cache().parent == tmp_path / "x"


def test_pairs_are_written_one_by_one_and_mapped_from_one_file(tmp_path: Path, halves) -> None:
    def pairs() -> Iterator[TrainingPair]:
        for number, (a, b) in enumerate(halves):
            retouched, original = (torch.tensor(half).permute(2, 0, 1) for half in (a, b))
            mask = (retouched != original).any(0, keepdim=True)
            undone = retouched // 2 if number else None
            yield TrainingPair(f"{number}\udcff", retouched, original, mask, undone)

    file = tmp_path / "pairs"
    write_pairs({"train": pairs(), "val": list(pairs())[1:], "test": ()}, "digest", file)
    found = load_dataset(file)
    assert found.digest == "digest"
    assert not found.test
    assert not found.train.undone  # it is not known for every pair
    assert found.val.undone
    for split, expected in ((found.train, list(pairs())), (found.val, list(pairs())[1:])):
        for pair, other in zip(split, expected, strict=True):
            assert pair.name == other.name
            for name in ("retouched", "original", "mask"):
                assert torch.equal(getattr(pair, name), getattr(other, name))
            assert pair.undone is None or torch.equal(pair.undone, other.retouched // 2)


@pytest.mark.parametrize("damage", [b"", b"pairs", None, b"pairs-v2"])
def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    file = tmp_path / "pairs"
    write_pairs({"train": (), "val": (), "test": ()}, "digest", file)
    if damage == b"pairs-v2":
        damage = file.read_bytes().replace(FILE_FORMAT, damage)
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    with pytest.raises(ValueError, match="is not a file of prepared pairs"):
        load_dataset(file)


def test_a_full_training_uses_every_pair_and_a_trial_a_few(
    tmp_path: Path, write_pairs: WritePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are any of train/ set aside for a test, which only a search has."""
    folder = write_pairs(tmp_path / "data", train=6)
    monkeypatch.setattr(held_out, "MOST_TRAIN_BYTES", 2 * 6 * QUICK.load_size**2)
    few, all_of_them = (
        prepared(folder, tmp_path / "cache", every_pair=every) for every in (False, True)
    )
    assert (few.n_train, few.n_val, few.n_test) == (2, 1, 1)
    assert (all_of_them.n_train, all_of_them.n_val, all_of_them.n_test) == (5, 1, 0)
    assert few.digest != all_of_them.digest


def test_a_study_uses_no_more_pairs_than_its_training_can_use() -> None:
    """So a folder of 100,000 files costs no more than one of a few thousand."""
    assert most_train(QUICK) == 1000
    longer = QUICK.model_copy(update={"steps": 3000, "batch_size": 2})
    assert most_train(longer) == 9000
    large = QUICK.model_copy(update={"load_size": 4096, "crop_size": 4096})
    assert most_train(large) == 42
