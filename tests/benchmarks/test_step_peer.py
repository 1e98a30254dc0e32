"""The peer that the benchmark of one step is compared with: the same networks, of plain PyTorch."""

import pytest
import torch

from benchmarks.step import plain_perceptual, plainly
from harness.config.profiles import QUICK
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss


def test_the_peer_s_network_is_the_library_s_and_computes_the_same() -> None:
    ours = build_generator(QUICK, 0).eval()
    theirs = plainly(build_generator(QUICK, 0)).eval()
    assert not [m for m in theirs.modules() if "products" in type(m).__module__]
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ours(picture), theirs(picture), rtol=1e-4, atol=1e-5)


def test_so_are_the_peer_s_discriminator_and_its_perceptual_term() -> None:
    ours = build_discriminator(QUICK, 3, 0)
    theirs = plainly(build_discriminator(QUICK, 3, 0))
    assert not [m for m in theirs.modules() if "products" in type(m).__module__]
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        pair = torch.cat([a, b], 1)
        torch.testing.assert_close(ours(pair), theirs(pair), rtol=1e-4, atol=1e-5)
        term = PerceptualLoss(QUICK.perceptual_layers, "random", QUICK.perceptual_window)
        found = []
        for each in (term, plain_perceptual(term)):
            torch.manual_seed(1)
            found.append(float(each(a, b)))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
