"""A user's copy of pytorch-CycleGAN-and-pix2pix: the options it supports, and its command line."""

import re
import subprocess
import sys
from pathlib import Path

from harness.config.settings import Repository, TrainSettings
from harness.errors import UserInputError
from reports.commands.repository_options import Switches, missing, options_of, unattended, words_of
from reports.commands.train_py import train_commands
from search_spaces.trial_params import TrialParams

HELP_TIMEOUT = 300


def read_repository(folder: Path, silence: float) -> Repository:
    """Inspect a copy of pix2pix: run its --help, and find the options that its models add.

    It runs with the Python of its own `.venv` if it has one, else with the current one.

    Args:
        silence: seconds without a sign of life after which it counts as hung.

    Raises:
        UserInputError: there is no train.py, or it fails; the message has its last line.
    """
    if not (folder / "train.py").is_file():
        raise UserInputError(
            f"There is no train.py in {folder}: name your copy of pytorch-CycleGAN-and-pix2pix "
            "with --repo DIR, or a YAML file that describes another program."
        )
    folder = folder.resolve()
    python = python_of(folder)
    try:
        completed = subprocess.run(
            [python, "train.py", "--help"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=HELP_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserInputError(
            f"{folder}/train.py --help does not answer ({type(error).__name__}): check that it "
            "runs by hand."
        ) from error
    if completed.returncode:
        last = (completed.stderr.strip() or "no message").splitlines()[-1]
        raise UserInputError(
            f"{folder}/train.py --help ends with an error ({last}): fix that, or put an "
            f"environment that it runs in at {folder}/.venv."
        )
    options = set(re.findall(r"--(\w+)", completed.stdout))
    # --help does not list the options that models add.
    files = sorted((folder / "models").glob("*.py"))
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        options |= set(re.findall(r"""['"]--(\w+)['"]""", text))
    ending = "_model.py"
    models = [file.name.removesuffix(ending) for file in files if file.name.endswith(ending)]
    return Repository(
        folder=folder,
        python=python,
        options=tuple(sorted(options)),
        models=tuple(models),
        silence=silence,
    )


def python_of(folder: Path) -> str:
    """The Python interpreter for `folder`: that of its `.venv` if it has one, else this one."""
    venv_python = folder / ".venv" / "bin" / "python"
    return str(venv_python) if venv_python.exists() else sys.executable


def check_options(repository: Repository, params: TrialParams, train: TrainSettings) -> None:
    """Reject a copy that does not support these settings.

    Raises:
        UserInputError: names the missing option or model.
    """
    data = {"folder": "pairs", "direction": "AtoB", "n_train": 1}
    command = train_commands(params.model_dump(), train.model_dump(), data, "check", "warm")[-1]
    if lacking := missing(options_of(command), repository.model_dump(mode="json")):
        raise UserInputError(lacking)


def trial_command(
    repository: Repository,
    params: TrialParams,
    train: TrainSettings,
    pairs: Path,
    n_train: int,
    run: Path,
    device: str,
    warm: bool,
) -> list[str]:
    """The train.py command of one trial, with the options of this copy.

    Args:
        pairs: a folder of side-by-side pairs, A retouched.
        run: the run's folder, with the initial networks if `warm`.
    """
    data = {"folder": str(pairs), "direction": "AtoB", "n_train": n_train}
    warm_start = str(run) if warm else None
    command = train_commands(params.model_dump(), train.model_dump(), data, run.name, warm_start)[
        -1
    ]
    options = repository.options
    switches: Switches = {
        **options_of(command),
        **unattended(device, options),
        "save_epoch_freq": "1",
        "checkpoints_dir": str(run.parent),
    }
    # For no HTML page, no worker processes and few log lines, if the copy has these options.
    optional: Switches = {
        "no_html": None,
        "num_threads": "0",
        "print_freq": str(max(1, n_train // 2)),
    }
    switches |= {name: value for name, value in optional.items() if name in options}
    return [repository.python, "-u", "train.py", *words_of(switches, options)]
