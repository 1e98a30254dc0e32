"""The benchmark of one step: its peer, and its result on a GPU."""

import pytest
import torch
from pretended_gpu import PretendedGpu

from benchmarks.step import MOST_APART, beside, plain_perceptual, plainly
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


def test_the_benchmark_of_one_step_has_a_result_on_a_gpu() -> None:
    """Whose convolutions are rounded to TF32, which moves a loss by more than float32 may."""
    assert MOST_APART["float32"] < 3e-4 < MOST_APART["tf32"]
    settings = QUICK.but({"ngf": 4, "ndf": 4, "perceptual_window": None})
    with PretendedGpu():
        found = beside(settings, "cuda:0", rounds=1, steps=1, perceptual=True)
    assert set(found["ratio"]) == {
        "reference", *MOST_APART, *(f"graph {precision}" for precision in MOST_APART)
    }  # fmt: skip
