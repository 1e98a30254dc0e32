"""A trial, a finalist's run and the warm start equal a step-by-step reference computation.

Seeds differ, and so do the pictures of training, validation and test, so that no mix-up passes.
"""

from pathlib import Path

import by_hand
import pytest
import torch
from torch.nn import functional as F

from harness.data.pairs.pair_set import Dataset, PairSet, save_dataset
from harness.training.networks import build_discriminator, build_generator, init_as_copy
from harness.training.warm_start import WarmStart, make_warm_start
from harness.trials.messages import Baseline, Rung, TrialTask
from harness.trials.trial import Trials
from search_spaces.trial_params import TrialParams
from tests.harness.trials.test_trial import KINDS, TRAIN, make_trials, pairs

PLAN_SEED, OWN_SEED = 3, 11
SETTINGS = TRAIN.updated(
    {
        "preprocess": "crop",
        "steps": 6,
        "rungs": (2, 6),
        "ema_decay": 0.8,
        "ema_every": 2,
        "warm_start_steps": 4,
    }
)
LEAST_SQUARES = TrialParams(
    lambda_L1=60, lambda_perceptual=0, n_layers_D=2, gan_mode="lsgan", lr=1e-4
)
ENTROPY = LEAST_SQUARES.model_copy(
    update={"n_layers_D": 3, "gan_mode": "vanilla", "lambda_L1": 400}
)


def framed(small: PairSet) -> PairSet:
    """Larger than a crop, padded by reflection: 12 rows and 4 columns more."""

    def frame(pictures: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        frames = [F.pad(one[None].float(), (2, 2, 6, 6), mode="reflect")[0] for one in pictures]
        return tuple(one.to(pictures[0].dtype) for one in frames)

    kinds = (small.retouched, small.originals, small.masks)
    return PairSet(small.names, *map(frame, kinds))


SPLITS = Dataset(framed(pairs(3, 0)), pairs(2, 1), pairs(3, 2), "digest")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trials, Baseline]:
    """The runner with its warm start, and the baseline scores."""
    folder = tmp_path_factory.mktemp("study")
    save_dataset(SPLITS, folder / "pairs.pt")
    trials = make_trials(folder / "pairs.pt", folder, train=SETTINGS, seed=PLAN_SEED)
    return trials, trials.prepare(lambda done, total: None)


def initial(trials: Trials, params: TrialParams) -> tuple[by_hand.Weights, by_hand.Weights]:
    """The warm start's weights for these parameters."""
    saved = WarmStart.load(trials.paths.warm_start, KINDS)
    return saved.generator, saved.discriminators[params.n_layers_D, params.gan_mode]


def test_the_warm_start_trains_the_generator_and_then_every_discriminator(
    prepared: tuple[Trials, Baseline],
) -> None:
    saved = WarmStart.load(prepared[0].paths.warm_start, KINDS)
    generator, discriminators = by_hand.warm_start(SPLITS.train, SETTINGS, KINDS, PLAN_SEED)
    fresh = build_generator(SETTINGS, PLAN_SEED)
    init_as_copy(fresh)
    by_hand.assert_moved_alike(saved.generator, generator, fresh.state_dict())
    for kind in KINDS:
        fresh = build_discriminator(SETTINGS, kind[0], PLAN_SEED)
        by_hand.assert_moved_alike(
            saved.discriminators[kind], discriminators[kind], fresh.state_dict()
        )


def test_a_generator_that_moves_pixels_has_a_warm_start_of_its_own() -> None:
    """With other settings and its own learning rate; its discriminators learn at the usual one."""
    settings = SETTINGS.updated({"netG": "warp_unet_128", "ngf": 4, "warm_start_lr_warp": 7e-4})
    torch.manual_seed(PLAN_SEED)  # of dropout
    found = make_warm_start(
        settings, SPLITS.train, KINDS[:1], torch.device("cpu"), PLAN_SEED, lambda *_: None
    )
    generator, discriminators = by_hand.warm_start(SPLITS.train, settings, KINDS[:1], PLAN_SEED)
    fresh = build_generator(settings, PLAN_SEED), build_discriminator(settings, 3, PLAN_SEED)
    by_hand.assert_moved_alike(found.generator, generator, fresh[0].state_dict())
    by_hand.assert_moved_alike(
        found.discriminators[KINDS[0]], discriminators[KINDS[0]], fresh[1].state_dict()
    )


def test_the_baseline_scores_each_split_on_its_own_pairs(
    prepared: tuple[Trials, Baseline],
) -> None:
    trials, baseline = prepared
    val, test = (
        by_hand.scored(split, torch.stack(split.retouched).float() / 255).value
        for split in (SPLITS.val, SPLITS.test)
    )
    assert val != pytest.approx(test, rel=1e-3)
    assert (baseline.noop, baseline.held_out_noop) == pytest.approx((val, test), rel=1e-5)
    assert baseline.oracle == pytest.approx(1.0, abs=1e-5)
    generator, _ = trials.networks(TrialTask(0, ENTROPY, seed=0))
    blurred = by_hand.scored(SPLITS.val, by_hand.restored_by(generator, SPLITS.val))
    assert baseline.warm_start == pytest.approx(blurred.value, rel=1e-4)


@pytest.mark.parametrize("params", [LEAST_SQUARES, ENTROPY], ids=["lsgan", "vanilla"])
@pytest.mark.parametrize("stage", ["search", "final"])
def test_a_trial_is_trained_and_scored_by_the_rules_of_its_stage(
    prepared: tuple[Trials, Baseline], params: TrialParams, stage: str
) -> None:
    """A finalist has its own seed, 1.5 times the steps, and is scored on the test pairs."""
    trials, _ = prepared
    final = stage == "final"
    seed, judged = (OWN_SEED, SPLITS.test) if final else (PLAN_SEED, SPLITS.val)
    steps = (6, 9) if final else (2, 6)
    rungs: list[Rung] = []
    task = TrialTask(4, params, seed, "final" if final else "search")
    result = trials.run(task, lambda rung: rungs.append(rung) or True)
    assert result is not None
    assert tuple(rung.step for rung in rungs) == steps
    expected = by_hand.trained(SPLITS.train, SETTINGS, params, initial(trials, params), seed, steps)
    for rung, (generator, losses) in zip(rungs, expected, strict=True):
        assert rung.losses == pytest.approx(losses, rel=1e-3)
        score = by_hand.scored(judged, by_hand.restored_by(generator, judged))
        assert rung.value == pytest.approx(score.value, rel=1e-4)
        assert rung.components["D"] == pytest.approx(score.components["D"], rel=1e-3)
    assert [row["name"] for row in result.per_image] == list(judged.names)
    scores = [row["score"] for row in result.per_image]
    assert scores == pytest.approx([row["score"] for row in score.per_image], rel=1e-4)
    name = "f04_net_G.pth" if final else "t004_net_G.pth"
    assert result.checkpoint == trials.paths.checkpoints / name
    by_hand.assert_moved_alike(
        torch.load(result.checkpoint, weights_only=True),
        by_hand.weights_of(generator),
        initial(trials, params)[0],
    )


def test_from_scratch_a_trial_uses_its_own_seed(tmp_path: Path) -> None:
    """And not the plan's; its training is the same as that of other trials."""
    save_dataset(SPLITS, tmp_path / "pairs.pt")
    trials = make_trials(
        tmp_path / "pairs.pt", tmp_path, train=SETTINGS, seed=PLAN_SEED, warm_start="none"
    )
    rungs: list[Rung] = []
    trials.run(TrialTask(0, ENTROPY, OWN_SEED), lambda rung: rungs.append(rung) or False)
    nets = (
        build_generator(SETTINGS, OWN_SEED),
        build_discriminator(SETTINGS, 3, OWN_SEED),
    )
    fresh = (nets[0].state_dict(), nets[1].state_dict())
    generator, losses = next(
        by_hand.trained(SPLITS.train, SETTINGS, ENTROPY, fresh, OWN_SEED, (2,))
    )
    assert rungs[0].losses == pytest.approx(losses, rel=1e-3)
    score = by_hand.scored(SPLITS.val, by_hand.restored_by(generator, SPLITS.val))
    assert rungs[0].value == pytest.approx(score.value, rel=1e-4)
