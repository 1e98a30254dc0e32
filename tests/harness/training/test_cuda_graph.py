"""A step that reads its settings from tensors, begun anew in place, and captured on a GPU."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from harness.config.settings import Precision
from harness.errors import DivergedError
from harness.training.batches import Batch
from harness.training.checkpoints import state_of
from harness.training.cuda_graph import (
    CapturedStep,
    CapturedSteps,
    Structure,
    capturable,
    memory_is_low,
    structure_of,
)
from harness.training.feature_cache import TargetFeatures
from harness.training.inputs import CopiedInputs, Inputs
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.step import Pix2Pix, discriminator_losses
from search_spaces.space import load_space
from search_spaces.trial_params import TrialParams
from tests.golden.pix2pix_case import SETTINGS, batch

FIRST = TrialParams(lambda_L1=50, lambda_perceptual=5, n_layers_D=3, gan_mode="vanilla", lr=4e-4)
SECOND = FIRST.model_copy(update={"lambda_L1": 200.0, "lambda_perceptual": 9.0, "lr": 1e-4})

ONE = structure_of(FIRST, {})


def fresh(
    params: TrialParams, device: str = "cpu", precision: str = "float32", dropout: bool = True
) -> Pix2Pix:
    settings = SETTINGS.updated({"precision": precision, "dropout": dropout})
    nets = (build_generator(settings, 1), build_discriminator(settings, 3, 2))
    generator, discriminator = (net.to(device) for net in nets)
    vgg = PerceptualLoss(("relu1_1", "relu2_1"), "random", window=None).to(device)
    return Pix2Pix.start(generator, discriminator, params, settings, vgg)


def copies(number: int) -> Callable[[], Inputs]:
    return lambda: CopiedInputs(Batch(*batch(number)))


def down(optimizer: torch.optim.Adam, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def plain_step(model: Pix2Pix, params: TrialParams, rates: list[torch.optim.Adam]) -> list[float]:
    """The same step with Python's numbers for settings, as the reference writes it."""
    retouched, original = batch(1)
    restored = model.generator(retouched)
    real, fake = discriminator_losses(
        model.discriminator, params.gan_mode, retouched, original, restored.detach()
    )
    down(rates[1], (real + fake) * 0.5)
    model.discriminator.requires_grad_(False)
    logits = model.discriminator(torch.cat([retouched, restored], 1))
    adversarial = gan_loss(params.gan_mode, logits, real=True)
    l1 = F.l1_loss(restored, original) * params.lambda_L1
    assert model.perceptual is not None
    perceptual = model.perceptual(restored, original) * params.lambda_perceptual
    down(rates[0], adversarial + l1 + perceptual)
    model.discriminator.requires_grad_(True)
    return [float(loss.detach()) for loss in (adversarial, l1, perceptual, real, fake)]


def weights(model: Pix2Pix) -> torch.Tensor:
    nets = (model.generator, model.discriminator)
    return torch.cat([value.detach().cpu().flatten() for net in nets for value in net.parameters()])


def test_settings_in_tensors_are_settings_in_numbers() -> None:
    tensors, numbers = fresh(FIRST), fresh(FIRST)
    for model in (tensors, numbers):
        for net in (model.generator, model.discriminator):
            net.to(memory_format=torch.contiguous_format)
    rates = [
        torch.optim.Adam(net.parameters(), FIRST.lr, betas=(SETTINGS.beta1, 0.999))
        for net in (numbers.generator, numbers.discriminator)
    ]
    torch.manual_seed(0)
    found = tensors.step(*batch(1))
    torch.manual_seed(0)
    wanted = plain_step(numbers, FIRST, rates)
    names = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")
    assert [float(found[name]) for name in names] == pytest.approx(wanted, rel=1e-5)
    # A step moves every weight by the rate: the difference is measured by that.
    apart = (weights(tensors) - weights(numbers)).abs()
    assert float(apart.mean()) < 1e-3 * FIRST.lr


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_begun_anew_in_place_is_begun_anew(fails: bool, shares: bool) -> None:
    """Also where the trial before it diverged, and with the generator of another structure."""
    new, used = fresh(SECOND), fresh(FIRST)
    if shares:
        used.share_generator(fresh(FIRST))
    held = [state_of(net) for net in (used.generator, used.discriminator)]
    new.average_every = used.average_every = 1
    for number in (1, 2):
        used.step(*batch(number))
    if fails:
        used.optimize(batch(1)[0], batch(1)[1] * float("nan"))
    used.restart(held[0], held[1], SECOND)
    for model in (new, used):
        torch.manual_seed(0)
        rows = [model.step(*batch(number)) for number in (3, 4)]
        assert all(bool(loss.isfinite()) for row in rows for loss in row.values())
    assert torch.equal(weights(new), weights(used))
    for one, other in ((new.generator, used.generator), (new.discriminator, used.discriminator)):
        for mine, theirs in zip(one.buffers(), other.buffers(), strict=True):
            assert torch.equal(mine, theirs)
    averages = zip(new.averaged.module.parameters(), used.averaged.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in averages)
    assert new.mean_losses() == used.mean_losses()


def test_after_a_failure_nothing_moves_and_the_losses_of_the_failure_are_told() -> None:
    model = fresh(FIRST)
    retouched, original = batch(1)
    model.optimize(retouched, original * float("nan"))
    before = weights(model)
    model.optimize(retouched, original)
    assert torch.equal(weights(model), before)
    with pytest.raises(DivergedError, match="D_real nan") as at_a_step:
        model.check()
    with pytest.raises(DivergedError) as at_a_rung:
        model.mean_losses()
    assert str(at_a_rung.value) == str(at_a_step.value)


def test_pictures_of_different_sizes_are_not_captured() -> None:
    cuda, cropped = torch.device("cuda:0"), SETTINGS.updated({"preprocess": "crop"})
    assert capturable(cropped, cuda)
    assert not capturable(cropped, torch.device("cpu"))
    assert not capturable(SETTINGS.updated({"preprocess": "none"}), cuda)


def test_memory_is_low_where_less_than_a_quarter_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for free, low in ((19, True), (21, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free << 30, 80 << 30))
        assert memory_is_low() is low


def test_bfloat16_stays_near_float32() -> None:
    """The stated tolerance: each loss of the first step within 2 %."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        losses[precision] = fresh(FIRST, precision=precision).step(*batch(1))
    for name, loss in losses["float32"].items():
        assert losses["bfloat16"][name].dtype == torch.float32
        assert float(losses["bfloat16"][name]) == pytest.approx(float(loss), rel=2e-2)


def test_where_nothing_can_be_captured_the_model_trains_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(model: Pix2Pix, inputs: Inputs) -> CapturedStep:
        model.optimize(*inputs.batch())  # as a capture does before it fails
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(CapturedStep, "capture", refuse)
    steps, wanted = CapturedSteps(), fresh(SECOND)
    held = (state_of(wanted.generator), state_of(wanted.discriminator))
    for _ in range(2):  # found out once, then known
        found = steps.start_trial(ONE, partial(fresh, SECOND), copies(9), held, SECOND)
        assert isinstance(found, Pix2Pix)
        assert torch.equal(weights(found), weights(wanted))
        assert steps.refusal
    for model in (found, wanted):
        torch.manual_seed(0)
        model.step(*batch(1))
    assert torch.equal(weights(found), weights(wanted))


def test_a_refused_capture_leaves_nothing_behind(
    any_gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cause is kept, torch's stream is current again, and the model trains on, with dropout."""
    steps, halfway = CapturedSteps(), PerceptualLoss.forward

    def waiting(self: PerceptualLoss, *pictures: Any) -> torch.Tensor:
        loss = halfway(self, *pictures)
        loss.item()
        return loss

    def make() -> Pix2Pix:
        return fresh(FIRST, "cuda")

    with monkeypatch.context() as patch:
        stream, started = torch.cuda.current_stream(), make()
        held = (state_of(started.generator), state_of(started.discriminator))
        patch.setattr(PerceptualLoss, "forward", waiting)
        model = steps.start_trial(
            ONE, lambda: started, lambda: CopiedInputs(Batch(*on_gpu(1))), held, FIRST
        )
        assert torch.cuda.current_stream() == stream
        assert isinstance(model, Pix2Pix)
        assert "when stream is capturing" in steps.refusal
        torch.cuda.manual_seed(0)
        chance = torch.cuda.get_rng_state()
        found = model.step(*on_gpu(1))
        torch.cuda.set_rng_state(chance)
        wanted = make().step(*on_gpu(1))
        assert {name: float(loss) for name, loss in found.items()} == {
            name: pytest.approx(float(loss), rel=2e-3) for name, loss in wanted.items()
        }


@pytest.mark.parametrize(
    "errors",
    [
        ["CUDA error: an illegal memory access was encountered"],
        ["CUDA out of memory. Tried to allocate 2 GiB", "previous error during capture"],
        ["mat1 and mat2 shapes cannot be multiplied"],
    ],
)
def test_only_an_error_of_the_capture_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    def fail(model: Pix2Pix, inputs: Inputs) -> CapturedStep:
        try:
            raise RuntimeError(errors[0])
        finally:
            if len(errors) > 1:
                raise RuntimeError(errors[1])

    monkeypatch.setattr(CapturedStep, "capture", fail)
    steps, model = CapturedSteps(), fresh(FIRST)
    held = (state_of(model.generator), state_of(model.discriminator))
    with pytest.raises(RuntimeError, match=errors[-1]):
        steps.start_trial(ONE, lambda: model, copies(1), held, FIRST)
    assert not steps.refusal


def test_steps_are_kept_for_every_structure_and_dropped_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fresh(FIRST)
    weights = (state_of(model.generator), state_of(model.discriminator))

    def capture(model: Pix2Pix, inputs: Inputs) -> CapturedStep:
        return CapturedStep(model, inputs, None, {})  # type: ignore[arg-type]

    monkeypatch.setattr(CapturedStep, "capture", capture)
    short = False
    monkeypatch.setattr("harness.training.cuda_graph.memory_is_low", lambda: short)
    steps = CapturedSteps()

    def start_trial(structure: Structure) -> CapturedStep | Pix2Pix:
        return steps.start_trial(structure, lambda: model, copies(1), weights, FIRST)

    every = [
        Structure(*kind, perceptual, (("netG", netG),))
        for kind in load_space("default").discriminators
        for perceptual in (False, True)
        for netG in ("unet_256", "warp_unet_256")
    ]
    met = [start_trial(structure) for structure in every]
    assert start_trial(every[1]) is met[1]
    assert list(steps.cached) == [every[0], *every[2:], every[1]]
    assert len(met) == 32
    assert steps.growth() == 1.0
    short = True
    start_trial(ONE)
    assert list(steps.cached) == [ONE]
    steps.make_room()
    assert not steps.cached


def identity(model: Pix2Pix) -> Pix2Pix:
    return model


def test_generators_of_two_kinds_are_never_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(model: Pix2Pix, inputs: Inputs) -> CapturedStep:
        return CapturedStep(model, inputs, None, {})  # type: ignore[arg-type]

    monkeypatch.setattr(CapturedStep, "capture", capture)
    steps, models = CapturedSteps(), [fresh(FIRST) for _ in range(3)]
    held = (state_of(models[0].generator), state_of(models[0].discriminator))
    others = [("unet_256", "vanilla"), ("warp_unet_256", "vanilla"), ("unet_256", "lsgan")]
    for model, (netG, gan_mode) in zip(models, others, strict=True):
        structure = Structure(3, gan_mode, True, (("netG", netG),))  # type: ignore[arg-type]
        steps.start_trial(structure, partial(identity, model), copies(1), held, FIRST)
    assert models[1].generator is not models[0].generator
    assert models[2].generator is models[0].generator
    assert models[2].optimizer_G is models[0].optimizer_G
    assert models[2].averaged is models[0].averaged
    assert models[2].optimizer_D is not models[0].optimizer_D
    for failed in (models[2].failed, models[2].optimizer_D.failed, models[2].optimizer_G.failed):
        assert failed is models[0].failed


def test_steps_of_one_generator_share_it_and_train_by_turns(any_gpu: str) -> None:
    """With its optimiser and average, so that another structure takes little memory."""
    plain = FIRST.model_copy(update={"lambda_perceptual": 0.0, "gan_mode": "lsgan"})
    steps = CapturedSteps()
    captured, taken = [], []
    for params in (FIRST, plain, FIRST):
        make = partial(fresh, params, "cuda", dropout=False)
        model = make()
        held = (state_of(model.generator), state_of(model.discriminator))
        wanted = [model.step(*on_gpu(number)) for number in (1, 2)]
        average = torch.cat([each.flatten() for each in model.averaged.module.parameters()])
        step = steps.start_trial(
            structure_of(params, {}), make, lambda: CopiedInputs(Batch(*on_gpu(1))), held, params
        )
        for number, losses in zip((1, 2), wanted, strict=True):
            found = step.step(*on_gpu(number))
            for name, loss in losses.items():
                assert float(found[name]) == pytest.approx(float(loss), rel=5e-3)
        ours = torch.cat([each.flatten() for each in step.averaged.module.parameters()])
        torch.testing.assert_close(ours.cpu(), average.cpu(), rtol=1e-3, atol=1e-4)
        captured.append(step)
        del model, make
        torch.cuda.empty_cache()
        taken.append(torch.cuda.memory_reserved())
    assert captured[2] is captured[0]
    first, second = (each.model for each in captured[:2] if isinstance(each, CapturedStep))
    assert first.generator is second.generator
    weights_alone = sum(weight.nbytes for weight in first.generator.parameters())
    if any_gpu == "pretended":  # a real one reserves in blocks
        assert taken[1] - taken[0] < taken[0] - 3 * weights_alone


def on_gpu(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    retouched, original = batch(number)
    return retouched.cuda(), original.cuda()


def test_a_gpu_s_step_is_the_cpu_s(any_gpu: str) -> None:
    there, here = fresh(FIRST, "cuda", dropout=False), fresh(FIRST, dropout=False)
    found, wanted = there.step(*on_gpu(1)), here.step(*batch(1))
    for name, loss in wanted.items():
        assert float(found[name]) == pytest.approx(float(loss), rel=2e-3)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.gpu)])
def test_a_captured_step_is_the_eager_one(any_gpu: str, precision: Precision, known: bool) -> None:
    """Also where the features of the originals are known already."""
    make = partial(fresh, device="cuda", precision=precision, dropout=False)
    eager, model = make(SECOND), make(FIRST)
    held = [state_of(net) for net in (model.generator, model.discriminator)]
    assert model.perceptual is not None
    targets = TargetFeatures(model.perceptual, precision, 1 << 30)

    def features(number: int) -> Features | None:
        return targets([(number, False)], on_gpu(number)[1]) if known else None

    captured = CapturedStep.capture(model, CopiedInputs(Batch(*on_gpu(9), features(9))))
    captured.restart(held[0], held[1], SECOND)
    for number in (1, 2, 3, 1, 2):
        wanted = eager.step(*on_gpu(number))
        found = captured.step(*on_gpu(number), features(number))
        for name, loss in wanted.items():
            assert float(found[name]) == pytest.approx(float(loss), rel=5e-3), (number, name)


def test_a_capture_leaves_the_model_as_it_is(any_gpu: str) -> None:
    """In the middle of a training: weights, statistics, Adam's state, random numbers."""
    model = fresh(FIRST, "cuda")
    model.step(*on_gpu(1))
    # Detached: torch would go on to accumulate a copy's gradients on the stream that made it.
    before = [each.detach().clone() for each in model.changed_tensors()]
    chance = torch.cuda.get_rng_state()
    CapturedStep.capture(model, CopiedInputs(Batch(*on_gpu(2))))
    assert torch.equal(torch.cuda.get_rng_state(), chance)
    for one, other in zip(model.changed_tensors(), before, strict=True):
        assert torch.equal(one.cpu(), other.cpu())


def test_what_a_step_changes_is_all_that_outlives_it(any_gpu: str) -> None:
    """Put back, the same step follows."""
    model = fresh(FIRST, "cuda", dropout=False)
    model.step(*on_gpu(1))
    before = [each.clone() for each in model.changed_tensors()]
    ends = []
    for _ in range(2):
        with torch.no_grad():
            for mine, other in zip(model.changed_tensors(), before, strict=True):
                mine.copy_(other)
        torch.manual_seed(0)
        losses = model.step(*on_gpu(2))
        ends.append([float(loss) for loss in (*losses.values(), *model.step(*on_gpu(3)).values())])
    assert ends[0] == pytest.approx(ends[1], rel=1e-5 if any_gpu == "real" else 0)


def test_a_captured_step_tells_a_failure(any_gpu: str) -> None:
    model = fresh(FIRST, "cuda")
    captured = CapturedStep.capture(model, CopiedInputs(Batch(*on_gpu(1))))
    retouched, original = on_gpu(1)
    captured.step(retouched, original * float("nan"))
    captured.step(retouched, original)
    with pytest.raises(DivergedError, match="D_real nan"):
        captured.check()


def test_trials_take_no_more_memory_than_one_of_each_structure(any_gpu: str) -> None:
    steps = CapturedSteps()
    held = [state_of(net) for net in (fresh(FIRST).generator, fresh(FIRST).discriminator)]
    taken = []
    for number in range(50 if any_gpu == "real" else 4):
        params = FIRST.model_copy(update={"lambda_L1": 50.0 + number})
        step = steps.start_trial(
            ONE,
            partial(fresh, params, "cuda"),
            lambda: CopiedInputs(Batch(*on_gpu(1))),
            (held[0], held[1]),
            params,
        )
        for _ in range(3):
            step.step(*on_gpu(number))
        torch.cuda.synchronize()
        taken.append(torch.cuda.memory_reserved())
    assert taken[-1] == taken[1]
