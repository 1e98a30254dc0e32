"""What the guide says of each setting, to be drawn beside what was measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """A stretch of a setting's values and the guide's word for it (a key of the texts)."""

    low: float
    high: float
    word: str


BANDS: dict[str, tuple[Band, ...]] = {
    "lambda_L1": (
        Band(10, 50, "sharper"),
        Band(50, 100, "balanced"),
        Band(200, 500, "accurate"),
    ),
    "lambda_perceptual": (
        Band(5, 10, "careful"),
        Band(10, 20, "recommended"),
        Band(20, 60, "distorts"),
    ),
    "lr": (
        Band(4.5e-5, 5.5e-5, "slow"),
        Band(9e-5, 1.1e-4, "recommended"),
        Band(1.8e-4, 2.2e-4, "fast"),
    ),
}
"""The guide names single learning rates: each is drawn as a stretch of a tenth to either side."""

LOG_SCALE = ("lambda_L1", "lr")
