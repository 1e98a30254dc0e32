"""The built-in pairs: believable, varied, the same everywhere, no leak between splits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import laplace

from harness.data.check.check import check, measure_all
from harness.data.files.pair_folders import find_pairs
from harness.data.files.picture_reading import MAX_ENLARGEMENT
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.built_in import (
    TEST,
    TRAIN,
    VAL,
    Photograph,
    Window,
    at_least,
    built_in_pairs,
    choose_windows,
    some_jaw,
)
from harness.data.pairs.pair_set import PairSet
from harness.data.synthesis.liquify import displacement, inverse_displacement, resample


def test_sizes_and_counts(pairs_128: dict[str, PairSet]) -> None:
    assert {split: len(pairs) for split, pairs in pairs_128.items()} == {
        "train": 96,
        "val": 12,
        "test": 24,
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


def test_no_photograph_is_in_two_splits() -> None:
    splits = [{entry.file for entry in split} for split in (TRAIN, VAL, TEST)]
    assert len(set.union(*splits)) == sum(map(len, splits))


def test_data_check_finds_no_error_in_them(pairs_128: dict[str, PairSet], tmp_path: Path) -> None:
    """In one of every four, of each photograph."""
    for split, pairs in pairs_128.items():
        (tmp_path / split).mkdir()
        for number in range(0, len(pairs), 4):
            both = torch.cat([pairs.retouched[number], pairs.originals[number]], 2)
            picture = Image.fromarray(both.permute(1, 2, 0).numpy())
            picture.save(tmp_path / split / f"{pairs.names[number]}.png", compress_level=1)
    found = find_pairs(tmp_path)
    result = check(found, measure_all(found, 1), "AtoB")
    assert len(result.pairs) == 24 + 3 + 6
    names = {name.split("-")[0] for pairs in pairs_128.values() for name in pairs.names}
    assert {pair.name.split("/")[1].split("-")[0] for pair in result.pairs} == names
    assert not [finding for finding in result.findings if finding.level == "error"]


@pytest.mark.parametrize("size", [128, 256])
def test_windows_stay_in_their_photograph_and_are_sharp(size: int) -> None:
    for entry in TRAIN + VAL + TEST:
        photograph = Image.open(scikit_image_file(entry.file)).convert("RGB")
        windows = list(choose_windows(entry, photograph, size, np.random.default_rng(0)))
        assert len(windows) == entry.windows
        for window in windows:
            assert window.side >= math.ceil(size / MAX_ENLARGEMENT)
            assert window.left >= 0
            assert window.left + window.side <= photograph.width
            assert window.top >= 0
            assert window.top + window.side <= photograph.height


def test_one_field_for_all_undoes_little_of_them(pairs_128: dict[str, PairSet]) -> None:
    """Each pair's own field leaves under three tenths of the difference (below)."""
    jaws = [some_jaw(128, np.random.default_rng(seed)) for seed in range(100)]
    mean = np.mean([inverse_displacement(jaw, 128, 128) for jaw in jaws], axis=0)
    pairs = pairs_128["val"]
    left = []
    for retouched, original, mask in zip(
        pairs.retouched, pairs.originals, pairs.masks, strict=True
    ):
        back = resample(retouched.permute(1, 2, 0).numpy(), mean)
        restored = torch.from_numpy(back).permute(2, 0, 1)
        errors = [
            (picture.float() - original)[:, mask[0]].abs().mean()
            for picture in (restored, retouched)
        ]
        left.append(float(errors[0] / errors[1]))
    assert np.mean(left) > 0.5


def test_jaws_differ_in_place_strength_and_symmetry() -> None:
    fields = [displacement(some_jaw(128, np.random.default_rng(k)), 128, 128) for k in range(60)]
    weights = [np.hypot(*field) for field in fields]
    rows, columns = np.mgrid[:128, :128]
    centres = np.array(
        [[(weight * axis).sum() / weight.sum() for axis in (rows, columns)] for weight in weights]
    )
    assert (centres.std(axis=0) > 0.02 * 128).all()
    largest = np.array([weight.max() for weight in weights])
    assert np.quantile(largest, 0.9) > 1.5 * np.quantile(largest, 0.1)
    halves = np.array([[weight[:, :64].sum(), weight[:, 64:].sum()] for weight in weights])
    assert np.quantile(halves.max(axis=1) / halves.min(axis=1), 0.75) > 1.25
    assert all(field[0][:, :50].sum() * field[0][:, 78:].sum() < 0 for field in fields)


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
            assert error[0] < 0.3 * error[1]  # what is left is softness


def test_every_pair_has_something_to_restore(pairs_128: dict[str, PairSet]) -> None:
    for pairs in pairs_128.values():
        changes = [
            float((a.int() - b.int()).abs()[mask.expand(3, -1, -1)].float().mean())
            for a, b, mask in zip(pairs.retouched, pairs.originals, pairs.masks, strict=True)
        ]
        assert np.median(changes) > 3


def test_what_is_moved_is_a_little_softer_and_nothing_else_is(
    pairs_128: dict[str, PairSet],
) -> None:
    """As tools leave it. Much softer, and undoing our blur would be mistaken for undoing theirs."""

    def energy(picture: torch.Tensor, mask: torch.Tensor) -> float:
        return float(np.square(laplace(picture.float().mean(0).numpy()))[mask[0].numpy()].mean())

    train = pairs_128["train"]
    ratios = []
    for a, b, mask in zip(train.retouched, train.originals, train.masks, strict=True):
        ratios.append(energy(a, mask) / energy(b, mask))
        moved = mask[0].nonzero()
        # Where nothing moves, bytes stay.
        assert torch.equal(a[:, : moved[:, 0].min() - 4], b[:, : moved[:, 0].min() - 4])
    assert 0.5 < np.median(ratios) < 0.9


def test_overlap_is_a_share_of_the_smaller_window() -> None:
    assert Window(0, 0, 10).overlap(Window(5, 0, 10)) == 0.5
    assert Window(0, 0, 10).overlap(Window(2, 2, 4)) == 1
    assert Window(0, 0, 10).overlap(Window(10, 0, 10)) == 0


def test_a_face_is_enlarged_about_its_middle_within_the_photograph() -> None:
    for window, side, expected in (
        (Window(40, 30, 20), 10, Window(40, 30, 20)),
        (Window(40, 30, 20), 30, Window(35, 25, 30)),
        (Window(2, 50, 20), 30, Window(0, 45, 30)),
        (Window(70, 1, 20), 50, Window(50, 0, 50)),
        (Window(40, 55, 20), 50, Window(25, 30, 50)),
    ):
        assert at_least(window, side, (100, 80)) == expected


def test_a_photograph_that_is_too_small_gives_no_window() -> None:
    for side, count in ((106, 0), (107, 2)):  # 107 pixels are enlarged by less than 1.2
        photograph = Image.new("RGB", (side, 200))
        windows = choose_windows(Photograph("", 2), photograph, 128, np.random.default_rng(0))
        assert len(list(windows)) == count


def test_a_size_the_photographs_cannot_fill_is_refused() -> None:
    with pytest.raises(ValueError, match=r"up to 614 pixels and .* asks for 615: .*--data"):
        built_in_pairs(615)
