"""A small program that is not pix2pix: as docs/train.md describes one, without its training.

What it restores is its input, blurred the less the smaller l1 is. `fault` beside it says what it
does wrong.
"""

import argparse
import sys
import time
from pathlib import Path

from PIL import Image, ImageFilter

parser = argparse.ArgumentParser()
for name in ("pairs", "restore", "out", "gan"):
    parser.add_argument(f"--{name}", required=True)
for name in ("epochs", "seed", "layers"):
    parser.add_argument(f"--{name}", type=int, required=True)
for name in ("l1", "vgg", "lr"):
    parser.add_argument(f"--{name}", type=float, required=True)
asked = parser.parse_args()

fault_file = Path(__file__).with_name("fault")
fault = fault_file.read_text() if fault_file.exists() else ""
out = Path(asked.out)
pairs = sorted((Path(asked.pairs) / "train").iterdir())
assert pairs
for epoch in range(1, asked.epochs + 1):
    print(f"epoch {epoch}: l1 {asked.l1 / epoch} adversarial {asked.lr:.6f}", flush=True)
    if fault == "hang":
        time.sleep(1000)
    if fault == "no number":
        print("epoch 1: l1 none adversarial 0.1")
    folder = out / f"restored_{epoch}"
    folder.mkdir()
    for number, file in enumerate(sorted(Path(asked.restore).iterdir())):
        if fault == "missing" and number == 1:
            continue
        picture = Image.open(file).filter(ImageFilter.GaussianBlur(asked.l1 / 100))
        if fault == "size":
            picture = picture.resize((64, 64))
        picture.save(folder / file.name)
    if fault == "crash":
        sys.exit("the weights caught a cold")
