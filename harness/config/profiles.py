"""Profiles: the size of a trial in pixels, steps and rungs, for different machines."""

from harness.config.settings import TrainSettings

QUICK = TrainSettings(
    netG="unet_128",
    ngf=12,
    ndf=12,
    preprocess="scale_width_and_crop",
    load_size=128,
    crop_size=128,
    # Fifty trials with both kinds of generator take about six minutes on two cores.
    steps=200,
    rungs=(100, 125, 150, 175, 200),
    ema_decay=0.98,
    ema_every=4,
    perceptual_layers=("relu1_1", "relu2_1"),
    perceptual_window=48,
    # Enough for a generator that moves pixels to find what was retouched (docs/evidence.md).
    warm_start_steps=900,
    warm_discriminator_steps=100,
    warm_start_lr_warp=4e-4,
)

STANDARD = QUICK.model_copy(
    update={
        "netG": "unet_256",
        "ngf": 64,
        "ndf": 64,
        "load_size": 256,
        "crop_size": 256,
        "steps": 1000,
        "rungs": (400, 550, 700, 850, 1000),
        "ema_every": 1,
        "perceptual_layers": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        "perceptual_window": None,
        "warm_start_steps": 6000,
        "warm_discriminator_steps": 1000,
        "warm_start_lr_warp": 2e-4,
    }
)

FULL = STANDARD.model_copy(
    update={
        "load_size": 512,
        "crop_size": 512,
        "steps": 2500,
        "rungs": (1000, 1375, 1750, 2125, 2500),
        "warm_start_steps": 12000,
        "warm_discriminator_steps": 1500,
    }
)

PROFILES = {"quick": QUICK, "standard": STANDARD, "full": FULL}


def choose_profile(name: str, device: str) -> tuple[str, TrainSettings]:
    """`--profile`: a profile by name; `auto` is quick on a CPU and standard on a GPU."""
    if name == "auto":
        name = "standard" if device.startswith("cuda") else "quick"
    return name, PROFILES[name]
