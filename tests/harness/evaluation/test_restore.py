"""`harness restore`: pictures of any size, checkpoints of any pix2pix generator, no flags."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from harness.data.files.photograph import Photograph
from harness.data.files.picture_reading import read_picture
from harness.errors import UserInputError
from harness.evaluation.padding import mirror_indices, run_padded
from harness.evaluation.restore import (
    MOST_PIXELS,
    OVERLAP,
    TILE,
    fade_weights,
    load_generator,
    repaint,
    restore_pictures,
    run_in_tiles,
    tile_starts,
)
from harness.training.checkpoint_networks import Architecture, architecture_of
from harness.training.networks import build_discriminator, build_generator, restoring
from search_spaces.checks import GENERATOR_MULTIPLE
from tests.golden.pix2pix_case import RESTORERS, SETTINGS, batch, case_weights, named, restorer

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "pix2pix_restored.json").read_text(encoding="utf-8")
)


def write_checkpoint(file: Path, prefix: str = "", **settings: Any) -> Path:
    net = build_generator(SETTINGS.model_copy(update=settings), seed=3)
    torch.save({prefix + name: value for name, value in net.state_dict().items()}, file)
    return file


def write_picture(file: Path, width: int, height: int) -> Path:
    random = np.random.default_rng(width * height)
    small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    file.parent.mkdir(parents=True, exist_ok=True)
    small.resize((width, height), Image.Resampling.BICUBIC).save(file)
    return file


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", RESTORERS)
def test_a_checkpoint_restores_as_the_reference_does(
    name: str, prefix: str, tmp_path: Path
) -> None:
    """Values that the reference computed; also from a file of its DataParallel wrapper."""
    weights = case_weights(restorer(name), 3)[0]
    file = tmp_path / "latest_net_G.pth"
    torch.save({prefix + key: value for key, value in weights.items()}, file)
    net, _ = load_generator(file)
    with restoring(net) as restore:
        found = restore(batch(1)[0]).flatten()[::97]
    assert torch.allclose(found, torch.tensor(GOLDEN[name]), atol=1e-5)
    assert list(net.state_dict()) == list(weights)


CASES = [
    {"netG": netG, "ngf": ngf, "norm": norm, "dropout": dropout}
    for netG, ngf in (
        ("unet_128", 4),
        ("unet_256", 6),
        ("resnet_6blocks", 4),
        ("resnet_9blocks", 5),
    )
    for norm in ("batch", "instance", "none")
    for dropout in (True, False)
]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_architecture_is_read_off_the_checkpoint(case: dict[str, Any], tmp_path: Path) -> None:
    net = build_generator(SETTINGS.model_copy(update=case), seed=0)
    unet = case["netG"].startswith("unet")
    found = architecture_of(dict(net.state_dict()), tmp_path)
    # A U-Net's dropout leaves no trace, and matters not.
    assert found == Architecture(**{**case, "dropout": False if unet else case["dropout"]})


def test_subfolders_keep_their_pictures_apart_and_other_files_are_named(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    folder, out = tmp_path / "in", tmp_path / "in" / "restored"
    inside = {"p0/a.png", "p1/a.png", "b.png", "restored before/c.png"}
    for name in (*inside, "masks/p0/a.png"):
        write_picture(folder / name, 40, 40)
    (folder / "p0" / "c.heic").touch()
    for _ in range(2):  # what was restored into the folder before is no input
        remarks: list[str] = []
        twice = [folder, folder / "b.png"]
        written = list(restore_pictures(checkpoint, twice, out, "cpu", remarks.append))
        assert len(written) == len(inside)
        assert {file.relative_to(out).as_posix() for file in written} == inside
        assert len(remarks) == 1
        assert "passed over: 1 .heic (p0/c.heic), 1 folder (masks/)" in remarks[0]
    [mask] = restore_pictures(checkpoint, [folder / "masks"], tmp_path / "named", "cpu")
    assert mask == tmp_path / "named" / "p0" / "a.png"


def test_pairs_side_by_side_are_remarked_on(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    half = np.asarray(Image.open(write_picture(tmp_path / "in" / "a.png", 40, 40)))
    Image.fromarray(np.hstack([half, half // 2])).save(tmp_path / "in" / "b.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "in" / "flat.png")
    said: list[str] = []
    folder, out = tmp_path / "in", tmp_path / "out"
    assert len(list(restore_pictures(checkpoint, [folder], out, "cpu", said.append))) == 3
    [remark] = said
    assert remark.startswith(f"In 1 of 3 pictures (first {folder / 'b.png'}) both halves")


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    name = "초상.png".encode("cp949")
    write_picture(tmp_path / "in" / "p.png", 40, 40).rename(
        os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)
    )
    (written,) = restore_pictures(checkpoint, [tmp_path / "in"], tmp_path / "out", "cpu")
    assert os.fsencode(written.name) == name
    assert read_picture(written).shape == (40, 40, 3)


def test_a_phones_jpeg_and_12_bits_are_restored(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    phone = write_picture(tmp_path / "phone.png", 40, 40)
    with Image.open(phone) as picture:
        second = picture.resize((20, 20))
        picture.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[second])
    remarks: list[str] = []
    (written,) = restore_pictures(
        checkpoint, [tmp_path / "phone.jpg"], tmp_path / "out", "cpu", remarks.append
    )
    assert read_picture(written).shape == (40, 40, 3)
    assert remarks == []
    grey = read_picture(phone)[..., 0]
    Image.fromarray(grey).save(tmp_path / "eight.png")
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "twelve.png")
    restored = []
    for file in (tmp_path / "eight.png", tmp_path / "twelve.png"):
        assert remarks == []
        written = next(
            restore_pictures(checkpoint, [file], tmp_path / "out", "cpu", remarks.append)
        )
        restored.append(read_picture(written))
    eight, twelve = restored
    assert "read as 12-bit, a guess" in remarks[0]
    assert np.abs(eight.astype(int) - twelve).mean() < 2


SIZES = [(128, 128), (200, 150), (1, 1), (37, 300), (129, 255)]


@pytest.mark.parametrize("netG", ["unet_128", "resnet_6blocks"])
def test_every_picture_keeps_its_size_and_name(netG: str, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth", netG=netG)
    for width, height in SIZES:
        write_picture(tmp_path / "in" / f"p{width}x{height}.jpg", width, height)
    single = write_picture(tmp_path / "portrait.v2.png", 140, 130)
    written = list(restore_pictures(checkpoint, [tmp_path / "in", single], tmp_path / "out", "cpu"))
    sizes = {f"p{width}x{height}.jpg": (width, height) for width, height in SIZES}
    sizes["portrait.v2.png"] = 140, 130
    assert {file.name for file in written} == set(sizes)
    for file in written:
        with Image.open(file) as picture:
            assert (picture.size, picture.mode) == (sizes[file.name], "RGB")
            assert picture.format == ("PNG" if file.suffix == ".png" else "JPEG")


def test_a_restored_picture_stands_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full halfway: what stood there stands, and nothing is left beside it."""
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    picture = write_picture(tmp_path / "p.png", 64, 64)
    (written,) = restore_pictures(checkpoint, [picture], tmp_path / "out", "cpu")
    before = written.read_bytes()

    def fill(_: Path, __: Photograph, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.evaluation.restore.write_like", fill)
    with pytest.raises(OSError, match="No space left"):
        list(restore_pictures(checkpoint, [picture], tmp_path / "out", "cpu"))
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_picture_of_the_network_s_own_size_is_not_padded(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "net.pth")
    file = write_picture(tmp_path / "p.png", 128, 128)
    (written,) = restore_pictures(checkpoint, [file], tmp_path / "out", "cpu")
    net, _ = load_generator(checkpoint)
    signed = torch.from_numpy(read_picture(file).transpose(2, 0, 1)[None] / 127.5 - 1).float()
    with restoring(net) as restore:
        wanted = (restore(signed)[0].add(1).div(2) * 255).round().permute(1, 2, 0)
    apart = np.abs(read_picture(written).astype(int) - wanted.numpy().astype(int))
    assert apart.max() <= 1
    assert apart.mean() < 0.01  # rounded, not cut off


def test_only_large_pictures_are_repainted_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a network of one pixel that turns the picture into its negative."""
    assert (MOST_PIXELS, TILE, OVERLAP) == (2**24, 2048, 256)  # as docs/train.md has it
    assert all(OVERLAP % multiple == 0 for multiple in GENERATOR_MULTIPLE.values())
    for name, value in (("MOST_PIXELS", 1000), ("TILE", 32), ("OVERLAP", 16)):
        monkeypatch.setattr(f"harness.evaluation.restore.{name}", value)
    seen: list[tuple[int, ...]] = []

    class Negative(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape[-2:]))
            return -x

    for (height, width), sides in (((25, 40), {(32, 40)}), ((20, 60), {(24, 32)})):
        seen.clear()
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        found = repaint(Negative(), picture, 8, torch.device("cpu"))
        assert np.array_equal(found, 255 - picture)
        assert set(seen) == sides


def unchanged(picture: Tensor) -> Tensor:
    return picture


@pytest.mark.parametrize("side", [1, 2, 3, 5, 99, 128, 129])
def test_mirroring_keeps_the_picture_in_its_middle(side: int) -> None:
    before, places = mirror_indices(side, 128)
    assert len(places) % 128 == 0
    assert places[before : before + side].tolist() == list(range(side))
    assert before == (len(places) - side) // 2
    assert places.min() >= 0
    assert places.max() < side
    # From each pixel to a neighbour of it: no edge is repeated, and nothing jumps.
    assert side == 1 or (places.diff().abs() == 1).all()
    picture = torch.rand(1, 3, side, 40)
    assert torch.equal(run_padded(picture, 128, unchanged), picture)


def test_tiles_cover_the_picture_and_give_it_back() -> None:
    picture = torch.rand(1, 3, 70, 53)
    seen: list[tuple[int, ...]] = []

    def look(tile: Tensor) -> Tensor:
        seen.append(tuple(tile.shape[-2:]))
        return tile

    assert torch.allclose(run_in_tiles(picture, look, 32, 8), picture, atol=1e-6)
    assert len(seen) == len(tile_starts(70, 32, 8)) * len(tile_starts(53, 32, 8))
    assert {side for sides in seen for side in sides} <= set(range(24, 33))


def test_where_tiles_disagree_there_is_no_seam() -> None:
    """Each tile one grey of its own: the steps between neighbours are those of a gentle ramp."""
    greys = iter(torch.linspace(0, 1, 9))
    whole = run_in_tiles(
        torch.zeros(1, 3, 160, 160), lambda tile: torch.full_like(tile, float(next(greys))), 64, 16
    )
    steepest = max(float(whole.diff(dim=axis).abs().max()) for axis in (2, 3))
    step_of_neighbours = 3 / 8
    assert 0 < steepest < step_of_neighbours / 4


def test_tiles_of_a_local_network_equal_the_whole() -> None:
    """Without normalisation a residual generator sees 63 pixels around; 64 are thrown away."""
    update = {"netG": "resnet_6blocks", "norm": "none", "init_type": "xavier", "init_gain": 1.2}
    net = build_generator(SETTINGS.model_copy(update=update), 0)
    picture = torch.rand(1, 3, 640, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with restoring(net) as run:
        whole, tiled = run(picture), run_in_tiles(picture, run, 448, 256)
    assert 0.01 < float(whole.std()) < 0.9
    assert float((whole - tiled).abs().max()) < 1e-4


def test_ramps_of_neighbours_add_up_to_one() -> None:
    left, right = fade_weights(slice(0, 32), 56, 8), fade_weights(slice(24, 56), 56, 8)
    assert torch.allclose(left[24:] + right[:8], torch.ones(8))
    assert right[:2].tolist() == [0, 0]
    assert torch.equal(fade_weights(slice(0, 20), 20, 8), torch.ones(20))


@pytest.mark.parametrize("netG", ["unet_128", "warp_unet_128"])
def test_what_cannot_be_read_is_named_at_the_end_and_the_rest_is_restored(
    netG: str, tmp_path: Path
) -> None:
    checkpoint, out = write_checkpoint(tmp_path / "net.pth", netG=netG), tmp_path / "out"
    for name in ("a.png", "b.png", "c.png"):
        write_picture(tmp_path / "in" / name, 64, 64)
    bad = tmp_path / "in" / "b.png"
    bad.write_bytes(bad.read_bytes()[:200])
    restoring_all = restore_pictures(checkpoint, [tmp_path / "in"], out, "cpu")
    written = [next(restoring_all).name for _ in range(2)]
    with pytest.raises(UserInputError, match=r"^1 of 3 pictures could not be restored: .*b\.png"):
        next(restoring_all)
    assert written == ["a.png", "c.png"]
    assert {file.name for file in out.iterdir()} == {*written}


class TestRefusals:
    def refused(self, tmp_path: Path, said: str, checkpoint: Path, *pictures: Path) -> None:
        out = tmp_path / "out"
        with pytest.raises(UserInputError, match=said):
            list(restore_pictures(checkpoint, pictures, out, "cpu"))
        assert not out.exists()

    def test_a_discriminator(self, tmp_path: Path) -> None:
        file = tmp_path / "latest_net_D.pth"
        torch.save(build_discriminator(SETTINGS, 3, 0).state_dict(), file)
        picture = write_picture(tmp_path / "p.png", 64, 64)
        self.refused(tmp_path, "not the checkpoint of a pix2pix generator", file, picture)

    def test_a_generator_of_another_make(self, tmp_path: Path) -> None:
        weights = build_generator(SETTINGS, 0).state_dict()
        weights["model.model.3.bias"] = torch.zeros(4)
        torch.save(weights, tmp_path / "net.pth")
        picture = write_picture(tmp_path / "p.png", 64, 64)
        self.refused(tmp_path, r"model\.model\.3\.bias", tmp_path / "net.pth", picture)

    def test_a_damaged_picture(self, tmp_path: Path) -> None:
        bad = write_picture(tmp_path / "bad.png", 64, 64)
        bad.write_bytes(bad.read_bytes()[:200])
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        self.refused(tmp_path, r"^\S+bad.png cannot be read as a picture", checkpoint, bad)
        other = tmp_path / "other.png"
        other.touch()
        self.refused(tmp_path, r"^2 of 2 pictures .*bad.png .*other.png", checkpoint, bad, other)

    def test_a_folder_where_a_picture_would_be(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        picture = write_picture(tmp_path / "p.png", 64, 64)
        (tmp_path / "there" / "p.png").mkdir(parents=True)
        with pytest.raises(UserInputError, match=r"p\.png is a folder where .* would be written"):
            list(restore_pictures(checkpoint, [picture], tmp_path / "there", "cpu"))

    def test_a_subfolder_that_cannot_be_written(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        write_picture(tmp_path / "in" / "sub" / "p.png", 64, 64)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "sub").touch()
        with pytest.raises(UserInputError, match=r"out/sub cannot be written \(Not a directory\)"):
            list(restore_pictures(checkpoint, [tmp_path / "in"], tmp_path / "out", "cpu"))

    def test_a_field_of_a_network_that_moves_nothing(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        picture = write_picture(tmp_path / "p.png", 64, 64)
        out = tmp_path / "out"
        with pytest.raises(UserInputError, match="does not move pixels, so --save-field has not"):
            list(restore_pictures(checkpoint, [picture], out, "cpu", save_field=True))
        assert not out.exists()

    def test_what_cannot_be_moved_without_loss(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth", netG="warp_unet_128")
        picture = tmp_path / "p.ppm"
        picture.write_bytes(b"P6 40 40 1023\n" + bytes(40 * 40 * 6))
        self.refused(tmp_path, "more than 8 bits in a PPM", checkpoint, picture)

    def test_two_pictures_of_one_name(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        files = [write_picture(tmp_path / place / "p.png", 64, 64) for place in "ab"]
        self.refused(tmp_path, r"would both become p\.png", checkpoint, *files)

    def test_an_empty_folder_and_a_missing_file(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        (tmp_path / "empty").mkdir()
        self.refused(tmp_path, "holds no pictures", checkpoint, tmp_path / "empty")
        good = write_picture(tmp_path / "p.png", 64, 64)
        self.refused(tmp_path, "gone.png is not there", checkpoint, good, tmp_path / "gone.png")

    def test_another_process_that_restores_there(self, tmp_path: Path) -> None:
        """The one that was first writes on; the second is refused and writes nothing."""
        checkpoint, out = write_checkpoint(tmp_path / "net.pth"), tmp_path / "out"
        first, second = (write_picture(tmp_path / name, 64, 64) for name in ("a.png", "b.png"))
        begun = restore_pictures(checkpoint, [first, second], out, "cpu")
        next(begun)
        with pytest.raises(UserInputError, match="Another process is restoring pictures in"):
            next(restore_pictures(checkpoint, [second], out, "cpu"))
        assert not (out / "b.png").exists()
        assert list(begun) == [out / "b.png"]
        assert list(restore_pictures(checkpoint, [second], out, "cpu")) == [out / "b.png"]

    def test_a_picture_is_not_written_over(self, tmp_path: Path) -> None:
        checkpoint = write_checkpoint(tmp_path / "net.pth")
        file = write_picture(tmp_path / "p.png", 64, 64)
        before = file.read_bytes()
        with pytest.raises(UserInputError, match="overwritten"):
            list(restore_pictures(checkpoint, [file], tmp_path, "cpu"))
        assert file.read_bytes() == before
        with pytest.raises(UserInputError, match=r"new\.png looks like a picture, but --out is"):
            list(restore_pictures(checkpoint, [file], tmp_path / "new.png", "cpu"))
        assert not (tmp_path / "new.png").exists()
