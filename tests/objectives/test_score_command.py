"""`harness score`, from folders of pictures to scores."""

import csv
import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scoring import SIGMAS, assert_same, flags, save

from harness.cli.score import as_json, json_text, print_table
from harness.evaluation.folder_scoring import BitDepths, PictureFiles, read_set, score_files
from objectives.boundary_sharpness import BoundarySharpness
from objectives.masks import region_from_pair
from objectives.score import NothingToScoreError, Reference, Score, Scorer, aggregate

PAGE = Path(__file__).parent.parent.parent / "docs" / "score.md"


def test_the_values_equal_those_of_the_objective(
    score, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the pictures are scored by fours, to bound memory."""
    monkeypatch.setattr("harness.evaluation.folder_scoring.BATCH_PIXELS", 4 * 128 * 128 + 1)
    ran = score(*flags(folder, "pred", "target", "mask", "input"), "--json", folder / "out.json")
    assert ran.code == 0, ran.err
    figures = json.loads((folder / "out.json").read_text())

    def stack(kind: str) -> torch.Tensor:
        files = sorted((folder / kind).iterdir())
        pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255

    names = tuple(f"face {number}.png" for number in range(len(SIGMAS)))
    reference = Reference(names, stack("target"), stack("mask")[:, :1] > 0.5, stack("input"))
    expected = BoundarySharpness("random").against(reference)(stack("pred"))
    assert figures["score"] == pytest.approx(expected.value, rel=1e-6)
    assert [row["name"] for row in figures["images"]] == list(names)
    for found, row in zip(figures["images"], expected.per_image, strict=True):
        assert_same(found, row)


def test_the_json_has_the_documented_shape(score, folder: Path) -> None:
    ran = score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json")
    assert ran.code == 0, ran.err
    figures = json.loads((folder / "out.json").read_text())
    assert set(figures) == {
        "score", "n", "n_scored", "objective", "weights", "lpips_reference", "components", "images"
    }  # fmt: skip
    assert (figures["n"], figures["n_scored"], figures["weights"]) == (6, 6, "random")
    assert "blurred" in figures["lpips_reference"]
    expected = {
        "D",
        "E",
        "Lrel",
        "lpips",
        "ring_score",
        "ring_lpips",
        "laplacian_ratio",
        "ciede2000",
    }
    expected |= {"mae_outside", "structure_error", "median", "worst_tenth"}
    assert expected <= set(figures["components"])
    scores = [row["score"] for row in figures["images"]]
    assert scores == sorted(scores, reverse=True)
    assert figures["score"] == pytest.approx(sum(scores) / 6)
    assert figures["components"]["worst_tenth"] == pytest.approx(scores[-1])


def test_another_lpips_network_gives_another_metric_name(score, folder: Path) -> None:
    words = flags(folder, "pred", "target", "mask")
    assert score(*words, "--json", folder / "a.json").code == 0
    other = ("--objective", "boundary_sharpness_squeeze")
    ran = score(*words, *other, "--json", folder / "b.json")
    assert ran.code == 0, ran.err
    assert "boundary_sharpness_squeeze 0." in ran.out
    a, b = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert a["objective"] == "boundary_sharpness"
    assert b["objective"] == "boundary_sharpness_squeeze"
    assert b["components"]["D"] == pytest.approx(a["components"]["D"], rel=1e-6)
    assert b["components"]["lpips"] != pytest.approx(a["components"]["lpips"], rel=0.01)


def test_the_page_explains_every_component(score, folder: Path) -> None:
    assert score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json").code == 0
    figures = json.loads((folder / "out.json").read_text())
    page = PAGE.read_text(encoding="utf-8")
    named = {*figures, *figures["components"], *figures["images"][0]} - {"name"}
    assert {name for name in named if f"`{name}`" not in page} <= {
        "components",
        "images",
        "weights",
    }


def test_what_is_not_finite_is_null_in_the_json() -> None:
    figures = {"score": float("nan"), "images": [{"name": "얼굴", "E": float("inf"), "D": 0.1}]}
    text = json_text(figures)
    assert "얼굴" in text
    assert json.loads(text, parse_constant=pytest.fail) == {
        "score": None,
        "images": [{"name": "얼굴", "E": None, "D": 0.1}],
    }


def test_the_csv_has_the_same_rows(score, folder: Path) -> None:
    files = ("--json", folder / "out.json", "--csv", folder / "out.csv")
    assert score(*flags(folder, "pred", "target", "mask"), *files).code == 0
    rows = json.loads((folder / "out.json").read_text())["images"]
    with (folder / "out.csv").open(newline="") as opened:
        read = list(csv.DictReader(opened))
    assert [row["name"] for row in read] == [row["name"] for row in rows]
    assert [float(row["E"]) for row in read] == [row["E"] for row in rows]


def test_the_table_shows_the_score_the_components_and_the_five_worst(score, folder: Path) -> None:
    ran = score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json")
    value = json.loads((folder / "out.json").read_text())["score"]
    assert f"boundary_sharpness {value:.4f}" in ran.out
    assert "6 of 6 pictures scored" in ran.out
    assert "WEIGHTS ARE RANDOM" in ran.out
    assert "ring_score" in ran.out
    shown = [line.split("face ")[1][0] for line in ran.out.splitlines() if "face " in line]
    assert shown == ["5", "4", "3", "2", "1"]


def test_without_masks_the_region_is_found_from_the_input(score, folder: Path) -> None:
    known = flags(folder, "pred", "target", "mask", "input")
    assert score(*known, "--json", folder / "known.json").code == 0
    unknown = flags(folder, "pred", "target", "input")
    assert score(*unknown, "--json", folder / "found.json").code == 0
    a, b = (json.loads((folder / f"{name}.json").read_text()) for name in ("known", "found"))
    assert b["lpips_reference"] == "input"
    # The blur inside the true region is also inside the found one.
    assert b["components"]["mae_outside"] < 0.2 * b["components"]["mae"]
    assert b["score"] == pytest.approx(a["score"], abs=0.05)


def test_the_region_can_be_found_quickly_by_difference(
    score, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evaluation.folder_scoring.found_mask", None)  # no flow
    words = (*flags(folder, "pred", "target", "input"), "--region", "difference")
    ran = score(*words, "--json", folder / "out.json")
    assert ran.code == 0, ran.err
    assert score(*flags(folder, "pred", "target", "mask"), "--json", folder / "b.json").code == 0
    a, b = (json.loads((folder / name).read_text()) for name in ("out.json", "b.json"))
    fractions = [each["components"]["mask_fraction"] for each in (a, b)]
    assert fractions[0] == pytest.approx(fractions[1], rel=0.3)
    assert fractions[0] != fractions[1]


def test_found_masks_are_cached_and_damaged_ones_are_found_again(
    score, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*flags(folder, "pred", "target", "input"), "--json", folder / "out.json")
    assert score(*words).code == 0
    first = (folder / "out.json").read_text()
    asked: list[tuple[int, ...]] = []

    def find(retouched: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(original.shape))
        return region_from_pair(retouched, original)

    monkeypatch.setattr("harness.data.pairs.mask_cache.region_from_pair", find)
    assert score(*words).code == 0
    assert asked == []
    assert (folder / "out.json").read_text() == first
    with Image.open(folder / "input" / "face 0.png") as picture:
        other = Image.fromarray(255 - np.asarray(picture))
    other.save(folder / "input" / "face 0.png")
    assert score(*words).code == 0
    assert len(asked) == 1  # another retouching of the same original
    for file in (cache / "masks").iterdir():
        file.write_bytes(file.read_bytes()[:40])
    assert score(*words).code == 0
    assert len(asked) == 7
    again, before = (json.loads(text) for text in ((folder / "out.json").read_text(), first))
    for found, row in zip(again["images"][1:], before["images"][1:], strict=True):
        assert_same(found, row)
    assert again["images"][0] != before["images"][0]


def test_a_cache_that_cannot_be_written_is_not_needed(
    score, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no folder").write_text("a file")
    monkeypatch.setattr(
        "harness.data.pairs.mask_cache.default_cache", lambda: tmp_path / "no folder"
    )
    assert score(*flags(folder, "pred", "target", "input")).code == 0


@pytest.mark.parametrize("inner", ["images", "."])
def test_the_results_folder_of_pix2pix_gives_the_same_values(
    score, folder: Path, inner: str
) -> None:
    endings = {"pred": "fake_B", "target": "real_B", "input": "real_A"}
    for kind, ending in endings.items():
        for file in (folder / kind).iterdir():
            copy = folder / "results" / inner / f"{file.stem}_{ending}.png"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    older = folder / "results" / inner / "older"  # which test.py does not write, and nobody reads
    older.mkdir()
    Image.new("RGB", (64, 64)).save(older / "p_fake_B.png")
    assert score(*flags(folder, "results"), "--json", folder / "a.json").code == 0
    assert score(*flags(folder, "pred", "target", "input"), "--json", folder / "b.json").code == 0
    a, b = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert a["score"] == b["score"]
    assert a["components"] == b["components"]
    assert a["images"][0]["name"] == "face 0_fake_B.png"


def test_pictures_of_several_sizes_keep_their_order_and_their_scores(score, folder: Path) -> None:
    assert score(*flags(folder, "pred", "target", "mask"), "--json", folder / "a.json").code == 0
    for kind in ("pred", "target", "mask"):
        for number in (1, 4):
            file = folder / kind / f"face {number}.png"
            with Image.open(file) as picture:
                picture.crop((0, 0, 128, 120)).save(file)
    assert score(*flags(folder, "pred", "target", "mask"), "--json", folder / "b.json").code == 0
    a, b = (json.loads((folder / name).read_text())["images"] for name in ("a.json", "b.json"))
    assert [row["name"] for row in a] == [row["name"] for row in b]
    for number, (whole, cut) in enumerate(zip(a, b, strict=True)):
        if number in (1, 4):
            assert cut["mask_fraction"] != whole["mask_fraction"]
        else:
            assert_same(cut, whole)


def test_a_picture_rotated_by_exif_is_scored_with_upright_ones(score, folder: Path) -> None:
    """Both files have the same width; displayed, one is in portrait and one in landscape."""
    for kind in ("pred", "target", "mask"):
        with Image.open(folder / kind / "face 0.png") as picture:
            picture.crop((0, 0, 128, 120)).save(folder / kind / "face 0.png")
        file = folder / kind / "face 1.png"
        with Image.open(file) as picture:
            upright = picture.crop((0, 0, 120, 128))
        upright.save(file)
    words = (*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json")
    assert score(*words).code == 0
    expected = json.loads((folder / "out.json").read_text())["images"]
    for kind in ("pred", "target", "mask"):
        file = folder / kind / "face 1.png"
        exif = Image.Exif()
        exif[0x0112] = 6  # displayed rotated by 90 degrees
        with Image.open(file) as picture:
            picture.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
    ran = score(*words)
    assert ran.code == 0, ran.err
    found = json.loads((folder / "out.json").read_text())["images"]
    for row, other in zip(found, expected, strict=True):
        assert_same(row, other)


def test_names_in_hangul_are_paired_in_any_normalisation(score, folder: Path) -> None:
    for kind, form in (("pred", "NFC"), ("target", "NFD"), ("mask", "NFD")):
        name = unicodedata.normalize(form, "얼굴.png")
        (folder / kind / "face 0.png").rename(folder / kind / name)
    ran = score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json")
    assert ran.code == 0, ran.err
    names = [row["name"] for row in json.loads((folder / "out.json").read_text())["images"]]
    assert "얼굴.png" in names


def test_a_picture_without_a_region_is_named_and_left_out(score, folder: Path) -> None:
    save(torch.zeros(1, 128, 128, dtype=torch.bool), folder / "mask" / "face 2.png")
    ran = score(*flags(folder, "pred", "target", "mask"), "--json", folder / "out.json")
    figures = json.loads((folder / "out.json").read_text())
    assert (figures["n"], figures["n_scored"]) == (6, 5)
    assert "5 of 6 pictures scored" in ran.out
    row = figures["images"][2]
    assert row["name"] == "face 2.png"
    assert "score" not in row
    assert "under 0.05%" in row["skipped"]


def as_alpha(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA")


def as_palette(picture: Image.Image) -> Image.Image:
    return picture.quantize(64)


def as_grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L")


def as_16_bits(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize("form", [as_alpha, as_palette, as_grey, as_16_bits])
def test_other_kinds_of_picture_are_converted(score, folder: Path, form) -> None:
    """The same pixels as plain RGB and in another form have the same score."""
    plain = as_palette if form is as_palette else as_grey if form is as_16_bits else form
    for kind in ("pred", "target"):
        for file in (folder / kind).iterdir():
            with Image.open(file) as picture:
                other = folder / "other" / kind / file.name
                other.parent.mkdir(parents=True, exist_ok=True)
                form(picture).save(other)
                plain(picture).convert("RGB").save(file)
    assert score(*flags(folder, "pred", "target", "mask"), "--json", folder / "a.json").code == 0
    words = [*flags(folder / "other", "pred", "target"), *flags(folder, "mask")]
    assert score(*words, "--json", folder / "b.json").code == 0
    a, b = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert a == b


def test_subfolders_names_that_are_not_utf8_and_formulas(score, folder: Path) -> None:
    """Pictures are paired by path; every written file can contain every name."""
    strange = os.fsdecode("초상".encode("cp949"))
    red = "\x1b[31m.png"
    names = ("p0/a.png", "p1/a.png", f"{strange}.png", "=1+1.png", "-2.png", red)
    for kind in ("pred", "target", "mask"):
        for number, name in enumerate(names):
            (folder / kind / name).parent.mkdir(exist_ok=True)
            (folder / kind / f"face {number}.png").rename(folder / kind / name)
        for passed_over in ("notes.txt", "face 0.flo"):  # the latter is of `restore --save-field`
            (folder / kind / passed_over).touch()
    out = ("--json", folder / "out.json", "--csv", folder / "out.csv")
    ran = score(*flags(folder, "pred", "target", "mask"), *out)
    assert ran.code == 0, ran.err
    assert "--target" in ran.err
    assert "\x1b" not in ran.out
    assert r"\x1b[31m.png" in ran.out
    assert "passed over: 1 .txt (notes.txt); supported" in ran.err
    images = json.loads((folder / "out.json").read_text(encoding="utf-8"))["images"]
    escaped = "\\xc3\\xca\\xbb\\xf3.png"
    expected = {"p0/a.png", "p1/a.png", escaped, "=1+1.png", "-2.png", red}
    assert {row["name"] for row in images} == expected
    with (folder / "out.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    cells = {row["name"] for row in rows}
    assert cells == {"p0/a.png", "p1/a.png", escaped, "'=1+1.png", "'-2.png", red}
    by_name = {row["name"]: row["score"] for row in images}
    for row in rows:
        assert float(row["score"]) == by_name[row["name"].removeprefix("'")]


def test_12_bits_are_scored_as_8_are(score, folder: Path, tmp_path: Path) -> None:
    """And pictures restored by another program in all 16 bits."""
    files = [
        (file, white)
        for kind, white in (("target", 4095), ("input", 4095), ("pred", 65535))
        for file in (folder / kind).iterdir()
    ]
    for file, _ in files:
        Image.fromarray(np.asarray(Image.open(file).convert("L"))).save(file)
    named = flags(folder, "pred", "target", "mask", "input")
    assert score(*named, "--json", tmp_path / "8.json").code == 0
    for file, white in files:
        values = np.rint(np.asarray(Image.open(file)) / 255 * white).astype(np.uint16)
        Image.fromarray(values).save(file)
    wide = score(*named, "--json", tmp_path / "16.json")
    assert "read as 12-bit, a guess" in wide.err
    eight, sixteen = (
        json.loads((tmp_path / f"{bits}.json").read_text(encoding="utf-8"))["score"]
        for bits in (8, 16)
    )
    assert sixteen == pytest.approx(eight, abs=0.005)


def test_a_mask_is_white_above_half(tmp_path: Path) -> None:
    """The limit is between grey levels 127 and 128 of 255, also for soft edges."""
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    save(picture, tmp_path / "a.png")
    levels = torch.tensor([0, 26, 127, 128, 200, 255, 0, 255]) / 255
    save(levels.expand(1, 8, 8), tmp_path / "mask.png")
    file = tmp_path / "a.png"
    files = PictureFiles("a", file, file, tmp_path / "mask.png", None)
    found = read_set(files, "flow", BitDepths.of([files]))
    expected = [False, False, False, True, True, True, False, True]
    assert found.mask[0].tolist() == [expected] * 8


class Darkness:
    """An objective of the user's own, of which less is better."""

    name, direction, value_range, weights = "darkness", "minimize", (0.0, 1.0), "random"

    def against(self, reference: Reference) -> Scorer:
        def scorer(restored: torch.Tensor) -> Score:
            means = restored.mean((1, 2, 3)).tolist()
            named = zip(reference.names, means, strict=True)
            rows = [{"name": name, "score": mean} for name, mean in named]
            return aggregate(rows, "minimize")

        return scorer


def test_where_less_is_better_the_worst_of_a_folder_are_the_highest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    greys, files = (10, 250, 90), []
    for number, grey in enumerate(greys):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (64 + number, 64), (grey,) * 3).save(file)
        files.append(PictureFiles(file.name, file, file, None, file))
    found = score_files(files, Darkness(), "difference")
    assert found.score.value == pytest.approx(sum(greys) / 3 / 255)
    assert found.score.components["worst_tenth"] == pytest.approx(250 / 255)
    print_table(as_json(found, "darkness", "random"), "minimize")
    shown = capsys.readouterr().out
    assert "(lower is better; 3 of 3 pictures scored" in shown
    assert re.findall(r"\d\.png", shown) == ["1.png", "2.png", "0.png"]


def test_restored_pictures_have_a_bit_depth_of_their_own_and_it_is_said(tmp_path: Path) -> None:
    """12 bits of another program beside originals of 8."""
    restored, original, retouched = (tmp_path / f"{name}.png" for name in ("r", "o", "i"))
    Image.fromarray(np.full((64, 64), 2000, np.uint16)).save(restored)
    for file, grey in ((original, 200), (retouched, 90)):
        Image.new("L", (64, 64), grey).save(file)
    said: list[str] = []
    files = [PictureFiles("a", restored, original, None, retouched)]
    found = score_files(files, Darkness(), "difference", said.append)
    assert found.score.value == pytest.approx(2000 / 4095, abs=0.003)
    assert any("read as 12-bit, a guess" in sentence for sentence in said)


def test_a_size_of_which_no_picture_can_be_scored_is_left_out(tmp_path: Path) -> None:
    class OnlySquares(Darkness):
        def against(self, reference: Reference) -> Scorer:
            if reference.targets.shape[-1] > 64:
                raise NothingToScoreError("nothing was warped")
            return super().against(reference)

    files = []
    for width in (64, 65):
        file = tmp_path / f"{width}.png"
        Image.new("RGB", (width, 64), (51,) * 3).save(file)
        files.append(PictureFiles(file.name, file, file, None, file))
    found = score_files(files, OnlySquares(), "difference").score
    assert found.value == pytest.approx(0.2)
    assert (found.components["n"], found.components["n_scored"]) == (2, 1)
    assert found.per_image[1] == {"name": "65.png", "skipped": "nothing was warped"}
