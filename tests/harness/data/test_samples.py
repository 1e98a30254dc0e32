"""The built-in pairs: believable, sharp, the same everywhere, no leak between splits."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import laplace

from harness.data.pairs.built_in import (
    MAX_ENLARGEMENT,
    TEST,
    TRAIN,
    VAL,
    Window,
    built_in_pairs,
    choose_windows,
    photograph_file,
)
from harness.data.pairs.pair_set import PairSet


def test_sizes_and_counts(pairs_128: dict[str, PairSet]) -> None:
    assert {split: len(pairs) for split, pairs in pairs_128.items()} == {
        "train": 64,
        "val": 12,
        "test": 12,
    }
    for pairs in pairs_128.values():
        assert len(set(pairs.names)) == len(pairs)
        for a, b, mask in zip(pairs.retouched, pairs.originals, pairs.masks, strict=True):
            assert a.shape == b.shape == (3, 128, 128)
            assert a.dtype == b.dtype == torch.uint8
            assert mask.shape == (1, 128, 128)
            assert mask.dtype == torch.bool


def test_faces_come_first(pairs_128: dict[str, PairSet]) -> None:
    assert pairs_128["val"].names[0].startswith("astronaut")
    assert pairs_128["train"].names[0].startswith("chelsea")


def test_made_again_they_are_the_same(pairs_128: dict[str, PairSet]) -> None:
    again = built_in_pairs(128)
    for split, pairs in pairs_128.items():
        assert all(map(torch.equal, pairs.retouched, again[split].retouched))


def test_no_split_shares_a_pixel_with_another() -> None:
    splits = [TRAIN, VAL, TEST]
    for number, split in enumerate(splits):
        for other in splits[number + 1 :]:
            for one in split:
                for two in other:
                    if one.file != two.file:
                        continue
                    a, b = one.box, two.box
                    apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                    assert apart, (one, two)


@pytest.mark.parametrize("size", [128, 256])
def test_windows_stay_in_their_region_and_are_sharp(size: int) -> None:
    for region in TRAIN + VAL + TEST:
        photograph = Image.open(photograph_file(region.file)).convert("RGB")
        windows = list(choose_windows(region, photograph, size, np.random.default_rng(0)))
        for window in windows:
            assert window.side >= math.ceil(size / MAX_ENLARGEMENT)
            assert region.box[0] <= window.left
            assert window.left + window.side <= region.box[2]
            assert region.box[1] <= window.top
            assert window.top + window.side <= region.box[3]


def test_the_warp_is_local_and_of_a_retouchers_size(pairs_128: dict[str, PairSet]) -> None:
    for pairs in pairs_128.values():
        for a, b, mask in zip(pairs.retouched, pairs.originals, pairs.masks, strict=True):
            assert 0.1 < mask.float().mean() < 0.4
            outside = ~mask.expand(3, -1, -1)
            # Displacements under the mask's threshold change a pixel by a few levels only.
            assert (a.int() - b.int()).abs()[outside].float().quantile(0.999) <= 12


def test_held_out_pairs_are_warped_back_and_come_out_as_the_originals(
    pairs_128: dict[str, PairSet],
) -> None:
    assert not pairs_128["train"].undone
    for split in ("val", "test"):
        pairs = pairs_128[split]
        kinds = zip(pairs.retouched, pairs.originals, pairs.masks, pairs.undone, strict=True)
        for retouched, original, mask, undone in kinds:
            inside = mask.expand(3, -1, -1)
            error = [
                (picture.float() - original)[inside].abs().mean() for picture in (undone, retouched)
            ]
            assert error[0] < 0.2 * error[1]


def test_every_pair_has_something_to_restore(pairs_128: dict[str, PairSet]) -> None:
    for pairs in pairs_128.values():
        changes = [
            float((a.int() - b.int()).abs()[mask.expand(3, -1, -1)].float().mean())
            for a, b, mask in zip(pairs.retouched, pairs.originals, pairs.masks, strict=True)
        ]
        assert np.median(changes) > 3


def test_the_inputs_are_about_as_sharp_as_the_originals(pairs_128: dict[str, PairSet]) -> None:
    """Else undoing our own blur would be mistaken for undoing the model's."""

    def energy(picture: torch.Tensor, mask: torch.Tensor) -> float:
        return float(np.square(laplace(picture.float().mean(0).numpy()))[mask[0].numpy()].mean())

    train = pairs_128["train"]
    ratios = [
        energy(a, mask) / energy(b, mask)
        for a, b, mask in zip(train.retouched, train.originals, train.masks, strict=True)
    ]
    assert 0.85 < np.median(ratios) < 1.15


def test_overlap_is_a_share_of_the_smaller_window() -> None:
    assert Window(0, 0, 10).overlap(Window(5, 0, 10)) == 0.5
    assert Window(0, 0, 10).overlap(Window(2, 2, 4)) == 1
    assert Window(0, 0, 10).overlap(Window(10, 0, 10)) == 0


def test_a_size_the_photographs_cannot_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="--data"):
        built_in_pairs(1024)
