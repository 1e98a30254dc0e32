"""The networks have the reference's shapes and names, and restore deterministically."""

import pytest
import torch

from harness.config.profiles import QUICK
from harness.training.networks import build_discriminator, build_generator, restoring

SMALL = QUICK.model_copy(update={"ngf": 4, "ndf": 4})


def halvings(side: int, n_layers: int) -> int:
    """The PatchGAN's output side, from its definition: kernel 4, padding 1."""
    for _ in range(n_layers):
        side = side // 2
    return side - 2


@pytest.mark.parametrize("n_layers", [2, 3, 4, 5])
def test_discriminator_really_has_that_many_layers(n_layers: int) -> None:
    net = build_discriminator(SMALL, n_layers, seed=0)
    side = halvings(128, n_layers)
    assert net(torch.zeros(2, 6, 128, 128)).shape == (2, 1, side, side)
    halving = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2)]
    assert len(halving) == n_layers


@pytest.mark.parametrize(
    ("netG", "side"),
    [("unet_128", 128), ("unet_256", 256), ("resnet_6blocks", 36), ("resnet_9blocks", 36)],
)
def test_generator_keeps_the_picture_size_and_range(netG: str, side: int) -> None:
    net = build_generator(SMALL.model_copy(update={"netG": netG}), seed=0)
    out = net(torch.rand(1, 3, side, side) * 2 - 1)
    assert out.shape == (1, 3, side, side)
    assert out.abs().max() <= 1


def test_checkpoint_names_are_the_reference_s() -> None:
    """Names written down from a `latest_net_G.pth` and `latest_net_D.pth` of the reference."""
    generator = build_generator(SMALL, seed=0).state_dict()
    innermost = "model." + "model.1." + "model.3." * 5
    assert generator["model.model.0.weight"].shape == (4, 3, 4, 4)
    assert generator[f"{innermost}model.1.weight"].shape == (32, 32, 4, 4)
    assert generator["model.model.1.model.2.running_mean"].shape == (8,)
    assert generator["model.model.3.bias"].shape == (3,)
    assert "model.model.0.bias" not in generator
    discriminator = build_discriminator(SMALL, 3, seed=0).state_dict()
    assert [name for name in discriminator if name.endswith("weight")] == [
        f"model.{place}.weight" for place in (0, 2, 3, 5, 6, 8, 9, 11)
    ]


def test_same_seed_same_weights() -> None:
    once, again, other = (build_generator(SMALL, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["model.model.0.weight"], other["model.model.0.weight"])


def test_restoring_a_batch_equals_restoring_one_by_one_at_batch_1() -> None:
    """As the reference's test.py does: each picture's own statistics, here without dropout."""
    net = build_generator(SMALL, seed=0)
    pictures = torch.rand(3, 3, 128, 128) * 2 - 1
    with restoring(net) as restore:
        together = restore(pictures)
    for drop in net.modules():
        if isinstance(drop, torch.nn.Dropout):
            drop.eval()
    alone = torch.cat([net(picture[None]) for picture in pictures])
    assert torch.allclose(together, alone, atol=1e-4)


def test_restoring_puts_the_mode_back_and_leaves_the_statistics_alone() -> None:
    net = build_generator(SMALL, seed=0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with restoring(net) as restore:
        once = restore(torch.ones(1, 3, 128, 128))
        again = restore(torch.ones(1, 3, 128, 128))
    assert torch.equal(once, again)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert not any(getattr(module, "per_picture", False) for module in net.modules())


def test_a_pixel_discriminator_looks_at_each_pixel_alone() -> None:
    net = build_discriminator(SMALL.model_copy(update={"netD": "pixel", "norm": "none"}), 3, 0)
    picture = torch.rand(1, 6, 16, 16)
    changed = picture.clone()
    changed[..., 5, 7] += 1
    differs = (net(picture) - net(changed))[0, 0] != 0
    assert differs.nonzero().tolist() == [[5, 7]]


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_initial_weights_are_as_their_name_says(kind: str) -> None:
    """The spread that each rule's formula gives, on a wide layer; orthogonal rows are so."""
    update = {"init_type": kind, "init_gain": 0.5, "ndf": 32, "ngf": 32, "netG": "resnet_6blocks"}
    net = build_generator(QUICK.model_copy(update=update), seed=0)
    layer = net.get_submodule("model.10.conv_block.1")
    assert isinstance(layer, torch.nn.Conv2d)
    weight = layer.weight.detach()
    channels, fan = 128, 128 * 9
    if kind == "orthogonal":
        rows = weight.view(channels, -1)
        assert torch.allclose(rows @ rows.T, torch.eye(channels) * 0.25, atol=1e-5)
        return
    spread = {"normal": 0.5, "xavier": 0.5 * (2 / (2 * fan)) ** 0.5, "kaiming": (2 / fan) ** 0.5}
    assert float(weight.std()) == pytest.approx(spread[kind], rel=0.02)
    assert float(weight.mean()) == pytest.approx(0, abs=0.01 * spread[kind])
    judge = build_discriminator(QUICK.model_copy(update=update), 3, seed=0)
    fan_in, fan_out = 64 * 16, 128 * 16
    spread |= {"xavier": 0.5 * (2 / (fan_in + fan_out)) ** 0.5, "kaiming": (2 / fan_in) ** 0.5}
    inner, scales = (judge.get_parameter(f"model.{n}.weight").detach() for n in (5, 6))
    assert float(inner.std()) == pytest.approx(spread[kind], rel=0.02)
    assert float(scales.mean()) == pytest.approx(1, abs=0.2)
    assert float(scales.std()) == pytest.approx(0.5, rel=0.2)
