"""Stands in for pix2pix's train.py in tests: its option names, files and log lines, no training.

Each epoch's generator is the one it was told to continue from. `faults.json` beside it says what
goes wrong in which run, by the run's name.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
parser = argparse.ArgumentParser()
for name in (
    "dataroot", "name", "model", "dataset_mode", "direction", "preprocess", "netG", "netD",
    "init_type", "gan_mode", "lr_policy", "checkpoints_dir", "gpu_ids",
):  # fmt: skip
    parser.add_argument(f"--{name}")
for name in (
    "load_size", "crop_size", "batch_size", "ngf", "ndf", "n_layers_D", "n_epochs",
    "n_epochs_decay", "lr_decay_iters", "save_epoch_freq", "print_freq", "num_threads",
    "display_id",
):  # fmt: skip
    parser.add_argument(f"--{name}", type=int)
for name in ("init_gain", "lambda_L1", "lambda_perceptual", "lr", "beta1"):
    parser.add_argument(f"--{name}", type=float)
for name in ("no_flip", "no_dropout", "continue_train", "no_html", "use_perceptual"):
    parser.add_argument(f"--{name}", action="store_true")
parser.add_argument("--norm", choices=["batch"])
opt = parser.parse_args()

fault = json.loads((HERE / "faults.json").read_text()).get(opt.name, "")
if fault == "wrong flag":
    parser.error("argument --norm: invalid choice: 'batch' (choose from 'instance')")
run = Path(opt.checkpoints_dir) / opt.name
pictures = list((Path(opt.dataroot) / "train").iterdir())
print(f"The number of training images = {len(pictures)}")
(run / "options.json").write_text(json.dumps(vars(opt)))
assert opt.continue_train
first = (run / "latest_net_G.pth").read_bytes()
if fault == "child":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    (run / "child.txt").write_text(str(child.pid))
for epoch in range(1, opt.n_epochs + opt.n_epochs_decay + 1):
    loss = float("nan") if fault == "nan" else 10.0 / epoch
    with (run / "loss_log.txt").open("a") as log:
        line = f"(epoch: {epoch}, iters: 2, time: 0.123, data: 0.004) "
        log.write(f"{line}G_GAN: 0.700 G_L1: {loss:.3f} D_real: 0.650 D_fake: 0.710 \n")
    if fault == "crash" and epoch == 2:
        raise RuntimeError("CUDA error: the card fell off the bus")
    if fault in ("hang", "child") and epoch == 2:
        time.sleep(1000)
    if fault == "no checkpoint" and epoch == 2:
        continue
    if epoch % opt.save_epoch_freq == 0:
        for suffix in ("latest", epoch):
            (run / f"{suffix}_net_G.pth").write_bytes(first)
            shutil.copyfile(run / "latest_net_D.pth", run / f"{epoch}_net_D.pth")
    print(f"End of epoch {epoch} / {opt.n_epochs} \t Time Taken: 0 sec")
