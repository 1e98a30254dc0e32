"""Spaces as YAML, for the tests to change."""

import yaml

TRAIN = {
    "beta1": 0.5,
    "batch_size": 1,
    "flip": True,
    "dropout": True,
    "netG": "unet_128",
    "ngf": 12,
    "ndf": 12,
    "norm": "batch",
    "init_type": "normal",
    "init_gain": 0.02,
    "preprocess": "none",
    "load_size": 128,
    "crop_size": 128,
}
GOOD = {
    "lambda_L1": {"type": "float", "low": 10, "high": 500, "log": True},
    "lambda_perceptual": {"type": "float", "low": 0, "high": 30, "step": 2.5},
    "n_layers_D": {"type": "int", "low": 2, "high": 5},
    "gan_mode": {"type": "categorical", "choices": ["vanilla", "lsgan"]},
    "lr": 1e-4,
}
CONDITIONAL = {
    "use_perceptual": {"type": "categorical", "choices": [True, False]},
    "lambda_perceptual": {
        "type": "float",
        "low": 1,
        "high": 30,
        "log": True,
        "when": {"use_perceptual": True},
    },
    "ndf": {"type": "int", "low": 8, "high": 16, "when": {"n_layers_D": [2, 3]}},
    "beta1": {
        "type": "categorical",
        "choices": [0.0, 0.5],
        "when": {"gan_mode": "lsgan", "n_layers_D": 3},
        "else": 0.9,
    },
}


def space_text(**changed: object) -> str:
    return yaml.safe_dump({"params": GOOD | changed})
