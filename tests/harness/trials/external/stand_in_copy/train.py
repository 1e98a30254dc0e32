"""Stands in for pix2pix's train.py where a model file must really train: on whole pictures."""

import random
from pathlib import Path

import models
import numpy as np
import torch
from PIL import Image

opt = models.parse()
torch.manual_seed(0)
random.seed(0)
model = models.create_model(opt)
model.setup(opt)
pairs = [
    torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    for file in sorted(Path(opt.dataroot, "train").iterdir())
]
for epoch in range(1, opt.n_epochs + opt.n_epochs_decay + 1):
    for pair in random.sample(pairs, len(pairs)):
        a, b = pair.chunk(2, 3)
        model.set_input({"A": a, "B": b})
        model.optimize_parameters()
    if epoch % opt.save_epoch_freq == 0:
        model.save_networks("latest")
