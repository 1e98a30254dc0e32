"""Makes pix2pix_steps.json: what the real pytorch-CycleGAN-and-pix2pix computes.

    python tests/golden/make_pix2pix_steps.py PATH_TO_A_COPY_OF_THE_REPOSITORY

Runs that copy's own `Pix2PixModel.optimize_parameters` for ten steps on the CPU in float32, from
weights and batches that `tests/harness/training/test_parity.py` makes in the same way. Losses are
kept for every step; the networks as the norm of all weights and their product with a fixed random
direction, after steps 1 and 10. Nothing of the repository's code is kept. Last made with the
public copy `lazyniv/pytorch-CycleGAN-and-pix2pix` (2020) under torch 2.15.
"""

import json
import sys
from argparse import Namespace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.golden.pix2pix_case import CASES, batch, case_weights, fingerprint

repository = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(repository))
from models.pix2pix_model import Pix2PixModel  # noqa: E402

LOSSES = ("G_GAN", "G_L1", "D_real", "D_fake")


def options(gan_mode: str, n_layers_D: int) -> Namespace:
    return Namespace(
        isTrain=True,
        gpu_ids=[],
        checkpoints_dir="/tmp",
        name="parity",
        preprocess="none",
        direction="AtoB",
        input_nc=3,
        output_nc=3,
        ngf=4,
        ndf=4,
        netG="unet_128",
        netD="n_layers",
        n_layers_D=n_layers_D,
        norm="batch",
        no_dropout=False,
        init_type="normal",
        init_gain=0.02,
        gan_mode=gan_mode,
        lr=2e-4,
        beta1=0.5,
        lambda_L1=100.0,
    )


golden = {}
for gan_mode, n_layers in CASES:
    model = Pix2PixModel(options(gan_mode, n_layers))
    generator, discriminator = case_weights(n_layers)
    model.netG.load_state_dict(generator)
    model.netD.load_state_dict(discriminator)
    torch.manual_seed(0)
    rows, prints = [], {}
    for step in range(1, 11):
        retouched, original = batch(step)
        model.set_input({"A": retouched, "B": original, "A_paths": "", "B_paths": ""})
        model.optimize_parameters()
        losses = model.get_current_losses()
        rows.append([losses[name] for name in LOSSES])
        if step in (1, 10):
            prints[step] = [fingerprint(model.netG), fingerprint(model.netD)]
    golden[f"{gan_mode}-{n_layers}"] = {"losses": rows, "networks": prints}
Path(__file__).with_name("pix2pix_steps.json").write_text(json.dumps(golden, indent=1))
