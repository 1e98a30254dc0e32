"""Where a captured step's batches come from: the same as are cut for any other step."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from pretended_gpu import CUDA, PretendedGpu

from harness.config.profiles import QUICK
from harness.data.pairs.pair_set import PairSet
from harness.training import batches as of_batches
from harness.training.batches import Batch, batches, epoch_batches
from harness.training.feature_cache import target_features
from harness.training.inputs import CopiedInputs, GatheredInputs, inputs_for
from harness.training.perceptual import PerceptualLoss

SETTINGS = QUICK.updated({"crop_size": 16, "load_size": 20, "batch_size": 2})
SIZES = [(16, 16), (16, 31), (24, 20), (40, 17), (19, 19)]


def pairs_of_all_sizes() -> PairSet:
    random = torch.Generator().manual_seed(0)
    sides = [
        tuple(
            torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=random) for size in SIZES
        )
        for _ in range(2)
    ]
    masks = tuple(torch.ones(1, *size, dtype=torch.bool) for size in SIZES)
    return PairSet(tuple(map(str, SIZES)), *sides, masks)


def test_a_graph_cuts_the_batches_that_are_cut_on_the_cpu() -> None:
    """To the last bit, from pictures of all sizes, flipped or not."""
    pairs, cpu = pairs_of_all_sizes(), torch.device("cpu")
    wanted = list(islice(batches(pairs, SETTINGS, cpu, 3), 20))
    with PretendedGpu() as gpu:
        stream = batches(pairs, SETTINGS, CUDA, 3)
        inputs = inputs_for(stream)
        assert isinstance(inputs, GatheredInputs)
        inputs.batch()
        gpu.waits.clear()
        found = [inputs.batch() for _ in islice(inputs.feed(stream), 20)]
        assert not gpu.waits
        for one, other in zip(found, wanted, strict=True):
            for mine, theirs in zip(one[:2], other[:2], strict=True):
                assert torch.equal(mine.cpu(), theirs)
                assert mine.stride() == theirs.stride()


def test_known_features_are_those_of_the_originals_beside_them() -> None:
    pairs = pairs_of_all_sizes()
    whole = PairSet.of([pairs[0], replace(pairs[0], original=255 - pairs[0].original)])
    settings = SETTINGS.updated({"batch_size": 1, "load_size": 16})
    loss = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None)
    with PretendedGpu():
        loss = loss.to(CUDA)
        targets = target_features(loss, whole, settings, CUDA)
        assert targets is not None
        stream = batches(whole, settings, CUDA, 3, targets)
        inputs = inputs_for(stream)
        inputs.batch()
        for _ in islice(inputs.feed(stream), 6):
            batch = inputs.batch()
            assert batch.original_features is not None
            wanted = loss.deep_features(batch.original)
            for mine, theirs in zip(batch.original_features, wanted, strict=True):
                torch.testing.assert_close(mine.cpu(), theirs.cpu())


def test_the_rest_of_an_epoch_is_cut_beside_the_graph() -> None:
    pairs, cpu = pairs_of_all_sizes(), torch.device("cpu")

    def random() -> torch.Generator:
        return torch.Generator().manual_seed(5)

    *_, wanted = epoch_batches(pairs, SETTINGS, cpu, random())
    with PretendedGpu():
        stream = epoch_batches(pairs, SETTINGS, CUDA, random())
        inputs = inputs_for(stream)
        held = inputs.batch()
        first, second, rest = inputs.feed(stream)
        assert first.retouched is second.retouched is held.retouched
        assert len(rest.retouched) == 1
        assert torch.equal(rest.original.cpu(), wanted.original)


def test_pairs_that_do_not_fit_are_copied_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, cpu = pairs_of_all_sizes(), torch.device("cpu")
    wanted = list(islice(batches(pairs, SETTINGS, cpu, 3), 3))
    monkeypatch.setattr(of_batches, "MOST_DEVICE_BYTES", 10_000)
    with PretendedGpu():
        stream = batches(pairs, SETTINGS, CUDA, 3)
        inputs = inputs_for(stream)
        assert isinstance(inputs, CopiedInputs)
        for other, batch in zip(wanted, inputs.feed(stream), strict=False):
            inputs.write(batch)
            assert torch.equal(inputs.batch().retouched.cpu(), other.retouched)
            assert torch.equal(inputs.batch().original.cpu(), other.original)


def test_a_copied_batch_has_the_features_of_its_own_originals() -> None:
    first, second = (
        Batch(
            torch.full((1, 3, 4, 4), number),
            torch.full((1, 3, 4, 4), number + 1),
            (torch.full((2,), number + 2), torch.full((3,), number + 3)),
        )
        for number in (0.0, 10.0)
    )
    inputs = CopiedInputs(first)
    before = inputs.batch()
    inputs.write(second)
    assert inputs.batch() is before  # where the graph reads
    for found, wanted in zip(before[:2], second[:2], strict=True):
        assert torch.equal(found, wanted)
    assert before.original_features is not None
    assert second.original_features is not None
    for mine, theirs in zip(before.original_features, second.original_features, strict=True):
        assert torch.equal(mine, theirs)
    assert float(first.original.max()) == 1  # what was given is left alone
