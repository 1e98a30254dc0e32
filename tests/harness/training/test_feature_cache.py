"""Features of originals that never change: computed once, and the same losses as without them."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.batches import batches, epoch_batches
from harness.training.feature_cache import TargetFeatures, cache_limit, target_features
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.step import Pix2Pix
from search_spaces.trial_params import TrialParams
from tests.golden.pix2pix_case import SETTINGS
from tests.harness.training.test_cuda_graph import weights

CPU = torch.device("cpu")
PARAMS = TrialParams(lambda_L1=50, lambda_perceptual=5, n_layers_D=3, gan_mode="lsgan", lr=4e-4)
WHOLE = SETTINGS.updated({"perceptual_window": None})
PLENTY = 1 << 30


def some_pairs(count: int, height: int = 128) -> PairSet:
    random = torch.Generator().manual_seed(0)
    shape = (3, height, 128)
    a, b = (
        tuple(torch.randint(256, shape, generator=random, dtype=torch.uint8) for _ in range(count))
        for _ in range(2)
    )
    masks = tuple(torch.ones(1, height, 128, dtype=torch.bool) for _ in range(count))
    return PairSet(tuple(map(str, range(count))), a, b, masks)


@pytest.fixture(scope="module")
def vgg() -> PerceptualLoss:
    return PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None)


@pytest.fixture
def looks(vgg: PerceptualLoss, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a forward pass through the trunk: its pictures."""
    seen: list[int] = []
    features = PerceptualLoss.deep_features

    def counted(loss: PerceptualLoss, picture: torch.Tensor) -> Features:
        seen.append(len(picture))
        return features(loss, picture)

    monkeypatch.setattr(PerceptualLoss, "deep_features", counted)
    return seen


def trained(
    vgg: PerceptualLoss, settings: TrainSettings, targets: TargetFeatures | None
) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
    """The losses of five steps on two pictures, and the weights after them."""
    model = Pix2Pix.start(
        build_generator(settings, 1), build_discriminator(settings, 3, 2), PARAMS, settings, vgg
    )
    torch.manual_seed(0)
    stream = islice(batches(some_pairs(2), settings, CPU, 1, targets), 5)
    return [model.step(*batch) for batch in stream], weights(model)


@pytest.mark.parametrize(
    ("changes", "room"),
    [({}, PLENTY), ({}, 3 << 20), ({"precision": "bfloat16"}, PLENTY), ({"batch_size": 2}, PLENTY)],
    ids=["float32", "room for one view", "bfloat16", "batches"],
)
def test_losses_and_weights_are_to_the_bit_those_without(
    vgg: PerceptualLoss, changes: dict[str, Any], room: int
) -> None:
    settings = WHOLE.updated(changes)
    targets = TargetFeatures(vgg, settings.precision, room)
    found, wanted = trained(vgg, settings, targets), trained(vgg, settings, None)
    assert found[0] == wanted[0]
    assert torch.equal(found[1], wanted[1])


def test_every_view_is_looked_at_once(vgg: PerceptualLoss, looks: list[int]) -> None:
    """Two pictures, each as it is and flipped, in batches of two."""
    targets = TargetFeatures(vgg, "float32", PLENTY)
    settings = WHOLE.updated({"batch_size": 2})
    for batch in islice(batches(some_pairs(2), settings, CPU, 0, targets), 20):
        assert batch.original_features is not None
        assert all(len(layer) == 2 for layer in batch.original_features)
    assert looks == [1] * 4
    assert set(targets.cached) == {(0, False), (0, True), (1, False), (1, True)}


def test_no_more_is_held_than_there_is_room_for(vgg: PerceptualLoss, looks: list[int]) -> None:
    one = sum(layer.nbytes for layer in vgg.deep_features(torch.zeros(1, 3, 128, 128)))
    looks.clear()
    targets = TargetFeatures(vgg, "float32", 2 * one + 1)
    settings = WHOLE.updated({"flip": False})
    for _ in range(3):
        list(epoch_batches(some_pairs(3), settings, CPU, torch.Generator(), targets))
    assert len(targets.cached) == 2
    assert len(looks) == 3 + 1 + 1


@pytest.mark.parametrize(
    ("free", "threads", "most"),
    [(16, 8, 4), (8, 8, 2), (64, 8, 4), (64, 1, 2), (64, 16, 4)],
)
def test_a_quarter_of_a_trial_s_share_of_the_memory_may_be_filled(
    free: int, threads: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On eight CPUs; in GiB, of which four are always enough."""
    memory = SimpleNamespace(available=free << 30)
    monkeypatch.setattr("harness.training.feature_cache.psutil.virtual_memory", lambda: memory)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert cache_limit(CPU) == most * (1 << 30)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free << 29, 80 << 30))
    assert cache_limit(torch.device("cuda")) == min(4, free / 8) * (1 << 30)


@pytest.mark.parametrize(
    ("height", "changes", "window", "fixed"),
    [
        (128, {}, None, True),
        (128, {}, 48, False),
        (160, {}, None, False),
        (160, {"preprocess": "none"}, None, True),
    ],
    ids=["whole", "a window", "cropped", "never cropped"],
)
def test_only_where_every_picture_is_seen_whole(
    height: int, changes: dict[str, Any], window: int | None, fixed: bool
) -> None:
    loss = PerceptualLoss(("relu1_1",), "random", window)
    found = target_features(loss, some_pairs(2, height), WHOLE.updated(changes), CPU)
    assert (found is not None) == fixed
    assert found is None or found.free_bytes > 0
    some, others = some_pairs(1), some_pairs(1, height)
    mixed = PairSet.of([*some, *others])
    assert (target_features(loss, mixed, WHOLE.updated(changes), CPU) is not None) == fixed
