"""Thresholds, shares and sizes of the data, tested on both sides of each limit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.config.profiles import PROFILES, QUICK
from harness.data.check.check import CheckResult
from harness.data.check.facts import PairFacts, changed_share
from harness.data.check.findings import (
    KINDS,
    LEVELS,
    across_splits,
    duplicates_across_splits,
    judge_numbers,
    judge_pair,
    judge_sizes,
    of_kind,
    suggested_direction,
)
from harness.data.files.duplicates import Signature, difference_hash
from harness.data.files.pair_folders import PairFiles, PairFolder, Split
from harness.data.pairs import splits as held_out
from harness.data.pairs.cache import fingerprints
from harness.data.pairs.pair_set import PairSet
from harness.data.pairs.sizing import centred_crop, sized_pair
from harness.data.pairs.splits import limit, with_held_out
from harness.data.synthesis.make_pairs import split_of
from harness.data.synthesis.retouch import Face, slim_jaw

SOUND = PairFacts(
    name="p.png",
    split="train",
    notes=(),
    width=600,
    height=600,
    likeness=0.98,
    shift=(0.0, 0.0),
    changed=0.2,
    sharper=-0.2,
    sharper_outside=0.0,
    blocks=0.0,
    warp_largest=0.03,
    signature=Signature((), b""),
    same=False,
    masked=None,
)


BUILT_IN = {
    "train": (108.988, 11.9834, 0.26976),
    "val": (113.410, 10.2195, 0.26149),
    "test": (100.474, 9.5306, 0.25866),
}


@pytest.mark.parametrize(
    ("kind", "beyond", "within"),
    [
        ("unlike", {"likeness": 0.69}, {"likeness": 0.71}),
        ("shifted", {"shift": (0.1, -0.76)}, {"shift": (0.74, -0.74)}),
        ("everywhere", {"changed": 0.61}, {"changed": 0.59}),
        ("no warp", {"warp_largest": 0.0039}, {"warp_largest": 0.0041}),
        ("strong warp", {"warp_largest": 0.121}, {"warp_largest": 0.119}),
        ("processed", {"sharper_outside": -0.26}, {"sharper_outside": 0.24}),
        ("processed", {"blocks": 0.16}, {"blocks": -0.14}),
        ("mask", {"masked": 0.0}, {"masked": 0.001}),
        ("swapped", {"sharper": 0.11}, {"sharper": 0.09}),
        ("identical", {"same": True}, {"same": False}),
        ("converted", {"notes": ("CMYK",)}, {"notes": ()}),
    ],
)
def test_findings_start_at_their_limits(
    kind: str, beyond: dict[str, Any], within: dict[str, Any]
) -> None:
    (found,) = judge_pair(replace(SOUND, **beyond), "AtoB")
    assert (found.kind, found.name) == (kind, "p.png")
    assert not list(judge_pair(replace(SOUND, **within), "AtoB"))


def test_the_worst_findings_are_those_that_no_training_is_worth() -> None:
    levels: dict[str, set[str]] = {level: set() for level in LEVELS}
    for kind in KINDS:
        levels[of_kind(kind, "").level].add(kind)
    assert levels["error"] == {
        "unreadable", "identical", "unlike", "duplicate", "direction", "none", "single"
    }  # fmt: skip
    assert levels["note"] == {"converted"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sharper_outside": -0.3}, "A was smoothed, scaled or recompressed"),
        ({"sharper_outside": 0.3}, "B was smoothed, scaled or recompressed"),
        ({"blocks": 0.2, "sharper_outside": 0.1}, "A was smoothed, scaled or recompressed"),
        ({"blocks": -0.2, "sharper_outside": -0.1}, "B was smoothed, scaled or recompressed"),
        ({"sharper_outside": 0.3}, "(fine detail x0.74, JPEG blocks +0.00)"),
        ({"shift": (3.0, -2.0)}, "B lies +3.0 px right and -2.0 px below A"),
        ({"sharper": 0.2}, "its halves look swapped: A is sharper, but in most pairs B is"),
        ({"warp_largest": 0.2}, "the largest displacement is 20% of the side"),
        ({"masked": 0.0}, "its mask is black: no part of it will be scored"),
        ({"notes": ("CMYK", "16 bits", "CMYK")}, "16 bits, CMYK: read correctly here"),
    ],
)
def test_a_finding_says_which_half_and_by_how_much(changed: dict[str, Any], words: str) -> None:
    (found,) = judge_pair(replace(SOUND, **changed), "AtoB")
    assert words in found.what


def test_what_differs_in_one_colour_has_changed() -> None:
    """By more than 8 of 255; in either direction, in the last rows too."""
    a = np.full((100, 50, 3), 100, np.uint8)
    b = a.copy()
    b[0, :, 0], b[1, :, 1], b[99, :, 2] = 109, 91, 255
    b[50, :, 0], b[51, :, 1] = 108, 92
    assert changed_share(a, b) == changed_share(b, a) == 3 / 100


def test_the_summary_gives_the_range_of_every_measure() -> None:
    warps = (0.01, 0.02, 0.08, 0.015)
    facts = tuple(
        replace(SOUND, width=width, height=height, warp_largest=warp, split=split)
        for width, height, warp, split in zip(
            (300, 400, 350, 320),
            (500, 900, 700, 800),
            warps,
            ("train", "train", "train", "val"),
            strict=True,
        )
    )
    files = PairFiles("p.png", Path("p.png"))
    folder = PairFolder(Path("data"), "aligned", {"train": (files,) * 4, "val": (files,)})
    summary = CheckResult(folder, facts, (), "BtoA", frozenset(), 3).summary()
    assert summary.splitlines() == [
        "4 of 5 pairs read, of 3 different pictures (aligned: train 3, val 1), halves 300-400 x "
        "500-900 px",
        "largest displacement 1.0% to 8.0% of the side, median 1.8%: 1.0%-2.0% in 2, "
        "2.0%-4.0% in 1, 4.0%-12.0% in 1",
        "suggested: --direction BtoA, the original being the sharper half",
    ]
    unclear = CheckResult(folder, facts, (), None, frozenset(), 4).summary().splitlines()
    assert unclear[0].startswith("4 of 5 pairs read (aligned")
    assert unclear[-1] == "direction: unclear from the pictures"


@pytest.mark.parametrize(("count", "lines"), [(5, 5), (6, 6)])
def test_of_one_kind_five_files_are_listed_and_the_rest_is_counted(count: int, lines: int) -> None:
    found = tuple(of_kind("shifted", "what", f"{number}.png", "do") for number in range(count))
    folder = PairFolder(Path("data"), "aligned", {})
    other = of_kind("few", "of the folder", "", "do")
    told = list(CheckResult(folder, (), (*found, other), None, frozenset(), 0).lines("warning"))
    assert told[0] == "warning: 0.png: what; do."
    assert told[-1] == "warning: of the folder; do."
    assert len(told) == lines + 1
    assert (told[5] == "warning: and 1 more file like this one (-o PAGE.html shows them).") == (
        count == 6
    )


@pytest.mark.parametrize(
    ("sharper", "direction"), [(-0.11, "AtoB"), (0.11, "BtoA"), (-0.09, None), (0.09, None)]
)
def test_the_direction_is_suggested_if_half_the_pairs_are_clearly_sharper(
    sharper: float, direction: str | None
) -> None:
    facts = [replace(SOUND, sharper=value) for value in (sharper, sharper, -9 * sharper)]
    assert suggested_direction([*facts, replace(SOUND, sharper=9, same=True)]) == direction


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [(20, 4, []), (19, 4, ["19 different"]), (20, 3, ["3 different"]), (19, 0, ["19 different"])],
)
def test_few_means_under_twenty_training_and_four_validation_pictures(
    train: int, val: int, message: list[str]
) -> None:
    held_out = [[replace(SOUND, split=split)] for split in ("val", "test", "val", "test")]
    groups = [[SOUND]] * train + held_out[:val]
    found = [finding.what for finding in judge_numbers(groups)]
    assert len(found) == len(message)
    assert all(what.startswith(words) for what, words in zip(found, message, strict=True))


def test_one_picture_to_train_on_is_enough_if_another_validates() -> None:
    alone, val = [SOUND, SOUND], [replace(SOUND, split="val")]
    kinds = [[found.kind for found in judge_numbers(groups)] for groups in ([alone], [alone, val])]
    assert kinds == [["single", "few"], ["few", "few"]]
    assert [found.kind for found in judge_numbers([val] * 4)] == ["none"]


@pytest.mark.parametrize(
    ("side", "profile"), [(127, "quick"), (128, "standard"), (256, "full"), (512, None)]
)
def test_small_means_under_the_size_of_a_profile(side: int, profile: str | None) -> None:
    found = list(judge_sizes([replace(SOUND, height=side)], PROFILES))
    assert [f"profile {profile} enlarges" in finding.what for finding in found] == (
        [True] if profile else []
    )


def test_across_splits_are_pictures_in_train_and_in_another_split() -> None:
    train, val, test = (replace(SOUND, split=split) for split in ("train", "val", "test"))
    assert list(across_splits([[train, train], [val, test], [val]])) == []
    groups = [[replace(train, name="a.png"), train, val], [train, replace(test, name="t.png")]]
    shared = list(across_splits([*groups, [val]]))
    assert len(shared) == 2
    found = list(duplicates_across_splits(shared))
    assert [finding.name for finding in found] == ["p.png", "t.png"]
    assert [" as a.png, which" in finding.what for finding in found] == [True, False]


@pytest.mark.parametrize(
    ("pairs", "counts"),
    [
        (2, (1, 1, 0)),
        (5, (4, 1, 0)),
        (6, (4, 1, 1)),
        (20, (12, 4, 4)),
        (100, (60, 20, 20)),
        (400, (336, 32, 32)),
    ],
)
def test_a_fifth_of_the_pictures_is_held_out_for_each_split(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs: int, counts: tuple[int, int, int]
) -> None:
    """At most 32; at least four remain for training before any is held out for the finalists."""
    alone = [[number] for number in range(pairs)]
    monkeypatch.setattr(held_out, "picture_groups", lambda *_: alone)
    files = tuple(PairFiles(f"{n:03d}.png", tmp_path / f"{n}.png", None) for n in range(pairs))
    folder = PairFolder(tmp_path, "aligned", {"train": files})
    splits = with_held_out(folder, 10_000, 0, tmp_path).splits
    assert tuple(len(splits.get(s, ())) for s in ("train", "val", "test")) == counts
    names = [pair.name for split in splits.values() for pair in split]
    assert sorted(names) == [pair.name for pair in files]
    others = with_held_out(folder, 10_000, 1, tmp_path).splits
    assert pairs < 6 or others["val"] != splits["val"]


def test_each_split_has_its_own_limit_of_pairs(tmp_path: Path) -> None:
    files = tuple(PairFiles(f"{n:03d}.png", tmp_path / f"{n}.png", None) for n in range(50))
    folder = PairFolder(tmp_path, "aligned", dict.fromkeys(("train", "val", "test"), files))
    limited = limit(folder, 40, seed=0).splits
    assert {split: len(pairs) for split, pairs in limited.items()} == {
        "train": 40,
        "val": 32,
        "test": 32,
    }
    assert list(limited["train"]) == sorted(limited["train"], key=lambda pair: pair.name)


def test_pairs_are_scaled_as_pix2pix_loads_them(tmp_path: Path) -> None:
    """Bicubic with antialiasing, both halves; the region of a training pair by difference."""
    random = np.random.default_rng(0)
    b = np.kron(random.integers(0, 256, (30, 20, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
    a = b.copy()
    a[100:150, 50:120] = 255 - a[100:150, 50:120]
    file, drawn = tmp_path / "pair.png", tmp_path / "mask.png"
    Image.fromarray(np.hstack([a, b])).save(file)
    Image.fromarray(np.uint8(255) * (np.arange(300) < 100)[:, None].repeat(200, 1)).save(drawn)
    masked = sized_pair(PairFiles("pair", file, None, drawn), "BtoA", QUICK, "quick").mask
    assert masked.shape == (1, 192, 128)
    assert masked[0, :63].all()
    assert not masked[0, 65:].any()
    pair = sized_pair(PairFiles("pair", file, None), "BtoA", QUICK, "quick")
    scaled = [
        np.asarray(Image.fromarray(half).resize((128, 192), Image.Resampling.BICUBIC))
        for half in (b, a)  # with BtoA the retouched half is on the right
    ]
    for found, expected in zip((pair.retouched, pair.original), scaled, strict=True):
        assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    apart = np.abs(scaled[0].astype(int) - scaled[1]).max(axis=2) > 8
    assert np.array_equal(pair.mask[0].numpy(), apart)
    cut = centred_crop(pair, 100)
    rows, columns = (where.mean() for where in np.nonzero(apart))
    top, left = round(rows - 50), max(0, round(columns - 50))
    assert torch.equal(cut.retouched, pair.retouched[:, top : top + 100, left : left + 100])
    assert torch.equal(cut.original, pair.original[:, top : top + 100, left : left + 100])
    assert torch.equal(cut.mask, pair.mask[:, top : top + 100, left : left + 100])
    unmoved = centred_crop(replace(pair, mask=torch.zeros_like(pair.mask)), 100)
    assert torch.equal(unmoved.original, pair.original[:, 46:146, 14:114])


def test_a_hash_compares_neighbouring_cells() -> None:
    """Increasing brightness: every bit is 1; decreasing: none; only in the upper half: half."""
    rising = np.tile(np.arange(0, 180, 2, dtype=np.uint8), (90, 1))
    assert difference_hash(rising) == 2**64 - 1
    assert difference_hash(rising[:, ::-1].copy()) == 0
    half = np.vstack([rising[:45], rising[:45, ::-1]])
    assert difference_hash(half).bit_count() == 32


def test_a_jaw_is_slimmed_as_documented() -> None:
    """Two pushes inward and one up, with jitter of at most a fifth and 2% of the face's height."""
    face = Face(x=100, y=90, half_width=40, half_height=60)
    drawn = [slim_jaw(face, np.random.default_rng(seed)) for seed in range(200)]
    left, right, chin = (np.array([strokes[k].push for strokes in drawn]) for k in range(3))
    for pushes, middle in ((left, (7.6, -0.8)), (right, (-7.6, -0.8)), (chin, (0, -5.2))):
        length = np.hypot(*pushes.T) / np.hypot(*middle)
        assert 0.8 <= length.min() < 0.83
        assert 1.17 < length.max() <= 1.2
        assert np.allclose(pushes / length[:, None], middle)
    for k, place in enumerate([(62, 121.2), (138, 121.2), (100, 147)]):
        centres = np.array([strokes[k].centre for strokes in drawn])
        assert np.abs(centres - place).max() <= 0.04 * 60
        assert np.abs(centres - place).max() > 0.035 * 60
    half = slim_jaw(face, np.random.default_rng(0), strength=0.5)
    assert np.allclose(np.array(half[0].push) * 2, drawn[0][0].push)


def test_the_built_in_pairs_are_those_that_the_documentation_describes(
    pairs_128: dict[str, PairSet],
) -> None:
    """Recorded values: a split's mean grey, the change inside its regions, and their size."""
    found = {}
    for split, pairs in pairs_128.items():
        grey = np.mean([float(picture.float().mean()) for picture in pairs.originals])
        changes = [
            float((a.float() - b.float()).abs()[mask.expand(3, -1, -1)].mean())
            for a, b, mask in zip(pairs.retouched, pairs.originals, pairs.masks, strict=True)
        ]
        regions = [float(mask.float().mean()) for mask in pairs.masks]
        found[split] = (grey, np.mean(changes), np.mean(regions))
    assert found == {split: pytest.approx(figures, rel=2e-3) for split, figures in BUILT_IN.items()}


@pytest.mark.parametrize(("count", "val"), [(1, []), (2, [1]), (5, [4]), (12, [4, 9, 11])])
def test_every_fifth_original_and_the_last_go_to_val(count: int, val: list[int]) -> None:
    groups = [[f"{number}.png", f"{number}-crop.png"] for number in range(count)]
    splits = split_of(groups)
    for names in zip(*groups, strict=True):
        assert [number for number, name in enumerate(names) if splits[name] == "val"] == val


def test_another_depth_makes_other_prepared_pairs(tmp_path: Path) -> None:
    """It is that of the whole folder, so the same files may be read at another one."""
    (tmp_path / "p.png").write_bytes(b"the same")
    found = [
        list(fingerprints(PairFolder(tmp_path, "manifest", {"val": (pair,)})))
        for pair in (PairFiles("p.png", tmp_path / "p.png", bits=bits) for bits in (10, 12, 16))
    ]
    assert len({tuple(each) for each in found}) == 3


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_another_field_makes_other_prepared_pairs_where_it_is_undone(
    split: Split, tmp_path: Path
) -> None:
    picture, field = tmp_path / "pair.png", tmp_path / "pair.npz"
    picture.write_bytes(b"the same")
    pair = PairFiles("pair.png", picture, None, field=field)
    folder, found = PairFolder(tmp_path, "aligned", {split: (pair,)}), []
    for content in (b"one", b"another"):
        field.write_bytes(content)
        found.append(list(fingerprints(folder)))
    assert (found[0] == found[1]) == (split == "train")
