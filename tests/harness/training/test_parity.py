"""A training step equals the reference repository's, by golden numbers that it computed."""

import json
from pathlib import Path

import pytest
import torch

from harness.training.networks import build_discriminator, build_generator
from harness.training.step import Pix2Pix
from search_spaces.params import TrialParams
from tests.golden.pix2pix_case import CASES, SETTINGS, batch, case_weights, fingerprint

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "pix2pix_steps.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("gan_mode", "n_layers"), CASES)
def test_ten_steps_equal_the_reference(gan_mode: str, n_layers: int) -> None:
    params = TrialParams.model_validate(
        {
            "lambda_L1": 100.0,
            "lambda_perceptual": 0.0,
            "n_layers_D": n_layers,
            "gan_mode": gan_mode,
            "lr": 2e-4,
        }
    )
    generator, discriminator = (
        build_generator(SETTINGS, 1),
        build_discriminator(SETTINGS, n_layers, 2),
    )
    for net, weights in zip((generator, discriminator), case_weights(n_layers), strict=True):
        net.load_state_dict(weights)
    model = Pix2Pix.start(generator, discriminator, params, SETTINGS, None)
    golden = GOLDEN[f"{gan_mode}-{n_layers}"]
    torch.manual_seed(0)
    for step in range(1, 11):
        losses = model.step(*batch(step))
        found = [float(losses[name]) for name in ("G_GAN", "G_L1", "D_real", "D_fake")]
        # wgangp's logits are near 0, where only an absolute tolerance means something.
        assert found == pytest.approx(golden["losses"][step - 1], rel=1e-4, abs=1e-5)
        if step in (1, 10):
            prints = [fingerprint(generator), fingerprint(discriminator)]
            assert prints == [
                pytest.approx(wanted, rel=1e-4) for wanted in golden["networks"][str(step)]
            ]
