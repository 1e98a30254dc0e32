"""Folder layouts: detected, paired by name, or refused with the name of the file."""

import csv
import json
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data.files.pair_folders import find_pairs
from harness.errors import UserInputError
from harness.evaluation.folder_scoring import match_folders


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def names(folder: Path) -> dict[str, list[str]]:
    return {
        split: [pair.name for pair in pairs] for split, pairs in find_pairs(folder).splits.items()
    }


def test_aligned_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/b.png", "train/a.JPG", "val/c.webp", "train/notes.txt", "train/.x.png")
    assert names(tmp_path) == {"train": ["train/a.JPG", "train/b.png"], "val": ["val/c.webp"]}


def test_loose_pictures_are_training_pairs(tmp_path: Path) -> None:
    assert names(touch(tmp_path, "1.png", "2.png")) == {"train": ["1.png", "2.png"]}


@pytest.mark.parametrize(
    "files",
    [
        ("trainA/1.png", "trainB/1.jpg", "valA/2.png", "valB/2.png"),
        ("A/train/1.png", "B/train/1.jpg", "A/val/2.png", "B/val/2.png"),
        ("train/A/1.png", "train/B/1.jpg", "val/A/2.png", "val/B/2.png"),
    ],
)
def test_two_folders_with_splits(tmp_path: Path, files: tuple[str, ...]) -> None:
    found = find_pairs(touch(tmp_path, *files))
    assert found.layout == "two folders"
    assert [pair.b and pair.b.name for pair in found.splits["train"]] == ["1.jpg"]
    assert [pair.a.name for pair in found.splits["val"]] == ["2.png"]


def test_two_folders_without_splits(tmp_path: Path) -> None:
    found = find_pairs(touch(tmp_path, "A/1.png", "B/1.png"))
    assert [pair.name for pair in found.splits["train"]] == ["A/1.png"]


@pytest.mark.parametrize(
    ("retouched", "original"),
    [
        ("retouched", "original"),
        ("retouched", "originals"),
        ("after", "before"),
        ("input", "target"),
        ("After", "Before"),
    ],
)
def test_folders_named_for_what_is_in_them(tmp_path: Path, retouched: str, original: str) -> None:
    """A is the retouched picture, whatever the folders' order; with splits and without."""
    for name, pattern in (("above", "{split}/{side}"), ("below", "{side}/{split}"), ("", "{side}")):
        files = [
            f"{pattern.format(side=side, split=split)}/{split}.{ending}"
            for side, ending in ((retouched, "png"), (original, "jpg"))
            for split in ("train", "val")
        ]
        found = find_pairs(touch(tmp_path / (name or "flat"), *files))
        expected = {"train": ["train"], "val": ["val"]} if name else {"train": ["train", "val"]}
        assert found.sides == (retouched, original)
        assert found.passed_over == ()
        for split, stems in expected.items():
            pairs = found.splits[split]
            assert [pair.a.name for pair in pairs] == [f"{stem}.png" for stem in stems]
            assert [pair.b and pair.b.name for pair in pairs] == [f"{stem}.jpg" for stem in stems]
            assert all(retouched in pair.a.parts for pair in pairs)


def test_of_several_layouts_the_first_that_has_a_split_gives_it(tmp_path: Path) -> None:
    sides = [f"{folder}/{name}.png" for folder, name in (("train{}", 1), ("{}/train", 2))]
    sides.append("{}/val/3.png")
    found = find_pairs(touch(tmp_path / "one", *(f.format(side) for f in sides for side in "AB")))
    assert {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()} == {
        "train": ["trainA/1.png"],
        "val": ["A/val/3.png"],
    }
    assert set(found.passed_over) == {"A/train/", "B/train/"}
    touch(tmp_path / "two", "valA/1.png", "valB/1.png", "A/2.png", "B/2.png")
    assert names(tmp_path / "two") == {"train": ["A/2.png"], "val": ["valA/1.png"]}
    touch(tmp_path / "three", "trainretouched/1.png", "trainoriginal/1.png")
    with pytest.raises(UserInputError, match="holds no pairs"):
        find_pairs(tmp_path / "three")


def test_what_lies_beside_the_folders_of_the_sides_is_passed_over(tmp_path: Path) -> None:
    found = find_pairs(
        touch(tmp_path, "train/retouched/1.png", "train/original/1.png", "train/2.png", "3.png")
    )
    assert [pair.name for pair in found.splits["train"]] == ["train/retouched/1.png"]
    assert set(found.passed_over) == {"train/2.png", "3.png"}


def test_one_hangul_name_written_in_two_ways_is_one_name(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "초상") for form in ("NFC", "NFD"))
    assert composed != apart
    found = find_pairs(touch(tmp_path, f"A/{composed}.png", f"B/{apart}.png"))
    assert [pair.b and pair.b.name for pair in found.splits["train"]] == [f"{apart}.png"]


def test_a_picture_without_counterpart_is_a_pair_that_cannot_be_read(tmp_path: Path) -> None:
    files = ("A/p/1.png", "B/p/1.jpg", "A/2.png", "B/p/3.jpg")
    pairs = find_pairs(touch(tmp_path, *files)).splits["train"]
    found = [[str(file.relative_to(tmp_path)) for file in pair.files] for pair in pairs]
    assert found == [["A/2.png", "B/2.png"], ["A/p/1.png", "B/p/1.jpg"], ["A/p/3.jpg", "B/p/3.jpg"]]


@pytest.mark.parametrize("twin", ["A/1.jpg", "B/1.bmp", "masks/1.tif"])
def test_files_of_one_name_are_a_pair_that_cannot_be_read(tmp_path: Path, twin: str) -> None:
    touch(tmp_path, "A/1.png", "B/1.png", "masks/1.png", twin, "A/2.png", "B/2.png")
    found = find_pairs(tmp_path)
    one, two = found.splits["train"]
    other = str(Path(twin).with_suffix(".png"))
    assert {str(file.relative_to(tmp_path)) for file in one.twins} == {twin, other}
    assert set(one.twins) <= set(one.files)  # so that whatever is cached of the pair is found anew
    assert two.twins == found.passed_over == ()


def test_masks_are_matched_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "train/2.png", "masks/train/2.png")
    with_mask = {pair.name: pair.mask is not None for pair in find_pairs(tmp_path).splits["train"]}
    assert with_mask == {"train/1.png": False, "train/2.png": True}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_manifest(tmp_path: Path, kind: str) -> None:
    rows = [
        {"a": "x/1.png", "b": "y/1.png", "mask": "m/1.png", "split": "train"},
        {"a": "x/2.png", "b": "", "mask": "", "split": "val"},
    ]
    file = tmp_path / f"pairs.{kind}"
    if kind == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        file.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    else:
        file.write_text("\n".join(json.dumps(row) for row in rows))
    for given_as in (tmp_path, file):
        found = find_pairs(given_as)
        (one,), (two,) = found.splits["train"], found.splits["val"]
        assert (one.b, one.mask) == (tmp_path / "y/1.png", tmp_path / "m/1.png")
        assert (two.b, two.mask) == (None, None)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_manifest_may_contain_any_name(tmp_path: Path, kind: str) -> None:
    expected = [
        "a b.png",
        'it\'s "so", yes.png',
        "초상화.png",
        "two\nlines.png",
        "line\u2028end.png",
    ]
    file = tmp_path / f"pairs.{kind}"
    with file.open("w", encoding="utf-8", newline="") as opened:
        if kind == "csv":
            csv.writer(opened).writerows([["a"], *([name] for name in expected)])
        else:
            opened.writelines(json.dumps({"a": n}, ensure_ascii=False) + "\n" for n in expected)
    assert [pair.name for pair in find_pairs(file).splits["train"]] == expected


BAD = {
    "no data folder": (),
    "holds no pairs": ("elsewhere/1.png",),
    "paired by name, but the first are '1_A' and '1_B'": ("trainA/1_A.png", "trainB/1_B.png"),
    "holds no pictures": ("trainA/1.txt", "trainB/1.txt"),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_folder(tmp_path: Path, sentence: str) -> None:
    touch(tmp_path / "data", *BAD[sentence])
    with pytest.raises(UserInputError, match=sentence):
        find_pairs(tmp_path / "data")


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    touch(tmp_path, "train/1.png")
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(UserInputError, match=r"train cannot be read \(Permission denied\)"):
        find_pairs(tmp_path)


def test_a_folder_that_may_not_be_entered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(UserInputError, match=r"cannot be read \(Permission denied\)"):
        find_pairs(tmp_path)
    with pytest.raises(UserInputError, match=r"cannot be read \(Permission denied\)"):
        match_folders(tmp_path, tmp_path, tmp_path, None)


BAD_MANIFESTS = {
    "lists no pairs": "a,b\n",
    "names no file": "a,b\n,2.png\n",
    "use train, val or test": "a,b,split\n1.png,2.png,dev\n",
    "listed twice": "a,b\n1.png,2.png\n1.png,3.png\n",
}


@pytest.mark.parametrize("sentence", BAD_MANIFESTS)
def test_bad_manifest(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "pairs.csv").write_text(BAD_MANIFESTS[sentence])
    with pytest.raises(UserInputError, match=sentence):
        find_pairs(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(["csv", "jsonl"]), body=st.binary(max_size=200))
def test_any_bytes_as_a_manifest(tmp_path: Path, kind: str, body: bytes) -> None:
    file = tmp_path / f"pairs.{kind}"
    file.write_bytes(b"a,b,split\n" + body if kind == "csv" else b'{"a": "1.png"}\n' + body)
    with suppress(UserInputError):
        assert find_pairs(file).splits


def test_many_files_are_listed_without_being_opened(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for number in range(3000):
        (tmp_path / "train" / f"{number:05d}.png").touch()
    assert len(find_pairs(tmp_path).splits["train"]) == 3000
