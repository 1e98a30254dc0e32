"""What to do after a search: one decision in plain words, for every place that announces it.

The report's headline, the terminal's last lines, MLflow's description and `decision` in best.yaml
are all made here, so that they cannot disagree.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from reports.analysis.settings_in_words import settings_in_line, with_kind
from reports.analysis.summary import endings
from reports.commands.lengths import length_of_training
from reports.commands.next_command import (
    NOWHERE,
    Where,
    search_command,
    status_command,
    training_command,
)
from reports.record.decided import FinalChoice, final_choices, reach_of
from reports.record.finalists import FinalistRow, Finalists, Interval
from reports.record.names import MOVING, RECOMMENDED, trial_name
from reports.record.queries import (
    ENDED,
    as_is_trial,
    excluded_leaders,
    is_pareto,
    objectives_of,
    recipe_trial,
    score_of,
    settings_of,
    sign_of,
    trials_by_score,
    trials_of,
    winning_trial,
)
from reports.record.study import StudyRecord
from reports.texts.numbers import number, signed, unsigned
from reports.texts.recorded import recorded
from reports.texts.translations import Translate

Verb = Literal["wait", "use", "try", "keep", "choose", "either", "search"]
MAX_NAMES = 3
OWN_OBJECTIVE = "boundary_sharpness"
"""The objective that measures blur: only with this one may a sentence say that the blur stays."""


@dataclass(frozen=True)
class Decision:
    """What the user should do now.

    Attributes:
        verb: `use` a setting that is reliably better than the guide's recommended one, `keep` that
            one, `try` what leads in single runs or not reliably, `choose` from a Pareto search's
            front, use `either` of two settings that were compared, `search` on if nothing that was
            tried is better than the picture returned unchanged, `wait` while nothing can be
            decided.
        trial: the trial that it is about; None if no trial has the setting, or none is worth
            training.
        sentence: the headline, without its full stop.
        settings: the trial's settings in short; "" if the sentence names them.
        why: by how much and how reliably, in one sentence; "" if nothing was measured.
        command: the next command; "" if there is none.
        trains: what that command trains: picture size, epochs; "" if it trains nothing, or runs the
            user's own program.
        as_is: the decision for an unchanged train.py, if the study tried both kinds of generator
            and this decision moves pixels.
    """

    verb: Verb
    trial: int | None
    sentence: str
    settings: str = ""
    why: str = ""
    command: str = ""
    trains: str = ""
    as_is: "Decision | None" = None

    @property
    def answers(self) -> tuple[str, ...]:
        """The decision and the one for an unchanged train.py, each with its reason."""
        own = f"{self.sentence}. {self.why}".strip()
        return (own, *(self.as_is.answers if self.as_is else ()))


def decide(study: Study, say: Translate, where: Where = NOWHERE) -> Decision:
    """The decision that a study's record supports, whatever state the study is in."""
    found = basic_decision(study, say, where)
    if guarded := excluded_leaders(study):
        names = [trial_name(trial.number) for trial in guarded[:MAX_NAMES]]
        more = ", …" if len(guarded) > MAX_NAMES else ""
        left_out = say("guarded", names=", ".join(names) + more)
        found = replace(found, why=f"{found.why} {left_out}".strip())
    if found.trial is None or found.verb == "wait":
        return found
    return replace(found, trains=length_of_training(study, found.trial, say))


def basic_decision(study: Study, say: Translate, where: Where) -> Decision:
    """The decision without `trains`, and without the leaders that break a guard."""
    record, pareto = StudyRecord.of(study), is_pareto(study)
    finals = record.finalists
    found = finals and final_choices(finals, sign_of(study), pareto)
    if not (finals and found):
        single = single_run_decision(study, winning_trial(study), say, where)
        if "finalists" in record.model_fields_set:  # they were run, but could not be compared
            single = replace(single, why=(single.why + say("not_compared")).strip())
        return with_as_is(study, single, say, where)
    if is_comparison(finals):
        return comparison_decision(finals, found[0].lead, say)
    of_all, repainting = found
    decision = confirmed_decision(study, finals, of_all, say, where)
    if pareto:
        decision = pareto_decision(study, decision, say, where)
    if repainting is None:
        moves = decision.trial is not None and of_all.setting.moves
        return with_as_is(study, decision, say, where) if moves else decision
    as_is = confirmed_decision(study, finals, repainting, say, where, secondary=True)
    return replace(decision, as_is=for_train_py(as_is, say))


def with_as_is(study: Study, decision: Decision, say: Translate, where: Where) -> Decision:
    """Add to a decision by single runs the same for generators that an unchanged train.py has."""
    trial, winner = as_is_trial(study), winning_trial(study)
    if trial is None or winner is None or trial.number == winner.number:
        return decision
    own = single_run_decision(study, trial, say, where, as_is=True)
    return replace(decision, as_is=for_train_py(own, say))


def for_train_py(decision: Decision, say: Translate) -> Decision:
    own = decision.sentence
    return replace(decision, sentence=say("as_is", said=own[0].lower() + own[1:]))


def is_comparison(finals: Finalists) -> bool:
    """Whether the runs compared two of the user's configurations, without a search."""
    return all(row.trial is None and not row.recipe for row in finals.rows)


def comparison_decision(finals: Finalists, lead: Interval, say: Translate) -> Decision:
    """Which of two configurations is the better one."""
    one, other = finals.challenger.name, finals.baseline
    found, size = size_of_lead(lead)
    verb: Verb = "either" if found == "undecided" else "use"
    return Decision(
        verb,
        None,
        say(f"decide_compared_{found}", one=one, other=other),
        why=say(f"why_compared_{found}", **size, **how_confirmed(finals)),
    )


def confirmed_decision(
    study: Study,
    finals: Finalists,
    result: FinalChoice,
    say: Translate,
    where: Where,
    secondary: bool = False,
) -> Decision:
    """What the finalists' runs showed, in words.

    Args:
        secondary: whether it follows the decision about all finalists, which already names the
            seeds and pairs.
    """
    verb, setting, one = result.verb, result.setting, result.challenger.name
    found, size = size_of_lead(result.lead)
    best = result.best if verb == "keep" else setting
    reach = reach_of(best, finals.noop, sign_of(study))
    blur = measures_blur(study)
    in_short = settings_in_line(study, setting.params, say)
    if verb == "use":
        sentence = say(f"decide_use_{'' if blur else 'own_'}{reach}", one=one)
    elif verb == "try":
        sentence = say("decide_ahead", one=one)
    else:
        among = "_as_is" if secondary else ""
        sentence = say(f"decide_keep{'' if blur else '_own'}{among}", settings=in_short)
    level = "" if reach == "unknown" else f"level_{'below' if reach == 'below' else 'above'}"
    level = level and f"{level}_{'best' if verb == 'keep' else 'it'}"
    if level == "level_below_best" and blur:
        level = "level_stays"
    scores = {"score": number(best.mean), "noop": number(finals.noop)}
    why = say(
        f"why_{found if verb == 'keep' else 'better'}",
        one=one,
        level=say(level, **scores) if level else "",
        more=say("more_sharp" if blur else "more_good"),
        sure="" if secondary else say("sure", **how_confirmed(finals)),
        **size,
    )
    if verb == "use":
        why += over_warp(finals, setting, say)
    if result.baseline.diverged and not secondary:
        runs = len(finals.seeds)
        why += say("baseline_diverged", failed=runs - result.baseline.repeats, runs=runs)
    return Decision(
        verb,
        setting.trial,
        sentence,
        "" if verb == "keep" else with_kind(in_short, setting.params, say),
        why,
        training_command(study, setting.trial, where),
    )


def over_warp(finals: Finalists, winner: FinalistRow, say: Translate) -> str:
    """Whether a winner that moves pixels owes its lead to its settings or only to its kind."""
    lead = finals.ahead_of_warp
    if winner.recipe == MOVING:
        return say("over_warp_itself")
    if not winner.moves or lead is None:
        return ""
    if lead.low > 0:
        return say("over_warp_better", **size_of_lead(lead)[1])
    ends = {"low": unsigned(lead.low), "high": unsigned(lead.high)}
    return say("over_warp_undecided", signed=signed(lead.mean), **ends)


def pareto_decision(study: Study, decision: Decision, say: Translate, where: Where) -> Decision:
    """A Pareto search leaves the choice to the user, and names the front's best score."""
    winner = winning_trial(study)
    assert winner is not None
    count, settings = len(trials_by_score(study)), settings_of(winner)
    return Decision(
        "choose",
        winner.number,
        say(
            "decide_choose" if count > 1 else "decide_choose_only",
            count=count,
            goals=say("and").join(objectives_of(study)),
            one=trial_name(winner.number),
        ),
        with_kind(settings_in_line(study, settings, say), settings, say),
        decision.why,
        training_command(study, winner.number, where),
    )


def single_run_decision(
    study: Study, trial: FrozenTrial | None, say: Translate, where: Where, as_is: bool = False
) -> Decision:
    """What single runs show: enough to try a setting, but not to call it better.

    Args:
        trial: the leader, of all trials or of those that an unchanged train.py can run.
    """
    if trial is None:
        states = {one.state for one in trials_of(study)}
        failed = states and states <= {TrialState.FAIL, TrialState.PRUNED}
        sentence = say("decide_failed" if failed else "decide_wait")
        why = why_failed(study, say) if failed else ""
        return Decision("wait", None, sentence, why=why, command=status_command(study, where))
    one = trial_name(trial.number)
    recommended = recipe_trial(study, RECOMMENDED)
    own = recommended is not None and recommended.number == trial.number
    in_short = settings_in_line(study, settings_of(trial), say)
    command, verb = training_command(study, trial.number, where), "try"
    why = why_searched(study, trial, None if own else recommended, say)
    if not is_finished(study):
        verb, command = "wait", status_command(study, where)
        done, aims = trials_done(study), StudyRecord.of(study).undertaken
        counts = {"done": done, "budget": budget_of(study) or done}
        confirming = aims and aims.runs and done >= aims.trials
        leads = "decide_leads_confirming" if confirming else "decide_leads"
        sentence = say("decide_leads_as_is" if as_is else leads, one=one, **counts)
    elif is_no_better_than_unchanged(study, trial):
        found = say(f"decide_below{'' if measures_blur(study) else '_own'}", one=one)
        if as_is:
            return Decision("search", None, found, why=why)
        sentence = say("decide_search", found=found)
        return Decision("search", None, sentence, why=why, command=search_command(study, where))
    elif own:
        verb = "keep"
        others = [one for one in trials_of(study) if one.number != trial.number]
        alone = all(one.state == TrialState.WAITING for one in others)
        among = "_as_is" if as_is else "_alone" if alone else ""
        sentence = say(f"decide_keep_searched{among}", settings=in_short)
    else:
        sentence = say("decide_try", one=one)
    decision = Decision(
        verb,  # type: ignore[arg-type]
        trial.number,
        sentence,
        "" if verb == "keep" else with_kind(in_short, settings_of(trial), say),
        why,
        command,
    )
    if is_pareto(study) and verb != "wait" and not as_is:
        return pareto_decision(study, decision, say, where)
    return decision


def why_failed(study: Study, say: Translate) -> str:
    """The commonest reason for which trials ended; "" where none was noted."""
    trials = trials_of(study)
    commonest = max(endings(trials, both=False), key=lambda each: len(each.trials))
    if not commonest.reason:
        return ""
    reason = recorded(commonest.reason, say).rstrip(".")
    return say("why_failed", count=len(commonest.trials), trials=len(trials), reason=reason)


def why_searched(
    study: Study, trial: FrozenTrial, recommended: FrozenTrial | None, say: Translate
) -> str:
    """The scores of single runs, with the caveat that they are just that."""
    scores = StudyRecord.of(study).baseline
    noop = scores.noop if scores else None
    others = []
    if recommended is not None:
        others.append(say("recommended_scores", score=number(score_of(recommended))))
    if noop is not None:
        others.append(say("unchanged_scores", noop=number(noop)))
    return say(
        "why_searched",
        one=trial_name(trial.number),
        score=number(score_of(trial)),
        others="".join(others),
    )


def is_no_better_than_unchanged(study: Study, trial: FrozenTrial) -> bool:
    """Whether a trial's single run scores no better than the picture returned unchanged."""
    scores = StudyRecord.of(study).baseline
    sign = sign_of(study)
    return scores is not None and sign * score_of(trial) <= sign * scores.noop


def trials_done(study: Study) -> int:
    """The number of the search's own trials that have ended and count towards the budget."""
    return len(trials_of(study, *ENDED))


def is_finished(study: Study) -> bool:
    """Whether the search has ended: its finalists were compared, or its budget is used up."""
    running, budget = trials_of(study, TrialState.RUNNING), budget_of(study)
    compared = "finalists" in StudyRecord.of(study).model_fields_set
    return compared or not (running or (budget and trials_done(study) < budget))


def budget_of(study: Study) -> int | None:
    setup = StudyRecord.of(study).ours
    return setup.budget if setup else None


def size_of_lead(lead: Interval) -> tuple[str, dict[str, str]]:
    """Whether a lead is `better`, `undecided` or `worse`, and its size and interval as texts."""
    low, high = lead.low, lead.high
    found = "better" if low > 0 else "worse" if high < 0 else "undecided"
    if found == "worse":
        low, high = -high, -low
    size = {"difference": unsigned(abs(lead.mean)), "signed": signed(lead.mean)}
    return found, size | {"low": unsigned(low), "high": unsigned(high)}


def how_confirmed(finals: Finalists) -> dict[str, Any]:
    """Steps, seeds, pairs and no-op score of the confirmation, as values for its sentences."""
    return {
        "steps": finals.steps,
        "seeds": len(finals.seeds),
        "pairs": finals.pairs,
        "noop": number(finals.noop),
    }


def measures_blur(study: Study) -> bool:
    setup = StudyRecord.of(study).ours
    return setup is None or setup.objective == OWN_OBJECTIVE
