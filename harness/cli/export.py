"""`harness export` and `harness report`: a study's best configuration, and its results."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.options import RunDir, Storage, to_stderr
from harness.errors import UserInputError, as_user_input_error, printable

if TYPE_CHECKING:
    from optuna import Study

    from reports.export.best_yaml import Named

StudyName = Annotated[
    str | None, typer.Option(help="The study; required if there are several searches.")
]


def export(
    run_dir: RunDir = Path("runs"),
    study: StudyName = None,
    storage: Storage = None,
    trial: Annotated[
        str | None,
        typer.Option(
            metavar="N|recommended",
            help="A completed trial, or the guide's recommended setting; else the best.",
        ),
    ] = None,
    form: Annotated[
        Literal["yaml", "command", "script", "plugin"],
        typer.Option(
            "--format",
            help="yaml: everything; command: the full training with the settings found; script: "
            "the same as a file with remarks; plugin: the model files that your copy of pix2pix "
            "needs to move pixels, or for the perceptual term.",
        ),
    ] = "yaml",
    repeat_trial: Annotated[
        bool,
        typer.Option("--repeat-trial", help="With command: the trial's own short training."),
    ] = False,
    repo: Annotated[
        Path | None,
        typer.Option(
            help="Your copy of pix2pix, for which commands are written; with plugin, the folder "
            "to write to."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A file; else print.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With plugin: replace model files of ours.")
    ] = False,
) -> None:
    """Print a study's best configuration, or what trains it.

    With --format plugin: write our model files to your copy of pix2pix.

    Example: harness export --format command --repo path/to/pix2pix
    """
    if repeat_trial and form != "command":
        raise UserInputError(f"--repeat-trial is for --format command, not {form}: leave it out.")
    if form == "plugin":
        study_options = {"--study": study, "--storage": storage, "--trial": trial, "--out": out}
        given = [name for name, value in study_options.items() if value is not None]
        export_plugin(repo, force, run_dir, given)
        return
    if force:
        raise UserInputError("--force replaces model files: use it with --format plugin.")
    from harness.console.lines import wrapped
    from harness.paths import RunPaths
    from harness.study.study import read_study
    from reports.commands.lengths import length_of_export
    from reports.export.best_yaml import as_command, as_script, as_yaml, best_config

    chosen = number_of_trial(trial)
    found = read_study(run_dir, study, storage)
    paths = RunPaths(run_dir).study(found.study_name)
    copy = None if repo is None else describe_copy(repo)
    file, export_command = str(out.absolute()) if out else None, ""
    if form != "yaml":
        file, export_command = file_to_train(found, paths.folder, storage, chosen)
    with as_user_input_error(ValueError):
        config = best_config(found, chosen, copy, paths.folder, file)
    if form == "yaml":
        write(out, as_yaml(config))
        return
    for key in ("command", "full_command"):
        if config[key].startswith("harness train"):
            config[key] = export_command + config[key]
    if form == "script":
        write(out, as_script(config))
        return
    length = length_of_export(found, config, repeat_trial, copy is not None)
    for remark in (length, *config["needs"]):
        if remark:
            print(wrapped(remark, "  "), file=sys.stderr)
    write(out, as_command(config, repeat_trial))


def number_of_trial(word: str | None) -> "Named":
    """The trial that `--trial` names."""
    if word == "recommended":
        return "recommended"
    try:
        return None if word is None else int(word)
    except ValueError as error:
        raise UserInputError(
            f"--trial {word} cannot be used: write the number of a trial, or recommended."
        ) from error


def file_to_train(
    study: "Study", folder: Path, storage: str | None, trial: "Named"
) -> tuple[str, str]:
    """The configuration file for an exported `harness train` command.

    Returns:
        The file: the study's best.yaml if that is meant and exists, else a new one; and a command
        to run first, which writes the file ("" if it exists).
    """
    from harness.study.urls import without_secrets
    from reports.commands.next_command import Where, exported_file

    best_yaml = folder.absolute() / "best.yaml"
    if trial is None and best_yaml.exists():
        return str(best_yaml), ""
    where = Where(folder.absolute(), without_secrets(storage) if storage else None)
    file, export = exported_file(study, trial, where)
    return file, f"{export}\n"


def export_plugin(repo: Path | None, force: bool, run_dir: Path, ineffective: list[str]) -> None:
    """Write our model files to a copy of pix2pix, and print their paths.

    Args:
        run_dir: that of the search, for the next command.
        ineffective: options that the user gave in vain, since the files are the same for any study.
    """
    from harness.errors import printable
    from harness.trials.external.plugin import write_plugin
    from reports.commands.train_py import quoted

    if repo is None:
        raise UserInputError(
            "--format plugin writes into your copy of pytorch-CycleGAN-and-pix2pix: name it with "
            "--repo DIR."
        )
    if ineffective:
        raise UserInputError(
            f"{ineffective[0]} has no meaning with --format plugin, whose files are the same "
            "for every study: leave it out."
        )
    written, kept = write_plugin(repo, force)
    for file in written:
        print(printable(file))
    if kept is not None:
        print(f"{printable(kept)} is your own and stays as it is.", file=sys.stderr)
    place = [] if run_dir == Path("runs") else ["--run-dir", str(run_dir)]
    words = " ".join(map(quoted, ["--repo", str(repo), *place]))
    print(
        f"Next, for a setting that a search found:\n  harness export --format command {words}",
        file=sys.stderr,
    )


def describe_copy(folder: Path) -> dict[str, Any]:
    """A description of the user's copy of pix2pix, for `best_config`."""
    from harness.trials.external.repository import read_repository
    from harness.trials.external.trainer import SILENCE

    return read_repository(folder, SILENCE).model_dump(mode="json")


def report(
    run_dir: RunDir = Path("runs"),
    study: StudyName = None,
    storage: Storage = None,
    form: Annotated[
        Literal["html", "csv", "json", "md"],
        typer.Option("--format", help="html: one page with everything; csv, json, md: the trials."),
    ] = "html",
    lang: Annotated[Literal["en", "ko"], typer.Option(help="The page's language.")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="A file; else report.html in the study's folder, or print."
        ),
    ] = None,
) -> None:
    """Write a study's results: one page, or a table of its trials.

    Example: harness report --lang ko -o report.html
    """
    from harness.paths import RunPaths, check_file
    from harness.study.study import read_study
    from harness.study.urls import without_secrets

    if lang != "en" and form != "html":
        raise UserInputError(f"--lang is for --format html, not {form}: leave it out.")
    found = read_study(run_dir, study, storage)
    if form == "html":
        from reports.page.report import no_pictures, write_report

        paths = RunPaths(run_dir).study(found.study_name)
        file = out or paths.report_html
        check_file(file, "-o")
        shown_storage = without_secrets(storage) if storage else None
        if not paths.panels.is_dir():
            to_stderr(printable(no_pictures(paths.panels)))
        write_report(found, file, lang, paths.panels, shown_storage)
        print(file)
        return
    from reports.export.trials_table import as_csv, as_json, as_markdown, trials_frame

    frame = trials_frame(found)
    write(out, {"csv": as_csv, "json": as_json, "md": as_markdown}[form](frame))


def write(file: Path | None, text: str) -> None:
    """Write a file atomically, or print if no file is named."""
    if file is None:
        sys.stdout.write(text)
        return
    from harness.paths import check_file, write_atomically

    check_file(file, "-o")
    write_atomically(file, text)
