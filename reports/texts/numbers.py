"""Scores and settings as a person reads them."""

import math
from collections.abc import Mapping
from typing import Any


def number(score: float | None) -> str:
    """A score to four decimals; a dash where there is none."""
    return "-" if score is None or math.isnan(score) else f"{score:.4f}"


def signed(difference: float) -> str:
    return f"{difference:+.4f}"


def short(value: object) -> str:
    """A number in three figures, or a word."""
    if not isinstance(value, int | float):
        return str(value)
    if not 0 < abs(value) < 1e-3:
        return f"{value:.3g}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def value(entry: object) -> str:
    """A setting as a person reads it."""
    if entry is None:
        return ""
    if isinstance(entry, list | tuple):
        return ", ".join(map(value, entry))
    return short(entry) if isinstance(entry, float) else str(entry)


def settings_in_short(settings: Mapping[str, Any], layers: str) -> str:
    """The five settings in a line, `L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4`.

    Args:
        settings: at least the five.
        layers: the discriminator's layers in words.
    """
    return ", ".join(
        [
            f"L1 {short(settings['lambda_L1'])}",
            f"perceptual {short(settings['lambda_perceptual'])}",
            layers,
            str(settings["gan_mode"]),
            f"lr {short(settings['lr'])}",
        ]
    )
