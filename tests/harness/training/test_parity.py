"""Steps, networks and learning rates equal the reference repository's, by what it computed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.config.settings import TrainSettings
from harness.training.networks import build_discriminator, build_generator
from harness.training.schedule import next_epoch, schedule
from harness.training.step import Pix2Pix
from search_spaces.trial_params import TrialParams
from tests.golden.pix2pix_case import (
    CASES,
    COURSE,
    DISCRIMINATORS,
    EVERY,
    GENERATORS,
    LR,
    NETWORKS,
    NETWORKS_LR,
    PLATEAU_LOSSES,
    SETTINGS,
    SLOW_LR,
    batch,
    case_weights,
    fingerprint,
    named,
    network_settings,
)


def golden(name: str) -> Any:
    file = Path(__file__).parents[2] / "golden" / f"pix2pix_{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


STEPS, SLOW_STEPS = golden("steps"), golden("slow_steps")


@pytest.mark.parametrize(("gan_mode", "n_layers"), CASES)
def test_ten_steps_equal_the_reference(gan_mode: str, n_layers: int) -> None:
    assert_ten_steps_equal(SETTINGS, gan_mode, n_layers, LR, f"{gan_mode}-{n_layers}")


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_steps_of_other_networks_equal_the_reference(name: str) -> None:
    assert_ten_steps_equal(network_settings(name), "lsgan", 3, NETWORKS_LR, name)


def assert_ten_steps_equal(
    settings: TrainSettings, gan_mode: str, n_layers: int, lr: float, case: str
) -> None:
    """In float64, where no processor's way of rounding is blown up on the way."""
    model = model_of(settings, gan_mode, n_layers, lr, torch.float64)
    for step in range(1, 11):
        losses = model.step(*(picture.double() for picture in batch(step)))
        # wgangp's logits are near 0, where only an absolute tolerance means something.
        assert reported(losses) == pytest.approx(
            STEPS[case]["losses"][step - 1], rel=1e-5, abs=1e-6
        )
        if step in (1, 10):
            assert_networks_equal(model, STEPS[case], step, rel=1e-5)


@pytest.mark.parametrize(
    ("case", "settings", "gan_mode", "n_layers"), EVERY, ids=[case[0] for case in EVERY]
)
def test_ten_float32_steps_equal_the_reference(
    case: str, settings: TrainSettings, gan_mode: str, n_layers: int
) -> None:
    """At a small learning rate, where rounding errors hardly grow from step to step."""
    model = model_of(settings, gan_mode, n_layers, SLOW_LR, torch.float32)
    for step in range(1, 11):
        losses = model.step(*batch(step))
        wanted = SLOW_STEPS[case]["losses"][step - 1]
        assert reported(losses) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        if step in (1, 10):
            assert_networks_equal(model, SLOW_STEPS[case], step, rel=1e-4)


def model_of(
    settings: TrainSettings, gan_mode: str, n_layers: int, lr: float, kind: torch.dtype
) -> Pix2Pix:
    params = TrialParams.model_validate(
        {
            "lambda_L1": 100.0,
            "lambda_perceptual": 0.0,
            "n_layers_D": n_layers,
            "gan_mode": gan_mode,
            "lr": lr,
        }
    )
    nets = (build_generator(settings, 1), build_discriminator(settings, n_layers, 2))
    for net, held in zip(nets, case_weights(settings, n_layers), strict=True):
        net.load_state_dict(held)
    generator, discriminator = (net.to(kind) for net in nets)
    torch.manual_seed(0)
    return Pix2Pix.start(generator, discriminator, params, settings, None)


def reported(losses: dict[str, torch.Tensor]) -> list[float]:
    return [float(losses[name]) for name in ("G_GAN", "G_L1", "D_real", "D_fake")]


def assert_networks_equal(model: Pix2Pix, golden: Any, step: int, rel: float) -> None:
    prints = [fingerprint(model.generator), fingerprint(model.discriminator)]
    wanted = golden["networks"][str(step)]
    # A product with a random direction may be near 0: what it is measured by is the norm.
    assert prints == [pytest.approx(one, rel=rel, abs=rel * one[0]) for one in wanted]


@pytest.mark.parametrize("case", [*GENERATORS, *DISCRIMINATORS], ids=named)
def test_keys_and_shapes_are_the_reference_s_in_its_order(case: dict[str, Any]) -> None:
    settings = SETTINGS.model_copy(update={k: v for k, v in case.items() if k != "n_layers_D"})
    if "netG" in case:
        net = build_generator(settings, 0)
    else:
        net = build_discriminator(settings, case["n_layers_D"], 0)
    found = [(name, list(value.shape)) for name, value in net.state_dict().items()]
    assert found == list(golden("state_dicts")[named(case)].items())


@pytest.mark.parametrize("policy", ["linear", "step", "plateau", "cosine"])
def test_learning_rates_are_the_reference_s(policy: Any) -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    scheduler = schedule(optimizer, policy, *COURSE)
    wanted = golden("rates")[policy]
    losses = PLATEAU_LOSSES if policy == "plateau" else [1.0] * (len(wanted) - 1)
    found = [optimizer.param_groups[0]["lr"]]
    for loss in losses:
        optimizer.step()
        next_epoch(scheduler, loss)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx(wanted)
    assert found[-1] > 0
