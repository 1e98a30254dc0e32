"""The decision of a study of both kinds of generator: what moves, and train.py as it is."""

import pytest

from reports.export.best_yaml import best_config
from reports.record.decided import final_choices
from reports.record.finalists import Finalists
from tests.reports.analysis.deciding import AS_IS, BELOW, CLOSER, HIGH, decided
from tests.synthetic_studies import finals_of, make_study, study_of_both_kinds


def test_an_unsure_leader_that_moves_pixels_has_an_answer_for_train_py_beside_it() -> None:
    finals = finals_of(-0.5, 0.7, noop=0.35, as_is=(-0.01, 0.02))
    found = decided(study_of_both_kinds(finalists=finals))
    assert (found.verb, found.trial) == ("try", 3)
    assert found.as_is is not None
    assert (found.as_is.verb, found.as_is.sentence) == ("keep", AS_IS)
    reliable = finals_of(-0.5, 0.7, noop=0.35, as_is=(0.07, 0.09))
    assert decided(study_of_both_kinds(finalists=reliable)).verb == "use"


def test_both_kinds_have_a_second_answer_for_train_py_as_it_is() -> None:
    finals = finals_of(0.1, 0.2, noop=0.35, as_is=(-0.01, 0.02))
    found = decided(study_of_both_kinds(finalists=finals))
    assert found.sentence == f"Use t003: {CLOSER} and than doing nothing"
    assert found.settings.endswith("its generator moves pixels instead of repainting them")
    assert found.as_is is not None
    assert (found.as_is.verb, found.as_is.trial, found.as_is.sentence) == ("keep", 6, AS_IS)
    assert found.as_is.why == (
        "The best of the others, t004, is not reliably sharper (+0.0050, 95 % interval -0.0100 to "
        "0.0200). Either way the blur stays: 0.2950, no better than the 0.3500 of the picture "
        "returned unchanged."
    )
    held = best_config(study_of_both_kinds(finalists=finals))
    assert (held["trial"], held["as_is"]["trial"]) == (3, 6)
    assert (held["decision"], held["as_is"]["decision"]) == found.answers
    assert found.answers == (
        f"{found.sentence}. {found.why}",
        f"{found.as_is.sentence}. {found.as_is.why}",
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.01, 0.03, "is not reliable (+0.0100, -0.0100 to 0.0300)."),
        (-0.03, -0.01, "is not reliable (-0.0200, -0.0300 to -0.0100)."),
        (0.02, 0.04, "It leads the recipe warp, whose generator moves pixels too, by 0.0300 "),
    ],
)
def test_a_winner_that_moves_pixels_is_set_beside_the_plain_recipe_that_does(
    low: float, high: float, said: str
) -> None:
    ahead = {"mean": (low + high) / 2, "low": low, "high": high}
    finals = finals_of(0.1, 0.2, noop=0.35, as_is=(-0.01, 0.02), ahead_of_warp=ahead)
    found = decided(study_of_both_kinds(finalists=finals))
    assert said in found.why
    assert found.as_is is not None
    assert "warp" not in found.as_is.why
    finals["rows"][0]["recipe"] = "warp"
    itself = decided(study_of_both_kinds(finalists=finals | {"ahead_of_warp": None}))
    assert itself.why.endswith("It is the recipe warp itself: no other finalist did better.")
    repainting = finals_of(0.1, 0.2, noop=0.35, ahead_of_warp=ahead)
    assert "warp" not in decided(make_study(12, finalists=repainting)).why


def test_train_py_as_it_is_may_have_a_better_setting_too() -> None:
    finals = finals_of(0.1, 0.2, noop=0.35, as_is=(0.01, 0.03))
    found = decided(study_of_both_kinds(finalists=finals)).as_is
    assert found is not None
    assert (found.verb, found.trial) == ("use", 4)
    assert found.sentence == (
        f"With train.py as it is: use t004: {CLOSER}, but no closer than doing nothing, so the "
        "blur stays"
    )
    assert "--trial 4" in found.command


def test_a_moving_leader_without_a_reliable_lead_does_not_hide_what_repaints_better() -> None:
    finals = finals_of(-0.1, 0.2, noop=0.2, as_is=(0.01, 0.03))
    found = decided(study_of_both_kinds(finalists=finals))
    assert (found.verb, found.trial, found.as_is) == ("use", 4, None)
    held = best_config(study_of_both_kinds(finalists=finals))
    assert held["trial"] == held["as_is"]["trial"] == 4
    assert held["lead"] == held["as_is"]["lead"] == finals["as_is"]["difference"]
    assert found.sentence == f"Use t004: {CLOSER} and than doing nothing"
    assert "3 fresh seeds" in found.why


def test_who_chooses_from_a_front_hears_of_both_kinds() -> None:
    """The front's best moves pixels, and is named whatever the runs would have decided."""
    for as_is in ((-0.01, 0.02), (0.01, 0.03)):
        finals = Finalists.read(finals_of(-0.1, 0.2, noop=0.2, as_is=as_is), "a study")
        of_all, repainting = final_choices(finals, 1, pareto=True) or (None, None)
        assert of_all is not None
        assert repainting is not None
        assert (of_all.of_all, repainting.of_all) == (True, False)


@pytest.mark.parametrize(
    ("ends", "as_is", "kept"), [((-0.03, -0.01), (-0.02, -0.01), True), ((0.1, 0.2), (0, 0), False)]
)
def test_the_recommended_setting_that_only_the_finalists_tried_has_the_result_it_is_in(
    ends: tuple[float, float], as_is: tuple[float, float], kept: bool
) -> None:
    finals = finals_of(*ends, as_is=as_is)
    for row in finals["rows"]:
        row["trial"] = None if row["name"] == "recommended" else row["trial"]
    held = best_config(study_of_both_kinds(6, finalists=finals), "recommended")
    found = finals if kept else finals["as_is"]
    assert (held["lead"], held["verdict"]) == (found["difference"], found["verdict"])


def test_weights_of_an_earlier_versions_best_for_train_py_are_where_that_noted_them() -> None:
    finals = finals_of(0.1, 0.2, as_is=(0.01, 0.03))
    finals["as_is"]["checkpoint"] = "checkpoints/f06_net_G.pth"
    held = best_config(study_of_both_kinds(finalists=finals))
    assert held["checkpoint"] == "checkpoints/f00_net_G.pth"
    assert held["as_is"]["checkpoint"] == "checkpoints/f06_net_G.pth"


def test_one_decision_where_the_winner_runs_in_train_py() -> None:
    finals = finals_of(0.1, 0.2, as_is=(0.1, 0.2))
    repainting = [row for row in finals["rows"] if row["name"] != "t003"]
    found = decided(study_of_both_kinds(finalists=finals | {"rows": repainting, "winner": "t004"}))
    assert (found.trial, found.as_is) == (4, None)


def test_what_repaints_may_be_below_where_what_moves_is_above() -> None:
    found = decided(study_of_both_kinds(budget=10, baseline=HIGH))
    assert (found.verb, found.trial) == ("keep", 6)
    assert found.as_is is not None
    assert (found.as_is.verb, found.as_is.command) == ("search", "")
    assert found.as_is.sentence == (
        f"With train.py as it is: t007 leads, {BELOW}, so the blur stays"
    )


def test_both_kinds_may_be_below() -> None:
    found = decided(study_of_both_kinds(budget=10, baseline=HIGH | {"noop": 0.5}))
    assert found.sentence.startswith("Search on: t006 leads")
    assert found.as_is is not None
    assert found.as_is.sentence.startswith("With train.py as it is: t007 leads")
