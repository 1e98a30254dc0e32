"""Which pretrained networks a search needs, and what is said where they are random."""

import pytest

from harness.search.pretrained import trunks_of, weights_remark


@pytest.mark.parametrize(
    ("policy", "why"),
    [("random", "as asked"), ("auto", "not cached, and cannot be downloaded")],
)
def test_random_weights_are_said_to_be_asked_for_only_where_they_were(
    policy: str, why: str
) -> None:
    trunks = trunks_of("boundary_sharpness")
    [remark] = weights_remark("random", policy, trunks)
    assert remark.startswith("WEIGHTS ARE RANDOM: ")
    assert f"(AlexNet and VGG19; {why}). " in remark
    assert weights_remark("pretrained", policy, trunks) == ()


def test_a_search_with_the_user_s_own_program_needs_no_network_for_the_perceptual_term() -> None:
    trunks = trunks_of("boundary_sharpness", perceptual=False)
    assert trunks == ("alexnet",)
    [remark] = weights_remark("random", "auto", trunks)
    assert "VGG" not in remark
