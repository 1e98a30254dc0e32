"""What stands on the report's first screen beside the decision: progress, remarks and scores."""

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
    """How many trials stand how: `23 completed, 12 stopped early of 50 trials`."""
    counts = [
        say("progress", count=count, state=say(f"state_{state}"))
        for state, count in summary.counts.items()
        if count
    ]
    if summary.finals is not None:
        counts.append(say("progress_finals", count=summary.finals.runs))
    said = ", ".join(counts) or say("progress_none")
    return f"{said} " + say("progress_of", budget=summary.budget) if summary.budget else said


def remarks(summary: Summary, say: Translate) -> list[str]:
    """What a reader must know beside the decision."""
    said = [say("so_far")] if summary.running else []
    if summary.outcome == "only_failures":
        said.append(say("failures_first"))
    if summary.outcome == "no_baseline":
        said.append(say("no_baseline_note"))
    return said


def setting_name(name: str | None, say: Translate) -> str:
    """A recipe or a finalist as a reader knows it."""
    return say(NAMED[name]) if name in NAMED else name or ""


def leader_name(decision: Decision, say: Translate) -> str:
    """What the trial that leads is called: the winner once that is decided."""
    return say("winner" if decision.verb in ("use", "choose") else "leader")


def scores(summary: Summary, decision: Decision, say: Translate) -> Dots:
    """The scores of the first screen: the finalists' means, or else those of single runs.

    The line is the score of the picture returned unchanged, on the same pictures. The decided
    setting is marked.
    """
    if summary.finals is not None:
        rows = [
            finalist_dot(row, decision, say) for row in summary.finals.rows if row.mean is not None
        ]
        noop = summary.finals.noop
    else:
        rows = [
            Dot(name, standing.score, chosen=standing.trial == decision.trial)
            for name, standing in single_runs(summary, decision, say)
            if standing.score is not None
        ]
        if summary.warm_start is not None:
            rows.append(Dot(say("warm_start_short"), summary.warm_start))
        noop = summary.noop
    return dots(rows, noop, number)


def finalist_dot(row: FinalistRow, decision: Decision, say: Translate) -> Dot:
    assert row.mean is not None
    low, high = row.ci95 or (None, None)
    chosen = row.trial is not None and row.trial == decision.trial
    return Dot(setting_name(row.name, say), row.mean, low, high, chosen=chosen)


def single_runs(summary: Summary, decision: Decision, say: Translate) -> list[tuple[str, Standing]]:
    """The trials of the first screen by what a reader calls them, each once."""
    named = (
        (leader_name(decision, say), summary.winner),
        (say("as_is_short"), summary.as_is),
        (say("recommended_short"), summary.baseline),
        (say("problem_short"), summary.problem),
    )
    found: dict[int, tuple[str, Standing]] = {}
    for name, standing in named:
        if standing is None:
            continue
        before = found.get(standing.trial)
        found[standing.trial] = (f"{before[0]}: {name}" if before else name, standing)
    return [
        (name if standing.recipe in NAMED else f"{name}, {trial_name(standing.trial)}", standing)
        for name, standing in found.values()
    ]
