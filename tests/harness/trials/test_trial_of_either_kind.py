"""A study of both kinds of generator: a warm start for each, and trials of either kind."""

from pathlib import Path

import pytest
import torch

from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.errors import SharedInputError
from harness.training.networks import WarpUnet
from harness.training.warm_start import WarmStart
from harness.trials.messages import Baseline, TrialTask
from harness.trials.trial import Trials
from tests.harness.trials.test_trial import KINDS, PARAMS, TRAIN, make_trials, pairs

MOVES = {"netG": "warp_unet_128"}
REPAINTS = {"netG": "unet_128"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "pairs.pt"
    save_dataset(Dataset(pairs(4, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    return file


Prepared = tuple[Trials, Baseline, list[tuple[int, int]]]


@pytest.fixture(scope="module")
def prepared(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("study")
    trials = make_trials(dataset, folder, other_netG="warp_unet_128")
    progress: list[tuple[int, int]] = []
    baseline = trials.prepare(lambda done, total: progress.append((done, total)))
    return trials, baseline, progress


def test_the_warm_starts_of_both_kinds_are_made_together(prepared: Prepared) -> None:
    trials, baseline, progress = prepared
    steps = TRAIN.warm_start_steps + TRAIN.warm_discriminator_steps
    assert progress == [(done, 2 * steps) for done in range(1, 2 * steps + 1)]
    assert baseline.warm_start is not None
    assert baseline.other_warm_start is not None
    assert baseline.warm_start != baseline.other_warm_start
    # It begins as the identity, and has hardly left it.
    assert baseline.other_warm_start == pytest.approx(baseline.noop, abs=0.03)
    for paths in (trials.paths.warm_start, trials.paths.warm_start.other_kind):
        assert set(WarmStart.load(paths, KINDS).discriminators) == set(KINDS)
    panels = [trials.paths.warm_start_panel(other).read_bytes() for other in (False, True)]
    assert panels[0] != panels[1]


def test_the_user_s_kind_starts_as_in_a_study_of_one_kind(
    prepared: Prepared, dataset: Path, tmp_path: Path
) -> None:
    alone = make_trials(dataset, tmp_path)
    assert alone.prepare(lambda done, total: None).warm_start == prepared[1].warm_start


@pytest.mark.parametrize("extras", [MOVES, REPAINTS, {}])
def test_a_trial_starts_from_the_warm_start_of_its_kind(
    prepared: Prepared, extras: dict[str, str]
) -> None:
    trials = prepared[0]
    moves = extras == MOVES
    task = TrialTask(0, PARAMS, 0, extras=extras)
    generator, discriminator = trials.networks(task)
    assert isinstance(generator, WarpUnet) == moves
    paths = trials.paths.warm_start
    saved = WarmStart.load(paths.other_kind if moves else paths, KINDS)
    assert all(torch.equal(v, saved.generator[k]) for k, v in generator.state_dict().items())
    expected = saved.discriminators[3, "vanilla"]
    assert all(torch.equal(v, expected[k]) for k, v in discriminator.state_dict().items())


def test_one_worker_runs_both_kinds_in_any_order(prepared: Prepared) -> None:
    trials = prepared[0]

    def score(extras: dict[str, str]) -> float:
        result = trials.run(TrialTask(0, PARAMS, 0, extras=extras), lambda _: True)
        assert result is not None
        return result.rung.value

    moved, painted = score(MOVES), score(REPAINTS)
    assert moved != painted
    assert (score(MOVES), score(REPAINTS)) == (moved, painted)


def test_a_damaged_warm_start_of_the_other_kind_is_named(dataset: Path, tmp_path: Path) -> None:
    trials = make_trials(dataset, tmp_path, other_netG="warp_unet_128")
    trials.prepare(lambda done, total: None)
    file = trials.paths.warm_start.other_kind.generator
    file.write_bytes(file.read_bytes()[:-100])
    fresh = make_trials(dataset, tmp_path, other_netG="warp_unet_128")
    with pytest.raises(SharedInputError, match="warm start"):
        fresh.run(TrialTask(0, PARAMS, 0, extras=MOVES), lambda _: True)
    assert fresh.run(TrialTask(0, PARAMS, 0, extras=REPAINTS), lambda _: True) is not None
