"""One optimisation step: what it moves, what it refuses, what it counts."""

import copy
from collections.abc import Callable

import pytest
import torch
import torchvision
from torchvision.transforms.functional import normalize

from harness.errors import DivergedError
from harness.training.adam import Adam
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from search_spaces.trial_params import GanMode, TrialParams
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


def test_a_step_counts_the_batches_that_its_normalisations_saw() -> None:
    """As pix2pix's checkpoints have them: the discriminator looks three times at a step."""
    trained = model(PARAMS.model_copy(update={"lambda_perceptual": 0}), None)
    for _ in range(2):
        trained.step(*batch(1))
    for net, passes in ((trained.generator, 1), (trained.discriminator, 3)):
        counts = [int(v) for k, v in net.state_dict().items() if k.endswith("batches_tracked")]
        assert counts == [2 * passes] * len(counts)
        assert len(counts) > 2


def test_a_step_keeps_the_statistics_that_torch_s_own_normalisation_keeps() -> None:
    """They are in every checkpoint, for programs that restore by them."""
    params = PARAMS.model_copy(update={"lambda_perceptual": 0})
    generator, beside = (build_generator(SETTINGS, 1) for _ in range(2))
    beside.to(memory_format=torch.channels_last)
    trained = Pix2Pix.start(
        generator, build_discriminator(SETTINGS, 3, 2), params, SETTINGS, perceptual=None
    )
    torch.manual_seed(0)
    trained.step(*batch(1))
    torch.manual_seed(0)  # of dropout
    beside(batch(1)[0])
    wanted = dict(beside.named_buffers())
    assert len(wanted) > 10
    for name, found in generator.named_buffers():
        torch.testing.assert_close(found, wanted[name])


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

    def test_a_window_lies_anywhere_and_in_both_pictures_alike(self, vgg: PerceptualLoss) -> None:
        torch.manual_seed(0)
        places = torch.arange(34 * 34).view(1, 1, 34, 34)  # for a window of 32
        found = [vgg.random_window(places, -places) for _ in range(90)]
        assert all(torch.equal(one, -other) for one, other in found)
        corners = {divmod(int(one[0, 0, 0, 0]), 34) for one, _ in found}
        assert corners == {(row, column) for row in range(3) for column in range(3)}

    def test_it_is_pix2pix_hd_s_loss_on_vgg19_s_layers(self) -> None:
        """All five, by torchvision's own network; a random one's are first brought to mean 1."""
        loss = PerceptualLoss(tuple(HD), "random", window=None)
        layers = vgg19_layers(loss)
        noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        faint = [float(layer.mean()) for layer in layers(noise)]
        one, other = (picture[..., :48, :48] for picture in batch(1))
        a, b = (layers((picture + 1) / 2) for picture in (one, other))
        apart = [float((x - y).abs().mean()) for x, y in zip(a, b, strict=True)]
        wanted = sum(w * d / f for w, d, f in zip(HD.values(), apart, faint, strict=True))
        assert float(loss(one, other)) == pytest.approx(wanted, rel=1e-4)

    def test_fewer_layers_weigh_as_much_as_all_five_together(self) -> None:
        """The profiles' two: 1/32 and 1/16, scaled to the sum of 1/32 + 1/16 + 1/8 + 1/4 + 1."""
        loss = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None)
        layers = vgg19_layers(loss)
        noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        faint = [float(layer.mean()) for layer in layers(noise)]
        one, other = (picture[..., :48, :48] for picture in batch(1))
        a, b = (layers((picture + 1) / 2) for picture in (one, other))
        apart = [float((x - y).abs().mean()) for x, y in zip(a, b, strict=True)]
        whole = 1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1
        wanted = whole / 3 * apart[0] / faint[0] + 2 * whole / 3 * apart[1] / faint[1]
        assert float(loss(one, other)) == pytest.approx(wanted, rel=1e-4)

    def test_imagenet_s_own_activations_are_not_scaled(
        self, vgg: PerceptualLoss, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The weights are pix2pixHD's; only those of a random trunk are calibrated."""
        monkeypatch.setattr("harness.training.perceptual.build_trunk", lambda *_: vgg.trunk)
        loss = PerceptualLoss(("relu1_1", "relu2_1"), "pretrained", window=None)
        whole = 1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1
        assert loss.layer_weights == pytest.approx({1: whole / 3, 6: 2 * whole / 3})

    def test_same_trunk_every_time(self) -> None:
        once, again = (PerceptualLoss(("relu1_1",), "random", None) for _ in range(2))
        one, other = batch(1)
        assert once(one, other) == again(one, other)


# pix2pixHD's layers, each the first after so many halvings, and what they weigh.
HD = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}


def vgg19_layers(loss: PerceptualLoss) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """Pictures in [0, 1] -> the first activation at each size, by torchvision's whole network."""
    with torch.device("meta"):
        whole = torchvision.models.vgg19(weights=None).features
    held = loss.trunk.state_dict()
    trunk = whole[: len(loss.trunk)]
    trunk.load_state_dict(held, assign=True)
    count = sum(isinstance(module, torch.nn.MaxPool2d) for module in trunk) + 1

    def look(pictures: torch.Tensor) -> list[torch.Tensor]:
        x = normalize(pictures, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        found, begun = [], True
        for module in trunk:
            x = module(x.clone())
            if isinstance(module, torch.nn.ReLU) and begun:
                found.append(x)
                begun = False
            begun = begun or isinstance(module, torch.nn.MaxPool2d)
        return found[:count]

    return look


def flat(net: torch.nn.Module) -> torch.Tensor:
    """All weights in one row."""
    return torch.cat([weight.detach().flatten() for weight in net.parameters()])


def test_the_generator_descends_the_sum_of_its_three_losses() -> None:
    """Each with its own weight: what the step tells, and where it leads, by torch's own Adam."""
    vgg = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None)
    params = PARAMS.model_copy(update={"lambda_L1": 30.0, "lambda_perceptual": 7.0, "lr": 1e-4})
    trained = model(params, vgg)
    for drop in trained.generator.modules():
        if isinstance(drop, torch.nn.Dropout):
            drop.eval()
    beside = copy.deepcopy(trained.generator)
    begun = flat(beside)
    a, b = batch(1)
    losses = trained.step(a, b)
    optimizer = torch.optim.Adam(beside.parameters(), 1e-4, betas=(SETTINGS.beta1, 0.999))
    restored = beside(a)
    for weight in trained.discriminator.parameters():
        weight.requires_grad_(False)
    says = trained.discriminator(torch.cat([a, restored], 1))
    terms = {
        "G_GAN": ((says - 1) ** 2).mean(),
        "G_L1": 30 * (restored - b).abs().mean(),
        "G_Perceptual": 7 * vgg(restored, b),
    }
    assert {name: float(losses[name]) for name in terms} == pytest.approx(
        {name: term.item() for name, term in terms.items()}, rel=1e-4
    )
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()
    ours, theirs = (flat(net) - begun for net in (trained.generator, beside))
    assert float((ours - theirs).norm() / theirs.norm()) < 0.02


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
