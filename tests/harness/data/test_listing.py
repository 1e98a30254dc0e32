"""Listing a folder: pictures at any depth, and a remark about all other entries."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planting import WritePairs
from typer.testing import CliRunner

from harness.cli.data import app
from harness.config.profiles import QUICK
from harness.data.check.check import check, measure_all
from harness.data.check.mend import mend
from harness.data.files.listing import account_of, list_pictures, name_of, stem_of
from harness.data.files.pair_folders import PairFolder, find_pairs
from harness.data.pairs.pair_set import load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.synthesis.make_pairs import MakePlan, make_pairs
from harness.errors import UserInputError

CP949 = "초상".encode("cp949")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def names(found: PairFolder) -> dict[str, list[str]]:
    return {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()}


def test_pictures_of_subfolders_are_read_with_names_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, "train/b.png", "train/person1/a.png", "train/person0/a.JPG", "val/x/y/a.tif")
    assert names(find_pairs(tmp_path)) == {
        "train": ["train/b.png", "train/person0/a.JPG", "train/person1/a.png"],
        "val": ["val/x/y/a.tif"],
    }


@pytest.mark.parametrize("sides", ["trainA trainB", "A/train B/train", "A B"])
def test_two_folders_are_matched_by_the_path_within(tmp_path: Path, sides: str) -> None:
    left, right = sides.split()
    touch(tmp_path, *(f"{side}/p{n}/1.png" for side in (left, right) for n in (0, 1)))
    pairs = find_pairs(tmp_path).splits["train"]
    assert [(pair.a, pair.b) for pair in pairs] == [
        (tmp_path / left / f"p{n}" / "1.png", tmp_path / right / f"p{n}" / "1.png") for n in (0, 1)
    ]


@pytest.mark.parametrize("place", ["masks/train", "masks"])
def test_masks_and_fields_are_found_by_the_path_within(tmp_path: Path, place: str) -> None:
    touch(tmp_path, "train/p0/1.png", "train/p1/1.png", f"{place}/p1/1.png", "fields/p0/1.npz")
    touch(tmp_path, "made.jsonl")
    found = find_pairs(tmp_path)
    assert found.passed_over == ()
    first, second = found.splits["train"]
    assert (first.mask, first.field) == (None, tmp_path / "fields/p0/1.npz")
    assert (second.mask, second.field) == (tmp_path / place / "p1/1.png", None)


@pytest.mark.parametrize("place", ["masks/train", "masks"])
@pytest.mark.parametrize("sides", ["trainA trainB", "A/train B/train", "A B"])
def test_masks_of_two_folders_are_found_by_the_path_within(
    tmp_path: Path, sides: str, place: str
) -> None:
    place = "masks" if sides == "A B" else place
    touch(tmp_path, *(f"{side}/p{n}/1.png" for side in sides.split() for n in (0, 1)))
    touch(tmp_path, f"{place}/p1/1.jpg")
    found = find_pairs(tmp_path)
    assert [pair.mask for pair in found.splits["train"]] == [None, tmp_path / place / "p1/1.jpg"]
    assert found.passed_over == ()


@pytest.mark.parametrize("name", ["validation", "valid"])
def test_other_names_of_val(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "one", "train/1.png", f"{name}/2.png", f"masks/{name}/2.png")
    found = find_pairs(tmp_path / "one")
    assert names(found)["val"] == [f"{name}/2.png"]
    assert found.splits["val"][0].mask == tmp_path / "one" / "masks" / name / "2.png"
    assert found.passed_over == ()
    touch(tmp_path / "two", "trainA/1.png", "trainB/1.png", f"{name}A/2.png", f"{name}B/2.png")
    assert names(find_pairs(tmp_path / "two"))["val"] == [f"{name}A/2.png"]
    touch(tmp_path / "both", "train/1.png", "val/2.png", f"{name}/2.png")
    with pytest.raises(UserInputError, match=f"has val/ and {name}/, two names of one split"):
        find_pairs(tmp_path / "both")


def test_suffixes_in_any_case_and_those_of_pix2pix(tmp_path: Path) -> None:
    endings = ("jpg", "JPG", "jpeg", "JPEG", "png", "PNG", "ppm", "PPM", "bmp", "BMP", "tif")
    more = ("TIF", "tiff", "TIFF", "jfif", "JFIF", "webp")
    touch(tmp_path, *(f"train/{n}.{ending}" for n, ending in enumerate(endings + more)))
    assert len(find_pairs(tmp_path).splits["train"]) == len(endings + more)


def test_everything_else_is_counted_with_an_example(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "train/a.heic", "train/p/b.HEIC", "train/._1.png")
    touch(tmp_path, "train/Thumbs.db", "train/.DS_Store", "made.jsonl", "Train2/5.png", "3.png")
    touch(tmp_path, "masks/train/1.png", "masks/train/9.png", "train/.hidden/4.png")
    found = find_pairs(tmp_path)
    assert sorted(found.passed_over) == [
        "3.png",
        "Train2/",
        "masks/train/9.png",
        "train/._1.png",
        "train/.hidden/",
        "train/a.heic",
        "train/p/b.HEIC",
    ]
    account = account_of(found.passed_over)
    for part in ("2 .heic (train/a.heic)", "2 .png (", "1 folder (Train2/)", "2 hidden ("):
        assert part in account
    assert "supported are .bmp, .jfif, .jpeg" in account
    assert account_of(()) == ""
    assert account_of(("x", "b/", "a.heic", ".c", "d.HEIC", "e/")).startswith(
        "passed over: 2 folders (b/), 2 .heic (a.heic), 1 without an ending (x), 1 hidden (.c); "
    )


def test_the_refusal_of_a_folder_names_what_was_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "one", "train/1.heic", "train/2.heic", "val/3.heic")
    with pytest.raises(UserInputError, match=r"holds no pairs.*3 \.heic \(train/1\.heic\)"):
        find_pairs(tmp_path / "one")
    touch(tmp_path / "two", "person0/1.png")
    with pytest.raises(UserInputError, match=r"holds no pairs.*1 folder \(person0/\)"):
        find_pairs(tmp_path / "two")
    touch(tmp_path / "three", "A/1.heic", "B/1.png")
    with pytest.raises(UserInputError, match=r"A holds no pictures.*1 \.heic \(A/1\.heic\)"):
        find_pairs(tmp_path / "three")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "photos.zip", "train/1.png/2.png")
    with pytest.raises(UserInputError, match=r"photos\.zip is a file: give a folder"):
        find_pairs(tmp_path / "photos.zip")
    assert names(find_pairs(tmp_path)) == {"train": ["train/1.png/2.png"]}


def test_cyclic_links_end(tmp_path: Path) -> None:
    touch(tmp_path, "train/p/1.png")
    (tmp_path / "train" / "p" / "up").symlink_to(tmp_path / "train")
    found = find_pairs(tmp_path)
    assert names(found) == {"train": ["train/p/1.png"]}
    assert found.passed_over == ("train/p/up/",)


def test_linked_folders_are_read(tmp_path: Path) -> None:
    touch(tmp_path, "disk/1.png", "data/train/2.png")
    (tmp_path / "data" / "train" / "more").symlink_to(tmp_path / "disk")
    assert names(find_pairs(tmp_path / "data")) == {"train": ["train/2.png", "train/more/1.png"]}


def test_names_are_text_whatever_their_bytes(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    for name in (CP949, b"two\nlines"):
        Path(os.fsdecode(root + b"/" + name + b".png")).touch()
    found = list_pictures(tmp_path).pictures
    assert {name_of(file, tmp_path) for file in found} == {
        "".join(f"\\x{byte:02x}" for byte in CP949) + ".png",
        "two\nlines.png",
    }
    assert {os.fsencode(stem_of(file, tmp_path)) for file in found} == {CP949, b"two\nlines"}
    composed, apart = (unicodedata.normalize(form, "초상") for form in ("NFC", "NFD"))
    assert stem_of(tmp_path / apart / "1.png", tmp_path) == f"{composed}/1"


def write_strange(write_pairs: WritePairs, folder: Path) -> Path:
    """A folder with pairs in subfolders, with a CP949 name, and with files to be passed over."""
    write_pairs(folder, train=4, val=2)
    for split in ("train", "val"):
        inner = folder / split / os.fsdecode(CP949)
        inner.mkdir()
        (folder / split / f"{split}0.png").rename(inner / "0.png")
    (folder / "train" / "phone.heic").touch()
    return folder


def test_check_and_fix_read_subfolders_and_name_what_they_pass_over(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder = write_strange(write_pairs, tmp_path / "data")
    found = find_pairs(folder)
    result = check(found, measure_all(found, 1), None)
    assert len(result.pairs) == 6
    lines = list(result.lines("warning"))
    assert any("passed over: 1 .heic (train/phone.heic)" in line for line in lines)
    assert "6 of 6 pairs written" in mend(result, tmp_path / "fixed")
    assert {
        split: len(pairs) for split, pairs in find_pairs(tmp_path / "fixed").splits.items()
    } == {
        "train": 4,
        "val": 2,
    }
    page = tmp_path / "page.html"
    ran = CliRunner().invoke(app, ["check", str(folder), "-o", str(page)])
    assert ran.exit_code == 0, ran.output
    assert "train/phone.heic" in page.read_text(encoding="utf-8")


def test_a_search_reads_subfolders_and_reports_what_it_passes_over(
    tmp_path: Path, write_pairs: WritePairs
) -> None:
    folder = write_strange(write_pairs, tmp_path / "data")
    data = prepare_data(folder, "AtoB", QUICK, tmp_path / "cache")
    assert "passed over: 1 .heic (train/phone.heic)" in data.source
    dataset = load_dataset(data.file)
    escaped = "".join(f"\\x{byte:02x}" for byte in CP949)
    assert f"val/{escaped}/0.png" in dataset.val.names
    for name in dataset.train.names + dataset.val.names:
        name.encode("utf-8")


def test_nothing_to_train_on_is_an_error(tmp_path: Path, write_pairs: WritePairs) -> None:
    folder = write_pairs(tmp_path / "data", train=1, val=2)
    (folder / "train" / "train0.png").rename(folder / "train" / "train0.heic")
    ran = CliRunner().invoke(app, ["check", str(folder)])
    assert ran.exit_code == 2
    assert "no picture to train on" in ran.output
    assert "1 .heic (train/train0.heic)" in ran.output


def test_originals_in_subfolders_are_used_and_made_pairs_are_not(
    tmp_path: Path, halves: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    originals = tmp_path / "portraits"
    for number, name in enumerate(("p0/a.png", "p1/a.png")):
        (originals / name).parent.mkdir(parents=True)
        Image.fromarray(halves[number][1]).save(originals / name)
    (originals / "c.heic").touch()
    remarks: list[str] = []
    plan = MakePlan(originals / "pairs", 96, 0)
    made = make_pairs(originals, 2, plan, 1, remarks.append)
    record = (made / "made.jsonl").read_text(encoding="utf-8")
    assert '"original": "p0/a.png"' in record
    assert '"original": "p1/a.png"' in record
    assert len(remarks) == 1
    assert "1 .heic (c.heic)" in remarks[0]
    again = make_pairs(originals, 2, MakePlan(tmp_path / "again", 96, 0), 1, remarks.append)
    assert (again / "made.jsonl").read_text(encoding="utf-8") == record
    assert "1 folder (pairs/)" in remarks[1]
