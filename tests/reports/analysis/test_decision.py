"""The decision of every kind of study: what to do, why, and the command that does it."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from reports.analysis.decision import Decision, decide
from reports.commands.lengths import length_of_export
from reports.export.best_yaml import as_script, best_config
from reports.record.queries import best_trial, recommended_trial
from reports.record.study import StudyRecord, Undertaken
from reports.texts.translations import LANGUAGES, translator
from tests.reports.analysis.deciding import BELOW, CLOSER, HIGH, RECOMMENDED, decided, words
from tests.synthetic_studies import (
    BEST,
    RECIPES,
    SPACE,
    add_trial,
    empty_study,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)

KEEP = f"Keep the recommended setting {RECOMMENDED}: nothing tried was reliably sharper"


def with_finals(low: float, high: float, **changed: Any) -> Decision:
    return decided(make_study(12, finalists=finals_of(low, high, **changed)))


def test_a_winner_that_is_better_and_above_the_unchanged_input_comes_closer_than_both() -> None:
    found = with_finals(0.1, 0.2, noop=0.3)
    assert (found.verb, found.trial) == ("use", 3)
    assert found.sentence == f"Use t003: {CLOSER} and than doing nothing"
    assert found.settings == "L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4"
    assert found.why == (
        "It leads the recommended setting by 0.1500 (95 % interval 0.1000 to 0.2000, over 3 fresh "
        "seeds and 12 pairs that the search never saw). It scores 0.4400, the picture returned "
        "unchanged 0.3000."
    )
    assert found.as_is is None
    assert found.answers == (f"{found.sentence}. {found.why}",)


@pytest.mark.parametrize(
    ("noop", "said"),
    [
        (0.5, f"{CLOSER}, but no closer than doing nothing, so the blur stays"),
        (0.44, f"{CLOSER}, but no closer than doing nothing, so the blur stays"),
        (0.435, f"{CLOSER}, but perhaps no closer than doing nothing"),
        (
            0.29 + (0.1 + 0.2) / 2 - 0.01,
            f"{CLOSER}, but perhaps no closer than doing nothing",
        ),  # its end
        (None, CLOSER),
    ],
)
def test_a_winner_below_the_unchanged_input_comes_no_closer(noop: float | None, said: str) -> None:
    """Nor is that certain where the interval of its mean [0.43, 0.45] holds the input's score."""
    found = with_finals(0.1, 0.2, noop=noop)
    assert found.verb == "use"
    assert found.sentence.endswith(said)
    no_better = noop is not None and noop >= 0.44
    assert ("no better than the 0." in found.why) == no_better


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        (-0.01, 0.03, "The best of the others, t003, is not reliably sharper (+0.0100, 95 % inter"),
        (-0.03, -0.01, "The best of the others, t003, is behind it by 0.0200 (95 % interval 0.01"),
    ],
)
def test_what_is_not_reliably_sharper_leaves_the_recommended_setting(
    low: float, high: float, why: str
) -> None:
    found = with_finals(low, high, noop=0.5)
    assert (found.verb, found.trial, found.sentence) == ("keep", 6, KEEP)
    assert found.why.startswith(why)
    assert " Either way the blur stays: 0." in found.why
    assert found.why.endswith(", no better than the 0.5000 of the picture returned unchanged.")
    assert "--trial" not in found.command  # best.yaml holds it, whichever has the higher mean


def test_the_recommended_setting_is_exported_also_where_the_space_leaves_it_out() -> None:
    """Only the finalists' runs had it; `--set lambda_perceptual=0` leaves it out, say."""
    first, last = finals_of(-0.03, -0.01)["rows"]
    left_out = next(row for row in (first, last) if row["name"] == "recommended")
    left_out["trial"] = None
    study = make_study(6, finalists=finals_of(-0.03, -0.01, rows=[first, last]))
    found = decided(study)
    assert (found.verb, found.trial) == ("keep", None)
    words_of_it = words(found.command)
    assert words_of_it[:4] == ["harness", "export", "--format", "command"]
    assert words_of_it[-2:] == ["--trial", "recommended"]
    held = best_config(study, "recommended")
    assert "--name boundary-sharpness-recommended-full" in held["full_command"]
    assert held["verdict"] == "as the driver says"
    assert length_of_export(study, held, False, False).startswith("This is the full training")
    assert "# Study boundary-sharpness, recommended: as the" in as_script(held)
    left_out["mean"] = None
    for without in (
        make_study(6),
        make_study(6, finalists=finals_of(0.1, 0.2, rows=[first, last])),
    ):
        with pytest.raises(ValueError, match="no completed trial of the guide's recommended"):
            best_config(without, "recommended")


def test_the_better_of_the_two_is_named_also_where_the_baseline_diverged_once() -> None:
    """It stands behind the others then, whatever it scored."""
    first, last = finals_of(-0.03, -0.01)["rows"]
    found = with_finals(
        -0.03, -0.01, rows=[last, first | {"diverged": True, "repeats": 2}], noop=0.2
    )
    assert (found.verb, found.trial) == ("keep", 6)
    assert " The better of the two scores 0.2900, the picture returned unchanged" in found.why
    assert found.why.endswith(
        "diverged in 1 of 3 runs, and is compared on the seeds of the others."
    )
    rows = [last | {"mean": 0.31}, first]  # which is worse where less is better
    finals = finals_of(-0.03, -0.01, rows=rows, noop=0.5)
    found = decided(make_study(12, direction="minimize", finalists=finals))
    assert " The better of the two scores 0.2900, the picture returned unchanged" in found.why


def test_the_best_of_finalists_that_cannot_be_compared_is_to_be_tried() -> None:
    """With one held-out pair, say. It may not be what led in single runs."""
    finals = finals_of(0.1, 0.2) | {"difference": None, "ahead_of_runner_up": None}
    study = make_study(12, budget=12, finalists=finals)
    found, held = decided(study), best_config(study)
    assert found.trial == held["trial"] == 3 != best_trial(study).number
    assert found.sentence.startswith("Try t003")
    assert found.why.endswith("too few of them ended, or too few pairs are held out.")
    assert (held["lead"], held["score"]["repeats"]) == (None, 3)


def test_what_is_no_better_than_doing_nothing_is_not_kept_before_an_unsure_leader() -> None:
    """As with two held-out pairs, of which nothing is reliable."""
    found = with_finals(-0.5, 0.7, noop=0.35)
    assert (found.verb, found.trial) == ("try", 3)
    assert found.sentence == (
        "Try t003: it leads, though not reliably, and the recommended setting is no better than "
        "doing nothing"
    )
    assert found.why == (
        "It leads the recommended setting by 0.1000 (95 % interval -0.5000 to 0.7000, over 3 "
        "fresh seeds and 12 pairs that the search never saw). It scores 0.3900, the picture "
        "returned unchanged 0.3500."
    )
    assert found.settings
    assert "--trial" not in found.command  # best.yaml holds it


@pytest.mark.parametrize(
    ("low", "high", "noop"),
    [(-0.5, 0.7, 0.28), (-0.5, 0.7, 0.4), (-0.7, 0.6, 0.35), (0.0, 0.2, 0.2)],
)
def test_else_an_unsure_leader_leaves_the_recommended_setting(
    low: float, high: float, noop: float
) -> None:
    assert with_finals(low, high, noop=noop).verb == "keep"


def test_a_score_of_which_less_is_better() -> None:
    study = make_study(12, direction="minimize", finalists=finals_of(0.1, 0.2, noop=0.5))
    # Its lead is positive.
    assert decided(study).sentence == f"Use t003: {CLOSER} and than doing nothing"
    study = make_study(12, direction="minimize", finalists=finals_of(0.1, 0.2, noop=0.2))
    assert decided(study).sentence.endswith("no closer than doing nothing, so the blur stays")
    # The end of its interval that is worse, 0.45, is that of the worse scores.
    study = make_study(12, direction="minimize", finalists=finals_of(0.1, 0.2, noop=0.445))
    assert (
        decided(study).sentence == f"Use t003: {CLOSER}, but perhaps no closer than doing nothing"
    )


def test_an_objective_of_the_users_own_says_nothing_of_blur() -> None:
    for noop, said in (
        (0.2, "and than the picture"),
        (0.5, "but not than the"),
        (0.435, "perhaps"),
    ):
        study = make_study(12, objective="mine:score", finalists=finals_of(0.1, 0.2, noop=noop))
        for text in decided(study).answers:
            assert "blur" not in text
            assert "sharper" not in text
        assert said in decided(study).sentence
    kept = decided(make_study(12, objective="mine:score", finalists=finals_of(-0.1, 0.1, noop=0.5)))
    assert kept.sentence.endswith("nothing tried was reliably better")
    assert "is not reliably better (" in kept.why
    assert "blur" not in kept.why


@pytest.mark.parametrize("too_few", [False, True])
def test_without_a_confirmation_a_leader_is_to_be_tried(too_few: bool) -> None:
    """Finalists that were too few to be compared, and a search without any."""
    found = decided(make_study(50, budget=60, finalists=None) if too_few else finished())
    best = make_study(50).best_trial.number
    assert (found.verb, found.trial) == ("try", best)
    assert found.sentence == f"Try t{best:03d}: it leads, but nothing has confirmed it yet"
    assert "a difference of single runs may be luck" in found.why
    assert "the recommended setting 0.2" in found.why


def test_a_leader_below_the_unchanged_input_is_not_recommended_but_more_search() -> None:
    study = make_study(50, budget=40, baseline=HIGH)
    options = ["--data", "/my pairs", "--set", "gan_mode=lsgan"]
    undertaken = Undertaken(trials=28, runs=12, jobs=1, began=0.0, options=options)
    StudyRecord.note(study, undertaken=undertaken)
    found, best = decided(study), f"t{study.best_trial.number:03d}"
    assert (found.verb, found.trial, found.settings, found.trains) == ("search", None, "", "")
    assert found.sentence == f"Search on: {best} leads, {BELOW}, so the blur stays"
    assert f"{best} scores {study.best_value:.4f} in one run" in found.why
    assert ", the picture returned unchanged 0.3000;" in found.why
    assert words(found.command) == [
        *("harness", "search", *options, "--run-dir", "runs", "--study", "boundary-sharpness"),
        *("--budget", "96"),  # twice the 48 that have ended
    ]
    StudyRecord.note(study, tracking_uri="http://tracking:5000")
    mirrored = ["--tracking-uri", "http://tracking:5000", "--budget", "96"]
    assert words(decided(study).command) == [*words(found.command)[:-2], *mirrored]
    StudyRecord.note(study, budget=60, finalists=None)  # their runs are the rest of it
    assert words(decided(study).command)[-2:] == ["--budget", "120"]


def test_a_study_that_kept_no_options_is_searched_on_by_hand() -> None:
    found = decided(make_study(50, budget=40, baseline=HIGH))
    assert found.verb == "search"
    assert words(found.command)[:2] == ["harness", "status"]


def test_the_recommended_setting_below_the_unchanged_input_is_not_kept_either() -> None:
    found = decided(make_study(8, budget=8, baseline=HIGH))
    assert (found.verb, found.sentence) == (
        "search",
        f"Search on: t006 leads, {BELOW}, so the blur stays",
    )


def test_a_leader_that_scores_what_doing_nothing_scores_is_no_remedy() -> None:
    level = HIGH | {"noop": make_study(8).best_value}
    assert decided(make_study(8, budget=8, baseline=level)).verb == "search"


@pytest.mark.parametrize(("noop", "verb"), [(0.0, "search"), (0.9, "try")])
def test_of_an_own_score_of_which_less_is_better(noop: float, verb: str) -> None:
    study = make_study(
        50,
        budget=40,
        direction="minimize",
        objective="mine:score",
        baseline={"noop": noop, "warm_start": None},
    )
    found = decided(study)
    assert found.verb == verb
    assert (found.sentence.endswith(f"leads, {BELOW}")) == (verb == "search")


def finished() -> optuna.Study:
    return make_study(50, budget=40)


def test_the_recommended_setting_may_lead_in_single_runs() -> None:
    found = decided(make_study(8, budget=8))
    assert (found.verb, found.trial) == ("keep", 6)
    assert found.sentence == (
        f"Keep the recommended setting {RECOMMENDED}: nothing tried scored better"
    )
    assert ", the recommended setting" not in found.why  # it is the one whose score is told
    alone = empty_study(budget=1)
    add_trial(alone, RECIPES["recommended"], recipe="recommended")
    alone.enqueue_trial(RECIPES["problem"])
    assert decided(alone).sentence.endswith(f"setting {RECOMMENDED}: nothing else was tried")


def test_a_search_that_goes_on_decides_nothing_yet() -> None:
    found = decided(study_of_both_kinds(9))
    assert (found.verb, found.trial) == ("wait", 6)
    assert found.sentence == "Not decided yet: t006 leads after 9 of 50 trials"
    assert found.as_is is not None
    assert found.as_is.sentence == "With train.py as it is: t007 leads"
    assert found.trains == ""  # its command only shows the search's state
    study = study_of_both_kinds(9)
    StudyRecord.note(study, undertaken=Undertaken(trials=9, runs=15, jobs=1, began=0.0))
    found = decided(study)  # stopped while its finalists were trained again
    said = "Not decided yet: t006 leads after 9 trials, and the finalists' runs are not done"
    assert (found.verb, found.sentence) == ("wait", said)
    assert found.as_is is not None
    assert found.as_is.sentence == "With train.py as it is: t007 leads"
    running = make_study(8, budget=8)
    running.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    assert decided(running).verb == "wait"
    StudyRecord.note(running, undertaken=Undertaken(trials=8, runs=0, jobs=1, began=0.0))
    assert decided(running).sentence == "Not decided yet: t006 leads after 8 of 8 trials"


def test_finalists_that_are_still_trained_are_waited_for() -> None:
    """35 of 50 trials are tried, and `finalists` is noted at their end, also as None."""
    study = make_study(36)
    assert decided(study).verb == "wait"
    study.set_user_attr("finalists", None)
    assert decided(study).verb == "try"


def test_nothing_completed() -> None:
    assert decided(empty_study()).sentence == "Not decided yet: no trial has been completed"
    failed = empty_study()
    for state, reason in (
        (TrialState.FAIL, "x"),
        *((TrialState.PRUNED, f"nan at {n}") for n in "17"),
    ):
        add_trial(failed, BEST, state, (), reason=reason)
    assert decided(failed).sentence == "No decision: every trial failed or was stopped"
    assert decided(failed).why == "2 of 3 trials ended with: nan at 1 to 7."
    assert decided(failed).command == "harness status --run-dir runs --study boundary-sharpness"
    failed.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    assert decided(failed).sentence == "Not decided yet: no trial has been completed"
    assert decided(optuna.create_study()).command == ""
    silent = empty_study()
    add_trial(silent, BEST, TrialState.FAIL, ())
    assert decided(silent).why == ""  # nothing was noted


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_pareto_search_leaves_the_choice(confirmed: bool) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["sharpness", "lpips"])
    # Also where the runs would have the recommended setting kept.
    noted = finals_of(-0.01, 0.03)
    finals = {"finalists": noted} if confirmed else {}
    for key, value in study_attrs(budget=8, **finals).items():
        study.set_user_attr(key, value)
    for number in range(8):
        study.add_trial(
            optuna.trial.create_trial(
                values=[0.4 + number / 100, 0.1 + number / 50],
                params=BEST,
                distributions=SPACE,
                user_attrs={"params": BEST, "score": 0.3 - abs(number - 3) / 100},
            )
        )
    found = decided(study)
    assert (found.verb, found.trial) == ("choose", 3)
    assert found.sentence == (
        "Choose: 8 settings are beaten by none in both sharpness and lpips, and of these t003 has "
        "the best score"
    )
    assert ("3 fresh seeds" in found.why) == confirmed
    noted["rows"][1]["trial"] = None  # nor is it exported where only those had it
    study.set_user_attr("finalists", noted)
    assert recommended_trial(study) is None


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.1, 0.2), "Use a.yaml: it is better than b.yaml"),
        ((-0.2, -0.1), "Use b.yaml: it is better than a.yaml"),
        ((-0.1, 0.2), "Use either: no difference between a.yaml and b.yaml was found"),
    ],
)
def test_two_files_that_were_compared(ends: tuple[float, float], said: str) -> None:
    finals = finals_of(*ends)
    names = {"t003": "a.yaml", "recommended": "b.yaml"}
    rows = [
        row | {"name": names[row["name"]], "trial": None, "recipe": None} for row in finals["rows"]
    ]
    study = empty_study(
        finalists=finals | {"rows": rows, "baseline": "b.yaml", "winner": rows[0]["name"]}
    )
    assert decided(study).sentence == said
    assert "3 fresh seeds and 12 held-out pairs" in decided(study).why


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_decides_the_same(language: str) -> None:
    say = translator(language)
    finals = finals_of(0.1, 0.2, noop=0.35, as_is=(-0.01, 0.02))
    study = study_of_both_kinds(finalists=finals)
    own, english = decide(study, say), decided(study)
    assert (own.verb, own.trial, own.command) == (english.verb, english.trial, english.command)
    assert "0.1500" in own.why
    assert own.as_is is not None
    assert "L1 100" in own.as_is.sentence
