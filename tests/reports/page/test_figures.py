"""What the report's figures draw is what the table says."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna import Study

from reports.analysis.summary import summarise
from reports.export.trials_table import trials_frame
from reports.page.figures import all_figures, course, losses
from reports.page.figures_by_setting import BANDS, scale, visible_bands
from reports.record.trial import RungRecord
from tests.synthetic_studies import make_study


def say(key: str, **_: object) -> str:
    return key


def figures_of(study: Study) -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = trials_frame(study)
    return frame[frame["score"].notna()], all_figures(frame, summarise(study), RUNGS, say)


LOSSES = ("G_L1", "G_GAN", "D_real", "D_fake")
RUNGS = [
    RungRecord(step=step, value=value, losses=dict(zip(LOSSES, values, strict=True)))
    for step, value, values in ((100, 0.2, (4.0, 0.5, 0.6, 0.4)), (200, 0.3, (2.0, 0.6, 0.3, 0.8)))
]


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, dict[str, Any]]:
    return figures_of(make_study(40))


def test_history_is_every_score_and_the_best_so_far(
    drawn: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    done, figures = drawn
    completed, stopped, best, *lines = figures["history"]["data"]
    assert completed["x"] == best["x"] == done["trial"].tolist()
    assert completed["y"] == done["score"].tolist()
    assert best["y"] == np.maximum.accumulate(done["score"]).tolist()
    frame = trials_frame(make_study(40))
    pruned = frame[frame["state"] == "pruned"]
    assert stopped["y"] == pruned["last_value"].tolist()
    summary = summarise(make_study(40))
    assert summary.baseline is not None
    levels = {line["name"]: line["y"] for line in lines}
    assert levels == {
        "noop_short": [summary.noop] * 2,
        "warm_start_short": [summary.warm_start] * 2,
        "recommended_short": [summary.baseline.score] * 2,
    }
    assert [line["x"] for line in lines] == [[0, 39]] * 3  # from the first trial to the last


def test_where_less_is_better_the_best_so_far_falls() -> None:
    done, figures = figures_of(make_study(20, direction="minimize"))
    best = figures["history"]["data"][2]
    assert best["y"] == np.minimum.accumulate(done["score"]).tolist()


def test_a_setting_is_drawn_against_the_score_with_the_winner_marked(
    drawn: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    done, figures = drawn
    winner = done.loc[done["score"].idxmax()]
    for name in ("lambda_L1", "lr", "n_layers_D", "gan_mode"):
        points, star = figures[f"slice-{name}"]["data"]
        assert points["x"] == done[name].tolist()
        assert points["y"] == done["score"].tolist()
        assert (star["x"], star["y"]) == ([winner[name]], [winner["score"]])


def test_bands_reach_as_far_as_the_values_that_were_tried(
    drawn: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    done, figures = drawn
    for name, bands in BANDS.items():
        layout = figures[f"slice-{name}"]["layout"]
        low, high = done[name].min(), done[name].max()
        ends = [(max(band.low, low), min(band.high, high)) for band in bands]
        shown = [two for two in ends if two[0] < two[1]]
        assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == shown
        log = name != "lambda_perceptual"  # where plotly wants the exponent
        middles = [(a * b) ** 0.5 if log else (a + b) / 2 for a, b in shown]
        places = [label["x"] for label in layout["annotations"]]
        assert [10**x if log else x for x in places] == pytest.approx(middles)
        if log:
            axis = layout["xaxis"]
            assert [float(text) for text in axis["ticktext"]] == axis["tickvals"]
    narrow = done[done["lr"].between(1.2e-4, 1.7e-4)]  # the guide names no rate in between
    assert visible_bands(narrow, "lr") == []


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_eighth_of_the_lines_is_the_boldest(direction: str) -> None:
    done, figures = figures_of(make_study(40, direction=direction))
    scores = done["score"].to_numpy()
    best_first = np.sort(scores)[:: -1 if direction == "maximize" else 1]
    lines = figures["parallel"]["data"][-1]
    assert lines["line"]["width"] == 2
    ends = [
        value
        for value, after in zip(lines["y"], [*lines["y"][1:], 0], strict=True)
        if after is None
    ]
    count = len(ends)
    assert len(scores) // 8 <= count <= len(scores) // 8 + 1
    low, high = scores.min(), scores.max()
    assert sorted(ends) == pytest.approx(sorted((best_first[:count] - low) / (high - low)))


def test_losses_are_parts_of_what_they_were_at_the_first_rung() -> None:
    drawn = losses(RUNGS, say)["data"]
    found = {trace["name"]: (trace["x"], trace["y"]) for trace in drawn}
    assert [line["name"] for line in drawn if line["line"]["dash"] == "dot"] == ["D_fake"]
    assert found == {
        "G_L1": ([100, 200], [1, 0.5]),
        "G_GAN": ([100, 200], [1, 1.2]),
        "D_real": ([100, 200], [1, 0.5]),
        "D_fake": ([100, 200], [1, 2]),
    }
    nothing = [rung.model_copy(update={"losses": {"G_GAN": 0.0}}) for rung in RUNGS]
    assert losses(nothing, say)["data"] == []
    (line,) = course(RUNGS, say)["data"]
    assert (line["x"], line["y"]) == ([100, 200], [0.2, 0.3])


def test_a_scale_runs_from_the_least_to_the_most() -> None:
    place, ticks = scale(pd.Series([10.0, 1000.0, 50.0]), log=True)
    assert [place(v) for v in (10, 100, 1000)] == pytest.approx([0, 0.5, 1])
    assert [at for at, _ in ticks] == [0, 0.5, 1]
    place, _ = scale(pd.Series([0.0, 30.0]), log=False)
    assert place(7.5) == 0.25
    place, ticks = scale(pd.Series(["vanilla", "lsgan"]), log=False)
    assert (place("lsgan"), place("vanilla")) == (0, 1)


def test_bands_are_the_guide_s() -> None:
    """Its table; a rate that it names alone is a stretch of a tenth to either side."""
    words = {
        name: {band.word: (band.low, band.high) for band in bands} for name, bands in BANDS.items()
    }
    assert words == {
        "lambda_L1": {"accurate": (200, 500), "balanced": (50, 100), "sharper": (10, 50)},
        "lambda_perceptual": {"careful": (5, 10), "recommended": (10, 20), "distorts": (20, 60)},
        "lr": {
            word: (pytest.approx(0.9 * rate), pytest.approx(1.1 * rate))
            for word, rate in (("fast", 2e-4), ("recommended", 1e-4), ("slow", 5e-5))
        },
    }
