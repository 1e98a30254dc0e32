"""Run a trial in an external program: write its inputs, follow it, and read its results."""

import functools
import math
import re
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from harness.config.settings import External, Program, Repository, TrainSettings
from harness.data.files.picture_reading import read_picture
from harness.data.pairs.pair_set import Dataset, PairSet
from harness.data.pairs.sizing import to_tensor
from harness.errors import (
    DivergedError,
    NonFiniteWeightsError,
    SharedInputError,
    UserInputError,
)
from harness.paths import ExternalPaths, StudyPaths, WarmStartPaths, temporary_path
from harness.training.batches import to_signed, to_unit
from harness.training.checkpoints import load_weights, read_checkpoint
from harness.training.loop import Progress
from harness.training.networks import build_generator
from harness.trials.external.process import (
    Candidate,
    ProgramRun,
    end_left_over,
    follow,
    output_file,
)
from harness.trials.external.program import parse_line, program_command
from harness.trials.external.repository import trial_command
from harness.trials.messages import TrialTask
from search_spaces.trial_params import TrialParams

LOG_LINE = re.compile(r"\(epoch: (\d+), .*?\)(.*)")
LOSS = re.compile(r"(\w+): ([-+\w.]+)")


def train_with(
    external: External,
    task: TrialTask,
    settings: TrainSettings,
    dataset: Dataset,
    paths: StudyPaths,
    device: str,
    warm_start: WarmStartPaths | None,
) -> Generator[Progress]:
    """Run the trial in an external program, and yield its result at every rung.

    Args:
        warm_start: the warm start that train.py continues from; None: it trains from scratch.

    Raises:
        ExternalError: the program crashed, hung, or did not write a result.
        DivergedError: a loss in its log is not finite.
    """
    write_inputs(dataset, paths.external)
    run = paths.external.run(task.name)
    if run.exists():
        end_left_over(run)
        shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    n_train = len(dataset.train)
    if isinstance(external, Program):
        scored = dataset.val if task.phase == "search" else dataset.test
        program = program_run(external, task, settings, n_train, scored, paths, device)
        yield from follow(program, rungs_by_mark(external.mark, settings, n_train), device)
        return
    if warm_start is not None:
        copy_warm_start(warm_start, task.params, run)
    program = train_py_run(external, task, settings, n_train, paths, device, warm_start is not None)
    try:
        yield from follow(program, rungs_by_mark("epoch", settings, n_train), device)
    finally:
        for file in run.glob("*.pth"):
            file.unlink()


def train_py_run(
    repository: Repository,
    task: TrialTask,
    settings: TrainSettings,
    n_train: int,
    paths: StudyPaths,
    device: str,
    warm: bool,
) -> ProgramRun:
    """The run of train.py in the user's copy of pix2pix, with this trial's settings."""
    run = paths.external.run(task.name)
    return ProgramRun(
        name="train.py",
        command=trial_command(
            repository, task.params, settings, paths.external.pairs, n_train, run, device, warm
        ),
        cwd=repository.folder,
        run=run,
        result=lambda epoch: run / f"{epoch}_net_G.pth",
        load=functools.partial(load_generator, settings=settings, device=device),
        log=run / "loss_log.txt",
        read_line=pix2pix_line,
        silence=repository.silence,
        on_wait=functools.partial(remove_checkpoints_before, run),
    )


def program_run(
    program: Program,
    task: TrialTask,
    settings: TrainSettings,
    n_train: int,
    scored: PairSet,
    paths: StudyPaths,
    device: str,
) -> ProgramRun:
    """The run of the program in the user's YAML file, with this trial's settings."""
    run, warm = paths.external.run(task.name), paths.warm_start
    placeholders = {
        "pairs": paths.external.pairs,
        "n_train": n_train,
        "inputs": paths.external.inputs(task.phase),
        "out": run,
        "seed": task.seed,
        "device": torch.device(device).type,
        "start_G": warm.generator,
        "start_D": warm.discriminator(task.params.n_layers_D, task.params.gan_mode),
    }
    load: Callable[[Path], Candidate] = functools.partial(load_restored, scored=scored)
    if program.restored is None:
        load = functools.partial(load_generator, settings=settings, device=device)
    result = program.restored or program.checkpoint or ""
    return ProgramRun(
        name=program.file.name,
        command=program_command(program, task.params, settings, placeholders),
        cwd=program.folder,
        run=run,
        result=lambda mark: run / result.format_map({program.mark or "": mark}),
        load=load,
        log=output_file(run) if program.log is None else run / program.log,
        read_line=functools.partial(parse_line, pattern=program.losses, mark=program.mark),
        silence=program.silence,
        at_end=program.mark is None,
    )


def load_generator(file: Path, settings: TrainSettings, device: str) -> nn.Module:
    """Load a generator from its checkpoint.

    Raises:
        DivergedError: a weight is not finite.
        UserInputError: it is partly written, or of another network.
    """
    net = build_generator(settings, seed=0)
    try:
        load_weights(net, read_checkpoint(file), file, settings)
    except NonFiniteWeightsError as error:
        raise DivergedError(str(error)) from error
    return net.to(torch.device(device))


def load_restored(folder: Path, scored: PairSet) -> Tensor:
    """Read the pictures that a program restored, in the order of its inputs.

    Returns:
        Float `[n, 3, h, w]` in [0, 1].

    Raises:
        UserInputError: a picture is missing, unreadable, or not of its input's size.
    """
    restored = []
    for number, retouched in enumerate(scored.retouched):
        file = folder / file_name(number)
        picture = to_tensor(read_picture(file))
        if picture.shape != retouched.shape:
            found, expected = ("x".join(map(str, p.shape[:0:-1])) for p in (picture, retouched))
            raise UserInputError(f"{file} is {found} pixels, but its input is {expected}.")
        restored.append(to_unit(to_signed(picture)))
    return torch.stack(restored)


def copy_warm_start(warm: WarmStartPaths, params: TrialParams, run: Path) -> None:
    """Copy a warm start of the study to where `--continue_train` looks for it.

    Raises:
        SharedInputError: one of its files is missing.
    """
    discriminator = warm.discriminator(params.n_layers_D, params.gan_mode)
    try:
        shutil.copyfile(warm.generator, run / "latest_net_G.pth")
        shutil.copyfile(discriminator, run / "latest_net_D.pth")
    except FileNotFoundError as error:
        raise SharedInputError(
            f"{error.filename} of the warm start is missing: run the same command again, which "
            "recreates the warm start if that gives the same scores."
        ) from error


def rungs_by_mark(mark: str | None, settings: TrainSettings, n_train: int) -> dict[int, int]:
    """Map each mark (epoch or step) that is scored to its rung, in order.

    A program without marks has the single mark 0, its end. If several rungs fall into one epoch, it
    counts as the last of them.
    """
    rungs = sorted(settings.rungs)
    if mark is None:
        return {0: rungs[-1]}
    steps = math.ceil(n_train / settings.batch_size) if mark == "epoch" else 1
    return {math.ceil(rung / steps): rung for rung in rungs}


def pix2pix_line(line: str) -> tuple[int, dict[str, str]] | None:
    """Parse the epoch and the losses in a line of `loss_log.txt`; None if it has none."""
    match = LOG_LINE.search(line)
    return (int(match[1]), dict(LOSS.findall(match[2]))) if match else None


def remove_checkpoints_before(run: Path, epoch: int) -> None:
    """Remove checkpoints of epochs before `epoch`: they are not scored and would fill the disk."""
    for file in run.glob("*_net_?.pth"):
        number = file.name.partition("_")[0]
        if number.isdecimal() and int(number) < epoch:
            file.unlink()


def write_inputs(dataset: Dataset, paths: ExternalPaths) -> None:
    """Write the pictures for external programs, scaled as for built-in training.

    This is done once per study and machine.
    """
    write_pairs(dataset.train, paths.pairs)
    write_pictures(dataset.val.retouched, paths.inputs("search"), ".")
    write_pictures(dataset.test.retouched, paths.inputs("final"), ".")


def write_pairs(pairs: PairSet, folder: Path) -> None:
    """Write pairs side by side to train/, with the retouched half as A."""
    both = zip(pairs.retouched, pairs.originals, strict=True)
    write_pictures([torch.cat(halves, 2) for halves in both], folder, "train")


def write_pictures(pictures: Sequence[Tensor], folder: Path, subfolder: str) -> None:
    """Write pictures to `folder`/`subfolder`/00000.png and so on, atomically, unless they exist."""
    existing = folder / subfolder
    if existing.is_dir() and len(list(existing.iterdir())) == len(pictures):
        return
    shutil.rmtree(folder, ignore_errors=True)  # incomplete: somebody removed pictures
    temporary = temporary_path(folder)
    (temporary / subfolder).mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        image = Image.fromarray(picture.permute(1, 2, 0).numpy())
        image.save(temporary / subfolder / file_name(number))
    try:
        temporary.rename(folder)
    except OSError:  # another worker was faster
        shutil.rmtree(temporary)
        if not folder.exists():
            raise


def file_name(number: int) -> str:
    return f"{number:05d}.png"
