"""`harness data make` and `preview`: pairs that can be undone, and can be looked at."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from planting import WritePairs
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from harness.cli.data import app
from harness.config.profiles import QUICK
from harness.config.settings import Direction
from harness.data.check.check import check, measure_all
from harness.data.check.preview import arrows, preview, spread
from harness.data.files.pair_folders import PairFiles, PairFolder, Split, find_pairs
from harness.data.files.scikit_image import scikit_image_file
from harness.data.pairs.pair_set import load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.pairs.sizing import sized_pair
from harness.data.synthesis.face_detection import find_face
from harness.data.synthesis.handles import Handles
from harness.data.synthesis.liquify import Stroke, displacement, resample
from harness.data.synthesis.make_pairs import MakePlan, frame, made_pair, make_pairs
from harness.data.synthesis.retouch import Face, moved_jaw, retouch
from harness.data.synthesis.traces import Traces, apply_traces, draw_traces, softened
from harness.errors import UserInputError
from harness.evaluation.made_bounds import made_bounds
from objectives.masks import FIELD_THRESHOLD


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    astronaut = Image.open(scikit_image_file("astronaut.png"))
    astronaut.crop((60, 0, 380, 320)).save(folder / "astronaut.png")
    Image.open(scikit_image_file("chelsea.png")).save(folder / "chelsea.png")
    Image.open(scikit_image_file("coffee.png")).save(folder / "coffee.png")
    return folder


@pytest.fixture(scope="module")
def made(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "made"
    return make_pairs(originals, 6, MakePlan(out, 192, seed=4), processes=1)


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


def test_the_previewed_pairs_are_spread_over_all_splits() -> None:
    files = [PairFiles(f"{number}.png", Path("p.png")) for number in range(20)]
    splits: dict[Split, tuple[PairFiles, ...]] = {
        "train": tuple(files[:18]),
        "val": tuple(files[18:]),
    }
    shown = spread(PairFolder(Path("data"), "aligned", splits))
    assert [pair.name for pair in shown] == [f"{n}.png" for n in (0, 2, 5, 7, 10, 12, 15, 17)]


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


FACE = Face(x=128, y=112, half_width=51, half_height=77)


def test_retouchings_differ_in_strength_symmetry_and_length() -> None:
    """One that slims every jaw alike teaches nothing about other tools."""
    drawn = [retouch(FACE, np.random.default_rng(seed)) for seed in range(120)]
    assert 0.3 < np.mean([isinstance(strokes[0], Handles) for strokes in drawn]) < 0.7
    fields = np.stack([displacement(strokes, 256, 256) for strokes in drawn])
    # How far each side of the jaw is pushed inwards, in the rows from the mouth to the chin.
    jaw = fields[:, 0, 140:180]
    left, right = -jaw[:, :, 60:100].mean(axis=(1, 2)), jaw[:, :, 156:196].mean(axis=(1, 2))
    assert (left + right > 0).mean() > 0.95
    assert (np.minimum(left, right) < 0.25 * np.maximum(left, right)).mean() > 0.05
    pushed = (left + right) / 2
    assert np.quantile(pushed, 0.9) > 2 * np.quantile(pushed, 0.1)
    largest = np.hypot(fields[:, 0], fields[:, 1]).max(axis=(1, 2)) / 256
    assert (largest > 0.004).all()
    assert (largest < 0.08).all()


def test_each_part_of_a_face_is_changed_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jaw narrower, the face shorter or longer, the nose narrower, both eyes larger."""
    jaw = Stroke((0, 0), (1, 1))
    monkeypatch.setattr("harness.data.synthesis.retouch.moved_jaw", lambda *_: jaw)
    drawn = [retouch(FACE, np.random.default_rng(seed)) for seed in range(300)]
    by_place: dict[tuple[float, ...], list[tuple[float, float]]] = {}
    for strokes in drawn:
        for stroke in strokes:
            if isinstance(stroke, Stroke) and stroke.push == (0, 0) and stroke is not jaw:
                key = (*np.round(stroke.centre, 2).tolist(), *np.round(stroke.radius, 2).tolist())
                by_place.setdefault(key, []).append(stroke.pinch)
    wide, long = (128, 150.5, 81.6, 61.2), (128, 154.35, 66.3, 45.9)
    nose, eyes = (128, 123.55, 20.4, 25.5), [(x, 98.14, 16.32, 13.26) for x in (106.58, 149.42)]
    assert by_place.keys() == {wide, long, nose, *eyes}
    for place, axis, low, high, share in (
        (wide, 0, 0.04, 0.12, 0.4),
        (long, 1, -0.08, 0.08, 0.5),
        (nose, 0, 0.08, 0.16, 0.4),
        (eyes[0], 0, -0.14, -0.06, 0.4),
    ):
        pinches = np.array(by_place[place])
        assert low <= pinches[:, axis].min() < low + 0.01 < high - 0.01 < pinches[:, axis].max()
        assert pinches[:, axis].max() <= high
        assert len(pinches) / 300 == pytest.approx(share, abs=0.1)
        assert place in eyes or (pinches[:, 1 - axis] == 0).all()
    assert np.mean([pinch[1] > 0 for pinch in by_place[long]]) == pytest.approx(2 / 3, abs=0.1)
    assert by_place[eyes[0]] == by_place[eyes[1]]
    assert all(x == y for x, y in by_place[eyes[0]])


def test_a_jaw_moves_inwards_and_up_and_all_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By up to a fifth of the half width; on one side only in about one of seven."""
    monkeypatch.setattr("harness.data.synthesis.retouch.Handles", SimpleNamespace)
    one_sided = 0
    for seed in range(200):
        jaw = moved_jaw(FACE, np.random.default_rng(seed))
        assert (jaw.centre, jaw.radius) == ((128, 112), pytest.approx((96.9, 146.3)))
        at, to = np.array(jaw.at), np.array(jaw.to)
        moved = to - at
        inward = -moved[:11, 0] * np.sign(at[:11, 0] - 128)
        assert (inward > -0.002).all()
        assert 1 < inward.max() <= 0.2 * 51 + 0.001
        assert (moved[:12, 1] < 0.002).all()
        assert moved[5, 1] == pytest.approx(moved[:12, 1].min(), abs=0.002)  # the chin, most
        assert (at[:11, 1] > 112).all()  # the lower half of the face
        assert moved[11, 0] == 0  # the mouth, which is lifted
        assert moved[11, 1] == pytest.approx(0.4 * moved[5, 1], abs=0.002)
        assert (moved[12:] == 0).all()
        one_sided += min(inward[:5].max(), inward[6:].max()) < 0.002
    assert 0.07 < one_sided / 200 < 0.25


def test_traces_are_those_of_different_tools() -> None:
    drawn = [draw_traces(256, np.random.default_rng(seed), None) for seed in range(200)]
    assert 0.35 < np.mean([traces.soft_everywhere > 0 for traces in drawn]) < 0.65
    assert 0.35 < np.mean([traces.jpeg is not None for traces in drawn]) < 0.65
    for soft, most in (("soft_moved", 0.0035), ("soft_everywhere", 0.0025)):
        assert 0.95 * most < max(getattr(traces, soft) for traces in drawn) / 256 <= most
    qualities = {traces.jpeg for traces in drawn} - {None}
    assert (min(qualities), max(qualities)) == (75, 97)
    # What is moved is resampled with the rest, and never sharper than that.
    assert all(traces.soft_everywhere <= traces.soft_moved for traces in drawn)
    assert draw_traces(256, np.random.default_rng(0), 60).jpeg == 60


def test_only_what_moves_is_softened_unless_all_is() -> None:
    astronaut = np.asarray(Image.open(scikit_image_file("astronaut.png")))[:256, 100:356]
    field = displacement([Stroke((128, 110), (40, 40), push=(10, 0))], 256, 256)
    still = ~(np.hypot(*field) > 0)
    local = softened(astronaut, field, 1.0)
    assert np.array_equal(local[still], astronaut[still])
    # In the middle of the stroke it is the Gaussian itself.
    blurred = gaussian_filter(astronaut.astype(float), (1, 1, 0))
    assert np.abs(local[110, 128] - blurred[110, 128]).max() <= 0.5
    # What moves half as far as what is fully softened, is softened half.
    little = np.broadcast_to(np.array([0.0015, -0.002])[:, None, None] * 256, field.shape)
    between = (astronaut + blurred) / 2
    assert np.abs(softened(astronaut, little, 1.0) - between).max() <= 0.51
    everywhere = apply_traces(Traces(1.0, 1.0, None), astronaut, field)
    assert np.abs(everywhere - blurred).max() <= 0.5
    assert np.array_equal(softened(astronaut, field, 0.0), astronaut)


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


def test_preview_rows_show_the_warp(made: Path) -> None:
    *pairs, last = spread(find_pairs(made))
    gone, said = replace(last, a=made / "gone.png"), list[str]()
    sheet = np.asarray(preview([gone, *pairs, last], "AtoB", said.append))
    assert said == [f"Left out: {made / 'gone.png'} does not exist (or is a broken link)."]
    with pytest.raises(UserInputError, match="No pair can be read"):
        preview([gone], "AtoB")
    assert sheet.shape == (24 + 6 * (24 + 256), 5 * 256, 3)
    red = (sheet == (255, 0, 0)).all(axis=2)
    green = (sheet == (0, 230, 0)).all(axis=2)
    assert red[:, 768:1024].sum() > 200
    assert not red[:, 1024:].any()
    assert green[:, 1024:].sum() > 200


def test_the_preview_of_swapped_pairs_differs_in_its_captions_and_halves_alone(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda _, at, text, *more, **how: said.append(text)
    )
    pair = find_pairs(made).splits["val"][0]
    with Image.open(pair.a) as opened:
        both = np.asarray(opened)
    Image.fromarray(np.hstack([both[:, 192:], both[:, :192]])).save(tmp_path / "swapped.png")
    swapped = replace(pair, a=tmp_path / "swapped.png")
    one, other = (
        np.asarray(preview([files], direction))
        for files, direction in ((pair, "AtoB"), (swapped, "BtoA"))
    )
    assert said[:2] + said[6:8] == ["A: retouched", "B: original", "A: original", "B: retouched"]
    assert np.array_equal(one[:, :512], np.hstack([other[:, 256:512], other[:, :256]]))
    assert np.array_equal(one[:, 512:], other[:, 512:])


def test_arrows_point_where_things_went() -> None:
    astronaut = np.asarray(Image.open(scikit_image_file("astronaut.png")))[:256, 100:356]
    field = displacement([Stroke((128, 110), (80, 80), push=(14, 0))], 256, 256)
    drawn = arrows(resample(astronaut, field), astronaut)
    red = (drawn == (255, 0, 0)).all(axis=2)
    rows, columns = np.nonzero(red)
    # Every arrow starts on a grid of 16 pixels, at 8; what is drawn beyond lies to its right.
    assert np.abs(rows.mean() - 110) < 15
    reach = (columns - 8) % 16
    assert ((reach > 3) & (reach <= 8)).sum() > 1.5 * ((reach > 8) & (reach < 13)).sum()


def test_arrows_are_three_times_as_long_as_the_displacement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which is a share of the width and one of the height: unequal, as the sides are."""
    field = np.ones((2, 128, 128)) * [[[0.02]], [[0.03]]]
    drawn: list[tuple[float, ...]] = []
    monkeypatch.setattr("harness.data.check.preview.estimated_displacement", lambda *_: field)
    monkeypatch.setattr(
        "harness.data.check.preview.draw_arrow",
        lambda _, start, reach: drawn.append((*start, *reach)),
    )
    wide = np.zeros((64, 256, 3), np.uint8)
    arrows(wide, wide)
    assert len(drawn) == 4 * 16
    assert drawn[1] == pytest.approx((24, 8, -0.02 * 256 * 3, -0.03 * 64 * 3))


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
