"""The outcome of a search: the best setting beside the guide's own, and where the files are."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.console.lines import IN_WORDS, columns, settings, tally, wrapped
from harness.paths import StudyPaths
from harness.study.urls import HIDDEN, without_secrets
from reports.analysis.decision import Decision
from reports.commands.next_command import needs_pictures
from reports.commands.train_py import PLACEHOLDER_DATA, quoted
from reports.record.names import BLURRING, RECOMMENDED, trial_name
from reports.texts.numbers import number, quantity
from reports.texts.translations import LANGUAGES, translator

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from reports.record.finalists import Finalists

StopReason = Literal["", "user", "timeout"]

# Every outcome is compared with the setting that the guide recommends, and the one that blurs.
NAMED_RECIPES = {
    RECOMMENDED: LANGUAGES["en"]["recommended_short"],
    BLURRING: LANGUAGES["en"]["problem_short"],
}

# The space before an option of a command, unless it is inside quotes.
BEFORE_AN_OPTION = re.compile(r""" (?=--)(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""")


@dataclass(frozen=True)
class ScoredTrial:
    """A trial of the final table, with a label."""

    label: str
    number: int
    value: float
    params: dict[str, Any]


@dataclass(frozen=True)
class FrontPoint:
    """One trial of a Pareto search's front."""

    number: int
    score: float
    values: dict[str, float]
    params: dict[str, Any]


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of a search.

    Attributes:
        stopped: why it ended before its budget; "" if it did not.
        counts: trials of the study by state.
        best: the best completed trial.
        winner: number of the trial in best.yaml: the one that the finalists decided for, else the
            best.
        recipes: those of `NAMED_RECIPES` that completed.
        noop: the score of the input unchanged.
        oracle: the score of the input warped back; None if its warp is unknown.
        final_runs: finished runs of finalists.
        front: the front of a Pareto search, the best score first.
        storage: the database's URL without secrets; None: the run folder's.
        tracking_uri: the same for MLflow; None: the run folder's, or unknown.
        files_here: whether this study's files are in `paths`; a database that several run folders
            share can be read from any of them.
        finalists: their ranking; None before it is known.
        decision: the next step in plain words; None if no search created the study.
    """

    study: str
    stopped: StopReason
    budget: int
    counts: Counter[str]
    best: ScoredTrial | None
    winner: int | None
    recipes: tuple[ScoredTrial, ...]
    noop: float | None
    oracle: float | None
    front: tuple[FrontPoint, ...]
    final_runs: int
    finalists: "Finalists | None"
    run_dir: Path
    paths: StudyPaths
    storage: str | None = None
    tracking_uri: str | None = None
    files_here: bool = True
    decision: Decision | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """The decision, and that for an unmodified train.py, each with its reason."""
        return self.decision.answers if self.decision else ()

    @property
    def best_yaml(self) -> Path | None:
        """The best configuration, if there is one in `paths`."""
        file = self.paths.best_yaml
        return file if self.files_here and file.exists() else None

    @property
    def done(self) -> int:
        """Trials of the budget that have ended without failing."""
        return self.counts["complete"] + self.counts["pruned"] + self.final_runs


def outcome_of(
    study: "Study",
    run_dir: Path,
    paths: StudyPaths,
    stopped: StopReason = "",
    storage: str | None = None,
    tracking_uri: str | None = None,
) -> SearchOutcome:
    """The outcome according to the record.

    Args:
        storage: the database's URL, if it is not the run folder's.
        tracking_uri: the same for MLflow.
    """
    from harness.search.finalists import counted_runs, finished_runs
    from harness.study.folder import owner_of
    from reports.analysis.decision import decide
    from reports.commands.next_command import Where
    from reports.record.queries import best_trial, counts_of, recipe_trial, winning_trial
    from reports.record.study import StudyRecord

    record = StudyRecord.of(study)
    setup, scores, noted = record.setup, record.baseline, record.undertaken
    best, winner = best_trial(study), winning_trial(study)
    recipes = {label: recipe_trial(study, name) for name, label in NAMED_RECIPES.items()}
    shown_storage = storage and without_secrets(storage)
    return SearchOutcome(
        study=setup.name,
        stopped=stopped,
        budget=setup.budget,
        counts=counts_of(study),
        best=standing("leader", best) if best else None,
        winner=winner.number if winner else None,
        recipes=tuple(standing(label, trial) for label, trial in recipes.items() if trial),
        noop=scores.noop if scores else None,
        oracle=scores.oracle if scores else None,
        front=front_of(study),
        final_runs=(
            counted_runs(study, noted.trials, noted.runs) if noted else finished_runs(study)
        ),
        finalists=record.finalists,
        run_dir=run_dir,
        paths=paths,
        storage=shown_storage,
        tracking_uri=without_secrets(tracking_uri) if tracking_uri else record.tracking_uri,
        files_here=owner_of(paths) in (None, record.identity)
        and (not storage or paths.folder.exists()),
        decision=decide(study, translator("en"), Where(paths.folder, shown_storage)),
    )


def standing(label: str, trial: "FrozenTrial") -> ScoredTrial:
    from reports.record.queries import score_of, settings_of

    assert trial.values is not None
    return ScoredTrial(label, trial.number, score_of(trial), settings_of(trial))


def front_of(study: "Study") -> tuple[FrontPoint, ...]:
    """The front of a Pareto search; empty for any other search."""
    from reports.record.queries import objectives_of, score_of, settings_of, trials_by_score

    names = objectives_of(study)
    return tuple(
        FrontPoint(
            trial.number,
            score_of(trial),
            dict(zip(names, trial.values, strict=True)),
            settings_of(trial),
        )
        for trial in (trials_by_score(study) if names else ())
    )


def as_lines(outcome: SearchOutcome) -> list[str]:
    """The outcome for a terminal."""
    parts = (
        table(outcome),
        front_lines(outcome),
        confirmation(outcome),
        ["", *decision_lines(outcome)],
        ["", *places(outcome)],
        next_lines(outcome),
    )
    return [headline(outcome), *(line for part in parts for line in part)]


def as_data(outcome: SearchOutcome) -> dict[str, Any]:
    """The outcome as JSON."""
    return {
        "event": "Outcome",
        "study": outcome.study,
        "stopped": outcome.stopped,
        "budget": outcome.budget,
        "counts": outcome.counts,
        "best": asdict(outcome.best) if outcome.best else None,
        "recipes": [asdict(row) for row in outcome.recipes],
        "noop": outcome.noop,
        "oracle": outcome.oracle,
        "front": [asdict(point) for point in outcome.front],
        "final_runs": outcome.final_runs,
        "finalists": outcome.finalists.as_data() if outcome.finalists else None,
        "answers": list(outcome.answers),
        "decision": asdict(outcome.decision) if outcome.decision else None,
        "folder": str(outcome.paths.folder) if outcome.files_here else None,
        "best_yaml": str(outcome.best_yaml) if outcome.best_yaml else None,
    }


def headline(outcome: SearchOutcome) -> str:
    """How far the search is; trials in the queue are not of its budget, and are left out."""
    counts = outcome.counts
    done = {IN_WORDS[state]: counts[state] for state in ("complete", "pruned")}
    done["runs of finalists"] = outcome.final_runs
    others = ("running", "interrupted", "failed")
    by_state = tally(done, {IN_WORDS.get(state, state): counts[state] for state in others})
    ended = {"": "", "user": "Stopped: ", "timeout": "The time is up: "}[outcome.stopped]
    total = max(outcome.budget, outcome.done)  # the budget may have been larger before
    are = "is" if total == 1 else "are"
    so_far = f"{outcome.done} of {quantity(total, 'trial')} {are} done"
    return f"{ended}{so_far}{by_state and ': '}{by_state}."


def standings(outcome: SearchOutcome) -> list[ScoredTrial]:
    """The best trial and the guide's settings, one row per trial, which may have several labels."""
    rows: dict[int, ScoredTrial] = {}
    for row in (outcome.best, *outcome.recipes):
        if row is not None:
            known = rows.get(row.number)
            rows[row.number] = replace(row, label=f"{known.label}, {row.label}") if known else row
    return list(rows.values())


def bounds(outcome: SearchOutcome) -> list[tuple[str, float]]:
    """The scores that bound those of models: the input unchanged, and warped back."""
    named = [("the input unchanged", outcome.noop), ("the input warped back", outcome.oracle)]
    return [(label, value) for label, value in named if value is not None]


def table(outcome: SearchOutcome) -> list[str]:
    """One line for the best trial, each named recipe, and the scores that bound them.

    Empty for a comparison of two settings, which has no trials.
    """
    if outcome.best is None:
        if outcome.finalists is not None:
            return []
        return ["No trial has completed: there is no best configuration yet."]
    rows = [
        (row.label, trial_name(row.number), number(row.value), settings(row.params))
        for row in standings(outcome)
    ]
    rows += [(label, "", number(value), "") for label, value in bounds(outcome)]
    width = max(len(label) for label, *_ in rows)
    return [
        wrapped(f"  {label:<{width}}  {name:<5} {value:<6}  {text}".rstrip(), "      ")
        for label, name, value, text in rows
    ]


def front_lines(outcome: SearchOutcome) -> list[str]:
    """The front of a Pareto search, the sharpest first; best.yaml has the one of the best score."""
    if not outcome.front:
        return []
    names = list(outcome.front[0].values)
    lines = [f"The front, beaten by none in both {' and '.join(names)}; --trial N exports one:"]
    for point in sorted(outcome.front, key=lambda point: -point.values[names[0]]):
        values = "  ".join(f"{name} {number(value)}" for name, value in point.values.items())
        lines.append(
            f"  {trial_name(point.number)}  {values}  score {number(point.score)}  "
            f"{settings(point.params)}"
        )
    return lines


def confirmation(outcome: SearchOutcome) -> list[str]:
    """The finalists, the best first."""
    found = outcome.finalists
    if found is None:
        return []
    names = {row.name: NAMED_RECIPES.get(row.name, row.name) for row in found.rows}
    lines = [
        f"Finalists: {quantity(found.steps, 'step')}, {quantity(len(found.seeds), 'fresh seed')}, "
        f"{quantity(found.pairs, 'held-out pair')}."
    ]
    width = max(len(names[row.name]) for row in found.rows)
    for row in found.rows:
        mean = "diverged" if row.mean is None else number(row.mean)
        text = f"  {names[row.name]:<{width}}  {mean:<6}  {settings(row.params)}"
        lines.append(wrapped(text, "      "))
    if found.noop is not None:
        lines.append(f"  {'the input unchanged':<{width}}  {number(found.noop)}")
    return lines


def decision_lines(outcome: SearchOutcome) -> list[str]:
    """The decision with its reason, and that for an unmodified train.py with its command."""
    decision = outcome.decision
    if decision is None:
        return []
    lines = answer_lines(decision)
    if decision.as_is is not None:
        lines += answer_lines(decision.as_is)
        if runs_something(decision.as_is, outcome):
            lines += ["  Its command:", *command_lines(decision.as_is.command, "    ")]
    return lines


def next_lines(outcome: SearchOutcome) -> list[str]:
    """The one next command, on lines of its own to be copied."""
    decision, again = outcome.decision, "the same command again, which continues the search."
    if outcome.stopped == "timeout" and not outcome.done:
        again = "the same command with a longer --timeout: no trial has ended in this one."
    confirmed = outcome.finalists or not outcome.stopped
    if not confirmed or decision is None or not runs_something(decision, outcome):
        return ["", f"Next: {again}"] if outcome.stopped else []
    yours = []
    if needs_pictures(decision.command):
        yours.append(f"your own pairs in place of {PLACEHOLDER_DATA}")
    if HIDDEN in decision.command:
        yours.append(f"the password in place of {HIDDEN}")
    return [
        "",
        f"Next{', with ' * bool(yours)}{' and '.join(yours)}:",
        *command_lines(decision.command, "  "),
        *([wrapped(f"  {decision.trains}", "  ")] if decision.trains else []),
        *([f"Or {again}"] if outcome.stopped else []),
    ]


def runs_something(decision: Decision, outcome: SearchOutcome) -> bool:
    """Whether a decision has a command to run here; that of `wait` only shows the same again."""
    return bool(decision.command) and decision.verb != "wait" and outcome.files_here


def command_lines(command: str, indent: str) -> list[str]:
    """A command to be copied; a long one is continued with backslashes."""
    width = columns()
    if len(indent + command) <= width or "$'" in command:  # there a quote may be part of a word
        return [indent + command]
    first, *options = BEFORE_AN_OPTION.split(command)
    lines = [indent + first]
    for option in options:
        if len(lines[-1]) + len(option) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"{indent}  {option}")
        else:
            lines[-1] += f" {option}"
    return lines


def answer_lines(decision: Decision) -> list[str]:
    """One decision, its settings and its reason."""
    lines = [wrapped(f"{decision.sentence}.")]
    lines += [wrapped(f"  {text}", "  ") for text in (decision.settings, decision.why) if text]
    return lines


def places(outcome: SearchOutcome) -> list[str]:
    """Where the files are."""
    if not outcome.files_here:
        return [
            f"Record, pictures and weights: in another run folder than {outcome.run_dir}: name it "
            "with --run-dir DIR"
        ]
    lines = [f"Record, pictures and weights: {outcome.paths.folder}"]
    if outcome.best_yaml is not None:
        lines.append(f"Best configuration:           {outcome.best_yaml}")
    lines.append(f"Compare in MLflow:            {comparing(outcome)}")
    if outcome.paths.report_html.exists():
        lines.append(f"Report, for a browser:        {outcome.paths.report_html}")
    return lines


def comparing(outcome: SearchOutcome) -> str:
    """How to open MLflow at the trials: an address, or a command."""
    uri = outcome.tracking_uri
    if uri is None:
        return f"harness ui --run-dir {quoted(str(outcome.run_dir))}"
    return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {quoted(uri)}"
