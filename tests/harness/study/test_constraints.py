"""Guards: what a setting may be worse in than the guide's recommendation, and still win."""

import pytest

from harness.study.constraints import MARGINS, excess, violations

RECOMMENDED = {"ciede2000": 3.0, "mae_outside": 0.01, "D": 0.4}


@pytest.mark.parametrize("guard", MARGINS)
@pytest.mark.parametrize(("share", "kept"), [(0.0, True), (0.9, True), (1.1, False), (-5.0, True)])
def test_a_guard_is_broken_beyond_its_margin(guard: str, share: float, kept: bool) -> None:
    own = {**RECOMMENDED, guard: RECOMMENDED[guard] + share * MARGINS[guard]}
    beyond = excess(own, RECOMMENDED)
    assert beyond[guard] == pytest.approx((share - 1) * MARGINS[guard])
    assert (violations(beyond) == "") is kept
    assert kept or guard in violations(beyond)


def test_what_was_not_measured_guards_nothing() -> None:
    assert excess({"ciede2000": 9.0}, {"mae_outside": 0.0}) == {}
