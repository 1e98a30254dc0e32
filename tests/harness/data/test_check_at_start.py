"""The check of a user's pairs as a search starts: errors refuse with their remedy."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planting import WritePairs

from harness.data.check import at_start
from harness.data.check.at_start import (
    MOST_PAIRS,
    SampleCheck,
    check_at_start,
    sample,
    sentence,
)
from harness.data.check.check import check, measure_all, single_pictures
from harness.data.check.findings import LEVELS, of_kind
from harness.data.files.listing import names_that_pair
from harness.data.files.pair_folders import find_pairs
from harness.errors import UserInputError

Halves = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def checked(data: Path, cache: Path, **changed: Any) -> tuple[str, ...]:
    usual = {"direction": "AtoB", "chosen": False, "profile": "quick"}
    return check_at_start(data, cache=cache, **{**usual, **changed})


def save_pair(file: Path, a: np.ndarray, b: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack([a, b])).save(file)


def test_good_pairs_pass_with_a_line_for_each_kind_of_warning(
    tmp_path: Path, write_pairs: WritePairs, cache: Path
) -> None:
    found = checked(write_pairs(tmp_path / "data"), cache)
    few = [line for line in found if "different pictures to train on" in line]
    assert few == [
        "Warning: 4 different pictures to train on; below 20 a model memorises them; add pairs of "
        "other pictures, or make some with `harness data make`."
    ]
    assert not any("enlarges" in line for line in found)
    larger = checked(tmp_path / "data", cache, profile="standard")
    assert any("d enlarges 6 of 6 pairs to 256 pixels a side" in line for line in larger)


def test_of_a_sample_it_is_not_said_that_there_are_few(
    tmp_path: Path, write_pairs: WritePairs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pairs(tmp_path / "data", train=2, val=1)
    monkeypatch.setattr(at_start, "MOST_PAIRS", 1)
    assert not any("to train on" in line for line in checked(folder, cache))
    monkeypatch.setattr(at_start, "MOST_PAIRS", 2)
    assert any("2 different pictures to train on" in line for line in checked(folder, cache))


def test_single_portraits_are_refused_with_the_way_to_search_on_them(
    tmp_path: Path, halves: Halves, cache: Path
) -> None:
    folder = tmp_path / "portraits"
    folder.mkdir()
    for number, (_, original) in enumerate(halves[:6]):
        Image.fromarray(original).save(folder / f"{number}.png")
    Image.new("RGB", (128, 128)).save(folder / "black.png")  # both halves are one picture
    with pytest.raises(UserInputError) as refused:
        checked(folder, cache)
    sentence = str(refused.value)
    assert f"{folder} holds single pictures, not pairs: the left and right halves of" in sentence
    assert f"with harness search --originals {folder}, or" in sentence
    pairs = find_pairs(folder)
    result = check(pairs, measure_all(pairs, 1), None)
    assert result.summary() == sentence
    assert [line for level in LEVELS for line in result.lines(level)] == []
    for number in range(6):
        name = f"{number // 2}_{('before', 'after')[number % 2]}.png"
        (folder / f"{number}.png").rename(folder / name)
    sentence = single_pictures(find_pairs(folder), 6, 7)
    assert "their names pair up (0_after, 0_before), so put the retouched pictures" in sentence
    assert "--originals" not in sentence


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("a_before a_after b_before b_after c", ("a_after", "a_before")),
        ("train/a train/a-보정 val/b val/b-보정", ("train/a", "train/a-보정")),
        ("IMG_1 IMG_2 IMG_3 IMG_4", None),
        ("anna_front anna_side ben_front carl_side dora emil", None),
    ],
)
def test_names_pair_up_by_their_last_words(names: str, found: tuple[str, str] | None) -> None:
    assert names_that_pair(names.split()) == found


def test_a_pair_of_two_pictures_is_refused_by_name_and_a_resumed_study_only_told(
    tmp_path: Path, write_pairs: WritePairs, halves: Halves, cache: Path
) -> None:
    folder = write_pairs(tmp_path / "data")
    save_pair(folder / "train" / "wrong.png", halves[0][0], halves[1][1])
    with pytest.raises(UserInputError) as refused:
        checked(folder, cache)
    assert "train/wrong.png: A and B are not of one picture (likeness" in str(refused.value)
    assert "; pair it with its own original (harness data check" in str(refused.value)
    assert "--fix NEW writes a copy without such files)." in str(refused.value)
    told = checked(folder, cache, resumed=True)
    assert any("wrong.png: A and B are not of one picture" in line for line in told)


def test_the_remedy_can_be_pasted_and_checks_the_list_that_was_given(
    tmp_path: Path, halves: Halves, cache: Path
) -> None:
    data = tmp_path / "my pairs' list.csv"
    data.write_text("a\nwrong.png\nright.png\n", "utf-8")
    save_pair(tmp_path / "wrong.png", halves[0][0], halves[1][1])
    save_pair(tmp_path / "right.png", *halves[0])
    with pytest.raises(UserInputError) as refused:
        checked(data, cache)
    command = str(refused.value).rpartition("(")[2].partition(" writes")[0]
    assert shlex.split(command) == ["harness", "data", "check", str(data), "--fix", "NEW"]


def test_a_direction_that_the_pictures_contradict_is_refused_unless_it_was_named(
    tmp_path: Path, halves: Halves, cache: Path
) -> None:
    folder = tmp_path / "data"
    for number, (retouched, original) in enumerate(halves):
        soft = np.asarray(Image.fromarray(retouched).resize((64, 64)).resize((128, 128)))
        save_pair(folder / "train" / f"{number}.png", original, soft)
    with pytest.raises(UserInputError) as refused:
        checked(folder, cache)
    assert str(refused.value).endswith(
        "direction AtoB turns the sharper picture into the softer one; use --direction BtoA, "
        "unless the softer picture is the original (then name --direction AtoB)."
    )
    told = checked(folder, cache, chosen=True)
    assert any("direction AtoB turns the sharper" in line for line in told)
    assert not any("direction" in line for line in checked(folder, cache, direction="BtoA"))


def test_of_several_findings_the_first_is_told_and_the_rest_counted() -> None:
    found = [of_kind("shifted", f"what {number}", f"{number}.png", "do") for number in range(3)]
    assert sentence(found) == "0.png: what 0 (and 2 more like it); do"
    assert sentence(found[1:2]) == "1.png: what 1; do"
    assert sentence([of_kind("few", "3 pictures", do="add some")]) == "3 pictures; add some"


def test_the_commonest_error_refuses_and_each_finding_of_the_folder_is_told(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train").mkdir()
    for number in range(4):
        (tmp_path / "train" / f"{number}.png").touch()
    found = [of_kind("identical", "the same", "0.png", "do")]
    found += [of_kind("unlike", f"unlike {number}", f"{number}.png", "do") for number in (1, 2)]
    found += [of_kind("few", "3 to train on"), of_kind("few", "1 to validate with")]
    found += [of_kind("converted", "16 bits", "0.png"), of_kind("unreadable", "empty", "3.png")]
    told = SampleCheck(4, tuple(found), None)
    monkeypatch.setattr(at_start, "check_sample", lambda *_: told)
    with pytest.raises(UserInputError, match=r"1\.png: unlike 1 \(and 1 more like it\); do \("):
        checked(tmp_path, cache)
    assert [line.partition(";")[0] for line in checked(tmp_path, cache, resumed=True)] == [
        "Warning: 0.png: the same",
        "Warning: 1.png: unlike 1 (and 1 more like it)",
        "Warning: 3 to train on",
        "Warning: 1 to validate with",
    ]


def test_names_of_folders_say_more_than_sharpness(
    tmp_path: Path, halves: Halves, cache: Path
) -> None:
    for number, (retouched, original) in enumerate(halves):
        soft = Image.fromarray(original).resize((64, 64)).resize((128, 128))
        for side, picture in (("retouched", Image.fromarray(retouched)), ("original", soft)):
            file = tmp_path / "data" / side / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
    assert not any("direction" in line for line in checked(tmp_path / "data", cache))


def test_the_pictures_are_measured_once(
    tmp_path: Path, write_pairs: WritePairs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pairs(tmp_path / "data")
    first = checked(folder, cache)

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(at_start, "measure_all", never)
    assert checked(folder, cache) == first
    (folder / "train" / "train0.png").touch()
    with pytest.raises(AssertionError, match="measured again"):
        checked(folder, cache)


def test_of_many_pairs_a_sample_is_looked_at(tmp_path: Path) -> None:
    for split, count in (("train", 1000), ("val", 3)):
        (tmp_path / split).mkdir()
        for number in range(count):
            (tmp_path / split / f"{number:04}.png").touch()
    drawn = sample(find_pairs(tmp_path)).splits
    assert [len(drawn["train"]), len(drawn["val"])] == [MOST_PAIRS, 3]
    assert drawn["train"][1].name == "train/0041.png"
