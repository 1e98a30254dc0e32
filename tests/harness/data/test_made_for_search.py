"""Pairs made of portraits for a search: complete, made once, or refused with nothing left."""

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from harness.config.settings import SearchConfig
from harness.data.check.at_start import check_at_start, few_portraits
from harness.data.files.pair_folders import find_pairs
from harness.data.synthesis import made_for_search as module
from harness.data.synthesis.made_for_search import made_for_search, planned_pairs
from harness.errors import UserInputError
from harness.search.plan import with_made_pairs
from harness.search.resolve import choose_train

FEW = (
    "Warning: 2 different pictures to train on; below 20 a model memorises them; add other "
    "portraits. Warning: 1 different picture to validate with: scores will be noisy; add other "
    "portraits."
)
"""Of three portraits."""


@pytest.fixture
def portraits(tmp_path: Path, pairs_128, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures of 128 pixels, of which six pairs are made."""
    monkeypatch.setattr(module, "FEWEST_PAIRS", 6)
    folder = tmp_path / "portraits"
    folder.mkdir()
    for number, picture in enumerate(pairs_128["val"].originals[:3]):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    return folder


def test_pairs_are_made_once_for_the_same_portraits(portraits: Path, tmp_path: Path) -> None:
    said: list[str] = []
    place = tmp_path / "runs" / "made-pairs"
    made = made_for_search(portraits, place, 128, said.append)
    assert said == [
        f"Making 6 pairs of 128 pixels of the 3 pictures in {portraits}, kept in {made}."
    ]
    found = find_pairs(made)
    assert {split: len(pairs) for split, pairs in found.splits.items()} == {"train": 4, "val": 2}
    assert all(pair.mask and pair.field for pairs in found.splits.values() for pair in pairs)
    before = (made / "made.jsonl").stat().st_mtime_ns
    assert made_for_search(portraits, place, 128, said.append) == made
    assert len(said) == 1
    assert (made / "made.jsonl").stat().st_mtime_ns == before
    (portraits / "2.png").unlink()
    other = made_for_search(portraits, place, 128)
    assert other != made
    assert made.is_dir()


def test_pairs_that_an_earlier_version_made_are_used_on(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a study of that version would find other pairs, and be refused."""
    place = tmp_path / "made"
    newest = planned_pairs(portraits, place, 128).folder
    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(module, "RECIPES", module.RECIPES[1:])
        earlier = planned_pairs(portraits, place, 128).folder
    earlier.mkdir(parents=True)
    assert newest != earlier
    assert made_for_search(portraits, place, 128) == earlier
    assert not newest.exists()


def test_a_dry_run_says_what_would_be_made_and_writes_nothing(
    portraits: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str, str]]
) -> None:
    runs = tmp_path / "runs"
    words = ["--originals", str(portraits), "--run-dir", str(runs), "--device", "cpu"]
    code, out, _ = in_process("search", *words, "--dry-run")
    assert code == 0
    printed = " ".join(out.split())
    assert f"would make 6 pairs of 128 pixels from the 3 portraits in {portraits}" in printed
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 100
    assert not runs.exists()
    made = made_for_search(portraits, runs / "made-pairs", 128)
    config = SearchConfig(originals=portraits, run_dir=runs)
    _, train = choose_train("quick", "cpu")
    assert with_made_pairs(config, train, print, make=False).data == made


def test_too_few_portraits_are_warned_of_whenever_their_pairs_are_used(
    portraits: Path, tmp_path: Path
) -> None:
    """Counted by pictures: a copy of the third portrait makes no fourth."""
    Image.open(portraits / "2.png").save(portraits / "3.bmp")
    data = made_for_search(portraits, tmp_path / "made", 128)
    for _ in range(2):
        told = check_at_start(data, "AtoB", True, "quick", tmp_path / "cache", made=True)
        assert " ".join(told).endswith(FEW)


def test_enough_different_portraits_are_not_warned_of(tmp_path: Path) -> None:
    pairs = [
        {"pair": f"{split}/{number}.png", "original": f"{split}{number}"}
        for split, count in (("train", 20), ("val", 4))
        for number in range(count)
    ]
    record = tmp_path / "made.jsonl"
    record.write_text("\n".join(map(json.dumps, pairs)))
    assert list(few_portraits(tmp_path)) == []
    record.write_text("\n".join(json.dumps({**pair, "picture": "one"}) for pair in pairs[1:]))
    assert [few.do for few in few_portraits(tmp_path)] == ["add other portraits"] * 2


@pytest.mark.parametrize("record", ['{"pair": "tr', "7", '{"pair": 7}', '{"pair": "train/1.png"}'])
def test_a_damaged_record_of_made_pairs_is_no_hindrance(tmp_path: Path, record: str) -> None:
    (tmp_path / "made.jsonl").write_text(record)
    assert list(few_portraits(tmp_path)) == []


def test_the_making_of_many_pairs_says_how_far_it_is(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEWEST_PAIRS", 25)
    patched = "harness.data.synthesis.make_pairs"
    monkeypatch.setattr(f"{patched}.same_portraits", lambda files, *_: [[name] for name in files])
    monkeypatch.setattr(f"{patched}.pooled", lambda _: nullcontext(lambda *_: iter(["{}"] * 25)))
    said: list[str] = []
    made_for_search(portraits, tmp_path / "made", 128, said.append)
    assert said[1:] == ["10 of 25 pairs are made.", "20 of 25 pairs are made."]


def test_what_the_search_wrote_among_the_portraits_is_no_portrait(
    portraits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--originals .` a second time, with the run folder there, and with `--run-dir .`."""
    (portraits / "study.json").touch()  # the user's own, not a study's folder
    made = made_for_search(portraits, portraits / "runs" / "made-pairs", 128)
    for run_dir in (portraits / "runs", portraits):
        panel = run_dir / "mine" / "panels" / "t000.png"
        logged = run_dir / "mlflow-artifacts" / "0" / "panel.png"
        trained = run_dir / "mine-full" / "panels" / "epoch_0001.png"
        for file in (panel, logged, trained):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes((portraits / "0.png").read_bytes())
        for name in ("mine/study.json", "mine/driver.lock", "mine-full/training.yaml", "mlflow.db"):
            (run_dir / name).touch()
    assert made_for_search(portraits, portraits / "runs" / "made-pairs", 128) == made


def test_copies_of_one_portrait_alone_are_refused(portraits: Path, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (portraits / name).write_bytes((portraits / "0.png").read_bytes())
    with pytest.raises(UserInputError, match="holds one picture: give at least two different"):
        made_for_search(portraits, tmp_path / "runs" / "made-pairs", 128)
    assert not (tmp_path / "runs").exists()


def test_what_a_killed_search_began_of_other_portraits_is_removed(
    portraits: Path, tmp_path: Path
) -> None:
    killed, running = (tmp_path / f".128px-{name}.making" for name in ("killed", "running"))
    for begun in (killed, running):
        (begun / "train").mkdir(parents=True)
    with FileLock(tmp_path / ".128px-running.lock"):
        made_for_search(portraits, tmp_path, 128)
    assert not killed.exists()
    assert running.is_dir()


@pytest.mark.parametrize("copy", ["3.bmp", "3.png"])
def test_pairs_made_of_one_picture_twice_are_in_one_split(
    portraits: Path, tmp_path: Path, copy: str
) -> None:
    """Also where the copy is another file, so that only its pixels tell."""
    Image.open(portraits / "0.png").save(portraits / "3.bmp")
    if copy == "3.png":
        (portraits / "3.bmp").unlink()
        (portraits / copy).write_bytes((portraits / "0.png").read_bytes())
    made = made_for_search(portraits, tmp_path / "made", 128)
    rows = map(json.loads, (made / "made.jsonl").read_text("utf-8").splitlines())
    splits = {(row["original"], row["pair"].partition("/")[0]) for row in rows}
    assert splits == {("0.png", "train"), ("1.png", "train"), ("2.png", "val"), (copy, "train")}
    check_at_start(made, "AtoB", True, "quick", tmp_path / "cache", made=True)


def test_earlier_pairs_of_one_picture_in_both_splits_are_refused_by_its_portrait(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions made them."""
    Image.open(portraits / "0.png").save(portraits / "3.bmp")
    monkeypatch.setattr(
        "harness.data.synthesis.make_pairs.same_portraits",
        lambda files, *_: [[name] for name in files],
    )
    made = made_for_search(portraits, tmp_path / "made", 128)
    with pytest.raises(
        UserInputError, match=r"leave its portrait out: .*made\.jsonl names"
    ) as error:
        check_at_start(made, "AtoB", True, "quick", tmp_path / "cache", made=True)
    assert "data check" not in str(error.value)


def test_a_killed_making_is_made_again(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it left has another name than a complete folder."""

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr("harness.data.synthesis.make_pairs.save_fields", kill)
        with pytest.raises(KeyboardInterrupt):
            made_for_search(portraits, tmp_path / "made", 128)
    assert [path for path in (tmp_path / "made").iterdir() if path.name[0] != "."] == []
    assert len(find_pairs(made_for_search(portraits, tmp_path / "made", 128)).splits["train"]) == 4


def test_there_is_a_pair_for_every_portrait_within_limits(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (module.SIZE, module.MOST_PAIRS) == (512, 1000)
    for fewest, most, pairs in ((1, 1000, 3), (5, 1000, 5), (1, 2, 2)):
        monkeypatch.setattr(module, "FEWEST_PAIRS", fewest)
        monkeypatch.setattr(module, "MOST_PAIRS", most)
        making = planned_pairs(portraits, tmp_path / "made", 64)
        assert (making.portraits, making.pairs, making.size) == (3, pairs, 128)
        assert making.folder.parent == tmp_path / "made"
        assert making.folder.name.startswith("128px-")


def test_other_portraits_names_sizes_and_numbers_have_other_pairs() -> None:
    usual = ({"a": b"1", "b": b"2"}, 128, 6)
    others = [({"a": b"1", "c": b"2"}, 128, 6), ({"a": b"1", "b": b"3"}, 128, 6)]
    others += [(usual[0], 129, 6), (usual[0], 128, 7)]
    newest, earlier = module.digests(*usual)
    known = {newest, earlier, *(module.digests(*other)[0] for other in others)}
    assert len(known) == 6
    assert {len(each) for each in known} == {12}


def test_pairs_are_as_large_as_the_smallest_portrait_is_sharp(portraits: Path) -> None:
    found = {file.name: file for file in portraits.iterdir()}
    assert module.size_for(found, 64) == 128
    assert module.size_for(found, 153) == 153
    Image.fromarray(np.zeros((900, 800, 3), np.uint8)).save(portraits / "3.png")
    assert module.size_for({"3.png": portraits / "3.png"}, 256) == 512


@pytest.mark.parametrize(
    ("keep", "least", "sentence"),
    [
        (1, 128, "holds one picture: give at least two"),
        (0, 128, "holds no pictures to make pairs from"),
        (3, 256, "is 128 x 128, too small to be sharp at the 256 pixels of this search"),
    ],
)
def test_portraits_that_make_no_pairs_are_refused(
    portraits: Path, tmp_path: Path, keep: int, least: int, sentence: str
) -> None:
    for file in sorted(portraits.iterdir())[keep:]:
        file.unlink()
    with pytest.raises(UserInputError, match=sentence):
        made_for_search(portraits, tmp_path / "runs" / "made-pairs", least)
    assert not (tmp_path / "runs").exists()


def test_pairs_side_by_side_are_no_portraits(
    portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole folder: refused at once; most: refused; a few: told, as of names that pair up."""
    single = (portraits / "0.png").read_bytes()
    for file in portraits.iterdir():
        Image.fromarray(np.hstack([np.asarray(Image.open(file))] * 2)).save(file)
    place = tmp_path / "runs" / "made-pairs"
    with pytest.raises(UserInputError, match=r"In 3 of 3 pictures .* --originals takes single"):
        planned_pairs(portraits, place, 128)
    (portraits / "0.png").write_bytes(single)
    with pytest.raises(UserInputError) as refused:
        made_for_search(portraits, place, 128)
    found = f"In 2 of 3 pictures (first {portraits / '1.png'}) both halves show the same"
    assert str(refused.value).startswith(found)
    assert f"harness search --data {portraits} --direction AtoB" in str(refused.value)
    assert not (tmp_path / "runs").exists()
    shutil.copy(portraits / "0.png", portraits / "3.png")
    said: list[str] = []
    monkeypatch.setattr("harness.data.synthesis.make_pairs.make_one", lambda _: "{}")
    for old, new in (("3", "0_after"), ("0", "0_before"), ("1", "1_after"), ("2", "1_before")):
        (portraits / f"{old}.png").rename(portraits / f"{new}.png")
    made_for_search(portraits, place, 128, said.append)
    assert said[1].startswith(f"The names in {portraits} pair up (0_after, 0_before), and each")
    assert said[2].startswith(f"In 2 of 4 pictures (first {portraits / '1_after.png'}) both halves")


def test_a_damaged_portrait_is_named_and_nothing_is_left(portraits: Path, tmp_path: Path) -> None:
    whole = (portraits / "1.png").read_bytes()
    (portraits / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserInputError, match=r"1\.png"):
        made_for_search(portraits, tmp_path / "runs" / "made-pairs", 128)
    assert not (tmp_path / "runs").exists()
