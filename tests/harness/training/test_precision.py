"""TF32 and bfloat16 where they are asked for, and only there."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from portraits import planned, write_pairs
from pretended_gpu import CUDA, PretendedGpu
from torch import Tensor, nn

from harness.config.settings import Precision, SearchConfig
from harness.errors import UserInputError
from harness.evaluation.evaluator import Evaluator
from harness.search.resolve import choose_precision, on_device
from harness.training import step
from harness.training.adam import Adam
from harness.training.batches import Batch, batches
from harness.training.cuda_graph import CapturedStep
from harness.training.feature_cache import TargetFeatures
from harness.training.inputs import CopiedInputs
from harness.training.loop import train
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.precision import full_float32, training_precision
from harness.training.step import Pix2Pix
from objectives.score import Reference, Score
from tests.harness.trials.test_trial import PARAMS, TRAIN, pairs

SETTINGS = TRAIN.updated(
    {"preprocess": "crop", "ngf": 4, "dropout": False, "steps": 4, "rungs": (2, 4)}
)
INSIDE = {"float32": ("ieee", "ieee", True), "tf32": ("tf32", "tf32", True)}
INSIDE["bfloat16"] = INSIDE["tf32"]


def switches() -> tuple[str, str, bool]:
    """Of convolutions, of products, of trying cuDNN's algorithms."""
    cudnn: Any = torch.backends.cudnn
    products: Any = torch.backends.cuda.matmul
    # Each raises if it differs from the newer switch of the same.
    assert cudnn.allow_tf32 == (cudnn.conv.fp32_precision == "tf32")
    assert products.allow_tf32 == (products.fp32_precision == "tf32")
    return cudnn.conv.fp32_precision, products.fp32_precision, cudnn.benchmark


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves torch's switches as it found them."""
    before = switches()
    yield
    assert switches() == before


def model(precision: Precision, device: torch.device, **settings: Any) -> Pix2Pix:
    chosen = SETTINGS.updated({"precision": precision, **settings})
    nets = (build_generator(chosen, 1), build_discriminator(chosen, 3, 2))
    generator, discriminator = (net.to(device) for net in nets)
    return Pix2Pix.start(generator, discriminator, PARAMS, chosen, None)


def first_batch(device: torch.device) -> Batch:
    return next(batches(pairs(2, 0), SETTINGS, device, 0))


def note_steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
    """The switches in every forward pass, and after every backward pass, from here on."""
    seen: list[tuple[str, str, bool]] = []
    update = Adam.step

    def loss(*given: Any, **named: Any) -> Tensor:
        seen.append(switches())
        return gan_loss(*given, **named)

    def noted(optimizer: Adam, gradients: Any) -> None:
        seen.append(switches())
        update(optimizer, gradients)

    monkeypatch.setattr(step, "gan_loss", loss)
    monkeypatch.setattr(Adam, "step", noted)
    return seen


@pytest.mark.parametrize("precision", INSIDE)
def test_a_step_on_a_gpu_computes_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    seen = note_steps(monkeypatch)
    with PretendedGpu():
        CapturedStep.capture(model(precision, CUDA), CopiedInputs(first_batch(CUDA)))
    assert len(seen) == 4 * 5  # three eager steps and the captured one
    assert set(seen) == {INSIDE[precision]}


def test_pictures_of_many_sizes_are_not_tried_with_every_algorithm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = note_steps(monkeypatch)
    with PretendedGpu():
        model("tf32", CUDA, preprocess="none").optimize(*first_batch(CUDA))
    assert set(seen) == {("tf32", "tf32", False)}


def test_a_step_on_the_cpu_switches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, before = torch.device("cpu"), switches()
    seen = note_steps(monkeypatch)
    model("tf32", cpu).optimize(*first_batch(cpu))
    assert set(seen) == {before}


def test_the_features_of_an_original_are_computed_as_those_of_a_restored_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    vgg = PerceptualLoss(("relu1_1", "relu2_1"), "random", None)
    deep = PerceptualLoss.deep_features

    def noted(term: PerceptualLoss, picture: Tensor) -> tuple[Tensor, ...]:
        seen.append(switches()[:2])
        return deep(term, picture)

    monkeypatch.setattr(PerceptualLoss, "deep_features", noted)
    with PretendedGpu():
        targets = TargetFeatures(vgg.to(CUDA), "tf32", 1 << 30)
        targets([(0, False)], first_batch(CUDA).original)
    assert seen == [("tf32", "tf32")]


class Watched:
    """An objective that notes the switches whenever it computes."""

    direction, worst = "maximize", 0.0

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def against(self, reference: Reference) -> "Watched":
        self.seen.append(switches()[:2])
        return self

    def __call__(self, pictures: Tensor) -> Score:
        self.seen.append(switches()[:2])
        return Score(0.5, {}, ())


def test_a_score_between_two_steps_is_in_full_float32() -> None:
    """The generator's pictures as well as their score."""
    objective: Any = Watched()
    with PretendedGpu():
        evaluator = Evaluator(pairs(1, 1), objective, CUDA)
        evaluator.noop()
        trained = model("tf32", CUDA)

        class Judged(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                objective.seen.append(switches()[:2])
                restored: Tensor = trained.generator(x)
                return restored

        stream = batches(pairs(2, 0), SETTINGS, CUDA, 0)
        for _ in train(trained, stream, SETTINGS.updated({"precision": "tf32"})):
            evaluator(Judged())
    assert len(objective.seen) == 1 + 1 + 2 * 2
    assert set(objective.seen) == {("ieee", "ieee")}


@pytest.mark.parametrize("inside", [training_precision(CUDA, "tf32"), full_float32()])
def test_an_exception_restores_the_switches(inside: Any) -> None:
    before = switches()

    def fail() -> None:
        with inside:
            assert switches() != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert switches() == before


def test_switches_that_were_set_otherwise_are_restored() -> None:
    """A notebook's own: TF32 products allowed, TF32 convolutions forbidden."""
    products: Any = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.allow_tf32, torch.backends.cudnn.allow_tf32 = True, False
    theirs = switches()
    try:
        with full_float32():
            assert switches()[:2] == ("ieee", "ieee")
        assert switches() == theirs
    finally:
        products.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
        products.fp32_precision = before


@pytest.fixture(scope="module")
def my_pairs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.mark.parametrize(
    ("device", "precision", "used"),
    [
        ("cpu", "auto", "float32"),
        ("cpu", "bfloat16", "bfloat16"),
        ("cuda", "auto", "tf32"),
        ("cuda", "float32", "float32"),
        ("cuda", "bfloat16", "bfloat16"),
    ],
)
def test_workers_and_the_record_get_the_precision(
    my_pairs: Any, device: str, precision: str, used: str
) -> None:
    with PretendedGpu():
        plan = planned(my_pairs, device=device, precision=precision)
    assert plan.trial_plan.train.precision == plan.setup.train.precision == used


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize("begun_in", ["float32", "tf32", "bfloat16"])
def test_a_study_goes_on_in_the_precision_that_it_began_in(
    device: str, begun_in: Precision
) -> None:
    assert choose_precision(SearchConfig(), device, begun_in) == begun_in


def test_a_gpu_s_study_is_not_recorded_as_such_on_a_cpu() -> None:
    """It computes in float32 there, as the record says, which a resumed study is checked by."""
    tf32 = SETTINGS.updated({"precision": "tf32"})
    assert on_device(tf32, "cpu").precision == "float32"
    assert on_device(tf32, "cuda:0") is tf32


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"precision": "tf32"}, "--precision tf32 is for GPUs"),
        (
            {"precision": "bfloat16", "trainer": "external", "repo": "train.yaml"},
            "--precision bfloat16 is for the built-in trainer",
        ),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused(
    my_pairs: Any, asked: dict[str, str], reason: str
) -> None:
    with pytest.raises(UserInputError, match=reason):
        planned(my_pairs, **asked)
