"""One optimisation step: what it moves, what it refuses, what it counts."""

import copy

import pytest
import torch

from harness.errors import DivergedError
from harness.training.adam import Adam
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from search_spaces.params import GanMode, TrialParams
from tests.golden.pix2pix_case import SETTINGS, batch

PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=10, n_layers_D=3, gan_mode="lsgan", lr=1e-3)


@pytest.fixture(scope="module")
def vgg() -> PerceptualLoss:
    return PerceptualLoss(("relu1_1", "relu2_1"), "random", window=32)


def model(params: TrialParams, vgg: PerceptualLoss | None) -> Pix2Pix:
    generator = build_generator(SETTINGS, 1)
    discriminator = build_discriminator(SETTINGS, params.n_layers_D, 2)
    return Pix2Pix.start(generator, discriminator, params, SETTINGS, vgg)


@pytest.mark.parametrize("gan_mode", ["vanilla", "lsgan", "wgangp"])
@pytest.mark.parametrize("n_layers", [2, 3, 4, 5])
@pytest.mark.parametrize("lambda_perceptual", [0, 10])
def test_every_combination_learns_and_stays_finite(
    gan_mode: GanMode, n_layers: int, lambda_perceptual: float, vgg: PerceptualLoss
) -> None:
    """The L1 distance on one pair falls, whatever pulls beside it."""
    params = PARAMS.model_copy(
        update={
            "gan_mode": gan_mode,
            "n_layers_D": n_layers,
            "lambda_perceptual": lambda_perceptual,
            "lr": 4e-3,
        }
    )
    torch.manual_seed(0)
    trained = model(params, vgg)
    retouched, _ = batch(1)
    original = torch.full_like(retouched, 0.5)
    losses = [trained.step(retouched, original) for _ in range(20)]
    assert all(bool(loss.isfinite()) for row in losses for loss in row.values())
    assert losses[-1]["G_L1"] < 0.5 * losses[0]["G_L1"]
    assert ("G_Perceptual" in losses[0]) == (lambda_perceptual > 0)


def test_a_loss_that_is_not_finite_stops_before_the_update(vgg: PerceptualLoss) -> None:
    trained = model(PARAMS, vgg)
    retouched, original = batch(1)
    before = {name: value.clone() for name, value in trained.generator.named_parameters()}
    with pytest.raises(DivergedError, match=r"D_real .*nan"):
        trained.step(retouched, original * float("nan"))
    after = dict(trained.generator.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_generator_s_step_leaves_the_discriminator_alone() -> None:
    """Only the discriminator's own loss may move it: it ends where it would with L1 = 0."""
    ends = []
    for lambda_L1 in (0.0, 500.0):
        params = PARAMS.model_copy(update={"lambda_L1": lambda_L1, "lambda_perceptual": 0})
        torch.manual_seed(0)
        trained = model(params, None)
        trained.step(*batch(1))
        ends.append(trained.discriminator.state_dict())
    assert all(
        torch.equal(ends[0][name], ends[1][name]) for name in ends[0] if "running" not in name
    )


@pytest.mark.parametrize("gan_mode", ["vanilla", "lsgan", "wgangp"])
def test_adversarial_losses_reward_the_right_answer(gan_mode: GanMode) -> None:
    sure = torch.full((1, 1, 4, 4), 1.0 if gan_mode == "lsgan" else 8.0)
    assert gan_loss(gan_mode, sure, real=True) < gan_loss(gan_mode, sure - 0.5, real=True)
    assert gan_loss(gan_mode, sure, real=True) < gan_loss(gan_mode, sure, real=False)


class TestPerceptual:
    def test_equal_pictures_cost_nothing_and_different_ones_something(
        self, vgg: PerceptualLoss
    ) -> None:
        one, other = batch(1)
        assert vgg(one, one) == 0
        assert vgg(one, other) > 0

    def test_gradients_reach_the_picture_and_never_the_trunk(self, vgg: PerceptualLoss) -> None:
        one, other = batch(1)
        picture = one.clone().requires_grad_()
        vgg(picture, other).backward()
        assert picture.grad is not None
        assert bool(picture.grad.isfinite().all())
        assert float(picture.grad.abs().sum()) > 0
        assert all(weight.grad is None for weight in vgg.trunk.parameters())

    def test_windows_agree_with_the_whole_picture_on_average(self) -> None:
        whole = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None)
        windowed = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=64)
        torch.manual_seed(0)
        one, other = batch(1)
        mean = torch.stack([windowed(one, other) for _ in range(20)]).mean()
        assert float(mean) == pytest.approx(float(whole(one, other)), rel=0.05)

    def test_same_trunk_every_time(self) -> None:
        once, again = (PerceptualLoss(("relu1_1",), "random", None) for _ in range(2))
        one, other = batch(1)
        assert once(one, other) == again(one, other)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_optimiser_moves_weights_as_torch_s_own(layout: torch.memory_format) -> None:
    """Whatever order weights and gradients lie in; and its state is torch's own as well."""
    nets = [build_discriminator(SETTINGS, 3, 2).double().to(memory_format=layout) for _ in range(2)]
    ours = Adam(nets[0], 1e-3, SETTINGS, torch.zeros(()))
    plain = torch.optim.Adam(nets[1].parameters(), 1e-3, betas=(SETTINGS.beta1, 0.999))
    for seed in range(3):
        random = torch.Generator().manual_seed(seed)
        gradients = [
            torch.randn(weight.shape, generator=random, dtype=torch.float64)
            for weight in nets[0].parameters()
        ]
        ours.step(gradients)
        for weight, gradient in zip(nets[1].parameters(), gradients, strict=True):
            weight.grad = gradient
        plain.step()
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
        for name in ("exp_avg", "exp_avg_sq", "step"):
            torch.testing.assert_close(ours.state[a][name], plain.state[b][name])


def test_the_optimiser_takes_up_its_state() -> None:
    """As a training that goes on after it was stopped does: with what torch saved and loaded."""
    ends = []
    for stops in (False, True):
        net = build_discriminator(SETTINGS, 3, 2).to(memory_format=torch.channels_last)
        optimizer = Adam(net, 1e-3, SETTINGS, torch.zeros(()))
        for seed in range(4):
            if stops and seed == 2:
                held = copy.deepcopy(optimizer.state_dict())
                optimizer = Adam(net, 7.0, SETTINGS, torch.zeros(()))
                optimizer.load_state_dict(held)
            torch.manual_seed(seed)
            optimizer.descend(net(torch.randn(1, 6, 64, 64)).square().mean())
        ends.append(float(net(torch.ones(1, 6, 64, 64)).detach().mean()))
    assert ends[0] == ends[1]


def test_the_optimiser_notes_a_loss_that_is_not_finite_and_moves_nothing_from_then_on() -> None:
    net = build_discriminator(SETTINGS, 3, 2)
    failed = torch.zeros(())
    optimizer = Adam(net, 1e-3, SETTINGS, failed)
    before = [weight.detach().clone() for weight in net.parameters()]
    for scale in (float("inf"), 1.0):
        optimizer.descend(net(torch.ones(1, 6, 64, 64)).mean() * scale)
        assert failed == 1
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_the_optimiser_notices_weights_that_were_laid_out_anew() -> None:
    ends = []
    for moves in (False, True):
        net = build_discriminator(SETTINGS, 3, 2).double()
        optimizer = Adam(net, 1e-3, SETTINGS, torch.zeros(()))
        for seed in range(4):
            if moves and seed == 2:
                net.to(memory_format=torch.channels_last)
            torch.manual_seed(seed)
            optimizer.step([torch.randn_like(weight) for weight in map(packed, net.parameters())])
        ends.append([weight.detach() for weight in net.parameters()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def packed(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().contiguous()
