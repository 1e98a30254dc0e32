"""Models trained as one are the models trained each by itself."""

import pytest
import torch

from benchmarks.fused import Fused, model, weights_of
from harness.training.perceptual import PerceptualLoss
from tests.golden.pix2pix_case import SETTINGS, batch


@pytest.mark.parametrize("with_vgg", [False, True])
def test_fused_models_train_as_each_by_itself(with_vgg: bool) -> None:
    """Several steps with dropout, each with its own lambdas and rate; in float64."""
    vgg = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=32).double() if with_vgg else None
    singles, others = ([model(k, SETTINGS, vgg, "cpu") for k in range(2)] for _ in range(2))
    for each in (*singles, *others):
        each.generator.double()
        each.discriminator.double()
    fused = Fused(others)
    for step in range(1, 3):
        pair = [picture.double() for picture in batch(step)]
        torch.manual_seed(step)
        found = fused.optimize(*pair)
        for k, single in enumerate(singles):
            torch.manual_seed(step)
            for name, loss in single.optimize(*pair).items():
                assert float(found[name][k]) == pytest.approx(float(loss), rel=1e-6), (name, k)
    for single, other in zip(singles, others, strict=True):
        torch.testing.assert_close(weights_of(single), weights_of(other), rtol=0, atol=1e-6)
        for one, same in zip(single.generator.buffers(), other.generator.buffers(), strict=True):
            torch.testing.assert_close(one, same)
