"""A warm start is whole and finite, or it is none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import CUDA, PretendedGpu
from torch import Tensor

from harness.errors import DivergedError
from harness.paths import WarmStartPaths
from harness.training import step, warm_start
from harness.training.batches import batches
from harness.training.losses import gan_loss
from harness.training.networks import build_generator
from harness.training.step import discriminator_losses
from harness.training.warm_start import (
    WarmStart,
    make_warm_start,
    save_warm_starts,
    train_discriminators,
)
from tests.harness.trials.test_trial import KINDS, TRAIN, ignore, pairs

CPU = torch.device("cpu")
SETTINGS = TRAIN.updated({"warm_start_steps": 1, "warm_discriminator_steps": 1})


def test_a_generator_that_diverges_is_not_begun_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, where no step but the last waits for its losses."""

    def broken(*given: Any, **named: Any) -> Tensor:
        return gan_loss(*given, **named) * float("nan")

    monkeypatch.setattr(step, "gan_loss", broken)
    cropped = SETTINGS.updated({"preprocess": "crop"})
    with PretendedGpu(), pytest.raises(DivergedError, match=r"no longer finite .*G_GAN nan"):
        make_warm_start(cropped, pairs(1, 0), KINDS, CUDA, 0, ignore)


def test_nor_is_any_discriminator_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(net: Any, gan_mode: Any, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = discriminator_losses(net, gan_mode, *pictures)
        return real, fake * (float("inf") if gan_mode == KINDS[1][1] else 1.0)

    monkeypatch.setattr(warm_start, "discriminator_losses", broken)
    stream = batches(pairs(1, 0), SETTINGS, CPU, 0)
    with pytest.raises(DivergedError, match="a discriminator of the warm start is no longer"):
        train_discriminators(build_generator(SETTINGS, 0), {}, SETTINGS, stream, KINDS, 0, ignore)


def test_one_that_could_not_be_saved_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after the first file; what was begun does not stand in the way later."""
    paths = WarmStartPaths(tmp_path / "warm_start")
    weights = [{"a": torch.tensor(float(number))} for number in range(4)]
    whole = WarmStart(weights[0], {KINDS[0]: weights[1], KINDS[1]: weights[2]})
    other = WarmStart(weights[3], {})
    with monkeypatch.context() as patch:
        save = torch.save

        def fill(content: Any, file: Path) -> None:
            if any(tmp_path.rglob("*.pth")):
                raise OSError("full")
            save(content, file)

        patch.setattr(torch, "save", fill)
        with pytest.raises(OSError, match="full"):
            save_warm_starts([whole], paths)
    assert not paths.folder.exists()
    save_warm_starts([whole, other], paths)
    assert WarmStart.load(paths, KINDS) == whole
    assert WarmStart.load(paths.other_kind, ()) == other
    assert list(tmp_path.iterdir()) == [paths.folder]
