"""Makes pix2pix_*.json: what the real pytorch-CycleGAN-and-pix2pix computes.

    python tests/golden/make_pix2pix_steps.py PATH_TO_A_COPY_OF_THE_REPOSITORY

Runs that copy's own `Pix2PixModel.optimize_parameters` for ten steps on the CPU, from weights and
batches of noise that `tests/harness/training/test_parity.py` makes in the same way: at the default
learning rate, and at a twentieth of it. In float64, so that no processor's way of rounding is in
the numbers. In float32 ten steps at the default rate differ by 1e-3 between processors, whoever
runs them, for Adam moves a weight by the sign of a gradient that is nearly 0; at a twentieth the
weights differ by 1e-5 (with one thread or two, without oneDNN, with channels first).

Losses are kept for every step; the networks as the norm of all weights and their product with a
fixed random direction, after steps 1 and 10. Beside the steps: the keys and shapes of every
network's `state_dict`, and the learning rates that `get_scheduler` gives. Nothing of the
repository's code is kept. Last made with the public copy `lazyniv/pytorch-CycleGAN-and-pix2pix`
(2020) under torch 2.14.
"""

import contextlib
import io
import json
import sys
from argparse import Namespace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from harness.config.settings import TrainSettings
from tests.golden.pix2pix_case import (
    CASES,
    COURSE,
    DISCRIMINATORS,
    EVERY,
    GENERATORS,
    LR,
    NETWORKS,
    NETWORKS_LR,
    PLATEAU_LOSSES,
    RESTORERS,
    SETTINGS,
    SLOW_LR,
    batch,
    case_weights,
    fingerprint,
    named,
    network_settings,
    restorer,
)

repository = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(repository))
from models.networks import define_D, define_G, get_scheduler  # noqa: E402
from models.pix2pix_model import Pix2PixModel  # noqa: E402

LOSSES = ("G_GAN", "G_L1", "D_real", "D_fake")


def options(settings: TrainSettings, gan_mode: str, n_layers_D: int, lr: float) -> Namespace:
    return Namespace(
        isTrain=True,
        gpu_ids=[],
        checkpoints_dir="/tmp",
        name="parity",
        preprocess="none",
        direction="AtoB",
        input_nc=3,
        output_nc=3,
        ngf=settings.ngf,
        ndf=settings.ndf,
        netG=settings.netG,
        netD=settings.netD,
        n_layers_D=n_layers_D,
        norm=settings.norm,
        no_dropout=not settings.dropout,
        init_type="normal",
        init_gain=0.02,
        gan_mode=gan_mode,
        lr=lr,
        beta1=0.5,
        lambda_L1=100.0,
    )


def ten_steps(
    settings: TrainSettings, gan_mode: str, n_layers: int, lr: float
) -> dict[str, object]:
    """Every step's losses, and the networks' fingerprints after steps 1 and 10."""
    model = Pix2PixModel(options(settings, gan_mode, n_layers, lr))
    generator, discriminator = case_weights(settings, n_layers)
    model.netG.load_state_dict(generator)
    model.netD.load_state_dict(discriminator)
    model.netG.double(), model.netD.double(), model.criterionGAN.double()
    torch.manual_seed(0)
    rows, prints = [], {}
    for step in range(1, 11):
        retouched, original = batch(step)
        pictures = {"A": retouched.double(), "B": original.double()}
        model.set_input({**pictures, "A_paths": "", "B_paths": ""})
        model.optimize_parameters()
        losses = model.get_current_losses()
        rows.append([losses[name] for name in LOSSES])
        if step in (1, 10):
            prints[step] = [fingerprint(model.netG), fingerprint(model.netD)]
    return {"losses": rows, "networks": prints}


def shapes(net: torch.nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in net.state_dict().items()}


def rates(policy: str) -> list[float]:
    """The rate before any step of the scheduler, and after each."""
    epochs, decay, iters = COURSE
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    # Its cosine takes n_epochs for the whole length: ours is told the whole.
    length = epochs + decay if policy == "cosine" else epochs
    chosen = {"n_epochs": length, "n_epochs_decay": decay, "lr_decay_iters": iters}
    scheduler = get_scheduler(optimizer, Namespace(lr_policy=policy, epoch_count=1, **chosen))
    found = [optimizer.param_groups[0]["lr"]]
    for loss in PLATEAU_LOSSES if policy == "plateau" else range(epochs + decay - 1):
        optimizer.step()
        scheduler.step(*([loss] if policy == "plateau" else []))
        found.append(optimizer.param_groups[0]["lr"])
    return found


def restored(settings: TrainSettings) -> list[float]:
    """A picture as test.py restores it (its own statistics), without dropout: every 97th value."""
    net = define_G(3, 3, settings.ngf, settings.netG, settings.norm, False)
    net.load_state_dict(case_weights(settings, 3)[0])
    with torch.no_grad():
        return net(batch(1)[0]).flatten()[::97].tolist()


def write(name: str, golden: dict[str, object], indent: int | None) -> None:
    text = json.dumps(golden, indent=indent)
    if indent is None:
        text = text.replace('"netG=', '\n"netG=').replace('"netD=', '\n"netD=')
    Path(__file__).with_name(name).write_text(f"{text}\n")


with contextlib.redirect_stdout(io.StringIO()):
    steps = {f"{mode}-{n}": ten_steps(SETTINGS, mode, n, LR) for mode, n in CASES}
    steps |= {name: ten_steps(network_settings(name), "lsgan", 3, NETWORKS_LR) for name in NETWORKS}
    slow = {name: ten_steps(settings, mode, n, SLOW_LR) for name, settings, mode, n in EVERY}
    state_dicts = {
        named(case): shapes(define_G(3, 3, 4, case["netG"], case["norm"], case["dropout"]))
        for case in GENERATORS
    } | {
        named(case): shapes(define_D(6, 4, case["netD"], case["n_layers_D"], case["norm"]))
        for case in DISCRIMINATORS
    }
    pictures = {name: restored(restorer(name)) for name in RESTORERS}
write("pix2pix_restored.json", pictures, None)
write("pix2pix_steps.json", steps, 1)
write("pix2pix_slow_steps.json", slow, 1)
write("pix2pix_state_dicts.json", state_dicts, None)
policies = ("linear", "step", "plateau", "cosine")
write("pix2pix_rates.json", {policy: rates(policy) for policy in policies}, None)
