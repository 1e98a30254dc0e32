"""The facts a report tells: what leads, what the losses did, why trials ended."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from reports.analysis.summary import overfitting, summarise
from reports.record.queries import recipe_trial, sign_of, trials_by_score
from tests.synthetic_studies import (
    BEST,
    RECIPES,
    SPACE,
    add_trial,
    empty_study,
    make_study,
    study_of_both_kinds,
)

PROBLEM = RECIPES["problem"]


def test_counts_and_the_running_study() -> None:
    study = make_study(40)
    assert not summarise(study).counts["running"]
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    summary = summarise(study)
    assert summary.counts["running"] == 1
    assert sum(summary.counts.values()) == 41


def rungs_of(**losses: tuple[float, float]) -> list[dict[str, Any]]:
    rows = [{name: pair[end] for name, pair in losses.items()} for end in (0, 1)]
    return [
        {"step": step, "value": 0.2, "components": {}, "losses": row}
        for step, row in zip((100, 200), rows, strict=True)
    ]


@pytest.mark.parametrize(
    ("losses", "holds"),
    [
        ({"G_L1": (5, 4), "G_Perceptual": (2, 1), "G_GAN": (1, 1.2)}, [True, True, True]),
        ({"G_L1": (4, 5), "G_Perceptual": (1, 2), "G_GAN": (1, 1.3)}, [False, False, False]),
        ({"G_L1": (5, 4), "G_GAN": (-1, -0.9)}, [True, None, True]),
        ({"G_L1": (5, 5), "G_GAN": (1, 0.5)}, [False, None, False]),
        ({"G_L1": (5, 4), "G_GAN": (1, 1.24)}, [True, None, True]),
        ({"G_L1": (5, 4), "G_GAN": (1, 0.74)}, [True, None, False]),
    ],
)
def test_the_guides_three_expectations(
    losses: dict[str, tuple[float, float]], holds: list[bool | None]
) -> None:
    study = empty_study()
    study.add_trial(
        optuna.trial.create_trial(
            value=0.2,
            params=BEST,
            distributions=SPACE,
            user_attrs={"params": BEST, "rungs": rungs_of(**losses)},
        )
    )
    checks = summarise(study).losses
    assert [check.loss for check in checks] == ["G_L1", "G_Perceptual", "G_GAN"]
    assert [check.holds for check in checks] == holds


@pytest.mark.parametrize(("last", "fell_back"), [(0.30, False), (0.2943, False), (0.2937, True)])
def test_overfitting(last: float, fell_back: bool) -> None:
    study = empty_study()
    study.add_trial(
        optuna.trial.create_trial(
            value=last,
            params=BEST,
            distributions=SPACE,
            intermediate_values={100: 0.2, 200: 0.3, 300: last},
            user_attrs={"params": BEST},
        )
    )
    found = summarise(study).overfitting
    assert found is not None
    assert found.best_step == 200
    assert found.fell_back is fell_back


def test_a_score_of_which_less_is_better_falls_back_upwards() -> None:
    study = empty_study(direction="minimize")
    rungs = {100: 0.4, 200: 0.2, 300: 0.3}
    study.add_trial(
        optuna.trial.create_trial(
            value=0.3,
            params=BEST,
            distributions=SPACE,
            intermediate_values=rungs,
            user_attrs={"params": BEST},
        )
    )
    found = summarise(study).overfitting
    assert found is not None
    assert (found.best_step, found.best_value, found.fell_back) == (200, 0.2, True)


def test_scores_below_zero_fall_back_by_a_fraction_of_their_size() -> None:
    study = empty_study()
    for last in (-0.203, -0.205):
        study.add_trial(
            optuna.trial.create_trial(
                value=last,
                params=BEST,
                distributions=SPACE,
                intermediate_values={100: -0.2, 200: last},
                user_attrs={"params": BEST},
            )
        )
    found = [overfitting(trial, 1) for trial in study.trials]
    assert [each and each.fell_back for each in found] == [False, True]


def test_endings_are_gathered_by_reason() -> None:
    study = empty_study()
    for step in (160, 220):
        reason = f"pruned at step {step}: below 0.2{step}"
        add_trial(study, BEST, TrialState.PRUNED, (160,), reason=reason)
    add_trial(study, BEST, TrialState.PRUNED, (160,), reason="diverged: G_L1 nan at step 9")
    add_trial(study, BEST, TrialState.FAIL, (), reason="the worker died (signal 9)")
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    found = [(row.state, row.trials) for row in summarise(study).endings]
    assert found == [("failed", (3,)), ("failed", (4,)), ("pruned", (0, 1)), ("pruned", (2,))]


def test_an_ending_has_its_count_and_the_range_of_its_own_numbers() -> None:
    """Fifteen trials do not end for the number of one of them."""
    study = empty_study()
    for step, value in ((100, 0.336), (100, 0.195), (50, 0.21)):
        reason = f"pruned at step {step}: {value:.4f} is not in the better half there"
        add_trial(study, BEST, TrialState.PRUNED, (160,), reason=reason)
    for loss in (-2.5, 1e-7):
        reason = f"diverged: G_L1 {loss} at step 9"
        add_trial(study, BEST, TrialState.PRUNED, (160,), reason=reason)
    found = [(row.reason, len(row.trials)) for row in summarise(study).endings]
    assert found == [
        ("stopped at step 50 to 100: 0.1950 to 0.3360 is not in the better half there", 3),
        ("diverged: G_L1 -2.5 to 1e-07 at step 9", 2),
    ]


def test_endings_of_the_two_kinds_of_generator_are_apart() -> None:
    study = study_of_both_kinds()
    for netG, value in (("unet_128", 0.19), ("warp_unet_128", 0.33), ("warp_unet_128", 0.34)):
        reason = f"pruned at step 100: {value} is not in the better half there"
        add_trial(study, BEST, TrialState.PRUNED, (160,), reason=reason, extras={"netG": netG})
    found = [(row.reason.split(": ")[1][:12], row.moves) for row in summarise(study).endings]
    assert found == [("0.33 to 0.34", True), ("0.19 is not ", False)]


def test_effects_are_of_each_kind_of_generator_for_itself() -> None:
    """Trials of the other kind, 0.1 above, make no setting look better."""
    summary = summarise(study_of_both_kinds(48))
    moving, repainting = summary.effects
    assert (moving.moves, repainting.moves) == (True, False)
    assert moving.trials + repainting.trials == summary.counts["complete"]
    for kind in summary.effects:
        found = {effect.claim: effect for effect in kind.effects}
        assert found["lsgan"].effect == pytest.approx(0.006, abs=0.004)
    (alone,) = summarise(make_study(40)).effects
    assert alone.moves is None
    assert summary.same_kind == tuple(range(0, summary.counts["complete"], 3))  # as the winner


def test_losses_are_compared_from_the_first_rung_to_the_last() -> None:
    """What lies between may rise and fall; of a study's best trial, not of another."""
    study = empty_study()
    rows = [
        {"step": step, "value": 0.2, "components": {}, "losses": {"G_L1": loss, "G_GAN": 1.0}}
        for step, loss in ((100, 5.0), (200, 9.0), (300, 4.0))
    ]
    for value, rungs in ((0.2, rows), (0.1, rows[::-1])):
        study.add_trial(
            optuna.trial.create_trial(
                value=value,
                params=BEST,
                distributions=SPACE,
                user_attrs={"params": BEST, "rungs": rungs},
            )
        )
    check = summarise(study).losses[0]
    assert (check.loss, check.first, check.last, check.holds) == ("G_L1", 5.0, 4.0, True)


def test_scores_that_bound_a_study_are_its_own() -> None:
    study = empty_study()
    study.set_user_attr("baseline", {"noop": 0.21, "warm_start": 0.22, "oracle": 0.95})
    add_trial(study, PROBLEM, recipe="problem")
    add_trial(study, BEST, recipe="recommended")
    add_trial(study, BEST, noise=0.02)
    found = summarise(study)
    assert (found.noop, found.warm_start, found.oracle) == (0.21, 0.22, 0.95)
    assert found.winner is not None
    assert found.baseline is not None
    assert found.problem is not None
    assert (found.winner.trial, found.baseline.trial, found.problem.trial) == (2, 1, 0)
    assert found.winner.score == study.trials[2].value
    assert [row.trial for row in found.recipes] == [0, 1]


def test_of_trials_that_score_the_same_the_first_leads() -> None:
    study = empty_study()
    for _ in range(3):
        add_trial(study, BEST)
    assert [trial.number for trial in trials_by_score(study)] == [0, 1, 2]


def test_another_programs_study_has_its_own_direction() -> None:
    assert [sign_of(optuna.create_study(direction=way)) for way in ("minimize", "maximize")] == [
        *(-1, 1)
    ]


def test_of_a_recipe_that_ran_twice_the_later_run_counts() -> None:
    """It ran again since something outside of its setting was wrong with the first."""
    study = empty_study()
    for noise in (0.0, 0.05):
        add_trial(study, BEST, noise=noise, recipe="recommended")
    first, second = study.get_trials(deepcopy=False)
    assert first.value != second.value
    assert summarise(study).baseline is not None
    assert recipe_trial(study, "recommended") == second
