"""Settings in one line, as the decision, the report and `harness train` write them."""

from collections.abc import Mapping
from typing import Any

from optuna import Study

from reports.record.names import PARAMS, moves_pixels
from reports.record.queries import trials_of
from reports.texts.numbers import short, value
from reports.texts.translations import Translate

U_NETS = ("unet_128", "unet_256")


def settings_in_line(study: Study, settings: Mapping[str, Any], say: Translate) -> str:
    """`short_settings`, with the U-Net if the study's space varies it."""
    return short_settings(settings, say, any("netG" in trial.params for trial in trials_of(study)))


def short_settings(settings: Mapping[str, Any], say: Translate, u_net: bool = False) -> str:
    """The settings in a line: `L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4`.

    Settings that the space varies besides the five follow: `beta1 0.9`.

    Args:
        u_net: whether to name a U-Net too, which is the usual generator.
    """
    l1, perceptual, lr = (short(settings[key]) for key in ("lambda_L1", "lambda_perceptual", "lr"))
    layers = say("layers", count=settings["n_layers_D"])
    extras = [
        f"{name} {value(entry)}"
        for name, entry in settings.items()
        if name not in PARAMS and (u_net or not str(entry).endswith(U_NETS))
    ]
    five = f"L1 {l1}, perceptual {perceptual}, {layers}, {settings['gan_mode']}, lr {lr}"
    return ", ".join([five, *extras])


def with_kind(in_short: str, settings: Mapping[str, Any], say: Translate) -> str:
    """Settings in short, and that the generator moves pixels if it does."""
    return "; ".join([in_short, *([say("moves_pixels")] if moves_pixels(settings) else [])])
