"""How blind judgements agree with the score, as a sentence and a table of the settings."""

from typing import Any

from optuna import Study

from reports.analysis.judgements import Agreement, agreement
from reports.page.first_screen import setting_name
from reports.page.rendering import template
from reports.record.names import trial_name
from reports.record.queries import score_of
from reports.record.study import StudyRecord
from reports.record.trial import TrialRecord
from reports.texts.translations import Translate, translator

MIN_FOR_INTERVAL = 5
"""Minimum number of decided pairs for which an interval is given."""


def result(study: Study, lang: str = "en") -> str:
    """The part of a page that reveals the settings and compares the judgements with the score.

    Empty where nothing was judged.
    """
    found = agreement(study)
    if found is None:
        return ""
    say = translator(lang)
    return template("look_result.html.j2").render(
        say=say, sentence=agreement_sentence(found, say), rows=preferences(study, found, say)
    )


def agreement_sentence(found: Agreement, say: Translate) -> str:
    """How often the person chose the crop that scores better."""
    sentences = []
    if found.decided:
        agree = say(
            "eyes_few" if found.decided < MIN_FOR_INTERVAL else "eyes_agree",
            agreed=found.agreed,
            decided=found.decided,
            share=f"{found.agreed / found.decided:.0%}",
            low=f"{found.low:.0%}",
            high=f"{found.high:.0%}",
        )
        sentences.append(agree)
    if found.undecided:
        sentences.append(say("eyes_undecided", undecided=found.undecided))
    return " ".join(sentences)


def preferences(study: Study, found: Agreement, say: Translate) -> list[dict[str, Any]]:
    """One row per setting: its name, how often it was chosen, and its score in the search."""
    trials = study.get_trials(deepcopy=False)
    finals = StudyRecord.of(study).finalists
    rows = []
    for number, (chosen, of) in found.preferred.items():
        trial = trial_name(number)
        finalist = finals.row_of_trial(number) if finals else None
        known = finalist.name if finalist else TrialRecord.of(trials[number]).recipe
        setting = setting_name(known, say) or trial
        name = setting if setting == trial else f"{setting} ({trial})"
        rows.append({"name": name, "chosen": chosen, "of": of, "score": score_of(trials[number])})
    return rows
