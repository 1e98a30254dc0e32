"""What a search answers, a plain sentence each: what is best, and what is best as it is."""

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from reports.commands import moves_pixels
from reports.first_screen import number, size_of_lead
from reports.names import RECOMMENDED
from reports.record import (
    as_is_trial,
    best_trial,
    finalists_noted,
    recipe_trial,
    score_of,
    sign_of,
    tries_both_kinds,
)
from reports.translations import Translate


def answers(study: Study, say: Translate) -> list[str]:
    """Two sentences of a study that tries both kinds of generator, and none of any other.

    The first is of the best setting, whatever its generator; the second of the best that an
    unchanged train.py can run. Each says how it stands to the guide's recommended setting, and
    whether it is above returning the picture unchanged.
    """
    if not tries_both_kinds(study):
        return []
    finals = finalists_noted(study)
    if finals and finals["difference"]:
        found = [confirmed(finals, finals, "answer_any", say, sign_of(study))]
        if finals.get("as_is") and finals["as_is"]["difference"]:
            found.append(confirmed(finals, finals["as_is"], "answer_as_is", say, sign_of(study)))
        return found
    pairs = (("answer_any", best_trial(study)), ("answer_as_is", as_is_trial(study)))
    return [searched(study, trial, question, say) for question, trial in pairs if trial is not None]


def confirmed(
    finals: Mapping[str, Any], shown: Mapping[str, Any], question: str, say: Translate, sign: int
) -> str:
    """What the finalists' runs showed of all of them, or of those that repaint.

    Args:
        shown: the part of `finals` that answers the question.
    """
    rows = [
        row
        for row in finals["rows"]
        if row["mean"] is not None and (shown is finals or not moves_pixels(row["params"]))
    ]
    challenger = next(row for row in rows if row["name"] != finals["baseline"])
    found, size = size_of_lead(shown["difference"])
    said = say(
        f"lead_{found}",
        one=named(challenger["name"], challenger["params"], say),
        other=say("recommended_long"),
        **size,
    )
    return say(question, said=said, level=level(rows[0]["mean"], finals["noop"], sign, say))


def searched(study: Study, trial: FrozenTrial, question: str, say: Translate) -> str:
    """What one run each shows, before anything is confirmed."""
    recommended = recipe_trial(study, RECOMMENDED)
    noop = (study.user_attrs.get("baseline") or {}).get("noop")
    name = named(f"t{trial.number:03d}", trial.user_attrs.get("extras", {}), say)
    own = number(score_of(trial))
    if recommended is None:
        said = say("lead_alone", one=name, score=own)
    elif recommended.number == trial.number:
        said = say("lead_own", other=say("recommended_long"), score=own)
    else:
        said = say(
            "lead_searched",
            one=name,
            score=own,
            other=say("recommended_long"),
            baseline=number(score_of(recommended)),
        )
    return say(question, said=said, level=level(score_of(trial), noop, sign_of(study), say))


def named(name: str, settings: Mapping[str, Any], say: Translate) -> str:
    """A finalist or trial, and what its generator does."""
    kind = say("moves") if moves_pixels(settings) else say("repaints")
    return f"{name} ({kind})"


def level(score: float, noop: float | None, sign: int, say: Translate) -> str:
    """How the best of them stands to the picture as it was."""
    if noop is None:
        return ""
    above = "level_above" if sign * score > sign * noop else "level_below"
    return say(above, score=number(score), noop=number(noop))
