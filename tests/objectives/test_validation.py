"""All claims of objectives/VALIDATION.md, on scikit-image's photographs."""

from functools import cache

import pytest

from benchmarks.ladders import ladders
from benchmarks.mask_table import DEFAULT, METHODS, overlaps, warmer
from benchmarks.validate_score import LEAK, claims, distorted, leaks, photographs, ranks
from objectives.boundary_sharpness import BoundarySharpness
from objectives.score import Reference, Score

# Takes under a minute on one idle core, and much longer on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# Required share of the windows, as measured at 128 px on today's built-in pairs, which are sharper
# than those of version 0.1. There 1.5 pixels of displacement cost as much as the blur of the mean
# (8 of 16), which costs fine textures more than the warp does (6 of 16). In one window
# (astronaut-03) edges just outside the mask are nearly twice as strong as inside, and the Laplacian
# at the mask's rim sees them: blur outside moves its score by 5.3% of what it does inside.
NOT_ON_EVERY_ONE = {
    "jitter above ensemble": 8 / 16,
    "ensemble above the input": 6 / 16,
    LEAK: 15 / 16,
}
# In the table, but not a claim: dirt on a strong blur improves the score slightly.
KNOWN_WEAKNESS = "disguised blur 2 not above blur 2"


@cache
def chosen(size: int) -> Reference:
    """All 16 windows of photographs at 128 px, every second one at 256."""
    whole = photographs(size)
    assert whole.inputs is not None
    some = slice(None, None, size // 128)
    return Reference(whole.names[some], whole.targets[some], whole.masks[some], whole.inputs[some])


@pytest.fixture(scope="module", params=[128, 256])
def found(request: pytest.FixtureRequest) -> dict[str, Score]:
    reference = chosen(request.param)
    scorer = BoundarySharpness("random").against(reference)
    return {name: scorer(pictures) for name, pictures in distorted(reference)}


def test_the_claims_hold_on_real_photographs(found: dict[str, Score]) -> None:
    held_by = claims(found)
    del held_by[KNOWN_WEAKNESS]
    for claim, (held, of) in held_by.items():
        assert held >= NOT_ON_EVERY_ONE.get(claim, 1.0) * of, claim
    assert found["jitter"].value > found["ensemble"].value
    assert leaks(found).mean() <= 0.035
    assert leaks(found).max() <= 0.06


def test_every_ladder_falls_on_the_mean_and_blur_on_every_picture(
    found: dict[str, Score],
) -> None:
    correlations = ranks(found)
    assert set(correlations) == {name for name, _ in ladders()}
    assert all(mean == pytest.approx(-1) for mean, _ in correlations.values())
    assert correlations["blur"][1] <= -0.98


def test_only_the_default_method_ignores_a_change_of_tone() -> None:
    reference = chosen(256)
    assert reference.inputs is not None
    changed = warmer(reference.inputs)

    def mean(name: str) -> float:
        found = overlaps(METHODS[name], changed, reference.targets, reference.masks)
        return sum(found) / len(found)

    assert mean(DEFAULT) > 0.6
    assert mean(DEFAULT) > mean("difference above 8/255") + 0.2
