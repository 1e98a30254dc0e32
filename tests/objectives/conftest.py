"""A few real photographs, each warped as a retoucher warps a jaw."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.ladders import as_pictures
from harness.data.liquify import displacement, resample
from harness.data.retouch import slim_jaw
from harness.data.samples import middle_face, photograph_file
from objectives.masks import region_from_field
from objectives.score import Reference

SIDE = 128
CROPS = {
    "astronaut.png": (130, 38, 316, 224),
    "chelsea.png": (90, 0, 390, 300),
    "coffee.png": (120, 60, 380, 320),
    "motorcycle_left.png": (200, 100, 500, 400),
}


@pytest.fixture(scope="session")
def reference() -> Reference:
    random = np.random.default_rng(0)
    originals, retouched, masks = [], [], []
    for name, box in CROPS.items():
        photograph = Image.open(photograph_file(name)).convert("RGB").crop(box)
        original = np.array(photograph.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        field = displacement(slim_jaw(middle_face(SIDE), random), SIDE, SIDE)
        originals.append(original)
        retouched.append(resample(original, field))
        masks.append(region_from_field(torch.from_numpy(field)))
    return Reference(
        tuple(CROPS), as_pictures(originals), torch.stack(masks), as_pictures(retouched)
    )
