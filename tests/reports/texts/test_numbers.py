"""Scores as a person reads them, whatever the scale of an objective."""

import pytest

from reports.texts.numbers import number, quantity, signed, unsigned
from reports.texts.translations import translator


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.34956, "0.3496"),
        (1.0, "1.0000"),
        (0.0, "0.0000"),
        (-27.5, "-27.5000"),
        (0.0012, "0.0012"),
        (0.000759, "7.59e-4"),
        (-7.59e-6, "-7.59e-6"),
        (None, "-"),
        (float("nan"), "-"),
    ],
)
def test_no_score_looks_like_zero_but_zero(score: float | None, text: str) -> None:
    assert number(score) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (0.0007, "+0.0007"),
        (-0.0132, "-0.0132"),
        (0.0, "+0.0000"),
        (3.1e-6, "+3.1e-6"),
        (-3.1e-6, "-3.1e-6"),
    ],
)
def test_no_difference_looks_like_none_but_none(difference: float, text: str) -> None:
    assert signed(difference) == text
    assert unsigned(difference) == text.removeprefix("+")


def test_one_thing_is_no_plural() -> None:
    assert [quantity(count, "pair") for count in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
    say = translator("en")
    assert say("layers", count=1) == "1 layer"
    ends = {"difference": "0.1", "low": "0.0", "high": "0.2"}
    assert "over 3 fresh seeds and 1 held-out pair." in say(
        "why_compared_better", seeds=3, pairs=1, **ends
    )
