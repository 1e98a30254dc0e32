"""A trial from its parameters to its score, with real but small networks and pictures."""

import gc
import io
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from harness.config.settings import TrainSettings, TrialPlan
from harness.data.pairs.pair_set import Dataset, PairSet, save_dataset
from harness.errors import DivergedError, UserInputError
from harness.evaluation.panels import panel_png
from harness.tracking.metrics import SCORE, metrics_of
from harness.training.checkpoints import state_of
from harness.training.cuda_graph import CapturedStep
from harness.training.inputs import Inputs
from harness.training.networks import build_generator, init_as_copy, restoring
from harness.training.step import Pix2Pix
from harness.training.warm_start import WarmStart
from harness.trials.messages import Answer, Memory, Rung, TrialResult, TrialTask
from harness.trials.trial import Trials, make_runner
from search_spaces.trial_params import EXTRAS, TrialParams, Value

SIZE = 128
KINDS = ((3, "vanilla"), (2, "lsgan"))
TRAIN = TrainSettings(
    netG="unet_128",
    ngf=12,
    ndf=4,
    preprocess="none",
    load_size=SIZE,
    crop_size=SIZE,
    steps=4,
    rungs=(2, 4),
    ema_decay=0.5,
    perceptual_layers=("relu1_1",),
    perceptual_window=32,
    warm_start_steps=3,
    warm_discriminator_steps=2,
)
PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=0, n_layers_D=3, gan_mode="vanilla", lr=2e-4)


def pairs(count: int, seed: int) -> PairSet:
    """Smooth random pictures; the retouched one is shifted by two pixels inside a disc."""
    random = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    disc = ((rows - 64) ** 2 + (columns - 64) ** 2 < 24**2).unsqueeze(0)
    originals, retouched = [], []
    for _ in range(count):
        coarse = torch.rand(1, 3, 32, 32, generator=random) * 255
        picture = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bicubic")[0]
        original = picture.clamp(0, 255).byte()
        originals.append(original)
        retouched.append(torch.where(disc, original.roll(2, dims=2), original))
    names = tuple(f"p{n}" for n in range(count))
    masks = (disc,) * count
    return PairSet(names, tuple(retouched), tuple(originals), masks, tuple(originals))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "pairs.pt"
    save_dataset(Dataset(pairs(4, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    return file


def make_plan(dataset: Path, folder: Path, **settings: object) -> TrialPlan:
    plan = {
        "dataset": dataset,
        "folder": folder,
        "train": TRAIN,
        "weights": "random",
        "device": "cpu",
        "threads": 1,
        "warm_start_threads": 1,
        "discriminators": KINDS,
    }
    return TrialPlan.model_validate(plan | settings)


def make_trials(dataset: Path, folder: Path, **settings: object) -> Trials:
    return Trials(make_plan(dataset, folder, **settings))


def ignore(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def warm(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    trials = make_trials(dataset, tmp_path_factory.mktemp("study"))
    progress: list[tuple[int, int]] = []
    trials.prepare(lambda done, total: progress.append((done, total)))
    assert progress == [(done, 5) for done in range(1, 6)]
    return trials


def run(
    trials: Trials, params: TrialParams, answer: Answer = Answer.GO_ON, **extras: Value
) -> tuple[list[Rung], TrialResult | None]:
    rungs: list[Rung] = []

    def report(rung: Rung) -> Answer:
        rungs.append(rung)
        return answer

    return rungs, trials.run(TrialTask(7, params, 0, extras=extras), report)


def test_a_trial_reports_its_rungs_and_leaves_a_checkpoint_that_restores(warm: Trials) -> None:
    rungs, result = run(warm, PARAMS)
    assert [rung.step for rung in rungs] == [2, 4]
    assert all(0 < rung.value <= 1 for rung in rungs)
    assert set(rungs[0].losses) == {"G_GAN", "G_L1", "D_real", "D_fake"}
    assert result is not None
    assert result.rung == rungs[-1]
    assert len(result.per_image) == 3
    generator = build_generator(TRAIN, seed=1)
    generator.load_state_dict(torch.load(result.checkpoint, weights_only=True))
    _, score = warm.val(generator)
    assert score.value == pytest.approx(rungs[-1].value, abs=1e-6)


def test_damaged_weights_are_a_user_s_error(
    dataset: Path, tmp_path: Path, plant_weights: Callable[[str, bytes], None]
) -> None:
    plant_weights("alexnet", b"<html>no such file</html>")
    with pytest.raises(UserInputError, match=r"alexnet.*damaged .*: remove the file"):
        make_trials(dataset, tmp_path, weights="pretrained")


def test_same_task_same_scores_whatever_ran_before(warm: Trials) -> None:
    first, _ = run(warm, PARAMS)
    run(warm, PARAMS.model_copy(update={"lambda_perceptual": 10, "lr": 1e-3}))
    again, _ = run(warm, PARAMS)
    assert [rung.value for rung in first] == [rung.value for rung in again]
    assert first[-1].losses == again[-1].losses


def test_parameters_change_the_score(warm: Trials) -> None:
    plain, _ = run(warm, PARAMS)
    perceptual, _ = run(warm, PARAMS.model_copy(update={"lambda_perceptual": 20}))
    other, _ = run(warm, PARAMS.model_copy(update={"n_layers_D": 2, "gan_mode": "lsgan"}))
    assert perceptual[-1].losses["G_Perceptual"] > 0
    assert len({rungs[-1].value for rungs in (plain, perceptual, other)}) == 3


def test_a_trial_s_training_settings_change_the_score(warm: Trials) -> None:
    plain, _ = run(warm, PARAMS)
    same, _ = run(warm, PARAMS, beta1=TRAIN.beta1, batch_size=TRAIN.batch_size)
    assert [rung.value for rung in same] == [rung.value for rung in plain]
    changed = [
        run(warm, PARAMS, **extras)[0][-1].value
        for extras in ({"beta1": 0.9}, {"batch_size": 2}, {"flip": False}, {"dropout": False})
    ]
    assert len({plain[-1].value, *changed}) == 5


def test_other_networks_from_scratch(dataset: Path, tmp_path: Path) -> None:
    trials = make_trials(dataset, tmp_path, warm_start="none")
    _, result = run(trials, PARAMS, ngf=6, norm="instance")
    assert result is not None
    generator = build_generator(TRAIN.updated({"ngf": 6, "norm": "instance"}), seed=1)
    generator.load_state_dict(torch.load(result.checkpoint, weights_only=True))


def test_extra_settings_of_a_space_have_the_types_of_training_settings() -> None:
    fields = TrainSettings.model_json_schema()["properties"]
    for name, kind in EXTRAS.items():
        schema = {key: fields[name][key] for key in fields[name] if key not in ("title", "default")}
        assert TypeAdapter(kind).json_schema() == schema


@pytest.mark.parametrize("answer", [Answer.STOP, Answer.ONLY_SCORE])
def test_a_trial_that_will_not_lead_leaves_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """Nor is a panel encoded, while the GPU would wait."""
    encoded: list[object] = []
    monkeypatch.setattr("harness.trials.trial.panel_png", lambda *args: encoded.append(args))
    trials = make_trials(dataset, tmp_path, warm_start="none")
    rungs, result = run(trials, PARAMS, answer)
    assert [rung.step for rung in rungs] == ([2] if answer == Answer.STOP else [2, 4])
    assert result == (None if answer == Answer.STOP else TrialResult(rungs[-1], ANY, None))
    assert not encoded
    assert not list(tmp_path.rglob("*.pth"))


def test_the_panel_shows_each_picture_four_times(warm: Trials) -> None:
    _, result = run(warm, PARAMS)
    assert result is not None
    with Image.open(io.BytesIO(result.panel)) as panel:
        width, height = panel.size
    assert width >= 4 * 2 * SIZE
    assert height >= 3 * 2 * SIZE


def test_a_finalist_s_run_leaves_its_weights_but_no_panel(warm: Trials) -> None:
    result = warm.run(TrialTask(0, PARAMS, 5, "final"), lambda rung: Answer.GO_ON)
    assert result is not None
    assert result.checkpoint == warm.paths.final_checkpoint(0)
    assert result.checkpoint.exists()
    assert result.rung.crop
    assert not result.panel


def test_a_rung_gives_mlflow_a_crop_and_a_dozen_metrics(warm: Trials) -> None:
    params = PARAMS.model_copy(update={"lambda_perceptual": 1.0})
    rungs, _ = run(warm, params)
    with Image.open(io.BytesIO(rungs[-1].crop)) as crop:
        assert crop.width == crop.height
        assert crop.width >= 2 * SIZE
    for rung in rungs:
        metrics = metrics_of(SCORE, rung.value, rung.components, rung.losses)
        assert len(metrics) == 12 < len(rung.components)


def test_trials_share_one_warm_start_and_it_is_made_once(warm: Trials, dataset: Path) -> None:
    paths = warm.paths.warm_start
    made = paths.folder.stat().st_mtime_ns
    again = make_trials(dataset, warm.plan.folder)
    baseline = again.prepare(lambda done, total: pytest.fail("made again"))
    assert paths.folder.stat().st_mtime_ns == made
    assert baseline.warm_start is not None
    assert baseline.oracle is not None
    assert baseline.oracle > max(0.99, baseline.noop)
    generator, discriminator = again.networks(TrialTask(0, PARAMS, seed=5))
    saved = WarmStart.load(paths, KINDS)
    assert all(torch.equal(v, saved.generator[k]) for k, v in generator.state_dict().items())
    expected = saved.discriminators[3, "vanilla"]
    assert all(torch.equal(v, expected[k]) for k, v in discriminator.state_dict().items())


def test_the_warm_start_has_more_threads_than_a_trial(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr("harness.trials.trial.save_warm_starts", lambda *_: threads.append(0))
    monkeypatch.setattr(Trials, "make_warm_starts", lambda *_: [])
    monkeypatch.setattr(Trials, "score_warm_start", lambda *_: 0.5)
    trials = make_trials(dataset, tmp_path, threads=2, warm_start_threads=7)
    assert trials.prepare(ignore).warm_start == 0.5
    assert threads == [7, 0, 2]


def test_the_memory_that_a_trial_is_said_to_need_leaves_room_for_captured_steps(
    warm: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = TrialResult(Rung(4, 0.5, {}, {}), (), None)
    memory = Memory(1000, 8000)
    monkeypatch.setattr("harness.trials.trial.measure_memory", lambda *_: (result, memory))
    monkeypatch.setattr(warm.captured, "growth", lambda: 1.5)
    made: list[str] = []
    monkeypatch.setattr(warm.captured, "make_room", lambda: made.append("room"))
    found = warm.run(TrialTask(0, PARAMS, 0), lambda _: True)
    assert found is not None
    assert (found.rung, found.memory) == (result.rung, Memory(1500, 8000))
    assert made == ["room"]
    monkeypatch.setattr(warm.captured, "refusal", "it waits for the device.")
    assert warm.remark().endswith("so trials take longer: it waits for the device.")


def test_the_warm_start_leaves_a_panel_beside_the_trials(warm: Trials) -> None:
    generator = build_generator(TRAIN, seed=1)
    generator.load_state_dict(WarmStart.load(warm.paths.warm_start, KINDS).generator)
    restored, _ = warm.val(generator)
    file = warm.plan.folder / "panels" / "warm_start.png"
    assert file.read_bytes() == panel_png(warm.val.reference, restored)


def test_from_scratch_networks_come_from_the_trial_s_seed(dataset: Path, tmp_path: Path) -> None:
    trials = make_trials(dataset, tmp_path, warm_start="none")
    assert trials.prepare(ignore).warm_start is None
    generator, _ = trials.networks(TrialTask(0, PARAMS, seed=5))
    fresh = build_generator(TRAIN, 5).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in generator.state_dict().items())


def test_only_a_worker_process_is_configured_for_trials(dataset: Path, tmp_path: Path) -> None:
    """It flushes denormals to zero and uses the number of threads of the plan."""

    def flushed() -> bool:
        return sys.float_info.min / 2 == 0

    plan, threads = make_plan(dataset, tmp_path, threads=3), torch.get_num_threads()
    Trials(plan)
    assert (flushed(), torch.get_num_threads()) == (False, threads)
    try:
        make_runner(plan)
        assert (flushed(), torch.get_num_threads()) == (True, 3)
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
        gc.unfreeze()


def test_a_broken_model_ends_as_diverged(warm: Trials) -> None:
    generator = build_generator(TRAIN, 0)
    with torch.no_grad():
        next(generator.parameters()).fill_(float("nan"))
    with pytest.raises((DivergedError, ValueError), match=r"finite|\[0, 1\]"):
        warm.val(generator)


class TestInitFrom:
    def user_model(self, folder: Path, prefix: str = "") -> Path:
        weights = state_of(build_generator(TRAIN, seed=9))
        file = folder / "latest_net_G.pth"
        torch.save({prefix + name: value for name, value in weights.items()}, file)
        return file

    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_trials_continue_from_the_user_s_generator(
        self, dataset: Path, tmp_path: Path, prefix: str
    ) -> None:
        """Also as saved from the reference's DataParallel wrapper."""
        trials = make_trials(dataset, tmp_path, init_from=(self.user_model(tmp_path, prefix),))
        trials.prepare(ignore)
        generator, _ = trials.networks(TrialTask(0, PARAMS, seed=0))
        expected = build_generator(TRAIN, seed=9).state_dict()
        weights = dict(generator.named_parameters())
        assert all(torch.equal(value, expected[name]) for name, value in weights.items())

    def test_a_model_of_another_width_is_refused_by_name(
        self, dataset: Path, tmp_path: Path
    ) -> None:
        other = TRAIN.model_copy(update={"ngf": 16})
        trials = make_trials(dataset, tmp_path, train=other, init_from=(self.user_model(tmp_path),))
        with pytest.raises(UserInputError, match=r"latest_net_G\.pth does not fit .* ngf 16"):
            trials.prepare(ignore)
        assert not trials.paths.warm_start.folder.exists()

    def test_a_file_that_is_no_checkpoint_is_refused(self, dataset: Path, tmp_path: Path) -> None:
        file = tmp_path / "portrait.pth"
        file.write_bytes(b"JFIF")
        with pytest.raises(UserInputError, match=r"portrait\.pth cannot be read"):
            make_trials(dataset, tmp_path, init_from=(file,)).prepare(ignore)


def test_a_generator_initialised_as_a_copy_returns_nearly_its_input() -> None:
    """Grey values to within a few levels; a new network returns almost nothing of its input."""
    grey = pairs(1, 0).originals[0].float().mean(0).expand(1, 3, SIZE, SIZE) / 127.5 - 1
    wider = TRAIN.updated({"ngf": 16})  # than the copy needs
    fresh, copying = build_generator(wider, 0), build_generator(wider, 0)
    init_as_copy(copying)
    distances = []
    for net in (fresh, copying):
        with restoring(net) as restore:
            distances.append(float((restore(grey) - grey).abs().mean()))
    assert distances[1] < 0.06 < distances[0]
    # Every pixel by itself, 1.2 times as far from grey as it was, before the last tanh flattens it.
    with restoring(copying) as restore:
        torch.testing.assert_close(restore(grey), torch.tanh(1.2 * grey), rtol=0, atol=1e-4)
        # Colours too, where the four pixels of a block are of one colour.
        blocks = pairs(1, 0).originals[0].float()[None, :, ::2, ::2] / 127.5 - 1
        coloured = blocks.repeat_interleave(2, 2).repeat_interleave(2, 3)
        wanted = torch.tanh(1.2 * coloured)
        torch.testing.assert_close(restore(coloured), wanted, rtol=0, atol=1e-4)


class Replayed:
    """Replaces a CUDA graph: trains on the present content of the captured tensors."""

    def __init__(self, model: Pix2Pix, inputs: Inputs) -> None:
        self.model, self.inputs = model, inputs

    def replay(self) -> None:
        self.model.optimize(*self.inputs.batch())
        self.model.averaged.update_average(self.model.generator)


def test_trials_on_captured_steps_equal_those_on_eager_steps(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the warm start; a second trial of the same structure reuses the captured tensors."""
    captures = []

    def capture(model: Pix2Pix, inputs: Inputs) -> CapturedStep:
        before = [tensor.detach().clone() for tensor in model.changed_tensors()]
        model.optimize(*inputs.batch())  # as a capture's warm-up does, which is undone
        with torch.no_grad():
            torch._foreach_copy_(model.changed_tensors(), before)
        captures.append(graph := Replayed(model, inputs))
        return CapturedStep(model, inputs, graph, {})  # type: ignore[arg-type]

    found = {}
    for way in ("eager", "captured"):
        trials = make_trials(dataset, tmp_path / way, train=TRAIN.updated({"dropout": False}))
        if way == "captured":
            monkeypatch.setattr(CapturedStep, "capture", capture)
            monkeypatch.setattr(
                "harness.training.warm_start.capture_or_run_eagerly", lambda run, _, fed: (run, fed)
            )
            for module in ("harness.trials.trial", "harness.training.warm_start"):
                monkeypatch.setattr(f"{module}.capturable", lambda settings, device: True)
        baseline = trials.prepare(lambda done, total: None)
        scores = [baseline.warm_start]
        for number, rate in enumerate((2e-4, 5e-4)):
            params = PARAMS.model_copy(update={"lr": rate})
            result = trials.run(TrialTask(number, params, seed=number), lambda rung: True)
            assert result is not None
            scores.append(result.rung.value)
        found[way] = scores
    assert found["captured"] == pytest.approx(found["eager"], rel=1e-6)
    assert len(captures) == 2  # the warm start's, and one for both trials
