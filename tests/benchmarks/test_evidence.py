"""What the evidence says of settings whose order never changes, and of those whose order turns."""

from typing import Any

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.evidence import agreement, pruned
from harness.config.profiles import QUICK

LATE = (1600, 2880, 3040, 3200)


def made(early: np.ndarray, late: np.ndarray) -> dict[str, Any]:
    """Settings with these scores at the profile's rungs, and those at the steps after them."""
    return {
        f"setting {k}": {
            "rungs": [
                *({"step": step, "value": float(early[k])} for step in QUICK.rungs),
                *({"step": step, "value": float(late[k])} for step in LATE),
            ]
        }
        for k in range(len(early))
    }


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "DRAWS", 50)
    monkeypatch.setattr(evidence, "ORDERS", 20)


QUALITY = np.linspace(0.1, 0.2, 16)


def test_where_the_order_stands_early_nothing_is_lost_by_reading_it_early() -> None:
    runs = made(QUALITY, QUALITY)
    for row in agreement(runs):
        assert row["single"] == pytest.approx(1)
        assert row["regret"] == 0
    found = pruned(runs, QUICK.rungs)
    assert 0.05 < found["saved"] < 1 - QUICK.rungs[0] / QUICK.steps
    assert (found["regret"], found["long_regret"], found["best_survives"]) == (0, 0, 1)


def test_where_the_order_turns_the_leader_is_the_worst() -> None:
    runs = made(QUALITY, QUALITY[::-1])
    first = agreement(runs)[0]
    assert first["single"] == pytest.approx(-1)
    assert first["regret"] == pytest.approx(0.1)
    found = pruned(runs, QUICK.rungs)
    assert found["regret"] == found["long_regret"] == 0
    assert found["best_survives"] < 0.5
