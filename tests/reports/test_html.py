"""The page tells the study's facts, in every state of a study, and lets nothing of it escape."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from reports.export import best_config
from reports.first_screen import levels
from reports.html import render, write_report
from reports.summary import standing, summarise
from reports.translations import LANGUAGES, translator
from tests.synthetic_studies import (
    RECIPES,
    SPACE,
    add_trial,
    empty_study,
    make_study,
    study_attrs,
)

BEST = dict(zip(SPACE, RECIPES["recommended"], strict=True))
HOSTILE = (
    "</script><script>alert(1)</script> \"'><img src=x onerror=alert(2)> 얼굴 & {{ 7*7 }} ${x}"
)


class Page(HTMLParser):
    """A page's words, its elements and its figures, as a browser's parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)
            self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside == ["script"]:
            self.scripts[-1] += data
        elif not self.inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def figures(self) -> dict[str, dict[str, list[dict[str, object]]]]:
        figures: dict[str, dict[str, list[dict[str, object]]]] = json.loads(self.scripts[0])
        return figures


def only_failures() -> optuna.Study:
    study = empty_study()
    for reason in ("the worker died", "diverged: G_L1 nan at step 200"):
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
    "recipes": lambda: make_study(8),
    "fifty": lambda: make_study(50),
    "running": running,
    "two objectives": two_objectives,
    "fixed settings": fixed_settings,
    "not ours": lambda: optuna.create_study(study_name="other"),
}
SAYS = {
    "empty": "No trial has been completed yet.",
    "only failures": "No trial was completed",
    "one trial": "Trial 0 has the best score",
    "recipes": "The guide's recommended setting itself has the best score",
    "fifty": "better than the guide's recommended setting",
    "running": "The search is running",
    "two objectives": "Not beaten in both",
    "fixed settings": "Trial 1 has the best score",
    "not ours": "No trial has been completed yet.",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", STUDIES)
def test_every_state_of_a_study(case: str, language: str) -> None:
    page = Page(render(STUDIES[case](), language))
    drawn = {attrs["data-figure"] for _, attrs in page.elements if "data-figure" in attrs}
    assert drawn == page.figures.keys()
    assert re.findall(r"\bNone\b(?! of)|\bnan\b(?! at)|\bundefined\b", page.text) == []
    if language == "en":
        assert SAYS[case] in page.text + json.dumps(page.figures)


def test_the_languages_say_the_same_things() -> None:
    english, korean = LANGUAGES["en"], LANGUAGES["ko"]
    assert english.keys() == korean.keys()
    for key in english:
        holes = re.compile(r"{\w+}")
        assert sorted(holes.findall(english[key])) == sorted(holes.findall(korean[key])), key


def test_every_text_is_used() -> None:
    root = Path(__file__).parents[2] / "reports"
    sources = "".join(
        file.read_text(encoding="utf-8")
        for file in root.iterdir()
        if file.name != "translations.py" and file.is_file()
    )
    built = (
        "verdict_",
        "quarter_",
        "claim_",
        "finding_",
        "band_",
        "state_",
        "expects_",
        "by_",
        "definition_",
        "answer_",
        "lead_",
        "level_",
    )
    unused = [
        key for key in LANGUAGES["en"]
        if f'"{key}"' not in sources and not key.startswith(built)
    ]  # fmt: skip
    assert unused == []


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
    others, ahead = page.figures["front"]["data"]
    assert ahead["x"] == sorted(study.trials[trial].values[0] for trial in (0, 2, 4, 6, 8, 10))
    assert len(others["x"]) == 6
    assert LANGUAGES[language]["on_the_front"].format(trials=6) in page.text
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
    assert f"Trial {study.best_trial.number} scores {study.best_value:.4f}" in page.text
    for recipe in RECIPES:
        assert recipe in page.text
    scatter = page.figures["history"]["data"][0]
    done = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert scatter["y"] == [t.value for t in done]
    assert scatter["x"] == [t.number for t in done]


def test_a_winner_below_doing_nothing_is_not_praised() -> None:
    study = make_study(8, baseline={"noop": 0.9, "warm_start": None})
    text = Page(render(study)).text
    assert "does not reach the score of returning the input unchanged (0.9000)" in text


@pytest.mark.parametrize(("lang", "name"), [("en", "Warp undone"), ("ko", "변형을 되돌린")])
def test_doing_nothing_the_oracle_and_the_models_stand_on_one_scale(lang: str, name: str) -> None:
    study = make_study(8, baseline={"noop": 0.21, "warm_start": 0.2, "oracle": 0.97})
    page = Page(render(study, lang))
    assert name in page.text
    meters = [attrs for element, attrs in page.elements if element == "meter"]
    assert {(meter["min"], meter["max"]) for meter in meters} == {("0", "1")}
    shown = {float(meter["value"] or "nan") for meter in meters}
    assert shown >= {0.21, 0.2, 0.97, study.best_value}
    unknown = Page(render(make_study(8, baseline={"noop": 0.21, "warm_start": None}), lang))
    assert name not in unknown.text


def finals_of(low: float, high: float, **changed: Any) -> dict[str, Any]:
    """What the driver notes of finalists whose lead lies in [low, high]."""
    lead = {"mean": (low + high) / 2, "low": low, "high": high}
    rows = [
        {"name": name, "trial": trial, "recipe": None, "params": BEST, "mean": mean,
         "ci95": [mean - 0.01, mean + 0.01], "repeats": 3, "diverged": False,
         "components": {"D": 0.3}}
        for name, trial, mean in (("t003", 3, 0.31), ("recommended", 6, 0.29))
    ]  # fmt: skip
    wild = rows[0] | {"name": HOSTILE, "mean": None, "ci95": None, "repeats": 1, "diverged": True}
    return {
        "rows": [*rows, wild],
        "baseline": "recommended",
        "difference": lead,
        "steps": 600,
        "seeds": [1, 2, 3],
        "pairs": 12,
        "noop": 0.317,
        "verdict": "as the driver says",
        "checkpoint": "checkpoints/f00_net_G.pth",
    } | changed


@pytest.mark.parametrize(
    ("ends", "english", "korean"),
    [
        (
            (0.01, 0.03),
            "t003 is better than the guide's recommended setting by 0.0200 [0.0100, 0.0300]",
            "더 좋",
        ),
        (
            (-0.01, 0.03),
            "No difference between t003 and the guide's recommended setting",
            "확인되지",
        ),
        (
            (-0.03, -0.01),
            "The guide's recommended setting is the best: t003, the best of the others, is worse",
            "더 낮",
        ),
    ],
)
def test_the_finalists_have_the_first_word(
    ends: tuple[float, float], english: str, korean: str
) -> None:
    study = make_study(12, finalists=finals_of(*ends))
    page = Page(render(study))
    assert english in page.text
    assert "may be chance" not in page.text
    assert "Confirmed on 3 fresh seeds, 600 steps each, on 12 pairs" in page.text
    assert "0.3170" in page.text
    assert "0.3000 … 0.3200" in page.text
    assert not [attrs for tag, attrs in page.elements if tag == "img"]
    assert korean in Page(render(study, "ko")).text


def test_the_winner_shown_is_the_confirmed_one() -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03))
    assert study.best_trial.number != 3
    assert summarise(study).winner == standing(study.trials[3])
    assert best_config(study)["trial"] == 3
    assert best_config(study, 5)["confirmed"] is False
    config = best_config(study)
    assert config["confirmed"] is True
    assert best_config(study, config["trial"]) == config


def test_the_first_screen_has_the_scores_of_the_verdicts_own_pictures() -> None:
    finals = finals_of(0.01, 0.03)
    shown = levels(summarise(make_study(12, finalists=finals)), translator("en"))
    assert [(level.score, level.wins) for level in shown] == [
        (0.31, True), (0.29, False), (0.317, False)
    ]  # fmt: skip
    assert [level.name for level in shown] == ["t003", "Guide's recommended", "Input unchanged"]
    text = Page(render(make_study(12, finalists=finals))).text
    assert "does not reach the score of returning the input unchanged (0.3170)" in text


def test_a_winner_that_the_guide_recommends_is_shown_beside_the_one_that_blurs() -> None:
    study = make_study(8)
    summary = summarise(study)
    assert summary.winner == summary.baseline
    assert summary.rival == summary.problem != summary.winner
    shown = levels(summary, translator("en"))
    assert shown[0].name == "Winner: Guide's recommended"
    assert shown[1] == ("Guide's blurring setting", summary.problem.score, False)
    ahead = summarise(make_study(50))
    assert ahead.rival == ahead.baseline != ahead.winner


def test_random_weights_are_said_in_the_first_screen() -> None:
    text = Page(render(make_study(8, weights="random"))).text
    assert "random networks" in text[: text.index("What the guide says")]


def test_the_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new folder" / "보고서.html"
    write_report(make_study(3), file)
    before = file.read_bytes()
    monkeypatch.setattr("reports.html.script_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(make_study(9), file)
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_thousand_trials_stay_under_ten_megabytes() -> None:
    page = render(make_study(1000))
    assert len(page.encode()) < 10e6


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
