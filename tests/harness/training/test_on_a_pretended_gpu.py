"""Trials and trainings on a pretended GPU: what a real one would refuse, or wait for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import CUDA, PretendedGpu, mapped
from torch import Tensor, nn

from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.evaluation.panels import crop_png
from harness.training import step, warm_start
from harness.training.batches import Batch, Batches, Draw, batches, on_device
from harness.training.checkpoints import NetWeights, state_of
from harness.training.cuda_graph import CapturedStep, capture_graph
from harness.training.epochs import EpochDone, Schedule, Training, train_epochs
from harness.training.inputs import CopiedInputs, inputs_for
from harness.training.loop import train
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix, discriminator_losses
from harness.training.warm_start import train_discriminators
from harness.trials.devices import CUDA_CONTEXT
from harness.trials.messages import Rung, TrialResult, TrialTask
from harness.trials.trial import Trials
from search_spaces.trial_params import GanMode, TrialParams
from tests.golden.pix2pix_case import batch
from tests.harness.trials.test_trial import PARAMS, TRAIN, ignore, make_trials, pairs

SETTINGS = TRAIN.updated(
    {
        "preprocess": "crop",
        "dropout": False,
        "perceptual_window": None,
        "steps": 2,
        "rungs": (2,),
        "warm_start_steps": 2,
        "warm_discriminator_steps": 1,
    }
)
SMALL = SETTINGS.updated({"ngf": 4, "ema_decay": 0.7})
PERCEPTUAL = {"gan_mode": "lsgan", "lambda_perceptual": 5.0}
KINDS = ((3, "vanilla"), (3, "lsgan"), (2, "wgangp"))
# The second of a structure is begun in the place of the first, with other numbers, and after others
# of the same generator.
FEW = [
    PARAMS.model_copy(update=update)
    for update in (PERCEPTUAL, PERCEPTUAL | {"lambda_perceptual": 50.0, "lr": 1e-3})
]
ALL = [
    PARAMS,
    FEW[0],
    PARAMS.model_copy(update={"lr": 5e-4, "lambda_L1": 20.0}),
    FEW[1],
    PARAMS.model_copy(update={"gan_mode": "wgangp", "n_layers_D": 2}),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "pairs.pt"
    save_dataset(Dataset(pairs(2, 0), pairs(1, 1), pairs(1, 2), "digest"), file)
    return file


def scores_of(trials: Trials, tasks: list[TrialParams]) -> list[float]:
    """Of the input, of the warm start, and of every task at its rung, whose panel is drawn."""
    baseline = trials.prepare(ignore)
    assert baseline.warm_start is not None
    scores = [baseline.noop, baseline.warm_start]

    def report(rung: Rung) -> bool:
        scores.append(rung.value)
        return True

    for number, params in enumerate(tasks):
        result = trials.run(TrialTask(number, params, 0), report)
        assert result is not None
        assert result.panel.startswith(b"\x89PNG")
    return scores


@pytest.mark.parametrize(
    ("netG", "tasks", "structures"), [("unet_128", ALL, 3), ("warp_unet_128", FEW, 1)]
)
def test_trials_score_as_on_the_cpu(
    dataset: Path, tmp_path: Path, netG: str, tasks: list[TrialParams], structures: int
) -> None:
    """Though a step was captured with the numbers of another trial."""
    made = {"train": SETTINGS.updated({"netG": netG}), "discriminators": KINDS}
    wanted = scores_of(make_trials(dataset, tmp_path / "cpu", **made), tasks)
    with PretendedGpu() as gpu:
        trials = make_trials(dataset, tmp_path / "gpu", device="cuda:0", **made)
        assert scores_of(trials, tasks) == pytest.approx(wanted, rel=1e-4)
        assert len(trials.captured.cached) == structures
        assert not trials.captured.refusal
    assert len(set(wanted)) == len(tasks) + 2
    assert not gpu.constants


def on_gpu(number: int) -> tuple[Tensor, Tensor]:
    retouched, original = batch(number)
    return retouched.to(CUDA), original.to(CUDA)


def model_on_gpu(params: TrialParams) -> Pix2Pix:
    nets = (build_generator(SMALL, 1), build_discriminator(SMALL, 3, 2))
    generator, discriminator = (net.to(CUDA) for net in nets)
    vgg = None
    if params.lambda_perceptual > 0:
        vgg = PerceptualLoss(SMALL.perceptual_layers, "random", window=32).to(CUDA)
    return Pix2Pix.start(generator, discriminator, params, SMALL, vgg)


@pytest.mark.parametrize("params", [PARAMS, FEW[0]], ids=["plain", "perceptual"])
def test_between_rungs_the_host_never_waits(params: TrialParams) -> None:
    """Nor starts it more than the graph: that crops, averages the weights, sums the losses."""
    settings = SMALL.updated({"steps": 9, "rungs": (9,), "ema_every": 2})
    with PretendedGpu() as gpu:
        stream = batches(pairs(3, 0), settings, CUDA, 0)
        captured = CapturedStep.capture(model_on_gpu(params), inputs_for(stream))

        def watched(draws: Iterator[Draw]) -> Iterator[Draw]:
            for number, draw in enumerate(draws, 1):
                if number == 3:
                    gpu.waits.clear()
                    gpu.operations.clear()
                if number == 9:
                    waits.update(gpu.waits)
                    operations.update(gpu.operations)
                yield draw

        waits: dict[str, int] = {}
        operations: dict[str, int] = {}
        stream.draws = watched(stream.draws)
        (progress,) = train(captured, stream, settings)
    assert progress.step == 9
    assert not waits
    assert operations == {"aten.copy_.default": 6}  # each step's place of its pictures
    assert not gpu.constants


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_graph_s_running_average_and_losses_are_the_cpu_s(every: int) -> None:
    """Also of the second trial on a captured step. At a rung the host reads the losses once."""
    settings = SMALL.updated({"steps": 7, "rungs": (2, 7), "ema_every": every})
    data, cpu = pairs(3, 0), torch.device("cpu")

    def trained(
        model: Pix2Pix | CapturedStep, stream: Batches
    ) -> tuple[list[dict[str, float]], list[NetWeights]]:
        rows, averages = [], []
        for progress in train(model, stream, settings):
            rows.append(progress.losses)
            assert isinstance(progress.candidate, nn.Module)
            averages.append(state_of(progress.candidate))
        return rows, averages

    def start(device: torch.device) -> Pix2Pix:
        nets = (build_generator(settings, 1), build_discriminator(settings, 3, 2))
        generator, discriminator = (net.to(device) for net in nets)
        return Pix2Pix.start(generator, discriminator, PARAMS, settings, None)

    wanted = trained(start(cpu), batches(data, settings, cpu, 0))
    with PretendedGpu() as gpu:
        data = on_device(data, CUDA)
        model = start(CUDA)
        initial = state_of(model.generator), state_of(model.discriminator)
        captured = CapturedStep.capture(model, inputs_for(batches(data, settings, CUDA, 0)))
        for _ in range(2):
            captured.restart(*initial, PARAMS)
            gpu.waits.clear()
            found = trained(captured, batches(data, settings, CUDA, 0))
            of_losses = [what for what in gpu.waits if "checkpoints" not in what]
            assert len(of_losses) == 1
            assert gpu.waits[of_losses[0]] == 2  # one for each rung
            for one, other in zip(found[0], wanted[0], strict=True):
                assert one == pytest.approx(other, rel=1e-4)
            for mine, theirs in zip(found[1], wanted[1], strict=True):
                for name, value in theirs.items():
                    torch.testing.assert_close(mine[name], value, rtol=1e-3, atol=1e-5)


def reads_a_loss(loss: Tensor) -> Tensor:
    return loss if loss.item() > 0 else -loss


def weighs_on_the_cpu(loss: Tensor) -> Tensor:
    return (loss * torch.ones(3)).mean()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (reads_a_loss, "operation not permitted when stream is capturing: aten._local_scalar"),
        (weighs_on_the_cpu, "found at least two devices, cuda:0 and cpu: aten.mul"),
    ],
)
def test_a_step_that_waits_or_mixes_devices_is_caught(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[Tensor], Tensor], told: str
) -> None:
    monkeypatch.setattr(step, "gan_loss", lambda *a, **k: fault(gan_loss(*a, **k)))
    with PretendedGpu(), pytest.raises(RuntimeError) as raised:
        CapturedStep.capture(model_on_gpu(PARAMS), CopiedInputs(Batch(*on_gpu(1))))
    assert told in str(raised.value.__context__ or raised.value)


def test_a_capture_leaves_no_trace_in_what_it_changes_nor_in_chance() -> None:
    with PretendedGpu():
        sums = torch.ones(3, device=CUDA)
        chance = torch.cuda.get_rng_state()
        capture_graph(lambda: sums.add_(torch.rand(3, device=CUDA)), [sums])
        assert torch.equal(torch.cuda.get_rng_state(), chance)
        assert sums.tolist() == [1, 1, 1]


def test_a_step_that_bakes_in_a_number_of_the_cpu_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight = torch.tensor(2.0)
    monkeypatch.setattr(step, "gan_loss", lambda *a, **k: weight * gan_loss(*a, **k))
    with PretendedGpu() as gpu:
        CapturedStep.capture(model_on_gpu(PARAMS), CopiedInputs(Batch(*on_gpu(1))))
    assert gpu.constants.total() == 6  # three losses, each forwards and backwards


def begin(device: torch.device) -> Training:
    nets = (build_generator(SMALL, 1), build_discriminator(SMALL, 3, 2))
    vgg = PerceptualLoss(SMALL.perceptual_layers, "random", None)
    generator, discriminator, vgg = (net.to(device) for net in (*nets, vgg))
    plan = Schedule(1, 2)
    return Training.start(generator, discriminator, FEW[0], SMALL, vgg, plan, seed=4)


def epochs(training: Training, total: int, device: torch.device) -> list[EpochDone]:
    return list(train_epochs(training, pairs(2, 0), SMALL, total, device))


def test_a_resumed_training_s_epochs_are_the_cpu_s() -> None:
    """Its steps are captured anew, at a rate that falls. Its state is read from a file, onto the
    CPU; the rate belongs beside the weights."""
    cpu = torch.device("cpu")
    wanted = epochs(begin(cpu), 3, cpu)
    with PretendedGpu() as gpu:
        first = begin(CUDA)
        found = epochs(first, 1, CUDA)
        kept = mapped(lambda each: each.cpu() if isinstance(each, Tensor) else each, first.state())
        second = begin(CUDA)
        second.load_state(kept)
        found += epochs(second, 3, CUDA)
        for optimizer in (second.model.optimizer_G, second.model.optimizer_D):
            (group,) = optimizer.param_groups
            assert (group["lr"].device, group["lr"].dtype) == (CUDA, torch.float32)
    assert not any(done.remark for done in found)  # no step was refused
    assert not gpu.constants
    for one, other in zip(found, wanted, strict=True):
        assert one.lr == pytest.approx(other.lr)
        assert one.losses == pytest.approx(other.losses, rel=1e-4)


def test_an_epoch_s_steps_are_captured_but_for_a_smaller_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five pictures in batches of two: between the epochs the host waits for nothing."""
    settings, cpu = SMALL.updated({"batch_size": 2}), torch.device("cpu")
    eager: list[int] = []
    optimize = Pix2Pix.optimize

    def noted(model: Pix2Pix, retouched: Tensor, *rest: Any) -> dict[str, Tensor]:
        eager.append(len(retouched))
        return optimize(model, retouched, *rest)

    wanted = list(train_epochs(begin(cpu), pairs(5, 0), settings, 2, cpu))
    monkeypatch.setattr(Pix2Pix, "optimize", noted)
    with PretendedGpu() as gpu:
        found = list(train_epochs(begin(CUDA), pairs(5, 0), settings, 2, CUDA))
    assert eager == [2, 2, 2, 2, 1, 1]  # three to warm up, one captured, a rest an epoch
    assert not gpu.constants
    for one, other in zip(found, wanted, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-4)
        assert not one.remark


def test_epochs_that_cannot_be_captured_say_so_once_and_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    wanted = epochs(begin(cpu), 2, cpu)

    def waiting(loss: Tensor) -> Tensor:
        loss.item()
        return loss

    monkeypatch.setattr(step, "gan_loss", lambda *a, **k: waiting(gan_loss(*a, **k)))
    with PretendedGpu():
        found = epochs(begin(CUDA), 2, CUDA)
    assert "cannot be captured" in found[0].remark
    assert not found[1].remark
    for one, other in zip(found, wanted, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-4)


@pytest.mark.parametrize("waits", [False, True])
def test_the_discriminators_of_a_warm_start_are_the_cpu_s(
    monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Trained by one captured graph, or step by step where that is refused."""
    settings = SMALL.updated({"warm_discriminator_steps": 4})
    calls: list[str] = []

    def counted(net: nn.Module, gan_mode: GanMode, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(gan_mode)
        losses = discriminator_losses(net, gan_mode, *pictures)
        if waits:
            losses[0].item()
        return losses

    def trained(device: torch.device) -> dict[Any, Any]:
        generator = build_generator(settings, 1).to(device)
        stream = batches(pairs(3, 0), settings, device, 0)
        return train_discriminators(generator, {}, settings, stream, KINDS, 7, ignore)

    wanted = trained(torch.device("cpu"))
    monkeypatch.setattr(warm_start, "discriminator_losses", counted)
    with PretendedGpu() as gpu:
        found = trained(CUDA)
    # Three steps to warm up, and one that is captured, or refused at its first loss.
    assert len(calls) == (3 * len(KINDS) + 1 + 4 * len(KINDS) if waits else 4 * len(KINDS))
    assert not gpu.constants
    for kind in KINDS:
        for name, value in wanted[kind].items():
            torch.testing.assert_close(found[kind][name], value, rtol=1e-3, atol=1e-5)


def test_a_trial_after_the_first_copies_neither_pairs_nor_weights_to_the_device(
    dataset: Path, tmp_path: Path
) -> None:
    def report(rung: Rung) -> bool:
        return True

    with PretendedGpu() as gpu:
        trials = make_trials(
            dataset, tmp_path, device="cuda:0", train=SETTINGS, discriminators=KINDS
        )
        trials.prepare(ignore)
        trials.run(TrialTask(0, PARAMS, 0), report)
        gpu.waits.clear()
        trials.run(TrialTask(1, PARAMS, 0), report)
    copied = [what for what in gpu.waits if "from the host" in what]
    assert not [what for what in copied if "/training/" in what or "/trials/" in what]
    assert copied  # the score's constants are


def test_a_crop_waits_for_its_pixels_alone_once_its_square_is_known(
    dataset: Path, tmp_path: Path
) -> None:
    with PretendedGpu() as gpu:
        evaluator = make_trials(dataset, tmp_path, device="cuda:0", train=SETTINGS).val
        for _ in range(2):
            gpu.waits.clear()
            crop_png(evaluator.square, evaluator.reference.targets)
    assert sum(gpu.waits.values()) == 1


@pytest.mark.parametrize("held", [1, 2, 4, 8])
def test_a_worker_counts_with_the_captured_steps_it_comes_to_hold(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """A quarter of the GPU stays free, below which captured steps are dropped again."""
    rung = Rung(2, 0.5, {}, {})
    monkeypatch.setattr(Trials, "run_trial", lambda *_: TrialResult(rung, (), None))
    with PretendedGpu():
        trials = make_trials(dataset, tmp_path, train=SETTINGS, device="cuda:0")
        monkeypatch.setattr(trials.captured, "make_room", lambda: None)
        trials.captured.cached = dict.fromkeys(range(held))  # type: ignore[arg-type]
        monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: held << 30)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (60 << 30, 80 << 30))
        task = TrialTask(0, PARAMS, 0)
        result = trials.run(task, lambda rung: True)
        assert result is not None
        assert result.memory is not None
        # Four are counted, or all that it holds.
        times = max(1, 4 / held)
        assert result.memory.peak == pytest.approx(times * ((held << 30) + CUDA_CONTEXT), abs=1)
        assert result.memory.room == (40 << 30) + CUDA_CONTEXT
        # What another program takes is not measured here, so that nothing is packed by it.
        trials.plan = trials.plan.model_copy(update={"external": object()})
        assert trials.run(task, lambda rung: True) == TrialResult(rung, (), None, memory=None)
