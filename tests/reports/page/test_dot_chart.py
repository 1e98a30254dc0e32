"""Dots on a zoomed axis: everything has its place, and the ticks are round numbers."""

import pytest

from reports.page.dot_chart import Dot, dots, rounded


def text(value: float) -> str:
    return f"{value:.2f}"


def test_the_axis_is_as_long_as_the_intervals_and_the_line_need() -> None:
    plot = dots([Dot("a", 0.4, 0.39, 0.42), Dot("b", 0.2)], 0.27, text)
    first, second = plot.rows
    assert [plot.text(row) for row in plot.rows] == ["0.40 [0.39, 0.42]", "0.20"]
    margin = 100 * 0.06 / 1.12
    assert plot.at(second.value) == pytest.approx(margin, abs=0.01)
    assert plot.at(0.42) == pytest.approx(100 - margin, abs=0.01)
    scale = (plot.at(first.value) - plot.at(second.value)) / 0.2  # percent a unit
    assert plot.at(0.27) == pytest.approx(plot.at(0.2) + 0.07 * scale, abs=0.02)
    for tick, at in plot.ticks():
        assert at == pytest.approx(plot.at(0.2) + (float(tick) - 0.2) * scale, abs=0.02)
    assert [tick for tick, _ in plot.ticks()] == ["0.2", "0.3", "0.4"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.18, 0.42, ["0.2", "0.3", "0.4"]),
        (-0.001, 0.001, ["-0.001", "0.000", "0.001"]),
        (0, 100, ["0", "50", "100"]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[str]) -> None:
    rows = [Dot("a", low), Dot("b", high)]
    assert [tick for tick, _ in dots(rows, None, text).ticks()] == ticks


@pytest.mark.parametrize(("step", "expected"), [(0.03, 0.05), (0.05, 0.05), (0.7, 1), (12, 20)])
def test_steps_are_rounded_up(step: float, expected: float) -> None:
    assert rounded(step) == pytest.approx(expected)


def test_one_number_and_none() -> None:
    assert dots([Dot("a", 0.3)], 0.3, text).at(0.3) == pytest.approx(50)
    assert dots([], 0.2, text).rows == ()
