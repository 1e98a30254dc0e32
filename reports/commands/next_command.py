"""The one command that a person types after a search: it trains the setting that was decided on."""

from dataclasses import dataclass
from pathlib import Path

from optuna import Study

from reports.commands.recorded_paths import data_of
from reports.commands.train_py import (
    PLACEHOLDER_DATA,
    folder_name,
    harness_train,
    quoted,
)
from reports.record.names import RECOMMENDED, moves_pixels, trial_name
from reports.record.queries import (
    ENDED,
    recommended_trial,
    settings_of,
    trials_of,
    winning_trial,
)
from reports.record.study import StudyRecord


@dataclass(frozen=True)
class Where:
    """Where a study is read from.

    Attributes:
        folder: the study's, in its run folder; None: in `runs`, where commands look by default.
        storage: the URL of its database, as it may be shown; None: the run folder's.
    """

    folder: Path | None = None
    storage: str | None = None


NOWHERE = Where()


def study_options(study: Study, where: Where) -> list[str]:
    """The options that name the study."""
    run_dir = where.folder.parent if where.folder else Path("runs")
    setup = StudyRecord.of(study).ours
    options = ["--run-dir", str(run_dir), "--study", setup.name if setup else study.study_name]
    return options + (["--storage", where.storage] if where.storage else [])


def status_command(study: Study, where: Where) -> str:
    """How a search stands; "" where the study was not made by one."""
    if StudyRecord.of(study).ours is None:
        return ""
    return line(["harness", "status", *study_options(study, where)])


def search_command(study: Study, where: Where) -> str:
    """Searches on with twice as many trials, by the options of the last search.

    How the search stands, where an earlier version did not record them.
    """
    record = StudyRecord.of(study)
    if record.ours is None or record.undertaken is None or record.undertaken.options is None:
        return status_command(study, where)
    mirror = ["--tracking-uri", record.tracking_uri] if record.tracking_uri else []
    given = [*record.undertaken.options, *study_options(study, where), *mirror]
    # The last search may have had a smaller budget than one before it.
    trials = max(record.ours.budget, len(trials_of(study, *ENDED)))
    return line(["harness", "search", *given, "--budget", f"{2 * trials}"])


def training_command(study: Study, trial: int | None, where: Where) -> str:
    """What trains a trial's setting: a generator that moves pixels here, any other in train.py.

    Args:
        trial: None where it is the recommended setting, which the search's space left out. Where
            that cannot be exported: how the search stands.
    """
    setup = StudyRecord.of(study).ours
    found = recommended_trial(study) if trial is None else study.get_trials(deepcopy=False)[trial]
    if found is None or setup is None:
        return status_command(study, where)
    settings = settings_of(found)
    winner = winning_trial(study)
    named = RECOMMENDED if trial is None else f"{trial}"
    exported = [] if winner and winner.number == trial else ["--trial", named]
    options = study_options(study, where)
    only_here = moves_pixels({**setup.train.as_data(), **settings})
    if not only_here or setup.repository or setup.program:
        return line(["harness", "export", "--format", "command", *options, *exported])
    file, export = file_to_train(study, RECOMMENDED if trial is None else trial, where)
    name = folder_name(f"{setup.name}-{RECOMMENDED if trial is None else trial_name(trial)}")
    train = harness_train(file, data_of(setup, where.folder), name)
    train += ["--run-dir", options[1]] if options[1] != "runs" else []
    return f"{export} && {line(train)}" if export else line(train)


def file_to_train(study: Study, trial: int | str, where: Where) -> tuple[str, str]:
    """The file that has a trial's setting, and the command that writes it first.

    The study's best.yaml has the winner's, and then that command is "", unless somebody removed it
    from the run folder.
    """
    winner = winning_trial(study)
    if winner and winner.number == trial:
        file = (where.folder or Path("runs") / study.study_name) / "best.yaml"
        if file.exists() or not file.parent.parent.exists():
            return str(file), ""
    return exported_file(study, trial, where)


def exported_file(study: Study, trial: int | str | None, where: Where) -> tuple[str, str]:
    """A file for a trial's setting (None: the best one's), and the command that writes it.

    Args:
        trial: its number, or a word that `harness export --trial` knows.
    """
    chosen = "best" if trial is None else trial_name(trial) if isinstance(trial, int) else trial
    setup = StudyRecord.of(study).ours
    file = folder_name(f"{setup.name if setup else study.study_name}-{chosen}.yaml")
    options = study_options(study, where) + ([] if trial is None else ["--trial", f"{trial}"])
    return file, line(["harness", "export", *options, "-o", file])


def needs_pictures(command: str) -> bool:
    """Whether a folder of one's own pictures must be put in place of the one that it names."""
    return f" {PLACEHOLDER_DATA} " in command


def line(words: list[str]) -> str:
    return " ".join(map(quoted, words))
