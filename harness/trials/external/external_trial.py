"""A trial that another program trains: what it is given, and what is read off it."""

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
from harness.paths import ExternalPaths, StudyPaths, aside_of
from harness.training.batches import to_signed, to_unit
from harness.training.checkpoints import load_weights, read_checkpoint
from harness.training.loop import Progress
from harness.training.networks import build_generator
from harness.trials.external.process import Followed, Judged, end_left_over, follow, said_in
from harness.trials.external.program import parsed_line, program_command
from harness.trials.external.repository import trial_command
from harness.trials.messages import TrialTask
from search_spaces.params import TrialParams

LOG_LINE = re.compile(r"\(epoch: (\d+), .*?\)(.*)")
LOSS = re.compile(r"(\w+): ([-+\w.]+)")


def train_with(
    external: External,
    task: TrialTask,
    settings: TrainSettings,
    dataset: Dataset,
    paths: StudyPaths,
    device: str,
    warm: bool,
) -> Generator[Progress]:
    """Run the trial there, and pause at every result that stands for a rung.

    Args:
        warm: it continues from the study's warm start.

    Raises:
        ExternalError: the program crashed, hung, or left out a result.
        DivergedError: a loss of its log is not finite.
    """
    lay_pictures(dataset, paths.external)
    run = paths.external.run(task.name)
    if run.exists():
        end_left_over(run)
        shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    n_train = len(dataset.train)
    if isinstance(external, Program):
        shown = dataset.val if task.phase == "search" else dataset.test
        program = other_program(external, task, settings, n_train, shown, paths, device)
        yield from follow(program, scored_at(external.mark, settings, n_train), device)
        return
    if warm:
        lay_warm_start(paths, task.params, run)
    program = train_py(external, task, settings, n_train, paths, device, warm)
    try:
        yield from follow(program, scored_at("epoch", settings, n_train), device)
    finally:
        for file in run.glob("*.pth"):
            file.unlink()


def train_py(
    repository: Repository,
    task: TrialTask,
    settings: TrainSettings,
    n_train: int,
    paths: StudyPaths,
    device: str,
    warm: bool,
) -> Followed:
    """The train.py of the user's copy of pix2pix, at this trial's settings."""
    run = paths.external.run(task.name)
    return Followed(
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
        pass_by=functools.partial(drop_before, run),
    )


def other_program(
    program: Program,
    task: TrialTask,
    settings: TrainSettings,
    n_train: int,
    shown: PairSet,
    paths: StudyPaths,
    device: str,
) -> Followed:
    """The program of the user's YAML, at this trial's settings."""
    run, warm = paths.external.run(task.name), paths.warm_start
    places = {
        "pairs": paths.external.pairs,
        "n_train": n_train,
        "inputs": paths.external.inputs(task.phase),
        "out": run,
        "seed": task.seed,
        "device": torch.device(device).type,
        "start_G": warm.generator,
        "start_D": warm.discriminator(task.params.n_layers_D, task.params.gan_mode),
    }
    load: Callable[[Path], Judged] = functools.partial(load_restored, shown=shown)
    if program.restored is None:
        load = functools.partial(load_generator, settings=settings, device=device)
    result = program.restored or program.checkpoint or ""
    return Followed(
        name=program.file.name,
        command=program_command(program, task.params, settings, places),
        cwd=program.folder,
        run=run,
        result=lambda mark: run / result.format_map({program.mark or "": mark}),
        load=load,
        log=said_in(run) if program.log is None else run / program.log,
        read_line=functools.partial(parsed_line, pattern=program.losses, mark=program.mark),
        silence=program.silence,
        at_end=program.mark is None,
    )


def load_generator(file: Path, settings: TrainSettings, device: str) -> nn.Module:
    """A generator from its checkpoint.

    Raises:
        DivergedError: a weight is not finite.
        UserInputError: it is half written, or of another network.
    """
    net = build_generator(settings, seed=0)
    try:
        load_weights(net, read_checkpoint(file), file, settings)
    except NonFiniteWeightsError as error:
        raise DivergedError(str(error)) from error
    return net.to(torch.device(device))


def load_restored(folder: Path, shown: PairSet) -> Tensor:
    """The pictures that a program restored, in the order of its inputs.

    Raises:
        UserInputError: one is missing, half written or of another size.
    """
    restored = []
    for number, retouched in enumerate(shown.retouched):
        file = folder / file_name(number)
        picture = to_tensor(read_picture(file))
        if picture.shape != retouched.shape:
            found, wanted = ("x".join(map(str, p.shape[:0:-1])) for p in (picture, retouched))
            raise UserInputError(f"{file} is {found} pixels, and what it restores is {wanted}.")
        restored.append(to_unit(to_signed(picture)))
    return torch.stack(restored)


def lay_warm_start(paths: StudyPaths, params: TrialParams, run: Path) -> None:
    """Put the study's warm start where `--continue_train` looks for it.

    Raises:
        SharedInputError: a file of it is gone.
    """
    held = paths.warm_start
    discriminator = held.discriminator(params.n_layers_D, params.gan_mode)
    try:
        shutil.copyfile(held.generator, run / "latest_net_G.pth")
        shutil.copyfile(discriminator, run / "latest_net_D.pth")
    except FileNotFoundError as error:
        raise SharedInputError(
            f"{error.filename} of the warm start is missing: run the same command again, which "
            "makes the warm start anew if that gives the same scores."
        ) from error


def scored_at(mark: str | None, settings: TrainSettings, n_train: int) -> dict[int, int]:
    """The rung that each scored epoch or step stands for, in order; 0 is a program's end.

    Where several rungs fall into one epoch, it stands for the last of them.
    """
    rungs = sorted(settings.rungs)
    if mark is None:
        return {0: rungs[-1]}
    each = math.ceil(n_train / settings.batch_size) if mark == "epoch" else 1
    return {math.ceil(rung / each): rung for rung in rungs}


def pix2pix_line(line: str) -> tuple[int, dict[str, str]] | None:
    """The epoch and the losses of a line of `loss_log.txt`."""
    found = LOG_LINE.search(line)
    return (int(found[1]), dict(LOSS.findall(found[2]))) if found else None


def drop_before(run: Path, epoch: int) -> None:
    """Remove the checkpoints of earlier epochs, which nobody waits for: they fill the disk."""
    for file in run.glob("*_net_?.pth"):
        number = file.name.partition("_")[0]
        if number.isdecimal() and int(number) < epoch:
            file.unlink()


def lay_pictures(dataset: Dataset, paths: ExternalPaths) -> None:
    """What an external program reads, once a study and machine, already scaled as it is here."""
    write_pairs(dataset.train, paths.pairs)
    write_pictures(dataset.val.retouched, paths.inputs("search"), ".")
    write_pictures(dataset.test.retouched, paths.inputs("final"), ".")


def write_pairs(pairs: PairSet, folder: Path) -> None:
    """Pairs side by side under train/, A retouched."""
    both = zip(pairs.retouched, pairs.originals, strict=True)
    write_pictures([torch.cat(halves, 2) for halves in both], folder, "train")


def write_pictures(pictures: Sequence[Tensor], folder: Path, under: str) -> None:
    """Pictures as `folder`/`under`/00000.png; all of them or none, and not again."""
    held = folder / under
    if held.is_dir() and len(list(held.iterdir())) == len(pictures):
        return
    shutil.rmtree(folder, ignore_errors=True)  # some were removed since
    aside = aside_of(folder)
    (aside / under).mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(aside / under / file_name(number))
    try:
        aside.rename(folder)
    except OSError:  # another worker was faster
        shutil.rmtree(aside)
        if not folder.exists():
            raise


def file_name(number: int) -> str:
    return f"{number:05d}.png"
