"""The remedies' prototypes: what each changes, and that nothing else does."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.remedies import REACH, decoded, with_beside
from benchmarks.remedy_steps import (
    MOVING,
    FlowSupervision,
    MovesOnly,
    Prototype,
    RegionFirst,
    ResizeUnet,
    SlowDiscriminator,
    with_spectral_norm,
)
from harness.config.profiles import QUICK
from harness.data.pairs.pair_set import Dataset, PairSet, save_dataset
from harness.training.fast_convolutions import ConvTranspose2d
from harness.training.networks import (
    UnetGenerator,
    build_discriminator,
    build_generator,
    init_as_copy,
    init_weights,
)
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from harness.training.warping import move
from reports.record.names import RECOMMENDED
from search_spaces.recipes import load_recipes

PARAMS = load_recipes()[RECOMMENDED]
TRAIN = QUICK.but({"netG": MOVING, "dropout": False})


def started(kind: type[Pix2Pix]) -> Pix2Pix:
    return kind.start(
        build_generator(TRAIN, 0),
        build_discriminator(TRAIN, PARAMS.n_layers_D, 0),
        PARAMS,
        TRAIN,
        PerceptualLoss(TRAIN.perceptual_layers, "random", TRAIN.perceptual_window),
    )


def one_step(model: Pix2Pix, beside: Tensor) -> dict[str, float]:
    torch.manual_seed(0)
    retouched, original = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    if isinstance(model, Prototype):
        model.prepare()
        model.beside = beside
    return {name: float(loss) for name, loss in model.optimize(retouched, original).items()}


NOTHING = torch.zeros(1, 3, 128, 128)


def test_without_a_remedy_the_step_is_pix2pix_s_own() -> None:
    ours, own = started(Prototype), started(Pix2Pix)
    assert one_step(ours, NOTHING) == pytest.approx(one_step(own, NOTHING))
    for a, b in zip(ours.generator.parameters(), own.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_l1_counts_the_region_ten_times() -> None:
    model = started(RegionFirst)
    assert isinstance(model, RegionFirst)
    model.beside = NOTHING.clone()
    model.beside[:, 0, :64] = 1
    restored = torch.zeros(1, 3, 128, 128)
    inside, outside = restored.clone(), restored.clone()
    inside[:, :, :64], outside[:, :, 64:] = 1, 1
    assert float(model.distance(restored, inside)) == pytest.approx(10 / 11)
    assert float(model.distance(restored, outside)) == pytest.approx(1 / 11)


def test_flow_supervision_teaches_the_displacement() -> None:
    beside = NOTHING.clone()
    beside[:, 1] = 0.02
    model = started(FlowSupervision)
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    for _ in range(6):
        one_step(model, beside)
    field, _ = model.generator.predict(picture)  # type: ignore[operator]
    assert float(field[:, 0].detach().mean()) > 0


def test_the_slow_discriminator_has_a_quarter_of_the_rate() -> None:
    model = started(SlowDiscriminator)
    one_step(model, NOTHING)
    (fast,), (slow,) = model.optimizer_G.param_groups, model.optimizer_D.param_groups
    assert float(slow["lr"]) == pytest.approx(float(fast["lr"]) / 4)


def test_spectral_normalisation_bounds_every_convolution() -> None:
    net = with_spectral_norm(build_discriminator(TRAIN, 3, 0))
    for _ in range(20):
        net(torch.rand(1, 6, 128, 128))
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            weight = module.weight.detach().flatten(1)
            assert float(torch.linalg.matrix_norm(weight, 2)) < 1.1


def test_a_resizing_unet_begins_as_the_same_copy() -> None:
    nets = [kind(7, 12, "batch", False) for kind in (ResizeUnet, UnetGenerator)]
    for net in nets:
        init_weights(net, 0)
        init_as_copy(net)
    assert not any(isinstance(module, ConvTranspose2d) for module in nets[0].modules())
    with torch.no_grad():
        ours, plain = (net(torch.rand(1, 3, 128, 128, generator=seeded())) for net in nets)
    torch.testing.assert_close(ours, plain)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_what_only_moves_corrects_nothing() -> None:
    net = MovesOnly(7, 12, "batch", False, 128)
    _, painted = net.predict(torch.rand(1, 3, 128, 128))
    assert not painted.any()


@pytest.mark.parametrize("flipped", [False, True])
def test_a_batch_carries_the_region_and_what_undoes_the_warp(tmp_path: Path, flipped: bool) -> None:
    random = torch.Generator().manual_seed(0)
    rough = torch.rand(1, 3, 32, 32, generator=random)
    original = torch.nn.functional.interpolate(rough, (128, 128), mode="bicubic").clamp(0, 1)
    field = torch.zeros(1, 2, 128, 128)
    field[:, 0] = 3.0
    retouched = move(original, field).clamp(0, 1)  # its content has gone 3 pixels to the left
    as_bytes = [(picture[0] * 255).round().byte() for picture in (retouched, original)]
    mask = torch.zeros(1, 128, 128, dtype=torch.bool)
    mask[:, :, :40] = True
    pairs = PairSet(("a",), (as_bytes[0],), (as_bytes[1],), (mask,))
    save_dataset(Dataset(pairs, pairs, pairs, ""), tmp_path / "pairs.pt")
    (carried,) = with_beside(tmp_path / "pairs.pt").originals
    beside = carried[3:].float()[None] / 127.5 - 1
    if flipped:
        beside = beside.flip(-1)
    region, x = decoded(beside)[0, :2]
    assert region[:, 5].eq(not flipped).all()
    sign = 1 if flipped else -1
    assert float(x[20:-20, 20:-20].median()) * 128 == pytest.approx(sign * 3, abs=0.5)
    assert REACH * 128 > 3
