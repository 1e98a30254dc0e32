"""`harness restore`, from file to file: what the moving generator leaves alone is left alone."""

import errno
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor
from torch.nn import functional as F

from harness.cli.app import main
from harness.data.files.photograph import Photograph, read_photograph
from harness.data.files.picture_writing import write_like
from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.liquify import Stroke, displacement, inverse_displacement
from harness.evaluation.restore import restore_pictures
from harness.training.networks import WarpUnet, build_generator
from tests.golden.pix2pix_case import SETTINGS

SIZE = 128
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, ARTIST = 0x0112, 0x013B


def stroke(times: float = 1.0, wider: float = 0.0) -> Stroke:
    """A dab at one place of a picture of `times` x 128 px a side."""
    radius = times * (34.0 + wider)
    return Stroke((times * 60, times * 84), (radius, radius), push=(times * 4, -times * 3))


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of a generator that undoes that dab in square pictures."""
    field = torch.from_numpy(inverse_displacement([stroke()], SIZE, SIZE)).float()[None]

    def predict(_: WarpUnet, x: Tensor) -> tuple[Tensor, Tensor]:
        assert x.shape == (1, 3, SIZE, SIZE)
        return field, torch.zeros_like(x)

    monkeypatch.setattr(WarpUnet, "predict", predict)
    return checkpoint(tmp_path / "moving_net_G.pth", netG="warp_unet_128", load_size=SIZE)


def checkpoint(file: Path, **settings: Any) -> Path:
    net = build_generator(SETTINGS.model_copy(update=settings), seed=3)
    torch.save(net.state_dict(), file)
    return file


def face(side: int) -> Image.Image:
    with Image.open(scikit_image_file("astronaut.png"), formats=("PNG",)) as opened:
        part = opened.convert("RGB").crop((130, 38, 316, 224))
    return part.resize((side, side), Image.Resampling.BICUBIC)


def still(side: int) -> np.ndarray:
    """Pixels `[h, w]` of a square picture that lie outside of the dab, and of its rim."""
    times = side / SIZE
    return (displacement([stroke(times, 3)], side, side) == 0).all(0)


def only(checkpoint: Path, file: Path, **options: bool) -> Path:
    out = file.parent / "out"
    (written,) = restore_pictures(checkpoint, [file], out, "cpu", **options)
    assert written == out / file.name
    return written


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".ppm"])
def test_outside_of_the_dab_every_bit_stays(suffix: str, moving: Path, tmp_path: Path) -> None:
    file = tmp_path / f"p{suffix}"
    face(300).save(file, **({"lossless": True} if suffix == ".webp" else {}))
    before, after = read_photograph(file), read_photograph(only(moving, file))
    assert (after.values[still(300)] == before.values[still(300)]).all()
    assert (after.values != before.values).any(2).mean() > 0.1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_16_bits_alpha_profile_and_exif_are_kept(
    mode: str, suffix: str, moving: Path, tmp_path: Path
) -> None:
    plain, file = tmp_path / f"plain{suffix}", tmp_path / f"p{suffix}"
    exif = Image.Exif()
    exif[ARTIST] = "somebody"
    face(200).save(plain, icc_profile=PROFILE, exif=exif.tobytes())
    random = np.random.default_rng(0)
    eight = np.asarray(face(200).convert(mode)).reshape(200, 200, -1)
    values = eight * np.uint16(257) - random.integers(0, 2, eight.shape).astype(np.uint16)
    values[eight == 0] = 0
    write_like(plain, Photograph(values, mode), file)
    written = only(moving, file)
    after = read_photograph(written)
    assert (after.mode, after.values.dtype) == (mode, np.uint16)
    assert (after.values[still(200)] == values[still(200)]).all()
    assert (after.values != values).any(2).mean() > 0.1
    assert len(np.unique(after.values % 257)) > 100  # not 8 bits spread over 16
    with Image.open(written) as opened:
        assert opened.info["icc_profile"] == PROFILE
        assert opened.getexif()[ARTIST] == "somebody"


@pytest.mark.parametrize(("largest", "white"), [(2000, 4095), (60000, 65535)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_correction_is_in_the_bits_that_pictures_use(
    mode: str, largest: int, white: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a tenth of the range from -1 to 1: a twentieth of what is white in them."""

    def predict(_: WarpUnet, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x[:, :2]), torch.full_like(x, 0.1)

    monkeypatch.setattr(WarpUnet, "predict", predict)
    lightens = checkpoint(tmp_path / "net_G.pth", netG="warp_unet_128", load_size=SIZE)
    plain, file = tmp_path / "plain.png", tmp_path / "p.png"
    face(SIZE).save(plain)
    values = np.asarray(face(SIZE).convert(mode)).reshape(SIZE, SIZE, -1) * (largest / 255)
    write_like(plain, Photograph(values.astype(np.uint16), mode), file)
    after = read_photograph(only(lightens, file)).values
    assert after.dtype == np.uint16
    rise = after.astype(float) - values.astype(np.uint16)
    assert np.abs(rise - 0.05 * white).max() <= 0.5 + 1e-3 * white / 255


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_camera_s_orientation_changes_nothing(
    orientation: int, moving: Path, tmp_path: Path
) -> None:
    turns = {1: 0, 3: 2, 6: 1}[orientation]
    upright, turned = tmp_path / "upright.png", tmp_path / "turned.png"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    face(180).save(upright)
    Image.fromarray(np.rot90(np.asarray(face(180)), turns)).save(turned, exif=exif.tobytes())
    first, second = (only(moving, file, save_field=True) for file in (upright, turned))
    with Image.open(first) as one, Image.open(second) as other:
        other.load()
        assert other.getexif()[ORIENTATION] == 1
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert first.with_suffix(".flo").read_bytes() == second.with_suffix(".flo").read_bytes()


def read_flo(file: Path) -> Tensor:
    """As any program of optical flow reads it: `[2, h, w]`."""
    body = file.read_bytes()
    assert body[:4] == b"PIEH"
    assert np.frombuffer(body[:4], "<f4")[0] == pytest.approx(202021.25)
    width, height = np.frombuffer(body[4:12], "<i4")
    return torch.from_numpy(
        np.frombuffer(body[12:], "<f4").reshape(height, width, 2).transpose(2, 0, 1).copy()
    )


def test_the_field_that_is_written_is_the_one_that_was_applied(
    moving: Path, tmp_path: Path
) -> None:
    """Sampled by another's code at p + field(p), the picture is the restored one."""
    file = tmp_path / "p.png"
    face(256).save(file)
    written = only(moving, file, save_field=True)
    field = read_flo(written.with_suffix(".flo"))
    assert field.shape == (2, 256, 256)
    assert not field[:, still(256)].any()
    assert float(field.norm(dim=0).max()) == pytest.approx(2 * 5, abs=1)
    x, y = torch.arange(256) + field[0], torch.arange(256)[:, None] + field[1]
    grid = torch.stack([x, y], -1)[None] / 255 * 2 - 1
    before, after = (
        torch.from_numpy(np.asarray(Image.open(place, formats=("PNG",))).copy()).permute(2, 0, 1)
        for place in (file, written)
    )
    moved = F.grid_sample(before[None].float(), grid, mode="bicubic", align_corners=True)
    assert float((moved[0].round().clamp(0, 255) - after).abs().max()) <= 1


def test_a_field_at_twice_the_size_is_the_field_twice_as_long(moving: Path, tmp_path: Path) -> None:
    fields = []
    for side in (SIZE, 2 * SIZE):
        face(side).save(tmp_path / f"p{side}.png")
        written = only(moving, tmp_path / f"p{side}.png", save_field=True)
        fields.append(read_flo(written.with_suffix(".flo")))
    once, twice = fields
    assert float((F.avg_pool2d(twice, 2) - 2 * once).abs().max()) < 0.1
    assert float(once.abs().max()) > 3


def test_a_field_stands_whole_or_not_at_all(
    moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(file: Path, _: np.ndarray) -> None:
        file.write_bytes(b"PIEH")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.evaluation.restore.save_flo", fill)
    face(64).save(tmp_path / "p.png")
    with pytest.raises(OSError, match="No space left"):
        only(moving, tmp_path / "p.png", save_field=True)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["p.png"]


def test_two_fields_of_one_name_are_refused(moving: Path, tmp_path: Path) -> None:
    for suffix in (".png", ".bmp"):
        face(64).save(tmp_path / f"p{suffix}")
    files = [tmp_path / "p.bmp", tmp_path / "p.png"]
    out = tmp_path / "out"
    command = ["restore", str(moving), *map(str, files), "--out", str(out), "--device", "cpu"]
    assert run([*command, "--save-field"]) == 2
    assert not out.exists()
    assert run(command) == 0
    assert {file.name for file in out.iterdir()} == {"p.bmp", "p.png"}


def run(words: list[str]) -> int:
    """The exit code of a command line."""
    before, sys.argv = sys.argv, ["harness", *words]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return int(ended.value.code or 0)


def test_what_cannot_be_kept_is_refused_and_the_rest_is_restored(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """32-bit floating point, a truncated picture; CMYK and indexed colours are no trouble."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    face(150).convert("CMYK").save(folder / "inks.tif")
    face(150).quantize(64).save(folder / "indexed.png")
    Image.fromarray(np.zeros((64, 64), np.float32)).save(folder / "float.tif")
    face(150).save(folder / "short.png")
    (folder / "short.png").write_bytes((folder / "short.png").read_bytes()[:3000])
    assert run(["restore", str(moving), str(folder), "--out", str(out), "--device", "cpu"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("harness: 2 of 4 pictures could not be restored: ")
    assert printed.err.count("\n") == 1
    for name in ("float.tif", "short.png"):
        assert name in printed.err
    assert {Path(line).name for line in printed.out.splitlines()} == {"inks.tif", "indexed.png"}
    assert {file.name for file in out.iterdir()} == {"inks.tif", "indexed.png"}
    for name in ("inks.tif", "indexed.png"):
        before, after = read_photograph(folder / name), read_photograph(out / name)
        assert (after.values[still(150)] == before.values[still(150)]).all()
        assert (after.values != before.values).any()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_repainted_picture_keeps_what_is_still_true(suffix: str, tmp_path: Path) -> None:
    """Its format, its EXIF but for the orientation; its profile is that of sRGB, left out."""
    repainting = checkpoint(tmp_path / "net.pth", netG="unet_128")
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = 6, "somebody"
    file = tmp_path / f"p{suffix}"
    portrait = face(140).crop((0, 0, 140, 90))
    portrait.save(file, exif=exif.tobytes(), icc_profile=PROFILE)
    with Image.open(only(repainting, file)) as after:
        after.load()
        assert after.size == (90, 140)
        assert Image.registered_extensions()[suffix] == after.format
        assert after.getexif()[ORIENTATION] == 1
        assert after.getexif()[ARTIST] == "somebody"
        assert "icc_profile" not in after.info
