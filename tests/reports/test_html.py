"""The page tells the study's facts, in every state of a study, and lets nothing of it escape."""

import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from reports.decision import decide
from reports.dots import Dots
from reports.export import best_config
from reports.first_screen import progress, scores
from reports.html import render, write_report
from reports.summary import standing, summarise
from reports.translations import LANGUAGES, translator
from tests.synthetic_studies import (
    BEST,
    SPACE,
    add_trial,
    empty_study,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)

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


def scores_of(study: optuna.Study) -> Dots:
    say = translator("en")
    return scores(summarise(study), decide(study, say), say)


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
    "recipes": lambda: make_study(8, budget=8),
    "fifty": lambda: make_study(50, budget=40),
    "running": running,
    "two objectives": two_objectives,
    "fixed settings": fixed_settings,
    "not ours": lambda: optuna.create_study(study_name="other"),
}
SAYS = {
    "empty": "Not decided yet: no trial has been completed",
    "only failures": "No decision: every trial failed or was stopped",
    "one trial": "Not decided yet: t000 leads after 1 of 50 trials",
    "recipes": "Keep the recommended setting (L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4)",
    "fifty": "it leads, but nothing has confirmed it yet",
    "running": "The search is running",
    "two objectives": "Not beaten in both",
    "fixed settings": "Not decided yet: t001 leads after 2 of 50 trials",
    "not ours": "Not decided yet: no trial has been completed",
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
        if file.name
        not in ("translations.py", "english.py", "korean.py", "glossary.py", "note_texts.py")
        and file.is_file()
    )
    built = (
        "decide_use_",
        "decide_keep",
        "decide_compared_",
        "why_",
        "level_",
        "recipe_",
        "claim_",
        "finding_",
        "band_",
        "state_",
        "expects_",
        "definition_",
        "word_",
        "means_",
        "from_",
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
    assert " t004" in f" {page.text}"
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
    assert f"{said}" in Page(render(make_study(8, baseline=baseline), lang)).text
    assert "0.9700" in Page(render(make_study(8, baseline=baseline), lang)).text
    unknown = Page(render(make_study(8, baseline={"noop": 0.21, "warm_start": None}), lang))
    assert said not in unknown.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_decision_is_the_headline_with_its_reason_and_one_command(language: str) -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03, noop=0.2))
    decision = decide(study, translator(language))
    html = render(study, language)
    page = Page(html)
    assert re.findall("<h1>(.*?)</h1>", html) == [decision.sentence]
    assert decision.why in page.text
    assert page.text.count(translator(language)("scale")) == 1
    assert re.findall('<pre id="next".*?>(.*?)</pre>', html) == [decision.command]
    assert html.count('data-copy="next"') == 1
    assert "0.3000 … 0.3200" in page.text
    assert not [attrs for tag, attrs in page.elements if tag == "img"]


def test_the_commands_are_those_of_the_decided_setting() -> None:
    """Trial 3 has the highest mean, and trial 6, the recommended one, is to be kept."""
    html = render(make_study(12, finalists=finals_of(-0.01, 0.03)))
    for command in ("repeat", "full"):
        text = html.partition(f'<pre id="{command}"')[2].partition("</pre>")[0]
        assert "boundary-sharpness-t006" in text
    assert "Train the recommended setting in full" in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_commands_train_what_next_trains_and_the_short_one_elsewhere(
    language: str,
) -> None:
    """The full training is Next's own; the short one cannot take its folder from it."""
    finals = finals_of(0.1, 0.2, as_is=(-0.01, 0.02))
    html = render(study_of_both_kinds(finalists=finals), language, Path("my runs/faces/panels"))
    next_, short, full = (
        unescape(html.partition(f'<pre id="{key}"')[2].partition(">")[2].partition("</pre>")[0])
        for key in ("next", "repeat", "full")
    )
    words = shlex.split(full.replace("\\\n", ""))
    assert shlex.split(next_)[: len(words)] == words
    assert words[2] == "my runs/faces/best.yaml"
    assert words[-2:] == ["--out", "boundary-sharpness-t003"]
    assert "--out boundary-sharpness-t003-short" in short
    assert "--data ./pairs" in short
    notes = html.partition('id="reproduce-title"')[2].partition("</section>")[0]
    assert "full_command" not in notes
    assert translator(language)("second_command") in notes


def test_the_command_names_the_run_folder_and_the_database(tmp_path: Path) -> None:
    study, file = make_study(12, finalists=finals_of(0.01, 0.03)), tmp_path / "report.html"
    panels = Path("my runs") / "boundary-sharpness" / "panels"
    write_report(study, file, panels=panels, storage="postgresql://there/optuna")
    command = file.read_text(encoding="utf-8").partition('<pre id="next"')[2].partition("</pre>")[0]
    assert "--run-dir &#39;my runs&#39; --study boundary-sharpness" in command
    assert "--storage postgresql://there/optuna" in command


def test_what_train_py_can_do_as_it_is_stands_below() -> None:
    study = study_of_both_kinds(finalists=finals_of(0.1, 0.2, as_is=(-0.01, 0.02)))
    html = render(study)
    assert "With train.py as it is: keep the recommended setting" in Page(html).text
    as_is = decide(study, translator("en")).as_is
    assert as_is is not None
    (shown,) = re.findall('<pre id="as-is".*?>(.*?)</pre>', html)
    assert unescape(shown) == as_is.command
    assert html.count('data-copy="as-is"') == 1


def test_a_command_that_both_answers_have_stands_once() -> None:
    html = render(study_of_both_kinds(9))  # it goes on: how it stands is all there is to ask
    assert "With train.py as it is" in html
    assert 'id="as-is"' not in html


def test_a_finalist_that_diverged_is_named_and_has_no_dot() -> None:
    finals = finals_of(0.01, 0.03)
    wild = finals["rows"][0] | {"name": HOSTILE, "mean": None, "ci95": None, "diverged": True}
    study = make_study(12, finalists=finals | {"rows": [*finals["rows"], wild]})
    assert "diverged" in Page(render(study)).text
    assert len(scores_of(study).rows) == 2


def test_the_winner_shown_is_the_confirmed_one() -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03))
    assert study.best_trial.number != 3
    assert summarise(study).winner == standing(study.trials[3])
    assert best_config(study)["trial"] == 3
    assert best_config(study, 5)["confirmed"] is False
    config = best_config(study)
    assert config["confirmed"] is True
    own = best_config(study, config["trial"])
    assert own | {"decision": decide(study, translator("en")).answers[0]} == config


def test_the_first_screen_has_the_scores_of_the_decisions_own_pictures() -> None:
    finals = finals_of(0.01, 0.03)
    shown = scores_of(make_study(12, finalists=finals))
    assert [(row.label, row.text, row.chosen) for row in shown.rows] == [
        ("t003", "0.3100 [0.3000, 0.3200]", True),
        ("Guide's recommended", "0.2900 [0.2800, 0.3000]", False),
    ]
    kept = scores_of(make_study(12, finalists=finals_of(-0.01, 0.03)))
    assert [row.chosen for row in kept.rows] == [False, True]
    assert shown.line is not None
    assert shown.line[0] == "0.3170"
    text = Page(render(make_study(12, finalists=finals))).text
    assert "Input unchanged 0.3170" in text


def test_the_head_counts_the_finalists_runs_and_stops_in_plain_words() -> None:
    study = make_study(12, finalists=finals_of(0.01, 0.03))
    add_trial(study, BEST, TrialState.PRUNED, (100,), reason="pruned at step 100")
    found = progress(summarise(study), translator("en"))
    assert found == "12 completed, 1 stopped early, 6 runs of finalists of 50 trials"


def test_a_winner_that_the_guide_recommends_is_shown_beside_the_one_that_blurs() -> None:
    summary = summarise(make_study(8))
    assert summary.winner == summary.baseline
    rows = scores_of(make_study(8, budget=8)).rows
    assert rows[0].chosen
    assert [row.label for row in rows] == [
        "Leader: Guide's recommended",
        "Guide's blurring",
        "Warm start",
    ]
    assert summary.problem is not None
    assert rows[1].text == f"{summary.problem.score:.4f}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_contents_lead_to_every_section(language: str) -> None:
    study = make_study(50, finalists=finals_of(0.01, 0.03))
    html = render(study, language)
    page = Page(html)
    linked = [attrs["href"] for tag, attrs in page.elements if tag == "a" and attrs.get("href")]
    ids = {f"#{attrs['id']}" for _, attrs in page.elements if "id" in attrs}
    assert set(linked) <= ids
    titled = re.findall(r'<section[^>]*aria-labelledby="(\w+)-title"', html)
    assert [f"#{name}-title" for name in titled if name not in ("strip", "scores")] == linked[1:]


def test_scores_stand_before_settings_and_provenance_is_folded() -> None:
    html = render(make_study(12, finalists=finals_of(0.01, 0.03)))
    for section, score in (("finalists", "Mean score"), ("recipes", "Score"), ("table", "Score")):
        head = html.partition(f'id="{section}-title"')[2].partition("</thead>")[0]
        assert 0 < head.index(score) < head.index("lambda_L1")
    folded = html.partition('id="provenance-title"')[0].rpartition("<details>")[2]
    assert "</details>" not in folded


def test_random_weights_are_one_line_of_the_first_screen_that_unfolds() -> None:
    html = render(make_study(8, weights="random"))
    (note,) = re.findall(r'<details class="weights"><summary>(.*?)</summary>', html)
    assert note == "Scored through random networks: compare these scores with no others"
    assert html.index(note) < html.index('class="contents"')
    assert 'class="weights"' not in render(make_study(8))


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
