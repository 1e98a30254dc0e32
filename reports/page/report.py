"""The report as one HTML file that needs nothing beside it."""

from collections.abc import Hashable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from markupsafe import Markup
from optuna import Study

from reports.analysis.decision import decide, how_confirmed, measures_blur
from reports.analysis.summary import KindEffects, summarise
from reports.commands.next_command import Where, file_to_train, needs_pictures
from reports.commands.train_py import PLACEHOLDER_DATA
from reports.export.best_yaml import best_config
from reports.export.trials_table import trials_frame
from reports.page.dot_chart import Dot, Dots, dots
from reports.page.figures import all_figures, levels
from reports.page.first_screen import progress, remarks, scores, setting_name
from reports.page.glossary import guide_settings, word_links
from reports.page.live import Live
from reports.page.look_result import result as judged_by_eyes
from reports.page.picture_strip import shown_pictures
from reports.page.rendering import script_json, template, unbroken
from reports.record.names import RECOMMENDED
from reports.record.queries import winning_trial
from reports.record.study import StudyRecord
from reports.record.trial import TrialRecord
from reports.texts.numbers import signed, value
from reports.texts.recorded import recorded
from reports.texts.translations import Translate, glossary_words, translator

UNUSED = {
    "none": ("warm_start_steps", "warm_discriminator_steps", "warm_start_lr_warp"),
    "init-from": ("warm_start_steps", "warm_start_lr_warp"),
}
"""Training settings that concern no trial, by what trials begin with."""


def write_report(
    study: Study,
    file: Path | str,
    lang: str = "en",
    panels: Path | str | None = None,
    storage: str | None = None,
    live: Live | None = None,
) -> None:
    """Write the report of a study, whatever state it is in.

    Args:
        study: its record, as `harness.read_study` returns it.
        file: where to; replaced in one go.
        lang: `en` or `ko`.
        panels: the folder `panels` in that of the study (`SearchOutcome.paths.panels`); None: no
            pictures.
        storage: the URL of the study's database, as it may be shown; None: the run folder's.
        live: how far a search is that runs; the page then loads itself again.

    Raises:
        ValueError: there is no such language.
    """
    file = Path(file)
    page = render(study, lang, None if panels is None else Path(panels), storage, live)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Named like the harness's own temporary files, which a search removes if they were left behind.
    aside = file.with_name(f".{file.name[:40]}.{uuid4().hex}.tmp")
    try:
        # A name that is not UTF-8 is written escaped.
        aside.write_text(page, encoding="utf-8", errors="backslashreplace")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def no_pictures(panels: Path | str) -> str:
    """What a user should hear before a report whose folder of pictures is missing."""
    return f"The report has no pictures: there is no folder {panels}."


def render(
    study: Study,
    lang: str = "en",
    panels: Path | None = None,
    storage: str | None = None,
    live: Live | None = None,
) -> str:
    """The report's HTML. Everything that comes from the study is escaped."""
    from plotly.offline import get_plotlyjs

    say = unbroken_texts(lang)
    frame, summary = trials_frame(study), summarise(study)
    winner = winning_trial(study)
    record = StudyRecord.of(study)
    rungs = TrialRecord.of(winner).rungs if winner else []
    folder = panels and panels.parent
    where = Where(folder, storage)
    decision = decide(study, say, where)
    config = None
    if winner and record.ours and decision.trial is not None:
        config = commands_on_page(study, decision.trial, where, lang)
    blur = measures_blur(study)
    words = glossary_words(blur, warm_start=not record.ours or record.ours.warm_start != "none")
    pictures = shown_pictures(summary, decision, panels, say, blur)
    figures = all_figures(frame, summary, rungs, say)
    return template("live.html.j2" if live else "report.html.j2").render(
        live=live,
        say=say,
        recorded=partial(recorded, say=say),
        lang=lang,
        words=words,
        linked=word_links(words, say),
        guide_settings=guide_settings(say),
        s=summary,
        progress=progress(summary, say),
        decision=decision,
        blur=blur,
        placeholder=PLACEHOLDER_DATA if needs_pictures(decision.command) else "",
        remarks=remarks(summary, bool(record.ours and record.ours.data.folder is None)),
        scores=scores(summary, decision, say),
        effects=[(kind, effect_dots(kind, say)) for kind in summary.effects],
        recommended=RECOMMENDED,
        how_confirmed=how_confirmed(summary.finals) if summary.finals else {},
        strip=pictures.strip,
        pictures=pictures.pictures,
        setting_name=partial(setting_name, say=say),
        params=summary.settings,
        config=config,
        setup=record.ours,
        provenance=provenance(record, say),
        eyes=Markup(judged_by_eyes(study, lang)),
        table=table(frame),
        front=table(frame[frame["front"]]) if summary.front else [],
        plotly=Markup(get_plotlyjs()),
        figures=Markup(script_json(figures)),
        drawn=set(figures),
        levels=", ".join(say(name) for name, *_ in levels(summary)),
    )


def unbroken_texts(lang: str) -> Translate:
    """The texts of a language, in which no line ends between a number and its unit."""
    say = translator(lang)
    return lambda key, **values: unbroken(say(key, **values))


def commands_on_page(study: Study, trial: int, where: Where, lang: str) -> dict[str, Any]:
    """A trial's two commands and their remarks, from wherever the page's own commands are run."""
    file, written_first = file_to_train(study, trial, where)
    config = best_config(
        study, trial, folder=where.folder, config_file=file, lang=lang, by_key=False
    )
    for key in ("command", "full_command"):
        if written_first and config[key].startswith("harness train"):
            config[key] = f"{written_first}\n{config[key]}"
    return config


def effect_dots(kind: KindEffects, say: Translate) -> Dots:
    """What each setting does in one kind of generator, as far as the trials tell."""
    rows = [
        Dot(
            f"{one.claim}: {one.span}" if one.span else say(f"claim_{one.claim}"),
            one.effect,
            one.low,
            one.high,
            "" if one.span else say(f"finding_{one.finding}"),
        )
        for one in kind.effects
        if one.effect is not None
    ]
    return dots(rows, 0.0, signed)


def table(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows of the table of all trials; None where there is no value."""
    rows = frame.astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def provenance(record: StudyRecord, say: Translate) -> list[tuple[str, str]]:
    """Names and values of everything that made the numbers."""
    setup = record.ours
    if setup is None:
        return []
    of_search = [
        *("created", "host", "device", "seed", "budget", "profile", "space_name", "weights"),
        *("warm_start", "objective"),
    ]
    unused = UNUSED.get(setup.warm_start, ())
    of_data = ("digest", "source", "folder", "direction", "n_train", "n_val", "n_test")
    data = setup.data.model_copy(update={"source": recorded(setup.data.source, say)})
    rows = [
        *((say(f"from_{key}"), getattr(setup, key)) for key in of_search),
        (say("from_mlflow_run"), record.mlflow_run),
        *((say(f"from_data_{key}"), getattr(data, key)) for key in of_data),
        *setup.versions.items(),
        *(each for each in setup.train.as_data().items() if each[0] not in unused),
    ]
    return [(key, value(entry)) for key, entry in rows if entry is not None]
