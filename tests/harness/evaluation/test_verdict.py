"""What is said of the finalists is what their runs show."""

import re

import numpy as np
import pytest

from harness.evaluation.verdict import Finalist, conclude
from tests.harness.evaluation.test_paired_comparison import crossed_interval

SEEDS = (11, 12, 13)


def finalist(name: str, mean: float, noise: float = 1e-3, **changes: object) -> Finalist:
    """Three runs on eight pictures about `mean`."""
    random = np.random.default_rng(sum(map(ord, name)))
    scores = {seed: list(mean + noise * random.normal(size=8)) for seed in SEEDS}
    trial = int(name[1:]) if name[1:].isdecimal() else None
    recipe = None if trial else name
    made = {"name": name, "trial": trial, "recipe": recipe, "params": {}, "scores": scores}
    return Finalist(**(made | changes))  # type: ignore[arg-type]


NUMBER = r"([+-]?\d\.\d{4})"


def told(verdict: str, sentence: str) -> list[float]:
    """The difference and the ends of its interval, which follow `sentence`."""
    found = re.fullmatch(rf"{re.escape(sentence)} {NUMBER} \[{NUMBER}, {NUMBER}\]", verdict)
    assert found is not None, verdict
    return [float(number) for number in found.groups()]


def test_a_clear_winner_is_called_better() -> None:
    shown = conclude(
        [finalist("t3", 0.3), finalist("t4", 0.28), finalist("recommended", 0.25)], "recommended"
    )
    assert shown is not None
    assert shown.winner == "t3"
    assert shown.runner_up == "t4"
    assert shown.better
    lead = shown.difference
    assert told(shown.verdict, "better than the guide's recommended setting by") == pytest.approx(
        [lead.mean, lead.low, lead.high], abs=6e-5
    )
    assert lead.mean - lead.low > 1e-4
    assert lead.low > 0.04
    assert shown.ahead_of_runner_up.low > 0
    assert [row.name for row in shown.rows] == ["t3", "t4", "recommended"]


@pytest.mark.parametrize("challengers", [1, 2, 3])
def test_the_winner_s_lead_allows_for_its_having_been_chosen(challengers: int) -> None:
    """95 % for all comparisons with the baseline together: the more there are, the wider."""
    others = [finalist(f"t{number}", 0.3 - number / 100) for number in range(3, 3 + challengers)]
    baseline = finalist("recommended", 0.25)
    found = conclude([*others, baseline], "recommended")
    assert found is not None
    assert found.level == pytest.approx(1 - 0.05 / challengers)
    cells = [np.subtract(others[0].scores[seed], baseline.scores[seed]) for seed in SEEDS]
    mean, low, high = crossed_interval(np.array(cells), 1 - 0.05 / challengers)
    assert found.difference.as_data() == pytest.approx({"mean": mean, "low": low, "high": high})
    second = others[1] if challengers > 1 else baseline
    cells = [np.subtract(others[0].scores[seed], second.scores[seed]) for seed in SEEDS]
    mean, low, high = crossed_interval(np.array(cells), 1 - 0.05 / challengers)
    assert found.ahead_of_runner_up.as_data() == pytest.approx(
        {"mean": mean, "low": low, "high": high}
    )
    means = [np.mean(list(others[0].scores[seed])) for seed in SEEDS]
    assert found.rows[0].mean == pytest.approx(np.mean(means))
    half = 4.302652729911275 * np.std(means, ddof=1) / 3**0.5  # Student's t of two degrees
    assert found.rows[0].ci95 == pytest.approx([np.mean(means) - half, np.mean(means) + half])


def test_a_lead_that_chance_may_have_made_is_none_though_one_interval_would_say_so() -> None:
    """Between the levels of one comparison and of three."""
    random = np.random.default_rng(0)
    cells = random.normal(size=(3, 8)) * 0.01 + random.normal(size=(3, 1)) * 0.004
    cells -= cells.mean()
    alone, together = (crossed_interval(cells, level)[2] for level in (0.95, 1 - 0.05 / 3))
    lead = (alone + together) / 2
    scores = dict(zip(SEEDS, (cells + 0.3 + lead).tolist(), strict=True))
    level = {seed: [0.3] * 8 for seed in SEEDS}
    first, baseline = finalist("t3", 0, scores=scores), finalist("recommended", 0, scores=level)
    few = conclude([first, baseline], "recommended")
    many = conclude([first, finalist("t4", 0.1), finalist("t5", 0.1), baseline], "recommended")
    assert few is not None
    assert many is not None
    assert few.better
    assert few.verdict.startswith(f"better than the guide's recommended setting by {lead:.4f}")
    assert not many.better
    assert many.verdict.startswith(
        "no difference between t3 and the guide's recommended setting shown"
    )


def test_noise_is_no_difference() -> None:
    shown = conclude(
        [
            finalist("t3", 0.251, 0.05),
            finalist("t4", 0.25, 0.05),
            finalist("recommended", 0.25, 0.05),
        ],
        "recommended",
    )
    assert shown is not None
    assert not shown.better
    lead, best = shown.difference, "t3" if shown.winner == "recommended" else shown.winner
    between = f"no difference between {best} and the guide's recommended setting shown:"
    assert told(shown.verdict, between) == pytest.approx([lead.mean, lead.low, lead.high], abs=6e-5)
    assert lead.low < 0 < lead.high


def test_a_baseline_that_is_no_recipe_is_not_the_guide_s() -> None:
    shown = conclude([finalist("t3", 0.3), finalist("t4", 0.25)], "t4")
    assert shown is not None
    assert shown.verdict.startswith("better than t4 by 0.05")


def test_the_guide_may_be_right() -> None:
    shown = conclude([finalist("t3", 0.2), finalist("recommended", 0.25)], "recommended")
    assert shown is not None
    assert shown.winner == "recommended"
    assert not shown.better
    lead = shown.difference
    worse = "the guide's recommended setting is the best: t3, the best of the others, is worse by"
    assert told(shown.verdict, worse) == pytest.approx(
        [-lead.mean, -lead.high, -lead.low], abs=6e-5
    )
    assert lead.mean - lead.low > 1e-4
    assert shown.difference.mean == pytest.approx(-shown.ahead_of_runner_up.mean)
    assert shown.ahead_of_runner_up.low > 0.04


def test_who_diverges_once_cannot_win() -> None:
    wild = finalist("t3", 0.9, diverged=True)
    shown = conclude([wild, finalist("t4", 0.26), finalist("recommended", 0.25)], "recommended")
    assert shown is not None
    assert shown.winner == "t4"
    assert shown.rows[-1].name == "t3"
    assert shown.rows[-1].diverged
    assert shown.level == pytest.approx(1 - 0.05 / 2)  # t4 was chosen of both


def test_a_baseline_that_diverged_once_is_what_the_winner_is_compared_with() -> None:
    scores = {seed: [0.25, 0.26] for seed in SEEDS[:2]}
    wild = finalist("recommended", 0.25, scores=scores, diverged=True)
    better = finalist("t3", 0.3, scores={seed: [0.3, 0.32] for seed in SEEDS})
    shown = conclude([better, wild], "recommended", of_both_kinds=True)
    assert shown is not None
    assert shown.as_is is not None
    assert [row.name for row in shown.rows] == ["t3", "recommended"]
    for lead in (shown.difference, shown.as_is.difference):
        assert lead is not None
        assert lead.mean == pytest.approx(0.055)


@pytest.mark.parametrize("missing", ["t3", "recommended"])
def test_one_run_is_no_verdict(missing: str) -> None:
    both = [finalist("t3", 0.3), finalist("recommended", 0.25)]
    few = [
        finalist(one.name, 0.3, scores={11: [0.3] * 8}) if one.name == missing else one
        for one in both
    ]
    assert conclude(few, "recommended") is None


@pytest.mark.parametrize(("sign", "mean"), [(1, 0.3), (-1, 0.2)])
def test_the_winner_is_also_compared_with_the_recipe_that_moves_pixels(
    sign: int, mean: float
) -> None:
    others = [finalist("warp", 0.26, trial=8), finalist("recommended", 0.25)]
    found = conclude([finalist("t3", mean), *others], "recommended", sign)
    assert found is not None
    assert found.ahead_of_warp is not None
    assert found.ahead_of_warp.mean == pytest.approx(sign * (mean - 0.26), abs=2e-3)
    assert found.level == pytest.approx(0.975)
    cells = [
        sign * np.subtract(finalist("t3", mean).scores[seed], others[0].scores[seed])
        for seed in SEEDS
    ]
    _, low, high = crossed_interval(np.array(cells), 0.975)
    assert (found.ahead_of_warp.low, found.ahead_of_warp.high) == pytest.approx((low, high))
    won = conclude([finalist("t3", 0.255), *others], "recommended")
    assert won is not None
    assert (won.winner, won.ahead_of_warp) == ("warp", None)


def test_one_picture_held_out_is_no_comparison() -> None:
    one = finalist("t3", 0.3, scores={seed: [0.3] for seed in SEEDS})
    other = finalist("recommended", 0.2, scores={seed: [0.2] for seed in SEEDS})
    shown = conclude([one, other], "recommended")
    assert shown is not None
    assert (shown.winner, shown.difference, shown.better) == ("t3", None, False)
    assert shown.verdict == (
        "not compared with the guide's recommended setting: too few runs or held-out pictures"
    )
    assert shown.rows[0].mean == pytest.approx(0.3)


def test_where_no_other_repaints_there_is_no_second_answer() -> None:
    moving = finalist("t3", 0.3, params={"netG": "warp_unet_128"})
    painting = finalist("t4", 0.2), finalist("recommended", 0.25)
    for others, answers in ((painting, True), (painting[1:], False)):
        shown = conclude([moving, *others], "recommended", of_both_kinds=True)
        assert shown is not None
        assert (shown.as_is is not None) == answers
        assert conclude([moving, *others], "recommended").as_is is None
    shown = conclude([moving, *painting], "recommended", of_both_kinds=True)
    assert shown is not None
    assert (shown.as_is.name, shown.as_is.challenger) == ("recommended", "t4")
    assert not shown.as_is.better


def test_only_seeds_that_both_ran_are_compared() -> None:
    late = finalist("t3", 0.3, scores={seed: [0.3, 0.31] for seed in (12, 13, 14)})
    early = finalist("recommended", 0.2, scores={11: [9.0, 9.0], 12: [0.2, 0.21], 13: [0.2, 0.21]})
    shown = conclude([late, early], "recommended")
    assert shown is not None
    assert shown.difference.mean == pytest.approx(0.1)


def test_where_less_is_better_the_least_leads() -> None:
    finalists = [finalist("t3", 0.2), finalist("t4", 0.3), finalist("recommended", 0.25)]
    shown = conclude(finalists, "recommended", -1, of_both_kinds=True)
    assert shown is not None
    assert [row.name for row in shown.rows] == ["t3", "recommended", "t4"]
    assert shown.difference.low > 0.04
    assert shown.ahead_of_runner_up.low > 0.04
    assert shown.as_is.name == "t3"
    assert shown.as_is.better
    assert shown.as_is.difference == shown.difference
