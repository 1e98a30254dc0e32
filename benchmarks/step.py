"""One optimisation step beside the same step as pix2pix's own model writes it.

    python -m benchmarks.step [--device cpu|cuda] [--rounds 5]    # 6 minutes; on a GPU 2

256 px, unet_256, ngf 64, batch 1, three layers, L1 and GAN; the same with the perceptual term,
whose features of the original the reference computes at every step and the harness once; and both
for the quick profile's step, whose perceptual term looks through a window. The reference-style step
is eager, float32 and contiguous, with the library's convolutions and an Adam that is neither fused
nor told by tensors. Either is given pictures as its own loader lays them out. All variants run in
turns in one process, from the same weights; medians of all rounds, ratios of those. `apart` is the
largest relative difference of a loss in the first step to the reference's in float32: float32 must
agree to 1e-4, TF32 (on a GPU) to 2e-3, bfloat16 to 2e-2, else there is no result. The reference is
timed as torch runs it by default, on a GPU with TF32 convolutions. Results: `results/step.json` (on
a GPU `step_gpu.json`).
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.scaffold import in_turns, write_result
from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import TrainSettings
from harness.training.batches import Batch
from harness.training.checkpoints import state_of
from harness.training.cuda_graph import CapturedStep
from harness.training.fast_convolutions import Conv2d, ConvTranspose2d, ToOneChannel
from harness.training.feature_cache import MOST_BYTES, TargetFeatures
from harness.training.inputs import CopiedInputs
from harness.training.losses import gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.precision import full_float32
from harness.training.step import Pix2Pix
from search_spaces.trial_params import TrialParams

PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=0, n_layers_D=3, gan_mode="lsgan", lr=1e-4)
WITH_PERCEPTUAL = PARAMS.model_copy(update={"lambda_perceptual": 10.0})
# How far apart a loss may be; rounding to TF32 was seen to move one by up to 3e-4.
MOST_APART = {"float32": 1e-4, "tf32": 2e-3, "bfloat16": 2e-2}
Step = Callable[[Tensor, Tensor], dict[str, Tensor]]


def plainly(net: nn.Module) -> nn.Module:
    """The network with the library's own convolutions."""
    for module in net.modules():
        if isinstance(module, Conv2d | ToOneChannel):
            object.__setattr__(module, "__class__", nn.Conv2d)
        elif isinstance(module, ConvTranspose2d):
            object.__setattr__(module, "__class__", nn.ConvTranspose2d)
    return net


def plain_perceptual(term: PerceptualLoss) -> Callable[[Tensor, Tensor], Tensor]:
    """The same term as one writes it: torchvision's network as it comes, features compared."""
    trunk = copy.deepcopy(term.trunk).to(memory_format=torch.contiguous_format)

    def features(picture: Tensor) -> list[Tensor]:
        x = ((picture + 1) / 2 - term.mean) / term.std
        kept = []
        for place, module in enumerate(trunk):
            x = module(x)
            if place in term.layer_weights:
                kept.append(x)
        return kept

    def loss(restored: Tensor, original: Tensor) -> Tensor:
        restored, original = term.random_window(restored, original)
        with torch.no_grad():
            goal = features(original)
        pairs = zip(features(restored), goal, term.layer_weights.values(), strict=True)
        return torch.stack([weight * F.l1_loss(a, b) for a, b, weight in pairs]).sum()

    return loss


def reference_step(settings: TrainSettings, device: str, perceptual: bool) -> Step:
    """pix2pix's own step of new networks."""
    vgg = plain_perceptual(looked_through(settings, device)) if perceptual else None
    generator = plainly(build_generator(settings, 0)).to(device)
    critic = plainly(build_discriminator(settings, 3, 1)).to(device)
    params = WITH_PERCEPTUAL if perceptual else PARAMS
    return pix2pix_step(generator, critic, params, settings.beta1, vgg)


def pix2pix_step(
    generator: nn.Module,
    critic: nn.Module,
    params: TrialParams,
    beta1: float,
    vgg: Callable[[Tensor, Tensor], Tensor] | None,
) -> Step:
    """What pix2pix's `optimize_parameters` does."""
    mode = params.gan_mode
    optimizers = [
        torch.optim.Adam(net.parameters(), params.lr, betas=(beta1, 0.999))
        for net in (generator, critic)
    ]

    def step(real_a: Tensor, real_b: Tensor) -> dict[str, Tensor]:
        fake_b = generator(real_a)
        critic.requires_grad_(True)
        optimizers[1].zero_grad()
        fake = gan_loss(mode, critic(torch.cat((real_a, fake_b), 1).detach()), real=False)
        real = gan_loss(mode, critic(torch.cat((real_a, real_b), 1)), real=True)
        torch.autograd.backward((fake + real) * 0.5)
        optimizers[1].step()
        critic.requires_grad_(False)
        optimizers[0].zero_grad()
        adversarial = gan_loss(mode, critic(torch.cat((real_a, fake_b), 1)), real=True)
        distance = F.l1_loss(fake_b, real_b) * params.lambda_L1
        losses = {"G_GAN": adversarial, "G_L1": distance}
        if vgg is not None:
            losses["G_Perceptual"] = vgg(fake_b, real_b) * params.lambda_perceptual
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizers[0].step()
        losses |= {"D_real": real, "D_fake": fake}
        return {name: loss.detach() for name, loss in losses.items()}

    return step


def looked_through(settings: TrainSettings, device: str) -> PerceptualLoss:
    layers, window = settings.perceptual_layers, settings.perceptual_window
    return PerceptualLoss(layers, "random", window).to(device)


def our_step(
    settings: TrainSettings, device: str, captured: bool, perceptual: bool = False
) -> Step:
    """The harness's step, eager or as one CUDA graph."""
    params = WITH_PERCEPTUAL if perceptual else PARAMS
    vgg = looked_through(settings, device) if perceptual else None
    targets = None
    if vgg is not None and vgg.window is None:
        targets = TargetFeatures(vgg, settings.precision, MOST_BYTES)
    nets = (build_generator(settings, 0), build_discriminator(settings, 3, 1))
    initial = [state_of(net) for net in nets]
    generator, critic = (net.to(device) for net in nets)
    model = Pix2Pix.start(generator, critic, params, settings, vgg)

    def wanted(b: Tensor) -> Features | None:
        return None if targets is None else targets([(0, False)], b)

    step: Pix2Pix | CapturedStep = model
    if captured:
        a, b = batch(settings, device)
        step = CapturedStep.capture(model, CopiedInputs(Batch(a, b, wanted(b))))
        step.restart(*initial, params)
    return lambda a, b: step.step(a, b, wanted(b))


def batch(settings: TrainSettings, device: str) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    shape = (settings.batch_size, 3, settings.crop_size, settings.crop_size)
    a, b = (torch.rand(shape, generator=random) * 2 - 1 for _ in range(2))
    return a.to(device), b.to(device)


def seconds(step: Step, pair: tuple[Tensor, ...], steps: int) -> float:
    """Median seconds of one step, after one that is not counted."""
    step(*pair)
    taken = []
    for _ in range(steps):
        began = time.perf_counter()
        step(*pair)
        if pair[0].is_cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def beside(
    settings: TrainSettings, device: str, rounds: int, steps: int, perceptual: bool = False
) -> dict[str, object]:
    """Every variant of one step: its time, its ratio to the reference's, how far apart it is.

    Raises:
        SystemExit: a variant differs by more than its tolerance.
    """
    settings = settings.updated({"dropout": False})
    on_gpu = torch.device(device).type == "cuda"
    variants: dict[str, Callable[[], Step]] = {
        "reference": partial(reference_step, settings, device, perceptual)
    }
    for captured in (False, True) if on_gpu else (False,):
        for precision in MOST_APART if on_gpu else ("float32", "bfloat16"):
            chosen = settings.updated({"precision": precision})
            name = f"graph {precision}" if captured else precision
            variants[name] = partial(our_step, chosen, device, captured, perceptual)
    plain = batch(settings, device)
    ours = tuple(picture.to(memory_format=torch.channels_last) for picture in plain)
    pairs = {name: plain if name == "reference" else ours for name in variants}
    ready = {name: make() for name, make in variants.items()}
    first = {}
    for name, step in ready.items():
        torch.manual_seed(0)  # the same window
        with full_float32():
            first[name] = {key: float(value) for key, value in step(*pairs[name]).items()}
    apart = {
        name: max(abs(losses[key] / first["reference"][key] - 1) for key in losses)
        for name, losses in first.items()
        if name != "reference"
    }
    for name, value in apart.items():
        if value > MOST_APART[name.removeprefix("graph ")]:
            raise SystemExit(f"{name} differs by {value:g} from the reference: no result.")
    times = in_turns(
        {name: partial(seconds, step, pairs[name], steps) for name, step in ready.items()}, rounds
    )
    medians = {name: statistics.median(each) for name, each in times.items()}
    return {
        "seconds": {name: round(value, 5) for name, value in medians.items()},
        "ratio": {name: round(medians["reference"] / value, 2) for name, value in medians.items()},
        "apart": {name: float(f"{value:.1e}") for name, value in apart.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)
    large, small = (3, 10) if asked.device == "cpu" else (30, 30)
    held = {
        "256 px, ngf 64": beside(STANDARD, asked.device, asked.rounds, large),
        "256 px, ngf 64, perceptual": beside(STANDARD, asked.device, asked.rounds, large, True),
        "128 px, ngf 12": beside(QUICK, asked.device, asked.rounds, small),
        "128 px, ngf 12, perceptual": beside(QUICK, asked.device, asked.rounds, small, True),
    }
    write_result("step" if asked.device == "cpu" else "step_gpu", held, asked.device)


if __name__ == "__main__":
    main()
