"""The page tells the study's facts, in every state of a study, and lets nothing of it escape."""

import json
import re
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from reports.analysis.decision import decide
from reports.analysis.effects import Effect
from reports.analysis.summary import KindEffects, summarise
from reports.export.best_yaml import best_config
from reports.page.report import effect_dots, render, write_report
from reports.texts.translations import LANGUAGES, translator
from tests.reports.page.parsed_page import HOSTILE, Page
from tests.synthetic_studies import (
    BEST,
    RUNGS,
    SPACE,
    add_trial,
    empty_study,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)


def only_failures() -> optuna.Study:
    study = empty_study()
    for reason in (
        "its worker died 3 times, last: exit code 1",
        "diverged: the score is not finite",
    ):
        add_trial(study, BEST, TrialState.FAIL, (), reason=reason)
    return study


def running() -> optuna.Study:
    study = make_study(12)
    study.enqueue_trial(BEST, user_attrs={"recipe": "again"})
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.RUNNING, params=BEST, distributions=SPACE, user_attrs={"params": BEST}
        )
    )
    return study


def two_objectives() -> optuna.Study:
    """A Pareto search as the driver notes it: every other trial is beaten by the one before it."""
    study = optuna.create_study(study_name="pareto", directions=["maximize", "minimize"])
    study.set_metric_names(["sharpness", "lpips"])
    for key, value in study_attrs("pareto").items():
        study.set_user_attr(key, value)
    for number in range(12):
        beaten = number % 2
        params = BEST | {"lambda_L1": 50.0 + number}
        study.add_trial(
            optuna.trial.create_trial(
                values=[0.4 + (number - 2 * beaten) / 100, 0.1 + (number + beaten) / 50],
                params=params,
                distributions=SPACE,
                user_attrs={"params": params, "score": 0.3 - (number - 4) ** 2 / 1000},
            )
        )
    return study


def stopped(trials: int) -> optuna.Study:
    study = empty_study()
    reason = "stopped at step 160: 0.2 is below the median there"
    for _ in range(trials):
        add_trial(study, BEST, TrialState.PRUNED, RUNGS[:1], reason=reason)
    return study


def one_of_two_objectives() -> optuna.Study:
    study = two_objectives()
    trial = study.get_trials(deepcopy=False)[0]
    alone = optuna.create_study(study_name="alone", directions=["maximize", "minimize"])
    alone.set_metric_names(["sharpness", "lpips"])
    for key, value in study_attrs("alone").items():
        alone.set_user_attr(key, value)
    alone.add_trial(trial)
    return alone


def one_finalist() -> optuna.Study:
    """The other diverged, so that nothing compares with it."""
    finals = finals_of(-0.03, -0.01)
    finals["rows"][1] |= {"mean": None, "ci95": None, "repeats": 0, "diverged": True}
    return make_study(9, finalists=finals | {"difference": None, "ahead_of_runner_up": None})


def without_losses() -> optuna.Study:
    """A user's own program notes none."""
    study = make_study(8, budget=8)
    plain = empty_study(budget=8)
    for trial in study.get_trials(deepcopy=False):
        rungs = [rung | {"losses": {}} for rung in trial.user_attrs["rungs"]]
        trial.user_attrs = trial.user_attrs | {"rungs": rungs}
        plain.add_trial(trial)
    return plain


def from_scratch() -> optuna.Study:
    baseline = {"noop": 0.22, "warm_start": None, "oracle": 0.96}
    return make_study(12, warm_start="none", warm_start_folder=None, baseline=baseline)


def fixed_settings() -> optuna.Study:
    """Only lr varies; the others stand in the attributes."""
    study = empty_study()
    for lr in (1e-4, 2e-4):
        params = BEST | {"lr": lr}
        study.add_trial(
            optuna.trial.create_trial(
                value=0.2 + lr,
                params={"lr": lr},
                distributions={"lr": SPACE["lr"]},
                user_attrs={"params": params},
            )
        )
    return study


STUDIES = {
    "empty": lambda: empty_study(),
    "only failures": only_failures,
    "one trial": lambda: make_study(1),
    "one trial and no scale": lambda: make_study(1, baseline=None),
    "one stopped": lambda: stopped(1),
    "all stopped": lambda: stopped(3),
    "one finalist": one_finalist,
    "no losses": without_losses,
    "from scratch": from_scratch,
    "recipes": lambda: make_study(8, budget=8),
    "fifty": lambda: make_study(50, budget=40),
    "running": running,
    "two objectives": two_objectives,
    "one of two objectives": one_of_two_objectives,
    "fixed settings": fixed_settings,
    "not ours": lambda: optuna.create_study(study_name="other"),
}
SAYS = {
    "empty": "Not decided yet: no trial has been completed",
    "only failures": "No decision: every trial failed or was stopped",
    "one trial": "Not decided yet: t000 leads after 1 of 50 trials",
    "one trial and no scale": "Drawn once two trials have a score.",
    "one stopped": "Drawn once two trials have a score.",
    "all stopped": "No decision: every trial failed or was stopped",
    "one finalist": "The finalists",
    "no losses": "Score on the validation pictures",
    "from scratch": "Not decided yet",
    "recipes": "Keep the recommended setting (L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4)",
    "fifty": "it leads, but nothing has confirmed it yet",
    "running": "The search has not ended: this is how it stands so far.",
    "two objectives": "Not beaten in both",
    "one of two objectives": "Two goals weighed",
    "fixed settings": "Not decided yet: t001 leads after 2 of 50 trials",
    "not ours": "Not decided yet: no trial has been completed",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", STUDIES)
def test_every_state_of_a_study(case: str, language: str) -> None:
    page = Page(render(STUDIES[case](), language))
    drawn = {attrs["data-figure"] for _, attrs in page.elements if "data-figure" in attrs}
    assert drawn == page.figures.keys()
    for name, figure in page.figures.items():
        dots = [x for trace in figure["data"] if trace["mode"] != "lines" for x in trace["x"]]  # type: ignore[attr-defined]
        assert len(dots) > 1 or name == "parallel", name
    assert (translator(language)("too_few_scores") in page.text) == ("history" not in drawn)
    ids = {f"#{attrs['id']}" for _, attrs in page.elements if "id" in attrs}
    assert {attrs["href"] for tag, attrs in page.elements if tag == "a"} <= ids
    assert re.findall(r"\bNone\b(?! of)|(?<!\(G_L1 )\bnan\b|\bundefined\b", page.text) == []
    if language == "en":
        assert SAYS[case] in page.text + json.dumps(page.figures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pareto_search_shows_its_front(language: str) -> None:
    study = two_objectives()
    html = render(study, language)
    page = Page(html)
    assert summarise(study).front == (4, 2, 6, 0, 8, 10)  # the best score first
    front = html.partition('aria-labelledby="front-title"')[2].partition("</section>")[0]
    rows = re.findall(r'<th scope="row">(\d+)</th>\s*<td>([\d.]+)</td>', front)
    assert {int(trial): float(sharp) for trial, sharp in rows} == pytest.approx(
        {trial: 0.4 + trial / 100 for trial in (0, 2, 4, 6, 8, 10)}
    )
    assert re.findall(r'<tr class="winner"><th scope="row">(\d+)</th>', front) == ["4"]
    fronts = [best_config(study, trial)["pareto"]["on_the_front"] for trial in (2, 3)]
    assert fronts == [True, False]
    alone = one_of_two_objectives()
    alone.set_user_attr("budget", 1)
    say = translator(language)
    goals = say("and").join(("sharpness", "lpips"))
    only = say("decide_choose_only", one="t000", goals=goals)
    assert decide(alone, say).sentence == only
    others, ahead = page.figures["front"]["data"]
    assert ahead["x"] == sorted(study.trials[trial].values[0] for trial in (0, 2, 4, 6, 8, 10))
    assert len(others["x"]) == 6
    decision = decide(study, translator(language)).sentence
    assert "t004" in decision
    assert decision in page.text
    assert "sharpness" in page.text
    assert 'aria-labelledby="front-title"' not in render(make_study(12), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_names_are_only_words(language: str) -> None:
    data = study_attrs()["data"] | {"folder": HOSTILE, "source": HOSTILE}
    study = make_study(8, name=HOSTILE, data=data, host=HOSTILE, device=HOSTILE, space=HOSTILE)
    add_trial(study, BEST, TrialState.FAIL, (), reason=HOSTILE, recipe=HOSTILE)
    add_trial(study, BEST, recipe=HOSTILE, noise=0.1)
    plain, page = Page(render(make_study(8), language)), Page(render(study, language))
    assert len(page.scripts) == len(plain.scripts)
    assert not [attrs for tag, attrs in page.elements if tag == "img" or "onerror" in attrs]
    assert page.text.count("{{ 7*7 }}") >= 5
    hovers = json.dumps([trace.get("text") for trace in page.figures["history"]["data"]])
    assert "&lt;img" in hovers
    assert "<img" not in hovers


def test_nothing_is_fetched_from_anywhere() -> None:
    page = Page(render(make_study(50)))
    for _, attrs in page.elements:
        assert not {"src", "srcset", "data", "action", "poster"} & attrs.keys()
        assert (attrs.get("href") or "#").startswith("#")
    (policy,) = [attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_numbers_on_the_page_are_the_studys() -> None:
    study = make_study(50)
    page = Page(render(study))
    assert f"t{study.best_trial.number:03d} scores {study.best_value:.4f} in one run" in page.text
    assert "MLflow run parent-run" in page.text
    for name in ("Guide's blurring", "Lower L1", "LSGAN", "Guide's recommended"):
        assert name in page.text
    scatter = page.figures["history"]["data"][0]
    done = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert scatter["y"] == [t.value for t in done]
    assert scatter["x"] == [t.number for t in done]


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "Undoing the warp"), ("ko", "변형 자체를 되돌린")]
)
def test_undoing_the_warp_is_named_where_it_is_known(lang: str, said: str) -> None:
    baseline = {"noop": 0.21, "warm_start": 0.2, "oracle": 0.97}
    known = Page(render(make_study(8, baseline=baseline), lang))
    assert said in known.text
    assert "0.9700" in known.text
    unknown = Page(render(make_study(8, baseline={"noop": 0.21, "warm_start": None}), lang))
    assert said not in unknown.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_contents_lead_to_every_section(language: str) -> None:
    study = make_study(50, finalists=finals_of(0.01, 0.03))
    html = render(study, language)
    page = Page(html)
    links = [attrs for tag, attrs in page.elements if tag == "a"]
    linked = [attrs["href"] for attrs in links if attrs.get("class") != "word"]
    titled = re.findall(r'<section[^>]*aria-labelledby="(\w+)-title"', html)
    assert [f"#{name}-title" for name in titled if name not in ("strip", "scores")] == linked[1:]


@pytest.mark.parametrize("case", ["empty", "one trial", "one trial and no scale"])
def test_a_chart_that_would_hold_one_number_is_left_out(case: str) -> None:
    html = render(STUDIES[case]())
    assert 'id="settings-title"' not in html  # each setting against the score
    assert 'id="history-title"' in html
    assert ('id="scores-title"' in html) == (case == "one trial")
    assert ("Every trial ran to its end." in html) == (case != "empty")


def test_a_study_without_a_warm_start_speaks_of_none() -> None:
    """Its record has lengths for one all the same."""
    text = Page(render(from_scratch())).text
    assert re.findall("warm.start.{9}", text, re.IGNORECASE) == ["warm start none obj"]
    assert "warm_discriminator_steps" not in text
    own = Page(render(make_study(8, warm_start="init-from"))).text
    assert "warm_discriminator_steps" in own
    assert "warm_start_steps" not in own
    assert "warm_start_lr_warp" not in own
    assert "warm_start_steps" in Page(render(make_study(8))).text


def test_scores_stand_before_settings_and_provenance_is_folded() -> None:
    html = render(make_study(12, finalists=finals_of(0.01, 0.03)))
    for section, score in (("finalists", "Mean score"), ("recipes", "Score"), ("table", "Score")):
        head = html.partition(f'id="{section}-title"')[2].partition("</thead>")[0]
        assert 0 < head.index(score) < head.index("lambda_L1")
    folded = html.partition('id="provenance-title"')[0].rpartition("<details>")[2]
    assert "</details>" not in folded


def test_the_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new folder" / "보고서.html"
    write_report(make_study(3), file)
    before = file.read_bytes()
    monkeypatch.setattr("reports.page.report.script_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(make_study(9), file)
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_thousand_trials_stay_under_ten_megabytes() -> None:
    page = render(make_study(1000))
    assert len(page.encode()) < 10e6


def part_of(html: str, section: str) -> str:
    """The text of a section of the page."""
    found = html.partition(f'id="{section}-title"')[2].partition("</section>")[0]
    return Page(found.replace("\xa0", " ")).text


@pytest.mark.parametrize("good", [True, False])
def test_each_section_says_what_its_numbers_show(good: bool) -> None:
    """Of a winner that trained as the guide expects, and of one that did not and less is better."""
    study = empty_study(direction="maximize" if good else "minimize", budget=2)
    scores, l1, gan = ((0.24, 0.25), (5, 4), 1.1) if good else ((0.2, 0.25), (4, 5), 2)
    recommended = {"recipe": "recommended"}
    for value, noted in ((0.2 if good else 0.3, recommended), (0.25, {})):
        rungs = [
            {"step": 100, "value": scores[0], "losses": {"G_L1": l1[0], "G_GAN": 1}},
            {"step": 200, "value": scores[1], "losses": {"G_L1": l1[1], "G_GAN": gan}},
        ]
        attrs = {"params": BEST, "seconds": 12.5, "rungs": rungs} | noted
        study.add_trial(
            optuna.trial.create_trial(
                value=value, params=BEST, distributions=SPACE, user_attrs=attrs
            )
        )
    for number in range(13):
        reason = f"stopped at step 160: 0.2{number} is below the median there"
        add_trial(study, BEST, TrialState.PRUNED, RUNGS[:1], reason=reason)
    html = render(study)
    assert ("Higher is better." if good else "Lower is better.") in part_of(html, "scores")
    against = "0.2000 -0.0500" if good else "0.3000 +0.0500"
    assert f"Guide's recommended 0 {against}" in part_of(html, "recipes")
    training = part_of(html, "losses")
    assert f"G_L1 falls: {'yes (5 to 4)' if good else 'no (4 to 5)'}" in training
    assert f"steady (within 25%): {'yes (1 to 1.1)' if good else 'no (1 to 2)'}" in training
    said = "ended at 0.2500, its best was 0.2500 at step 200: no sign of overfitting"
    fell = "was best at step 100 (0.2000) and ended at 0.2500: a sign of overfitting"
    assert (said if good else fell) in training
    ended = "13 (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, …)"
    assert ended in part_of(html, "endings")
    assert html.count("<td>12.5</td></tr>") == 2 + 13
    assert "Both kinds of generator" not in html
    if good:
        assert "pairs in place of ./pairs." in part_of(html, "reproduce")


def test_a_page_of_both_kinds_says_which_is_which() -> None:
    study = study_of_both_kinds(10)
    for netG, state in (("warp_unet_128", TrialState.PRUNED), ("unet_128", TrialState.FAIL)):
        add_trial(study, BEST, state, RUNGS[:1], extras={"netG": netG})
    html = render(study)
    assert "Both kinds of generator were tried" in part_of(html, "settings")
    effects = part_of(html, "effects")
    assert "In generators that move pixels (4 completed trials)" in effects
    assert "In generators that repaint, as train.py does (6 completed trials)" in effects
    endings = part_of(html, "endings")
    assert "stopped early not recorded (moves pixels) 1 (10)" in endings
    assert "failed not recorded (repaints) 1 (11)" in endings


def test_an_effect_has_its_interval_and_what_it_is_of() -> None:
    found = (
        Effect("ngf", "supported", 0.02, 0.01, 0.03, "16 to 64"),
        Effect("lsgan", "contradicted", -0.02, -0.03, -0.01),
        Effect("lower_lr", "open", None, None, None),
    )
    plot = effect_dots(KindEffects(None, 20, found), translator("en"))
    assert [(row.label, plot.text(row), row.note) for row in plot.rows] == [
        ("ngf: 16 to 64", "+0.0200 [+0.0100, +0.0300]", ""),
        ("lsgan instead of vanilla", "-0.0200 [-0.0300, -0.0100]", "contradicted"),
    ]
    assert plot.line == 0


def test_a_weight_of_zero_has_a_place_on_every_figure() -> None:
    """lambda_L1 stands on a logarithmic scale, which has no 0."""
    study = empty_study()
    for value in (0.0, 50.0, 100.0):
        study.add_trial(
            optuna.trial.create_trial(
                value=0.2 + value / 1000,
                params={},
                distributions={},
                user_attrs={"params": BEST | {"lambda_L1": value}},
            )
        )
    page = Page(render(study))
    assert {"parallel", "slice-lambda_L1"} <= set(page.figures)
    axis = page.figures["slice-lambda_L1"]["layout"]["xaxis"]
    assert axis.get("type") != "log"


def test_the_best_are_marked_where_less_is_better_too() -> None:
    for direction, best in (("maximize", 1.0), ("minimize", 0.0)):
        figures = Page(render(make_study(40, direction=direction))).figures
        boldest = figures["parallel"]["data"][-1]
        assert boldest["line"] == {"color": "good", "width": 2}
        at_the_score = list(boldest["y"][5::7])  # type: ignore[index]
        assert abs(best - at_the_score[0]) < 0.5
        assert any(y == best for y in at_the_score)


def test_paths_may_be_words_and_an_unknown_language_is_refused(tmp_path: Path) -> None:
    study = make_study(8)
    write_report(study, f"{tmp_path}/new/page.html", panels=str(tmp_path))
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!doctype html>")
    with pytest.raises(ValueError, match=r"no language de: name one of en, ko\."):
        write_report(study, tmp_path / "german.html", lang="de")
    assert not (tmp_path / "german.html").exists()
