"""The benchmarks of a GPU come as far as a pretended one goes: every step that they time runs."""

import pytest
from pretended_gpu import PretendedGpu

from benchmarks import gpu, step
from harness.config.profiles import QUICK

TINY = QUICK.but({"ngf": 4, "ndf": 4, "dropout": False, "perceptual_layers": ("relu1_1",)})


@pytest.mark.parametrize("way", gpu.WAYS)
def test_every_step_of_the_table_runs(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(gpu, "STANDARD", TINY)
    with PretendedGpu() as pretended:
        act = gpu.ready(*gpu.WAYS[way])
        act()
    assert pretended.operations["aten.convolution_backward.default"] > 0


@pytest.mark.parametrize("perceptual", [False, True])
def test_a_step_is_compared_as_a_gpu_computes_it(perceptual: bool) -> None:
    """TF32 convolutions were seen to move a loss by up to 3e-4."""
    assert step.FLOAT32["cuda"] > 3e-4 > step.FLOAT32["cpu"]
    with PretendedGpu():
        row = step.beside(TINY, "cuda", rounds=1, steps=1, perceptual=perceptual)
    assert set(row["seconds"]) == {"reference", "float32", "bfloat16", "graph", "graph bfloat16"}
