"""A generator that moves pixels: where it begins, what a field does, what its checkpoint holds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from harness.config.profiles import QUICK
from harness.data.synthesis.liquify import Stroke, displacement, inverse_displacement
from harness.errors import UserInputError
from harness.training.checkpoint_networks import Architecture, architecture_of
from harness.training.checkpoints import load_weights
from harness.training.networks import WarpUnet, build_generator, restoring
from harness.training.warping import move, sample, suppress_short

SMALL = QUICK.updated({"netG": "warp_unet_128", "ngf": 4, "ndf": 4})


def smooth_picture(height: int, width: int, seed: int = 0) -> Tensor:
    """`[1, 3, h, w]` in [-1, 1] without detail that bicubic sampling could lose."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def trained_a_little(seed: int = 0) -> WarpUnet:
    """One whose head predicts something."""
    net = build_generator(SMALL, seed)
    assert isinstance(net, WarpUnet)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net.get_parameter("model.model.3.weight").normal_(0, 0.2, generator=random)
    return net


@pytest.mark.parametrize("netG", ["warp_unet_128", "warp_unet_256"])
def test_it_begins_as_the_identity(netG: str) -> None:
    net = build_generator(SMALL.updated({"netG": netG}), seed=3)
    picture = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with restoring(net) as restore:
        assert torch.allclose(restore(picture), picture, atol=1e-6)


def test_the_head_learns_from_the_first_step_and_the_trunk_from_the_second() -> None:
    """An output that begins at zero has a gradient of its own; it then passes one on."""
    net = build_generator(SMALL, seed=0)
    picture, target = smooth_picture(128, 128), smooth_picture(128, 128, 1)
    descent = torch.optim.Adam(net.parameters(), 1e-3)
    moved = []
    for _ in range(2):
        before = {name: value.detach().clone() for name, value in net.named_parameters()}
        descent.zero_grad()
        (net(picture) - target).abs().mean().backward()
        assert all(
            value.grad is not None and value.grad.isfinite().all() for value in net.parameters()
        )
        descent.step()
        moved.append(
            {n for n, value in net.named_parameters() if not torch.equal(before[n], value)}
        )
    assert moved[0] == {"model.model.3.weight", "model.model.3.bias"}
    assert "model.model.0.weight" in moved[1]


def test_a_field_moves_as_liquify_s_does() -> None:
    """`moved(p) = picture(p + field(p))`, x first, in pixels, as scipy samples it."""
    picture = smooth_picture(40, 60)
    stroke = Stroke((30.0, 20.0), (16.0, 12.0), push=(3.0, -1.5))
    field = displacement([stroke], 40, 60)
    y, x = np.mgrid[:40, :60]
    wanted = [
        map_coordinates(channel.numpy().astype(float), [y + field[1], x + field[0]], order=3)
        for channel in picture[0]
    ]
    found = move(picture, torch.from_numpy(field)[None])[0].numpy()
    assert np.abs(found - np.stack(wanted))[:, 4:-4, 4:-4].max() < 0.03


def test_a_field_is_undone_by_its_inverse() -> None:
    picture = smooth_picture(64, 64)
    strokes = [Stroke((30.0, 34.0), (20.0, 24.0), push=(4.0, 1.0), pinch=(0.05, 0.0))]
    there, back = (
        torch.from_numpy(fields(strokes, 64, 64))[None]
        for fields in (displacement, inverse_displacement)
    )
    retouched = move(picture, there)
    assert float((retouched - picture).abs().max()) > 0.1
    assert float((move(retouched, back) - picture).abs().max()) < 0.02


def test_whole_pixels_and_the_border() -> None:
    picture = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    shift = torch.zeros(1, 2, 9, 12)
    shift[:, 0], shift[:, 1] = 2, -1
    moved = move(picture, shift)
    assert torch.allclose(moved[..., 1:, :-2], picture[..., :-1, 2:], atol=1e-5)
    assert torch.allclose(moved[..., 1:, -1], picture[..., :-1, -1], atol=1e-5)
    assert torch.allclose(moved[..., 0, :-2], picture[..., 0, 2:], atol=1e-5)


def test_moving_and_mirroring_commute() -> None:
    picture = smooth_picture(32, 48)
    field = torch.rand(1, 2, 32, 48, generator=torch.Generator().manual_seed(0)) * 6 - 3
    mirrored = field.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    there = move(picture, field).flip(-1)
    assert torch.allclose(move(picture.flip(-1), mirrored), there, atol=1e-4)


def test_it_samples_between_pixels_as_interpolation_does() -> None:
    """The same maps at another size, as torch's own bicubic resizing gives them."""
    maps = torch.rand(1, 2, 7, 5, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(21.0), torch.arange(20.0), indexing="ij")
    found = sample(maps, ((x + 0.5) / 4 - 0.5)[None], ((y + 0.5) / 3 - 0.5)[None])
    wanted = torch.nn.functional.interpolate(maps, (21, 20), mode="bicubic", align_corners=False)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_tremor_is_exactly_nothing_and_the_rest_is_left_alone() -> None:
    lengths = torch.tensor([0.0, 0.3, 0.5, 0.75, 1.0, 4.0])
    maps = torch.stack([0.6 * lengths, 0.8 * lengths]).view(1, 2, 1, 6)
    kept = suppress_short(maps, 0.5)
    assert (kept[..., :3] == 0).all()
    assert torch.equal(kept[..., 4:], maps[..., 4:])
    assert torch.allclose(kept[..., 3], maps[..., 3] / 2)


def test_no_displacement_is_longer_than_six_percent_of_the_trained_width() -> None:
    net = trained_a_little()
    with torch.no_grad():
        net.get_parameter("model.model.3.bias").fill_(50)
    field, painted = net.predict(smooth_picture(128, 128))
    assert float(field.detach().max()) == pytest.approx(0.06 * 128, rel=1e-4)
    assert float(painted.detach().max()) == pytest.approx(0.5, rel=1e-4)
    assert float(net(smooth_picture(128, 128)).detach().max()) == 1  # of what is lightened by it
    with torch.autocast("cpu", torch.bfloat16):  # which cannot tell pixel 255.5 from 256
        assert {part.dtype for part in net.predict(smooth_picture(128, 128))} == {torch.float32}


@pytest.mark.parametrize("netG", ["warp_unet_128", "warp_unet_256"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_a_checkpoint_tells_its_network(netG: str, norm: str, tmp_path: Path) -> None:
    net = build_generator(SMALL.updated({"netG": netG, "norm": norm, "load_size": 144}), 0)
    assert architecture_of(dict(net.state_dict()), tmp_path) == Architecture(netG, 4, norm, False)
    assert float(net.state_dict()["field_size"]) == 144


@pytest.mark.parametrize("width", [0.0, -1.0, 128.5, 1e9, float("nan")])
def test_a_checkpoint_of_no_sensible_width_is_refused(width: float, tmp_path: Path) -> None:
    weights = dict(build_generator(SMALL, 0).state_dict())
    weights["field_size"] = torch.tensor(width)
    with pytest.raises(UserInputError, match="field_size"):
        architecture_of(weights, tmp_path)


def test_a_model_trained_on_at_another_size_predicts_at_that_size(tmp_path: Path) -> None:
    earlier = build_generator(SMALL, 0)
    continued = SMALL.updated({"load_size": 256})  # of which crops of 128 are trained on
    net = build_generator(continued, 1)
    assert float(net.state_dict()["field_size"]) == 256
    load_weights(net, dict(earlier.state_dict()), tmp_path / "latest_net_G.pth", continued)
    assert float(net.state_dict()["field_size"]) == 256
    name = "model.model.3.weight"
    assert torch.equal(net.get_parameter(name), earlier.get_parameter(name))
