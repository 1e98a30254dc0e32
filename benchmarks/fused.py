"""Several trials trained as one: does it beat the same trials one step after the other?

    python -m benchmarks.fused [--device cpu|cuda] [--threads 1]

Horizontal fusion (Wang et al., "Horizontally Fused Training Array", arXiv 2102.02344): the weights
of K models of one structure are stacked, `vmap` makes one grouped convolution of their K, and each
model keeps its lambdas, its learning rate and its optimiser's means. All see the same batches and
draw the same dropout, as a study's trials do. Quick profile's networks on a CPU, standard's on a
GPU, where both sides are captured graphs; batch 1, with and without the perceptual term.

Before anything is timed, the losses of a first step must agree to 1e-4 with the single models', and
the weights after it to a hundredth of the learning rate on average; else there is no result
(`tests/benchmarks/test_fused.py` compares several steps in float64). `ratio`: K steps apart over
one fused step, in turns in one process, medians. About three minutes. Results:
`results/fused.json` (on a GPU `fused_gpu.json`).
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from benchmarks.machine import describe_machine
from benchmarks.step import batch
from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import TrainSettings
from harness.training.adam import Adam
from harness.training.cuda_graph import CapturedStep
from harness.training.losses import as_losses_are, gan_loss
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix, mixed
from search_spaces.params import TrialParams

RESULTS = Path(__file__).parent / "results"
COUNTS = (1, 2, 4, 8)
TOLERANCE = 1e-4


class Stack:
    """Networks of one shape as one: their weights become slices of stacked ones."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.nets = nets
        self.shape = copy.deepcopy(nets[0])
        self.weights = {
            name: stacked([net.get_parameter(name) for net in nets]).requires_grad_()
            for name, _ in nets[0].named_parameters()
        }
        self.buffers = {
            name: stacked([net.get_buffer(name) for net in nets])
            for name, _ in nets[0].named_buffers()
        }

    def __call__(self, x: Tensor, apart: bool, learns: bool = True) -> Tensor:
        """`[k, n, c, h, w]` through one network each (not `apart`: one `[n, c, h, w]` for all)."""
        weights = self.weights if learns else {n: w.detach() for n, w in self.weights.items()}

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.shape, (weights, buffers), (x,))

        return vmap(one, (0, 0, 0 if apart else None), randomness="same")(weights, self.buffers, x)

    def descend(self, optimizers: Sequence[Adam], losses: Tensor) -> None:
        """Each network one step down its own loss, by its own optimiser."""
        gradients = torch.autograd.grad(losses.sum(), list(self.weights.values()))
        for k, optimizer in enumerate(optimizers):
            optimizer.note(losses[k])
            optimizer.step([gradient[k] for gradient in gradients])


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors in one; each becomes a view of its own slice.

    Channels are not last: with such weights torch 2.14's grouped convolutions give wrong gradients
    on a CPU.
    """
    whole = torch.stack([each.detach().contiguous() for each in tensors])
    for each, part in zip(tensors, whole, strict=True):
        each.data = part
    return whole


class Fused:
    """`Pix2Pix.optimize` for several models of one structure at once; their losses are `[k]`."""

    def __init__(self, models: Sequence[Pix2Pix]) -> None:
        self.models = models
        self.generators = Stack([model.generator for model in models])
        self.discriminators = Stack([model.discriminator for model in models])
        self.lambda_L1 = torch.stack([model.lambda_L1 for model in models])
        self.lambda_perceptual = torch.stack([model.lambda_perceptual for model in models])

    def optimize(
        self, retouched: Tensor, original: Tensor, wanted: None = None
    ) -> dict[str, Tensor]:
        first = self.models[0]
        precision = partial(mixed, first.failed.device, first.precision)
        with precision():
            restored = self.generators(retouched, apart=False)
        restored = as_losses_are(restored)
        inputs = retouched.expand_as(restored)
        with precision():
            fake = self.discriminators(torch.cat([inputs, restored.detach()], 2), apart=True)
            real = self.discriminators(torch.cat([retouched, original], 1), apart=False)
        told = {"D_real": self.gan(real, True), "D_fake": self.gan(fake, False)}
        critics = [model.optimizer_D for model in self.models]
        self.discriminators.descend(critics, (told["D_real"] + told["D_fake"]) * 0.5)
        with precision():
            pairs = torch.cat([inputs, restored], 2)
            logits = self.discriminators(pairs, apart=True, learns=False)
            found = {
                "G_GAN": self.gan(logits, True),
                "G_L1": (restored - original).abs().mean((1, 2, 3, 4)) * self.lambda_L1,
            }
            if first.perceptual is not None:
                term = perceptual(first.perceptual, restored, original)
                found["G_Perceptual"] = term * self.lambda_perceptual
        total = torch.stack(list(found.values())).sum(0)
        self.generators.descend([model.optimizer_G for model in self.models], total)
        return {name: loss.detach() for name, loss in (found | told).items()}

    def gan(self, logits: Tensor, real: bool) -> Tensor:
        mode = self.models[0].gan_mode
        return vmap(lambda each: gan_loss(mode, each, real))(as_losses_are(logits))

    def check(self) -> None:
        for model in self.models:
            model.check()


def perceptual(term: PerceptualLoss, restored: Tensor, original: Tensor) -> Tensor:
    """The term of `[k, n, 3, h, w]` against one `[n, 3, h, w]`, whose features serve all."""
    count = len(restored)
    restored, original = term.looked_at(restored, original)
    with torch.no_grad():
        goal = term.features(original)
    found = term.features(restored.flatten(0, 1))
    terms = [
        weight
        * F.l1_loss(
            as_losses_are(a).unflatten(0, (count, -1)),
            as_losses_are(b).expand(count, *b.shape),
            reduction="none",
        ).mean((1, 2, 3, 4))
        for a, b, weight in zip(found, goal, term.layer_weights.values(), strict=True)
    ]
    return torch.stack(terms).sum(0)


def model(number: int, settings: TrainSettings, vgg: PerceptualLoss | None, device: str) -> Pix2Pix:
    """A trial's model; each number has weights, lambdas and a learning rate of its own."""
    params = TrialParams(
        lambda_L1=50 + 20 * number,
        lambda_perceptual=0 if vgg is None else 5 + number,
        n_layers_D=3,
        gan_mode="lsgan",
        lr=1e-4 * (1 + number / 4),
    )
    generator = build_generator(settings, 2 * number).to(device)
    discriminator = build_discriminator(settings, 3, 2 * number + 1).to(device)
    return Pix2Pix.start(generator, discriminator, params, settings, vgg)


def weights_of(each: Pix2Pix) -> Tensor:
    nets = (each.generator, each.discriminator)
    return torch.cat([value.detach().flatten() for net in nets for value in net.parameters()])


def assert_equal(single: Sequence[Pix2Pix], fused: Fused, pair: tuple[Tensor, Tensor]) -> float:
    """The largest relative difference of a loss in a first step.

    Raises:
        SystemExit: losses or weights differ by more than the tolerance.
    """
    torch.manual_seed(0)
    found = fused.optimize(*pair)
    apart = 0.0
    for k, (one, other) in enumerate(zip(single, fused.models, strict=True)):
        torch.manual_seed(0)
        for name, loss in one.optimize(*pair).items():
            apart = max(apart, abs(float(found[name][k]) / float(loss) - 1))
        moved = float((weights_of(one) - weights_of(other)).abs().mean())
        if moved > 1e-2 * float(one.optimizer_G.param_groups[0]["lr"]):
            raise SystemExit(f"model {k}'s weights are {moved:g} apart after a step: no result.")
    if apart > TOLERANCE:
        raise SystemExit(f"a loss differs by {apart:g} from the single model's: no result.")
    return apart


def beside(settings: TrainSettings, device: str, vgg: PerceptualLoss | None, rounds: int) -> object:
    """For each count of models: seconds of a step apart and fused, per model, and the ratio."""
    pair = batch(settings, device)
    rows: dict[int, dict[str, float]] = {}
    for count in COUNTS:
        single, fused = ([model(k, settings, vgg, device) for k in range(count)] for _ in range(2))
        together = Fused(fused)
        apart = assert_equal(single, together, pair)
        singly: list[Callable[..., object]] = [each.optimize for each in single]
        jointly: Callable[..., object] = together.optimize
        if device != "cpu":
            singly = [CapturedStep.capture(each, *pair).step for each in single]
            jointly = CapturedStep.capture(together, *pair).step
        times: dict[str, list[float]] = {"apart": [], "fused": []}
        for _ in range(rounds):
            times["apart"].append(seconds_of(singly, pair))
            times["fused"].append(seconds_of([jointly], pair))
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        rows[count] = {
            **{name: round(value / count, 5) for name, value in medians.items()},
            "ratio": round(medians["apart"] / medians["fused"], 2),
            "loss_apart": float(f"{apart:.1e}"),
        }
    return rows


def seconds_of(acts: Sequence[Callable[..., object]], pair: tuple[Tensor, Tensor]) -> float:
    began = time.perf_counter()
    for act in acts:
        act(*pair)
    if pair[0].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)
    on_cpu = asked.device == "cpu"
    settings, rounds = (QUICK, 10) if on_cpu else (STANDARD, 60)
    layers, window = settings.perceptual_layers, settings.perceptual_window
    vgg = PerceptualLoss(layers, "random", window).to(asked.device)
    held = {
        "machine": describe_machine(asked.device) | {"threads": asked.threads},
        "without the perceptual term": beside(settings, asked.device, None, rounds),
        "with it": beside(settings, asked.device, vgg, rounds),
    }
    text = json.dumps(held, indent=1)
    (RESULTS / ("fused.json" if on_cpu else "fused_gpu.json")).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
