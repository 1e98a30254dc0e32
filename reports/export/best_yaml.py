"""The best configuration of a study: as data, YAML, a `train.py` command, or a script."""

import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from reports.analysis.decision import decide, is_finished
from reports.commands.exported import commands_of, is_progressive
from reports.commands.recorded_paths import data_of, program_of
from reports.commands.train_py import PROGRESSIVE_STAGES
from reports.record.decided import final_choices
from reports.record.finalists import AsIs, Finalists
from reports.record.names import RECOMMENDED
from reports.record.queries import (
    UNTRIED,
    as_is_trial,
    extras_of,
    is_pareto,
    number_of,
    objectives_of,
    params_of,
    recipe_trial,
    recommended_trial,
    score_of,
    sign_of,
    state_of,
    trials_by_score,
    winning_trial,
)
from reports.record.study import StudyRecord, StudySetup
from reports.record.trial import TrialRecord
from reports.texts.numbers import unsigned
from reports.texts.translations import Translate, translator

Config = dict[str, Any]
Named = int | Literal["recommended"] | None
"""A trial to export: its number, or the guide's recommended setting; None: the best."""


def best_config(
    study: Study,
    trial_number: Named = None,
    repository: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    config_file: str | None = None,
    lang: str = "en",
    by_key: bool = True,
) -> Config:
    """The best trial of a study, or the one named, with everything that determined its score.

    The result has schema 1. If the study tries both kinds of generator, `as_is` is the best that an
    unchanged train.py can run, with its own verdict.

    Args:
        repository: the copy of pix2pix for which to write the commands, as `for_this_copy` takes
            it; None: the one that ran the trials, else with the options that all copies share.
        folder: the study's current folder; None: its folder in the last search.
        config_file: where this configuration will be, for a command that reads it; None: in the
            study's best.yaml if that holds it, else in the current folder.
        lang: the language of its sentences.
        by_key: whether the notes refer to the two commands by their keys, rather than as the first
            and the second.

    Raises:
        ValueError: there is no such trial, it has no final score, or the copy cannot train it; the
            message is one sentence.
    """
    if config_file is None:
        place = folder.absolute() if folder and trial_number is None else Path()
        config_file = str(place / "best.yaml")
    say = translator(lang)
    say = partial(
        say,
        short="command" if by_key else say("first_command"),
        full="full_command" if by_key else say("second_command"),
    )
    config = config_of(
        study, chosen_trial(study, trial_number), repository, folder, config_file, say
    )
    if trial_number is not None:
        return config
    decision = decide(study, say)
    config["decision"] = decision.answers[0]
    as_is = as_is_trial(study)
    if as_is is None:
        return config
    own = config_of(study, as_is, repository, folder, config_file, say)
    return {
        **config,
        "as_is": {
            "decision": decision.answers[-1],
            **{key: own[key] for key in AS_IS},
            "netG": own["train"]["netG"],
        },
    }


AS_IS = (
    *("trial", "recipe", "confirmed", "verdict", "params", "train", "score", "searched", "lead"),
    *("command", "full_command", "needs", "notes", "checkpoint"),
)
"""Keys of the section `as_is`, the best setting for an unchanged train.py."""


def if_exists(checkpoint: str | None, folder: Path | None) -> str | None:
    """The path of a trial's weights, unless they were removed because other trials lead."""
    removed = checkpoint is not None and folder is not None and not (folder / checkpoint).exists()
    return None if removed else checkpoint


def config_of(
    study: Study,
    trial: FrozenTrial,
    repository: Mapping[str, Any] | None,
    folder: Path | None,
    config_file: str,
    say: Translate,
) -> Config:
    """One completed trial with everything that determined its score."""
    record, own = StudyRecord.of(study), TrialRecord.of(trial)
    setup = record.setup
    finals, found = finals_for(study, trial)
    name = setup.name
    params = params_of(trial)
    train = {**setup.train.as_data(), **extras_of(trial), "warm_start": setup.warm_start}
    data = setup.data
    program = program_of(setup, folder)
    exported = commands_of(setup, trial, train, program, repository, folder, config_file, say)
    baseline = recipe_trial(study, RECOMMENDED)
    return {
        "schema": 1,
        "study": name,
        "trial": None if trial.number == UNTRIED else trial.number,
        "recipe": own.recipe,
        "confirmed": finals is not None,
        "verdict": found.verdict if found else verdict(trial, baseline, sign_of(study)),
        "params": params,
        "train": train,
        **({"stages": PROGRESSIVE_STAGES} if is_progressive(trial) else {}),
        "score": confirmed_score(finals, trial, setup) if finals else searched_score(trial, record),
        "searched": (searched_score(trial, record) if finals and trial.number != UNTRIED else None),
        **pareto_section(study, trial),
        "baseline": baseline_of(finals, baseline),
        "lead": found.difference.as_data() if found and found.difference else None,
        "command": exported.of_trial,
        "full_command": exported.in_full,
        "needs": exported.needs,
        "notes": [*exported.notes, *([say("note_front")] if objectives_of(study) else [])],
        "checkpoint": if_exists(weights_of(finals, trial) if finals else own.checkpoint, folder),
        "provenance": {
            "data_digest": data.digest,
            "data": data_of(setup, folder)["folder"] or data.source,
            "direction": data.direction,
            "n_train": data.n_train,
            "n_val": data.n_val,
            "profile": setup.profile,
            "objective": setup.objective,
            "trainer": setup.trainer,
            "program": program and program["file"],
            "space": setup.space_name,
            "seed": setup.seed if own.seed is None else own.seed,
            "device": setup.device,
            "host": setup.host,
            "versions": setup.versions,
            "optuna_study": study.study_name,
            "mlflow_run": own.mlflow_run,
            "created": setup.created,
        },
    }


def finals_for(
    study: Study, trial: FrozenTrial
) -> tuple[Finalists | None, Finalists | AsIs | None]:
    """The finalists' result, and the part of it that concerns this trial; None for both if none.

    It concerns the winner, the best that an unchanged train.py can run, and the recommended setting
    where only they tried it.
    """
    finals = StudyRecord.of(study).finalists
    winner, as_is = winning_trial(study), as_is_trial(study)
    found = finals and final_choices(finals, sign_of(study), is_pareto(study))
    if finals and winner and trial.number == winner.number:
        return finals, finals if not found or found[0].of_all else finals.as_is
    if finals and finals.as_is and as_is and trial.number == as_is.number:
        return finals, finals.as_is
    if finals and trial.number == UNTRIED:
        return finals, finals if found and found[0].verb == "keep" else finals.as_is or finals
    return None, None


def weights_of(finals: Finalists, trial: FrozenTrial) -> str | None:
    """A finalist's weights, which earlier versions recorded for the first ones only, elsewhere."""
    rows = finals.of_search
    own = next(row for row in finals.rows if number_of(row) == trial.number)
    if own.checkpoint or own is rows[0]:
        return own.checkpoint or finals.checkpoint
    first = next((row for row in rows if not row.moves), None)
    return finals.as_is.checkpoint if finals.as_is and own is first else None


def confirmed_score(finals: Finalists, trial: FrozenTrial, setup: StudySetup) -> Config:
    """A finalist's mean score over its repeats, on the pairs held out from the search."""
    own = next(row for row in finals.rows if number_of(row) == trial.number)
    return {
        "mean": own.mean,
        "ci95": own.ci95,
        "repeats": own.repeats,
        "steps": finals.steps,
        "pairs": f"{finals.pairs} held out from the search",
        "components": own.components,
        "noop": finals.noop,
        "weights": setup.weights,
    }


def pareto_section(study: Study, trial: FrozenTrial) -> Config:
    """The trial's values in a Pareto search, and the front; empty for any other search."""
    names = objectives_of(study)
    if not names:
        return {}
    front = [leading.number for leading in trials_by_score(study)]
    values = dict(zip(names, trial.values, strict=True))
    return {"pareto": {**values, "on_the_front": trial.number in front, "front": front}}


def searched_score(trial: FrozenTrial, record: StudyRecord) -> Config:
    """A trial's own score, from one short run, on the validation pairs."""
    setup, scores = record.setup, record.baseline
    return {
        "mean": score_of(trial),
        "ci95": None,
        "repeats": 1,
        "steps": setup.train.steps,
        "pairs": f"{setup.data.n_val} to validate with",
        "components": TrialRecord.of(trial).components,
        "noop": scores.noop if scores else None,
        "warm_start": scores.warm_start if scores else None,
        "weights": setup.weights,
    }


def baseline_of(finals: Finalists | None, trial: FrozenTrial | None) -> Config | None:
    """The score of the guide's recommended setting: of its finalist's runs, else of its one run."""
    if finals:
        own = finals.row(finals.baseline)
        return {"recipe": own.name, "mean": own.mean, "ci95": own.ci95}
    return {"recipe": RECOMMENDED, "mean": score_of(trial), "ci95": None} if trial else None


def chosen_trial(study: Study, number: Named) -> FrozenTrial:
    """The trial to export.

    Raises:
        ValueError: there is none; the message says why in one sentence.
    """
    setup = StudyRecord.of(study).ours
    if setup is None:
        raise ValueError(
            f"Study {study.study_name} was not made by harness search: it holds no settings."
        )
    name = setup.name
    if number is None:
        best = winning_trial(study)
        if best is None:
            go_on = "raise its --budget" if is_finished(study) else "let the search go on"
            raise ValueError(f"Study {name} has no completed trial yet: {go_on}, then export.")
        return best
    if number == "recommended":
        recommended = recommended_trial(study)
        if recommended is None:
            raise ValueError(
                f"Study {name} has no completed trial of the guide's recommended setting, and no "
                "finalists' runs of it: name a trial by its number."
            )
        return recommended
    trials = study.get_trials(deepcopy=False)
    ran = [trial.number for trial in trials if trial.state != TrialState.WAITING]
    if not ran:
        raise ValueError(f"Study {name} has no trial yet: let the search go on, then export.")
    if not 0 <= number < len(trials):
        raise ValueError(
            f"Study {name} has no trial {number}: its trials are {min(ran)} to {max(ran)}."
        )
    if trials[number].state != TrialState.COMPLETE:
        state = state_of(trials[number])
        raise ValueError(
            f"Trial {number} of study {name} has no final score (it is {state}): name a completed "
            "one, or leave --trial out for the best."
        )
    return trials[number]


def verdict(trial: FrozenTrial, baseline: FrozenTrial | None, sign: int) -> str:
    """The conclusion that single runs allow; `sign` is -1 if less is better."""
    if baseline is None:
        return "not compared: the study has no completed trial of the guide's recommended recipe"
    if baseline.number == trial.number:
        return "this is the guide's recommended recipe itself; one run, not confirmed by repeats"
    difference = sign * (score_of(trial) - score_of(baseline))
    word = "ahead of" if difference > 0 else "behind" if difference < 0 else "level with"
    return (
        f"{word} the guide's {RECOMMENDED} setting by {unsigned(abs(difference))} in one run each; "
        "not confirmed by repeats"
    )


class BlockDumper(yaml.SafeDumper):
    """The safe dumper, with multi-line texts as literal blocks and short lists on one line.

    What occurs twice is written twice, as people read it: the winner's section and `as_is` may be
    of one trial.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_items(self, items: list[Any]) -> yaml.SequenceNode:
        short = all(len(str(item)) < 20 for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


BlockDumper.add_representer(str, BlockDumper.represent_text)
BlockDumper.add_representer(list, BlockDumper.represent_items)


def as_yaml(config: Config) -> str:
    """A configuration as the text of a `best.yaml`."""
    return yaml.dump(config, Dumper=BlockDumper, sort_keys=False, allow_unicode=True, width=100)


def as_command(config: Config, repeat_trial: bool = False) -> str:
    """The command of the full training, or the one that repeats the trial."""
    return str(config["command" if repeat_trial else "full_command"])


def as_script(config: Config) -> str:
    """A shell script of the full training with the settings found, with remarks as comments."""
    trial = "recommended" if config["trial"] is None else f"trial {config['trial']}"
    head = f"Study {config['study']}, {trial}: {config['verdict']}."
    texts = [head, *config["needs"], *config["notes"]]
    remarks = "".join(f"# {line}\n" for text in texts for line in wrap(text))
    there = (
        ""
        if config["full_command"].startswith(("cd ", "harness "))
        else "# Run it in a checkout of pytorch-CycleGAN-and-pix2pix.\n"
    )
    return f"#!/usr/bin/env bash\n{remarks}{there}set -eu\n\n{config['full_command']}"


def wrap(text: str) -> list[str]:
    """Lines for a comment; control characters cannot break out of it."""
    return textwrap.wrap(" ".join(text.split()), 97, break_long_words=False, break_on_hyphens=False)
