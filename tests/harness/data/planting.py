"""Types of the fixtures of conftest.py."""

from collections.abc import Callable
from pathlib import Path

WritePairs = Callable[..., Path]
"""`write_pairs(folder, train=4, val=2)` -> folder of side-by-side PNG files."""
