"""The one command to run after a search, which trains the setting that was decided on."""

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
        folder: the study's folder; None: in `runs`, where commands look by default.
        storage: the URL of its database, without secrets; None: the run folder's.
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
    """The command that shows the state of a search; "" if no search created the study."""
    if StudyRecord.of(study).ours is None:
        return ""
    return line(["harness", "status", *study_options(study, where)])


def search_command(study: Study, where: Where) -> str:
    """The command that searches on with twice as many trials and the last search's options.

    If an earlier version did not record those, the command that shows the search's state.
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
    """The command that trains a trial's setting: here if it moves pixels, else in train.py.

    Args:
        trial: None if the decided setting has no trial: the recommended one, which the search's
            space left out. If it cannot be exported, the command shows the search's state.
    """
    setup = StudyRecord.of(study).ours
    found = recommended_trial(study) if trial is None else study.get_trials(deepcopy=False)[trial]
    if found is None or setup is None:
        return status_command(study, where)
    settings = settings_of(found)
    winner = winning_trial(study)
    chosen = RECOMMENDED if trial is None else trial
    exported = [] if winner and winner.number == trial else ["--trial", f"{chosen}"]
    options = study_options(study, where)
    only_here = moves_pixels({**setup.train.as_data(), **settings})
    if not only_here or setup.repository or setup.program:
        return line(["harness", "export", "--format", "command", *options, *exported])
    file, export = file_to_train(study, chosen, where)
    name = folder_name(f"{setup.name}-{name_of_choice(chosen)}")
    train = harness_train(file, data_of(setup, where.folder), name)
    train += ["--run-dir", options[1]] if options[1] != "runs" else []
    return f"{export} && {line(train)}" if export else line(train)


def file_to_train(study: Study, trial: int | str, where: Where) -> tuple[str, str]:
    """The file with a trial's setting, and a command to run first, which writes the file.

    For the winner it is the study's best.yaml, and the command is "", unless somebody removed that
    file from the run folder.
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
    chosen = "best" if trial is None else name_of_choice(trial)
    setup = StudyRecord.of(study).ours
    file = folder_name(f"{setup.name if setup else study.study_name}-{chosen}.yaml")
    options = study_options(study, where) + ([] if trial is None else ["--trial", f"{trial}"])
    return file, line(["harness", "export", *options, "-o", file])


def name_of_choice(trial: int | str) -> str:
    """What files and folders of a trial are named after: `t007`, or the word that chose it."""
    return trial_name(trial) if isinstance(trial, int) else trial


def needs_pictures(command: str) -> bool:
    """Whether the user has to replace the placeholder folder in it with a folder of pictures."""
    return f" {PLACEHOLDER_DATA} " in command


def line(words: list[str]) -> str:
    return " ".join(map(quoted, words))
