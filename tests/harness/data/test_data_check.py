"""`harness data check`: planted faults are found, sound pairs have no findings."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planting import WritePairs
from scipy.cluster.hierarchy import DisjointSet
from scipy.ndimage import gaussian_filter

from harness.config.profiles import QUICK
from harness.data.check.check import CheckResult, check, distribution, measure_all
from harness.data.check.findings import SMALLEST_MASK
from harness.data.check.mend import mend
from harness.data.check.page import write_page
from harness.data.files.duplicates import close_hashes, difference_hash
from harness.data.files.pair_folders import find_pairs
from harness.data.files.picture_reading import read_mask
from harness.data.pairs.prepare import prepare_data
from harness.data.synthesis.displacement_files import read_field, save_fields
from harness.errors import UserInputError
from objectives.masks import SMALLEST_CORE


def checked(folder: Path, processes: int = 1) -> CheckResult:
    found = find_pairs(folder)
    return check(found, measure_all(found, processes), None)


def kinds(result: CheckResult, name: str) -> set[str]:
    return {finding.kind for finding in result.findings if finding.name == name}


def change(file: Path, edit) -> None:
    """Replace a side-by-side picture by `edit(a, b)`."""
    picture = np.asarray(Image.open(file))
    half = picture.shape[1] // 2
    Image.fromarray(np.hstack(edit(picture[:, :half], picture[:, half:]))).save(file)


def blurred(picture: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    return gaussian_filter(picture, (sigma, sigma, 0))


@pytest.fixture
def folder(tmp_path: Path, write_pairs: WritePairs) -> Path:
    return write_pairs(tmp_path / "data", train=6, val=3)


def test_sound_pairs_have_no_finding_except_their_number(folder: Path) -> None:
    result = checked(folder)
    assert {finding.kind for finding in result.findings} == {"few", "small"}
    assert len(result.pairs) == 9
    assert all(0.01 < pair.warp_largest < 0.08 for pair in result.pairs)


def test_summary_counts_pictures_and_shows_the_distribution_of_warps(folder: Path) -> None:
    shutil.copy(folder / "train" / "train0.png", folder / "train" / "again.png")
    counts, warps, _ = checked(folder).summary().splitlines()
    assert "10 of 10 pairs read, of 9 different pictures (aligned: train 7, val 3)" in counts
    assert sum(int(part.split()[-1]) for part in warps.split(": ")[1].split(", ")) == 10
    bands = distribution([0.001, 0.015, 0.012, 0.3])
    assert bands == "under 0.4% in 1, 1.0%-2.0% in 2, over 12.0% in 1"


def test_different_pictures_are_counted_not_pairs(tmp_path: Path, write_pairs: WritePairs) -> None:
    folder = write_pairs(tmp_path / "data", train=2, val=4)
    for number in range(20):
        shutil.copy(folder / "train" / "train0.png", folder / "train" / f"again{number:02d}.png")
    (few,) = (finding for finding in checked(folder).findings if finding.kind == "few")
    assert few.what.startswith("2 different pictures")


@pytest.mark.parametrize(
    ("side", "level", "words"),
    [
        (96, "warning", "profile quick enlarges"),
        (128, "warning", "at most --profile quick"),
        (256, "note", "at most --profile standard"),
    ],
)
def test_pictures_that_a_profile_would_enlarge(
    tmp_path: Path, halves, side: int, level: str, words: str
) -> None:
    pair = [Image.fromarray(half).resize((side, side)) for half in halves[0]]
    Image.fromarray(np.hstack(pair)).save(tmp_path / "pair.png")
    (small,) = (finding for finding in checked(tmp_path).findings if finding.kind == "small")
    assert small.level == level
    assert words in f"{small.what}; {small.do}"


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Scaled to 60% and back."""
    small = Image.fromarray(picture).resize((76, 76), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((128, 128), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("mark", [lambda a: jpeg(a, 30), enlarged])
def test_marks_of_recompression_and_resizing_are_found(folder: Path, mark) -> None:
    change(folder / "train" / "train0.png", lambda a, b: (mark(a), b))
    assert "processed" in kinds(checked(folder), "train/train0.png")


def test_facts_do_not_depend_on_the_number_of_processes(folder: Path) -> None:
    assert checked(folder, processes=2).pairs == checked(folder).pairs


def test_identical_halves(folder: Path) -> None:
    change(folder / "train" / "train1.png", lambda a, b: (b, b))
    assert kinds(checked(folder), "train/train1.png") == {"identical"}


def test_pair_of_two_pictures(folder: Path, halves) -> None:
    change(folder / "train" / "train1.png", lambda a, b: (a, halves[12][1]))
    assert kinds(checked(folder), "train/train1.png") == {"unlike"}


def test_three_pixel_shift_is_measured(folder: Path) -> None:
    change(folder / "train" / "train2.png", lambda a, b: (a, np.roll(b, 3, axis=1)))
    result = checked(folder)
    assert "shifted" in kinds(result, "train/train2.png")
    shift = next(pair.shift for pair in result.pairs if pair.name == "train/train2.png")
    assert shift == pytest.approx((3, 0), abs=0.3)


def test_swapped_halves_stand_out_from_the_others(folder: Path) -> None:
    for file in folder.glob("*/*.png"):
        change(file, lambda a, b: (blurred(a, 0.6), b))
    change(folder / "train" / "train3.png", lambda a, b: (b, a))
    result = checked(folder)
    assert result.direction == "AtoB"
    assert "swapped" in kinds(result, "train/train3.png")
    assert [f.name for f in result.findings if f.kind == "swapped"] == ["train/train3.png"]


@pytest.mark.parametrize(("soft", "direction"), [("a", "AtoB"), ("b", "BtoA")])
def test_direction_is_found_and_a_wrong_one_is_an_error(
    folder: Path, soft: str, direction: str
) -> None:
    for file in folder.glob("*/*.png"):
        change(file, lambda a, b: (blurred(a), b) if soft == "a" else (a, blurred(b)))
    found = find_pairs(folder)
    facts = list(measure_all(found, 1))
    assert check(found, facts, None).direction == direction
    for asked, wrong in ((direction, False), ("AtoB" if direction == "BtoA" else "BtoA", True)):
        result = check(found, facts, asked)
        assert any(finding.kind == "direction" for finding in result.findings) == wrong


def test_smoothing_everywhere_is_distinguished_from_a_local_warp(folder: Path) -> None:
    change(folder / "train" / "train0.png", lambda a, b: (blurred(a), b))
    assert "processed" in kinds(checked(folder), "train/train0.png")


def test_recompressed_half_shows_its_blocks(folder: Path, tmp_path: Path) -> None:
    def squeeze(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        Image.fromarray(a).save(tmp_path / "a.jpg", quality=25)
        return np.asarray(Image.open(tmp_path / "a.jpg")), b

    change(folder / "train" / "train4.png", squeeze)
    assert "processed" in kinds(checked(folder), "train/train4.png")


def test_difference_everywhere(folder: Path) -> None:
    change(folder / "train" / "train5.png", lambda a, b: (a // 2 + 60, b))
    assert "everywhere" in kinds(checked(folder), "train/train5.png")


def test_no_warp(folder: Path) -> None:
    change(folder / "train" / "train5.png", lambda a, b: (np.clip(b, 0, 249) + 6, b))
    assert "no warp" in kinds(checked(folder), "train/train5.png")


def test_duplicate_across_splits_even_recompressed(folder: Path) -> None:
    picture = Image.open(folder / "train" / "train2.png").resize((220, 110))
    picture.save(folder / "val" / "again.jpg", quality=70)
    result = checked(folder)
    assert kinds(result, "val/again.jpg") >= {"duplicate"}
    assert result.seen_in_training == {"train/train2.png"}
    assert result.worst == "error"


def test_unreadable_files_are_findings_not_failures(folder: Path) -> None:
    (folder / "train" / "train0.png").write_bytes(b"")
    (folder / "train" / "train1.png").write_text("text")
    Image.new("RGB", (255, 128)).save(folder / "val" / "val0.png")
    (folder / "val" / "val1.png").unlink()
    (folder / "val" / "val1.png").symlink_to(folder / "nowhere")
    result = checked(folder)
    assert len([finding for finding in result.findings if finding.kind == "unreadable"]) == 4
    assert len(result.pairs) == 5


def test_files_that_other_loaders_misread_are_noted(folder: Path, tmp_path: Path) -> None:
    file = folder / "train" / "train0.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(file).rotate(180).save(file, exif=exif)
    outside = tmp_path / "outside.png"
    shutil.move(folder / "train" / "train1.png", outside)
    (folder / "train" / "train1.png").symlink_to(outside)
    notes = {f.name: f.what for f in checked(folder).findings if f.kind == "converted"}
    assert "EXIF" in notes["train/train0.png"]
    assert "link" in notes["train/train1.png"]


def test_a_picture_without_or_with_two_counterparts_is_a_finding(tmp_path: Path, halves) -> None:
    for side, half in zip("AB", halves[0], strict=True):
        (tmp_path / side).mkdir()
        Image.fromarray(half).convert("P").save(tmp_path / side / "1.png")
    shutil.copy(tmp_path / "A" / "1.png", tmp_path / "A" / "2.png")
    found = {finding.kind: finding for finding in checked(tmp_path).findings}
    assert found["unreadable"].name == "A/2.png"
    assert "B/2.png does not exist" in found["unreadable"].what
    assert found["converted"].what.startswith("palette: ")
    for twin in ("B/2.png", "B/2.bmp"):
        shutil.copy(tmp_path / "B" / "1.png", tmp_path / twin)
    [twins] = (found for found in checked(tmp_path).findings if found.kind == "unreadable")
    assert twins.name == "A/2.png"
    assert "B/2.png and '2.bmp' differ only in their ending" in twins.what


def test_a_folder_without_readable_pairs_is_reported(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.png").touch()
    result = checked(tmp_path)
    assert result.worst == "error"
    assert "0 of 1" in result.summary()


def test_one_picture_alone_is_an_error_as_in_a_search(tmp_path: Path, halves) -> None:
    for number, part in enumerate((np.s_[:], np.s_[:100])):
        save = Image.fromarray(np.hstack([half[part] for half in halves[0]])).save
        (tmp_path / "train").mkdir(exist_ok=True)
        save(tmp_path / "train" / f"{number}.png")
    result = checked(tmp_path)
    assert result.findings[0].kind == "single"
    assert {(pair.width, pair.height) for pair in result.pairs} == {(128, 128), (128, 100)}
    Image.fromarray(np.hstack(halves[1])).save(tmp_path / "train" / "2.png")
    assert "single" not in {finding.kind for finding in checked(tmp_path).findings}


def test_page_shows_every_finding_and_escapes_names(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = folder / "train" / "<b>\"&'\n초상.png"
    odd.write_bytes(b"")
    change(folder / "train" / "train1.png", lambda a, b: (b, b))
    result = checked(folder)
    write_page(result, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>\"&'" not in text
    assert "A and B are the same picture" in text
    assert text.count("data:image/jpeg") == 3
    assert text.index('class="error"') < text.index('class="warning"')
    assert "Not shown" not in text
    rows = text.count('<span class="name">')
    monkeypatch.setattr("harness.data.check.page.MOST_ROWS", rows - 2)
    write_page(result, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "(Not shown: 2 more files with findings.)" in text
    assert text.count('<span class="name">') == rows - 2


def test_fixed_copy_is_usable_and_the_folder_is_unchanged(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "train0.png").write_bytes(b"")
    change(folder / "train" / "train1.png", lambda a, b: (b, b))
    shutil.copy(folder / "train" / "train2.png", folder / "val" / "again.png")
    before = {file: file.read_bytes() for file in folder.rglob("*.png")}
    told = mend(checked(folder), tmp_path / "mended")
    assert told == f"7 of 10 pairs written to {tmp_path / 'mended'}; 3 left out"
    assert before == {file: file.read_bytes() for file in folder.rglob("*.png")}
    assert checked(tmp_path / "mended").worst == "warning"
    made = prepare_data(tmp_path / "mended", "AtoB", QUICK, tmp_path / "c")
    assert (made.n_train, made.n_val) == (3, 4)
    with pytest.raises(UserInputError, match="exists already"):
        mend(checked(folder), tmp_path / "mended")


def test_hash_is_robust_to_scaling_and_distinguishes_pictures(halves) -> None:
    hashes = [difference_hash(b) for _, b in halves]
    small = [difference_hash(np.asarray(Image.fromarray(b).resize((90, 90)))) for _, b in halves]
    assert all((one ^ two).bit_count() <= 5 for one, two in zip(hashes, small, strict=True))
    assert len(list(close_hashes(hashes))) <= 1


def test_close_hashes_equal_a_search_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    bases = [int(value) for value in random.integers(0, 2**63, 40)]
    hashes = [
        base ^ sum(1 << int(bit) for bit in random.choice(64, number, replace=False))
        for base in bases
        for number in (0, 2, 5, 9)
    ]
    joined, expected = (DisjointSet(range(len(hashes))) for _ in range(2))
    for one, other in close_hashes(hashes):
        joined.merge(one, other)
    for i in range(len(hashes)):
        for j in range(i):
            if (hashes[i] ^ hashes[j]).bit_count() <= 5:
                expected.merge(i, j)
    assert joined.subsets() == expected.subsets()
    assert 40 < expected.n_subsets < len(hashes)


def test_unusable_masks_and_fields_are_found(folder: Path, tmp_path: Path) -> None:
    masks, fields = folder / "masks", folder / "fields"
    for split in ("train", "val"):
        (masks / split).mkdir(parents=True)
    (masks / "train" / "train0.png").write_text("no picture")
    Image.new("L", (128, 128)).save(masks / "train" / "train1.png")
    Image.new("L", (128, 128), 255).save(masks / "train" / "train2.png")
    fields.mkdir()
    small = np.zeros((2, 8, 8), np.float32)
    save_fields(fields / "val0.npz", small, small)
    result = checked(folder)
    (mask, field) = (finding for finding in result.findings if finding.kind == "unreadable")
    assert (mask.name, field.name) == ("train/train0.png", "val/val0.png")
    assert "masks/train/train0.png is no picture" in mask.what
    assert "val0.npz does not fit its pair of 128 x 128" in field.what
    assert [finding.name for finding in result.findings if finding.kind == "mask"] == [
        "train/train1.png"
    ]


def test_fixed_copy_has_masks_and_fields(folder: Path, tmp_path: Path) -> None:
    """Per split: two pairs of the same name each have their own."""
    shutil.move(folder / "val" / "val0.png", folder / "val" / "train0.png")
    for number, split in enumerate(("train", "val")):
        mask = np.zeros((128, 128), np.uint8)
        mask[:, : 40 + 40 * number] = 255
        (folder / "masks" / split).mkdir(parents=True)
        (folder / "fields" / split).mkdir(parents=True)
        Image.fromarray(mask).save(folder / "masks" / split / "train0.png")
        field = np.full((2, 128, 128), 1 + number, np.float32)
        save_fields(folder / "fields" / split / "train0.npz", field, -field)
    mend(checked(folder), tmp_path / "mended")
    splits = find_pairs(tmp_path / "mended").splits
    kept = {
        split: next(pair for pair in pairs if pair.name.endswith("-train0.png"))
        for split, pairs in splits.items()
    }
    for number, split in enumerate(("train", "val")):
        files = kept[split]
        assert files.mask is not None
        assert files.field is not None
        assert read_mask(files.mask, 128, 128).mean() == (40 + 40 * number) / 128
        assert (read_field(files.field, "inverse", 128, 128) == -1 - number).all()
    assert sum(pair.field is not None for pairs in splits.values() for pair in pairs) == 2


def test_a_mask_too_small_to_be_scored_is_a_warning(folder: Path) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[5, 5] = 255
    (folder / "masks" / "val").mkdir(parents=True)
    Image.fromarray(mask).save(folder / "masks" / "val" / "val0.png")
    (found,) = (finding for finding in checked(folder).findings if finding.kind == "mask")
    assert (found.level, found.name) == ("warning", "val/val0.png")
    assert found.what.startswith("its mask has 0.006% of its area white, under 0.05%")


def test_the_smallest_mask_is_that_of_the_score() -> None:
    assert SMALLEST_MASK == SMALLEST_CORE
