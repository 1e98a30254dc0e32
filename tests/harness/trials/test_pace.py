"""The pace of a worker, measured with real but small networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import PretendedGpu
from torch import Tensor

from harness.config.settings import TrialPlan
from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.training.cuda_graph import CapturedStep
from harness.trials import pace
from harness.trials.messages import Pace, Rung, TrialTask
from harness.trials.trial import Trials
from harness.trials.worker import Measure, execute
from search_spaces.trial_params import TrialParams
from tests.harness.trials.test_trial import KINDS, TRAIN, pairs

PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=10, n_layers_D=3, gan_mode="lsgan", lr=2e-4)


@pytest.fixture
def plan(tmp_path: Path) -> TrialPlan:
    file = tmp_path / "pairs.pt"
    save_dataset(Dataset(pairs(4, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    return TrialPlan(
        dataset=file,
        folder=tmp_path / "study",
        train=TRAIN,
        other_netG="warp_unet_128",
        weights="random",
        device="cpu",
        threads=1,
        warm_start_threads=1,
        warm_start="none",
        discriminators=(*KINDS, (3, "lsgan")),
    )


def last_rung(trials: Trials) -> Rung:
    rungs: list[Rung] = []

    def report(rung: Rung) -> bool:
        rungs.append(rung)
        return True

    trials.run(TrialTask(0, PARAMS, 0), report)
    return rungs[-1]


def test_each_kind_of_generator_is_timed_and_no_trial_becomes_another(
    plan: TrialPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([6.0, 9.0, 7.0, 12.0])  # a step and a scoring of three pictures, of each kind

    def timed(work: Callable[[], object], device: torch.device) -> float:
        work()
        return next(seconds)

    monkeypatch.setattr(pace, "seconds_of", timed)
    unmeasured, measured = Trials(plan), Trials(plan)
    found = measured.measure()
    assert found == Pace({"unet_128": 6.0, "warp_unet_128": 7.0}, 4.0)
    assert not plan.folder.exists()
    assert last_rung(measured) == last_rung(unmeasured)


def test_the_first_time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([100.0, 0.25, 0.3, 0.2])
    now = 0.0

    def work() -> None:
        nonlocal now
        now += next(seconds)

    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    assert pace.seconds_of(work, torch.device("cpu")) == pytest.approx(0.25)


def test_a_pace_that_cannot_be_measured_is_an_empty_one() -> None:
    class Broken:
        def measure(self) -> Pace:
            raise RuntimeError("CUDA error: out of memory")

    assert execute(Measure(), Broken(), None) == Pace()  # type: ignore[arg-type]


def test_on_a_gpu_the_replayed_step_is_timed(
    plan: TrialPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MIN_SECONDS", 0.0)
    replayed: list[CapturedStep] = []
    step = CapturedStep.step

    def counted(self: CapturedStep, *batch: Any) -> dict[str, Tensor]:
        replayed.append(self)
        return step(self, *batch)

    monkeypatch.setattr(CapturedStep, "step", counted)
    train = TRAIN.updated({"preprocess": "crop", "perceptual_window": None, "dropout": False})
    on_gpu = plan.model_copy(update={"device": "cuda:0", "train": train})
    with PretendedGpu():
        trials = Trials(on_gpu)
        found = trials.measure()
        assert not trials.captured.cached  # nothing is left of it
    assert len(found.steps) == len(set(map(id, replayed))) == 2
    assert len(replayed) == 4
