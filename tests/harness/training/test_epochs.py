"""A full training's epochs equal those computed step by step: order, rates, averages, losses."""

import by_hand
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from harness.config.settings import LrPolicy
from harness.training.epochs import Schedule, Training, train_epochs
from harness.training.networks import build_discriminator, build_generator
from harness.training.running_average import make_running_average
from search_spaces.trial_params import TrialParams
from tests.harness.trials.test_trial import TRAIN, pairs

SETTINGS = TRAIN.updated({"ngf": 4, "ema_decay": 0.7, "ema_every": 3})
PARAMS = TrialParams(lambda_L1=50, lambda_perceptual=0, n_layers_D=2, gan_mode="lsgan", lr=1e-4)
PAIRS = pairs(2, 0)
CPU = torch.device("cpu")


def begin(plan: Schedule) -> Training:
    nets = (build_generator(SETTINGS, 1), build_discriminator(SETTINGS, 2, 2))
    return Training.start(*nets, PARAMS, SETTINGS, None, plan, seed=4)


def rates_of(training: Training) -> list[float]:
    """What both networks' optimisers go on with."""
    model = training.model
    return [float(one.param_groups[0]["lr"]) for one in (model.optimizer_G, model.optimizer_D)]


@pytest.mark.parametrize(
    ("policy", "shares"),
    [
        (
            "linear",
            [1, 1, 3 / 4, 2 / 4, 1 / 4],
        ),  # two epochs at the full rate, three while it falls
        ("step", [1, 1, 0.1, 0.1, 0.01]),  # a tenth after every two
        ("cosine", [(1 + c) / 2 for c in (1, 0.809017, 0.309017, -0.309017, -0.809017)]),
    ],
)
def test_both_networks_learn_at_the_policy_s_rate(policy: LrPolicy, shares: list[float]) -> None:
    training = begin(Schedule(2, 3, policy, decay_iters=2))
    found = [rates_of(training)]
    for done in train_epochs(training, PAIRS, SETTINGS, 5, CPU):
        assert done.lr == pytest.approx(found[-1][0])
        found.append(rates_of(training))
    assert found[:-1] == [pytest.approx([1e-4 * share] * 2, rel=1e-5) for share in shares]


def test_plateau_looks_at_the_distance_to_the_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth after six epochs in which `G_L1` did not fall, whatever the other losses do."""
    training = begin(Schedule(9, 0, "plateau"))
    losses = {"G_L1": 2.0, "G_GAN": 9.0, "D_real": 9.0, "D_fake": 9.0}

    def means() -> dict[str, float]:
        for name in ("G_GAN", "D_real", "D_fake"):
            losses[name] *= 0.9
        return losses

    monkeypatch.setattr(training.model, "mean_losses", means)
    rates = []
    for done in train_epochs(training, PAIRS, SETTINGS, 9, CPU):
        rates.append(done.lr)
        assert done.losses["G_L1"] == 2.0
    assert rates == pytest.approx([1e-4] * 7 + [2e-5] * 2)
    assert rates_of(training) == pytest.approx([2e-5] * 2)


def test_the_epochs_are_those_computed_by_hand() -> None:
    plan = Schedule(1, 2)
    training = begin(plan)
    found = list(train_epochs(training, PAIRS, SETTINGS, plan.total, CPU))
    assert (training.epoch, training.steps) == (3, 6)

    nets = (build_generator(SETTINGS, 1), build_discriminator(SETTINGS, 2, 2))
    begun = [{name: w.detach().clone() for name, w in net.named_parameters()} for net in nets]
    torch.manual_seed(4)
    gan = by_hand.Gan(nets, PARAMS, SETTINGS.beta1)
    average = by_hand.Average(nets[0], SETTINGS)
    stream = by_hand.shown(PAIRS, SETTINGS, seed=4)
    for done, share in zip(found, (1, 2 / 3, 1 / 3), strict=True):
        for optimizer in gan.optimizers:
            optimizer.param_groups[0]["lr"] = 1e-4 * share
        rows = []
        for _ in range(len(PAIRS)):
            rows.append(gan.step(*next(stream)))
            average.after_a_step()
        assert done.lr == pytest.approx(1e-4 * share)
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        assert done.losses == pytest.approx(means, rel=1e-3)
    model = training.model
    for net, wanted, before in (
        (model.generator, nets[0], begun[0]),
        (model.discriminator, nets[1], begun[1]),
        (training.averaged.module, average.net, begun[0]),
    ):
        by_hand.assert_moved_alike(net.state_dict(), by_hand.weights_of(wanted), before)


def test_the_running_average_is_torch_s() -> None:
    """To the last bit, buffers too; its state is read by torch's own class."""
    settings = SETTINGS.updated({"ema_every": 2})
    net = build_generator(settings, 1)
    ours = make_running_average(net, settings)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.7**2))
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            for value in net.state_dict().values():
                value.copy_(torch.rand(value.shape, generator=random) * 9)
        ours.update_parameters(net)
        theirs.update_parameters(net)
    wanted = theirs.state_dict()
    assert ours.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in ours.state_dict().items())
