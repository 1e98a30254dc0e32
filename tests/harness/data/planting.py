"""Types of the fixtures of conftest.py, and pairs prepared as a search prepares them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings
from harness.data.pairs.prepare import PreparedData, prepare_data

WritePairs = Callable[..., Path]
"""`write_pairs(folder, train=4, val=2)` -> folder of side-by-side PNG files."""


def prepared(
    data: Path | None, cache: Path, train: TrainSettings = QUICK, **rest: Any
) -> PreparedData:
    return prepare_data(data, "AtoB", train, cache, **rest)
