"""Training batches: the same for every trial of a seed, and faithful to the pictures."""

from itertools import islice

import pytest
import torch

from harness.config.profiles import QUICK
from harness.data.pairs.pair_set import PairSet
from harness.data.pairs.sizing import target_size
from harness.training.batches import batches, to_signed, to_unit

CPU = torch.device("cpu")
SETTINGS = QUICK.model_copy(update={"crop_size": 16, "load_size": 20, "flip": False})


def gradient_pairs(count: int, height: int = 24, width: int = 20) -> PairSet:
    """Pictures whose pixels tell their place and number; B = A + 100."""
    rows = torch.arange(height, dtype=torch.uint8).view(1, -1, 1).expand(1, height, width)
    columns = torch.arange(width, dtype=torch.uint8).view(1, 1, -1).expand(1, height, width)
    a = tuple(torch.cat([rows, columns, torch.full_like(rows, n)]) for n in range(count))
    b = tuple(picture + 100 for picture in a)
    masks = tuple(torch.ones(1, height, width, dtype=torch.bool) for _ in a)
    return PairSet(tuple(str(n) for n in range(count)), a, b, masks)


def bytes_of(picture: torch.Tensor) -> torch.Tensor:
    return (to_unit(picture) * 255).round().int()


@pytest.mark.parametrize("size", [1, 2, 7])
def test_every_picture_once_an_epoch_in_a_new_order(size: int) -> None:
    """Also where batches do not divide the epoch: what is left over begins the next."""
    stream = batches(gradient_pairs(5), SETTINGS.updated({"batch_size": size}), CPU, seed=0)
    taken = (picture for a, _, _ in stream for picture in bytes_of(a))
    seen = [int(picture[2, 0, 0]) for picture in islice(taken, 15)]
    epochs = [seen[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("flip", [False, True])
def test_both_halves_get_the_same_crop_and_flip(flip: bool) -> None:
    settings = SETTINGS.model_copy(update={"flip": flip, "batch_size": 2})
    flipped = set()
    for a, b, _ in islice(batches(gradient_pairs(3), settings, CPU, seed=1), 20):
        assert a.shape == (2, 3, 16, 16)
        assert torch.equal(bytes_of(b), bytes_of(a) + 100)
        columns = bytes_of(a)[:, 1, 0]
        flipped |= {bool(row[0] > row[-1]) for row in columns}
        assert all((row.diff().abs() == 1).all() for row in columns)
    assert flipped == ({False, True} if flip else {False})


def test_crops_reach_every_corner() -> None:
    corners = {
        tuple(bytes_of(a)[0, :2, 0, 0].tolist())
        for a, _, _ in islice(batches(gradient_pairs(1), SETTINGS, CPU, seed=0), 400)
    }
    assert corners == {(top, left) for top in range(9) for left in range(5)}


def test_same_seed_same_batches() -> None:
    def first(seed: int) -> torch.Tensor:
        return torch.cat(
            [a for a, _, _ in islice(batches(gradient_pairs(4), SETTINGS, CPU, seed), 8)]
        )

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_signed_and_unit_are_inverse_on_bytes() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    signed = to_signed(every)
    assert signed.min() == -1
    assert signed.max() == 1
    assert torch.equal((to_unit(signed) * 255).round().byte(), every)


def test_a_picture_s_values_stay_within_its_range() -> None:
    """A generator without tanh, and rounding, may leave [-1, 1]."""
    outside = torch.tensor([-3.0, -1.001, 0.0, 1.001, 3.0])
    assert to_unit(outside).tolist() == [0, 0, 0.5, 1, 1]


def test_without_preprocessing_pictures_stay_whole() -> None:
    settings = SETTINGS.model_copy(update={"preprocess": "none"})
    pairs = gradient_pairs(1, height=24, width=20)
    ((a, b, _),) = islice(batches(pairs, settings, CPU, seed=0), 1)
    assert torch.equal(bytes_of(a)[0], pairs.retouched[0].int())
    assert torch.equal(bytes_of(b)[0], pairs.originals[0].int())


@pytest.mark.parametrize(
    ("preprocess", "size"),
    [
        ("resize_and_crop", (286, 286)),
        ("scale_width_and_crop", (286, 357)),
        ("crop", (400, 500)),
        ("none", (384, 512)),
    ],
)
def test_pictures_get_the_reference_s_sizes(preprocess: str, size: tuple[int, int]) -> None:
    """A picture of 400 x 500; with none the reference rounds to fours, a U-Net needs more."""
    update = {"preprocess": preprocess, "load_size": 286, "crop_size": 256}
    assert target_size(400, 500, QUICK.model_copy(update=update)) == size


def test_scaling_by_width_never_ends_below_the_crop() -> None:
    update = {"load_size": 286, "crop_size": 256}
    assert target_size(1000, 500, QUICK.model_copy(update=update)) == (286, 256)
