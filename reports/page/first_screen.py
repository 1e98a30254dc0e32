"""The report's first screen beside the decision: progress, remarks, scores, names of settings."""

from reports.analysis.decision import Decision
from reports.analysis.summary import Standing, Summary
from reports.page.dot_chart import Dot, Dots, dots
from reports.record.finalists import FinalistRow
from reports.record.names import BLURRING, RECOMMENDED, trial_name
from reports.texts.numbers import number
from reports.texts.translations import Translate

OTHERS = ("perceptual", "lower_L1", "stronger_D", "lsgan", "progressive", "alternative", "warp")
NAMED = {
    RECOMMENDED: "recommended_short",
    BLURRING: "problem_short",
    **{recipe: f"recipe_{recipe}" for recipe in OTHERS},
}
"""The texts of the recipes' names."""


def progress(summary: Summary, say: Translate) -> str:
    """The trials by state: `23 completed, 12 stopped early of 50 trials`.

    Not those that wait: a small budget leaves recipes over.
    """
    counts = [
        say("progress", count=count, state=say(f"state_{state}"))
        for state, count in summary.counts.items()
        if state != "waiting"
    ]
    if summary.finals is not None:
        counts.append(say("progress_finals", count=summary.finals.runs))
    if not counts:
        return say("progress_none")
    done = ", ".join(counts)
    return f"{done} " + say("progress_of", budget=summary.budget) if summary.budget else done


def remarks(summary: Summary, built_in: bool = False) -> list[str]:
    """Keys of the texts that a reader must know beside the decision.

    Args:
        built_in: whether the search used built-in pictures in place of the user's.
    """
    found = ["so_far"] if summary.counts["running"] else []
    if summary.winner is None and (summary.counts["failed"] or summary.counts["pruned"]):
        found.append("failures_first")
    if summary.winner is not None and summary.baseline is None and not found:
        found.append("no_baseline_note")
    return [*found, *(["on_built_in"] if built_in else [])]


def setting_name(name: str | None, say: Translate) -> str:
    """A recipe or a finalist as a reader knows it."""
    return say(NAMED[name]) if name in NAMED else name or ""


def name_of(one: Standing, summary: Summary, decision: Decision, say: Translate) -> str:
    """A trial as a reader knows it: its part in the study, and its recipe or number."""
    own = setting_name(one.recipe or trial_name(one.trial), say)
    if one == summary.winner and decision.verb != "keep":
        part = say("winner" if decision.verb in ("use", "choose") else "leader")
        return f"{part}: {own}"
    return say("as_is_short") + f": {own}" if one == summary.as_is else own


def chief_of(summary: Summary) -> list[Standing]:
    """The trials of the first screen, the winner first, each once."""
    candidates = (
        summary.winner,
        summary.best_other,
        summary.as_is,
        summary.baseline,
        summary.problem,
    )
    return list({one.trial: one for one in candidates if one is not None}.values())


def scores(summary: Summary, decision: Decision, say: Translate) -> Dots:
    """The scores of the first screen: the finalists' means, or else those of single runs.

    The line is the score of the picture returned unchanged, on the same pictures. The decided
    setting is marked. A number that nothing compares with makes no chart.
    """
    if summary.finals is not None:
        rows = [
            finalist_dot(row, decision, say) for row in summary.finals.rows if row.mean is not None
        ]
        return dots(rows, summary.finals.noop, number)
    rows = [
        Dot(name_of(one, summary, decision, say), one.score, chosen=one.trial == decision.trial)
        for one in chief_of(summary)
        if one.score is not None
    ]
    if rows and summary.warm_start is not None:
        rows.append(Dot(say("warm_start_short"), summary.warm_start))
    alone = len(rows) == 1 and summary.noop is None
    return dots([] if alone else rows, summary.noop, number)


def finalist_dot(row: FinalistRow, decision: Decision, say: Translate) -> Dot:
    assert row.mean is not None
    low, high = row.ci95 or (None, None)
    chosen = row.trial is not None and row.trial == decision.trial
    return Dot(setting_name(row.name, say), row.mean, low, high, chosen=chosen)
