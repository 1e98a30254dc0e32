"""`harness data make`: pairs that can be undone."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planting import WritePairs
from typer.testing import CliRunner

from harness.cli.data import app
from harness.config.profiles import QUICK
from harness.config.settings import Direction
from harness.data.check.check import check, measure_all
from harness.data.files.pair_folders import find_pairs
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.pair_set import load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.pairs.sizing import sized_pair
from harness.data.synthesis.face_detection import find_face
from harness.data.synthesis.handles import Handles
from harness.data.synthesis.liquify import Stroke, displacement, resample
from harness.data.synthesis.make_pairs import MakePlan, frame, made_pair, make_pairs
from harness.data.synthesis.retouch import Face
from harness.data.synthesis.traces import Traces, apply_traces
from harness.errors import UserInputError
from harness.evaluation.made_bounds import made_bounds
from objectives.masks import FIELD_THRESHOLD


def test_the_face_is_found_where_it_is() -> None:
    picture = np.asarray(Image.open(scikit_image_file("astronaut.png")))
    face = find_face(picture)
    assert face is not None
    assert (face.x, face.y) == pytest.approx((223, 120), abs=15)
    assert face.y + face.half_height == pytest.approx(172, abs=15)
    assert find_face(np.zeros((300, 300, 3), np.uint8)) is None


def test_made_folder_is_a_data_folder_with_all_that_undoes_it(made: Path) -> None:
    splits = find_pairs(made).splits
    assert {split: len(pairs) for split, pairs in splits.items()} == {"train": 4, "val": 2}
    records = [json.loads(line) for line in (made / "made.jsonl").read_text().splitlines()]
    assert [record["pair"] for record in records if record["original"] == "coffee.png"] == [
        "val/00002.png",
        "val/00005.png",
    ]
    assert [record["face_found"] for record in records if "astro" in record["original"]] == [
        True
    ] * 2
    assert [record["seed"] for record in records] == [[4, number] for number in range(6)]
    for record in records:
        pair = np.asarray(Image.open(made / record["pair"]))
        retouched, original = pair[:, :192], pair[:, 192:]
        field = displacement([recorded(stroke) for stroke in record["strokes"]], 192, 192)
        traces = Traces(record["soft_moved"], record["soft_everywhere"], record["jpeg"])
        assert np.array_equal(apply_traces(traces, resample(original, field), field), retouched)
        stored = np.load(made / "fields" / f"{Path(record['pair']).stem}.npz")
        assert np.abs(stored["field"] - field).max() < 0.02
        assert record["largest_px"] == pytest.approx(np.hypot(*field).max(), abs=1e-3)
        mask = np.asarray(Image.open(made / "masks" / record["pair"])) > 0
        assert np.array_equal(mask, np.hypot(*field) > 192 * FIELD_THRESHOLD)
        assert 0.005 < np.hypot(*field).max() / 192 < 0.08


def recorded(stroke: dict[str, Any]) -> Stroke | Handles:
    return Handles(**stroke) if "at" in stroke else Stroke(**stroke)


def test_no_two_pairs_of_a_portrait_are_framed_or_warped_alike(made: Path) -> None:
    records = [json.loads(line) for line in (made / "made.jsonl").read_text().splitlines()]
    moves = [json.dumps(record["strokes"]) for record in records]
    assert len(set(moves)) == len(records) == 6
    originals = [np.asarray(Image.open(made / record["pair"]))[:, 192:] for record in records]
    for one, again in zip(originals[:3], originals[3:], strict=True):
        assert not np.array_equal(one, again)


def test_a_face_is_retouched_where_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """At half the size, in a square that begins at (100, 50)."""
    seen: list[Face] = []
    made = "harness.data.synthesis.make_pairs"
    monkeypatch.setattr(f"{made}.find_face", lambda _: Face(220, 130, 40, 60))
    monkeypatch.setattr(f"{made}.frame", lambda *_: (100, 50, 200))
    monkeypatch.setattr(f"{made}.retouch", lambda face, _: seen.append(face) or ())
    picture = np.zeros((300, 400, 3), np.uint8)
    made_pair(picture, Path("p.png"), 0, MakePlan(Path("out"), 100, 0))
    assert seen == [Face(60, 40, 20, 30)]


def test_a_portrait_that_is_too_small_is_told_with_the_size_that_it_has() -> None:
    plan = MakePlan(Path("out"), 200, 0)
    small = r"p\.png is 140 x 101, too small to be sharp at 200: choose --size 121 or less"
    with pytest.raises(UserInputError, match=small):
        made_pair(np.zeros((101, 140, 3), np.uint8), Path("p.png"), 0, plan)


def test_a_square_is_cut_around_the_face_and_below_its_middle() -> None:
    """By a tenth of its half height, a twenty-fifth of the side more or less; in the picture."""
    picture = np.zeros((800, 1000, 3), np.uint8)

    def squares(face: Face | None) -> np.ndarray:
        drawn = (frame(picture, face, 100, np.random.default_rng(seed)) for seed in range(60))
        return np.array(list(drawn), float).T

    for face, centre in ((Face(600, 300, 60, 90), (600, 309)), (None, (500, 400))):
        left, top, side = squares(face)
        centres = np.stack([left + side / 2, top + side / 2])
        assert centres.mean(axis=1) == pytest.approx(centre, abs=4)
        assert (np.abs(centres.T - centre) <= 0.04 * side[:, None] + 1).all()
    assert (squares(Face(600, 300, 10, 10))[2] == 100).all()
    for face, low, high in ((Face(600, 300, 60, 90), 270, 378), (None, 680, 800)):
        side = squares(face)[2]
        assert low <= side.min() < low + 9
        assert high - 9 < side.max() <= high
    left, top, side = squares(Face(990, 790, 60, 90))
    assert (left + side == 1000).all()
    assert (top + side == 800).all()


def test_oracle_restores_nearly_everything(originals: Path) -> None:
    for number in range(4):
        source = originals / "astronaut.png"
        pair = made_pair(
            np.asarray(Image.open(source)), source, number, MakePlan(originals, 256, 0)
        )
        moved = np.hypot(*pair.field) > 0.256

        def error(picture: np.ndarray, pair=pair, moved=moved) -> float:
            return float(np.abs(picture.astype(float) - pair.original)[moved].mean())

        # What is left is what the tool softened and compressed.
        assert error(resample(pair.retouched, pair.inverse)) < 0.4 * error(pair.retouched)
        moved_only = replace(pair, retouched=resample(pair.original, pair.field))
        undone = resample(moved_only.retouched, moved_only.inverse)
        assert error(undone) < 0.12 * error(moved_only.retouched)


def test_a_models_score_lies_between_doing_nothing_and_the_oracle(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchanged, oracle = made_bounds(made, "random")
    assert unchanged < 0.5
    assert oracle > 0.7
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="alexnet"):  # as asked for, or not at all
        made_bounds(made, "pretrained")


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_search_gets_the_oracle_of_made_pairs(
    made: Path, tmp_path: Path, direction: Direction
) -> None:
    train = QUICK.model_copy(update={"load_size": 160})
    dataset = load_dataset(prepare_data(made, direction, train, tmp_path).file)
    assert not dataset.train.undone
    val = dataset.val
    for retouched, original, mask, restored in zip(
        val.retouched, val.originals, val.masks, val.undone, strict=True
    ):
        inside = mask.expand(3, -1, -1)
        error = [
            (picture.float() - original)[inside].abs().mean() for picture in (restored, retouched)
        ]
        assert error[0] < 0.5 * error[1]  # what the tool softened and compressed is left


def test_without_every_field_there_is_no_oracle_and_a_wrong_field_is_refused(
    made: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(made, tmp_path / "copy")
    whole = prepare_data(folder, "AtoB", QUICK, tmp_path / "c")
    field = folder / "fields" / "00002.npz"
    small = np.zeros((2, 8, 8), np.float16)
    for fault, sentence in (
        (lambda: np.savez(field, field=small, inverse=small), "does not fit its pair"),
        (lambda: np.savez(field, other=small), "not a file of displacement fields"),
        (lambda: field.write_bytes(b"PK\x03\x04"), "not a file of displacement fields"),
    ):
        fault()
        with pytest.raises(UserInputError, match=sentence) as caught:
            prepare_data(folder, "AtoB", QUICK, tmp_path / "c")
        assert "00002.npz" in str(caught.value)
    field.unlink()
    without = prepare_data(folder, "AtoB", QUICK, tmp_path / "c")
    assert not load_dataset(without.file).val.undone
    assert without.digest != whole.digest


def test_same_seed_same_pairs_whatever_the_processes(originals: Path, tmp_path: Path) -> None:
    one = make_pairs(originals, 3, MakePlan(tmp_path / "one", 96, 5), processes=1)
    two = make_pairs(originals, 3, MakePlan(tmp_path / "two", 96, 5), processes=2)
    other = make_pairs(originals, 3, MakePlan(tmp_path / "other", 96, 6), processes=1)
    files = [path.relative_to(one) for path in one.rglob("*.png")]
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    assert any((one / file).read_bytes() != (other / file).read_bytes() for file in files)


def test_recompression_leaves_its_mark_on_the_retouched_half_only(originals: Path) -> None:
    source = originals / "chelsea.png"
    picture = np.asarray(Image.open(source))
    plain = made_pair(picture, source, 0, MakePlan(originals, 128, 0))
    squeezed = made_pair(picture, source, 0, MakePlan(originals, 128, 0, jpeg=60))
    assert np.array_equal(plain.original, squeezed.original)
    assert not np.array_equal(plain.retouched, squeezed.retouched)


def test_check_finds_made_pairs_sound(made: Path) -> None:
    """It names those that were resampled as a whole: so are those of many tools."""
    found = find_pairs(made)
    findings = check(found, measure_all(found, 1), "AtoB").findings
    assert {finding.kind for finding in findings} == {"few", "small", "processed"}
    records = map(json.loads, (made / "made.jsonl").read_text().splitlines())
    whole = {r["pair"] for r in records if r["soft_everywhere"] or r["jpeg"]}
    assert {finding.name for finding in findings if finding.kind == "processed"} <= whole


@pytest.mark.parametrize("fault", ["no folder", "too small", "out exists", "out is here"])
def test_bad_input_leaves_nothing_behind(
    originals: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    source, size = originals, 96
    if fault == "no folder":
        source = tmp_path / "nowhere"
    elif fault == "too small":
        size = 2048
    elif fault == "out is here":
        monkeypatch.chdir(tmp_path)
        out = Path()
    else:
        out.mkdir()
        (out / "mine.txt").write_text("keep")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserInputError):
        make_pairs(source, 2, MakePlan(out, size, 0), processes=1)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_process_left_is_no_hindrance(originals: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.making" / "fields").mkdir(parents=True)
    (tmp_path / ".out.making" / "fields" / "00007.npz").touch()
    out = make_pairs(originals, 1, MakePlan(tmp_path / "out", 96, 0), processes=1)
    assert [file.name for file in (out / "fields").iterdir()] == ["00000.npz"]


def test_commands(
    tmp_path: Path,
    write_pairs: WritePairs,
    originals: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No download in a test.
    monkeypatch.setattr("objectives.weights.resolve_weights", lambda *_: "random")
    run = CliRunner().invoke
    folder = write_pairs(tmp_path / "a b")
    checked = run(app, ["check", str(folder), "-o", str(tmp_path / "page.html")])
    assert checked.exit_code == 0, checked.output
    assert "6 of 6 pairs read" in checked.output
    assert (tmp_path / "page.html").exists()
    (folder / "train" / "train0.png").write_bytes(b"")
    page = tmp_path / "fixed" / "page.html"
    fixed = run(app, ["check", str(folder), "--fix", str(page.parent), "-o", str(page)])
    assert fixed.exit_code == 2
    assert page.exists()
    assert "train0.png is empty" in fixed.output
    assert len(list((tmp_path / "fixed").rglob("*.png"))) == 5
    preview_file = tmp_path / "p.png"
    other = run(app, ["preview", str(tmp_path / "fixed"), "-o", str(tmp_path / "p.jpg")])
    assert "p.jpg is not written: the preview is a PNG" in str(other.exception)
    assert run(app, ["preview", str(tmp_path / "fixed"), "-o", str(preview_file)]).exit_code == 0
    assert Image.open(preview_file).width == 5 * 256
    out = tmp_path / "made of my"
    options = ["--originals", str(originals), "--out", str(out), "--pairs", "2", "--size", "96"]
    made = run(app, ["make", *options])
    assert made.exit_code == 0
    assert f"look: harness data preview '{out}'" in made.output
    bounds = re.search(r"doing nothing (0\.\d+), warping back (0\.\d+);", made.output)
    assert bounds is not None
    assert float(bounds[1]) < float(bounds[2])
    assert len(find_pairs(out).splits["train"]) == 2
    missing = run(app, ["check", str(tmp_path / "nowhere")])
    assert isinstance(missing.exception, UserInputError)


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        (["check", "MADE"], None),
        (["check", "MADE", "--direction", "BtoA"], "BtoA"),
        (["preview", "MADE"], "AtoB"),
        (["preview", "MADE", "--direction", "BtoA"], "BtoA"),
        (
            [
                "make",
                "--originals",
                "MADE",
                "--out",
                "new",
                "--pairs",
                "3",
                "--size",
                "96",
                "--seed",
                "5",
                "--jpeg",
                "80",
            ],
            (3, MakePlan(Path("new"), 96, 5, 80)),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_does_what_its_options_say(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], heard: Any
) -> None:
    given: list[Any] = []

    def hear(*values: Any) -> None:
        given.extend(values)
        raise UserInputError("heard")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.data.check.check.measure_all", lambda *_: ())
    for name in ("check.check.check", "check.preview.preview", "synthesis.make_pairs.make_pairs"):
        monkeypatch.setattr(f"harness.data.{name}", hear)
    CliRunner().invoke(app, [str(made) if word == "MADE" else word for word in words])
    place = {"check": 2, "preview": 1, "make": slice(1, 3)}[words[0]]
    assert given[place] == (list(heard) if words[0] == "make" else heard)


@pytest.mark.parametrize(
    "words", [["check", "-o"], ["check", "--fix"], ["preview", "-o"]], ids=lambda words: words[0]
)
@pytest.mark.parametrize("place", ["a folder", "a file/x"])
def test_what_cannot_be_written_is_refused_before_any_picture_is_read(
    tmp_path: Path, made: Path, words: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder" / "held").mkdir(parents=True)
    (tmp_path / "a file").touch()
    monkeypatch.setattr("harness.data.check.check.measure_all", None)
    monkeypatch.setattr("harness.data.check.preview.preview", None)
    command, option = words
    result = CliRunner().invoke(app, [command, str(made), option, str(tmp_path / place)])
    assert isinstance(result.exception, UserInputError)
    assert place in str(result.exception)
    assert option in str(result.exception)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_made_pair_is_warped_back_whichever_side_is_retouched(
    made: Path, direction: Direction
) -> None:
    """What is taken for retouched becomes what is taken for original, by the field beside it."""
    (files, *_) = find_pairs(made).splits["val"]
    pair = sized_pair(files, direction, QUICK, "fine")
    assert pair.undone is not None
    inside = pair.mask.expand(3, -1, -1)
    original = pair.original.float()[inside]
    undone, left = (
        (kind.float()[inside] - original).abs().mean() for kind in (pair.undone, pair.retouched)
    )
    assert float(undone) < 0.35 * float(left)
