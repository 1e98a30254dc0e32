"""`--half-size-first`: rungs in picture size, as the guide's progressive training has them."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from harness.config.profiles import FULL, QUICK
from harness.config.settings import SearchConfig
from harness.errors import UserInputError
from harness.search.resolve import choose_half_size
from harness.training.batches import batches, half_size_first
from search_spaces.space import load_space
from tests.harness.trials.test_trial import PARAMS, TRAIN, dataset, make_trials, pairs, run

__all__ = ["dataset"]


def test_the_same_pictures_come_smaller_at_first() -> None:
    settings = TRAIN.but({"preprocess": "crop", "crop_size": 64})
    plain = list(islice(batches(pairs(4, 0), settings, torch.device("cpu"), 0), 5))
    begun = list(
        islice(half_size_first(batches(pairs(4, 0), settings, torch.device("cpu"), 0), 3), 5)
    )
    for place, (whole, mine) in enumerate(zip(plain, begun, strict=True)):
        for one, other in zip(whole[:2], mine[:2], strict=True):
            wanted = F.interpolate(one, scale_factor=0.5, mode="area") if place < 3 else one
            torch.testing.assert_close(other, wanted)


def test_a_trial_trains_small_until_its_first_rung(dataset: Path, tmp_path: Path) -> None:
    train = TRAIN.but({"netG": "resnet_6blocks", "ngf": 4})
    shared = {"warm_start": "none", "discriminators": ((3, "vanilla"),)}
    plain, _ = run(make_trials(dataset, tmp_path / "plain", train=train, **shared), PARAMS)
    small = train.but({"half_size_steps": 2})
    rungs, result = run(make_trials(dataset, tmp_path / "small", train=small, **shared), PARAMS)
    assert result is not None
    assert [rung.step for rung in rungs] == [2, 4]
    # Every rung is scored at full size, on the same pictures, and says something else.
    assert rungs[0].components["mask_fraction"] == plain[0].components["mask_fraction"]
    assert all(one.value != other.value for one, other in zip(rungs, plain, strict=True))


def test_profiles_say_until_when() -> None:
    space = load_space("default")
    chosen = choose_half_size(SearchConfig(half_size_first=True), space, FULL)
    assert chosen == FULL.model_copy(update={"half_size_steps": FULL.rungs[0]})
    assert choose_half_size(SearchConfig(), space, FULL) == FULL


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "--half-size-first: netG unet_128 needs a crop_size .* multiple of 128, not 64"),
        ({"trainer": "external", "repo": Path("pix2pix")}, "leave it out with --trainer external"),
    ],
)
def test_what_cannot_begin_smaller_is_refused(settings: dict[str, object], said: str) -> None:
    config = SearchConfig.model_validate({"half_size_first": True, **settings})
    with pytest.raises(UserInputError, match=said):
        choose_half_size(config, load_space("default"), QUICK)
