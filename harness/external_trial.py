"""A trial that the user's own train.py trains: what it is given, and what is read off it."""

import math
import shutil
from collections.abc import Generator
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from harness.config import Repository, TrainSettings
from harness.data.pairs import PairSet
from harness.paths import StudyPaths
from harness.repository import trial_command
from harness.training.checkpoints import load_weights, read_checkpoint
from harness.training.external import follow
from harness.training.loop import Progress
from harness.training.networks import build_generator
from harness.trial_messages import TrialTask
from search_spaces.params import TrialParams


def train_with(
    repository: Repository,
    task: TrialTask,
    settings: TrainSettings,
    pairs: PairSet,
    paths: StudyPaths,
    device: str,
    warm: bool,
) -> Generator[Progress]:
    """Run the trial there, and pause at the end of every epoch that stands for a rung.

    Raises:
        ExternalError: train.py crashed, hung, or left out a checkpoint.
        DivergedError: a loss of its log is not finite.
    """
    run = paths.external.run(task.name)
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    if warm:
        lay_warm_start(paths, task.params, run)

    def load(file: Path) -> nn.Module:
        net = build_generator(settings, seed=0)
        load_weights(net, read_checkpoint(file), file, settings)
        return net.to(torch.device(device))

    command = trial_command(
        repository, task.params, settings, paths.external.pairs, len(pairs), run, device, warm
    )
    scored = epochs_of(settings, len(pairs))
    yield from follow(command, repository.folder, run, scored, load, device, repository.silence)


def lay_warm_start(paths: StudyPaths, params: TrialParams, run: Path) -> None:
    """Put the study's warm start where `--continue_train` looks for it."""
    held = paths.warm_start
    shutil.copyfile(held.generator, run / "latest_net_G.pth")
    discriminator = held.discriminator(params.n_layers_D, params.gan_mode)
    shutil.copyfile(discriminator, run / "latest_net_D.pth")


def epochs_of(settings: TrainSettings, n_train: int) -> dict[int, int]:
    """The rung that each scored epoch stands for: train.py saves whole epochs only.

    Where several rungs fall into one epoch, it stands for the last of them.
    """
    epoch = math.ceil(n_train / settings.batch_size)
    return {math.ceil(rung / epoch): rung for rung in sorted(settings.rungs)}


def write_pairs(pairs: PairSet, folder: Path) -> None:
    """The training pairs as train.py reads them, once a study, already scaled as they are here."""
    if folder.exists():
        return
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "train").mkdir(parents=True)
    both = zip(pairs.retouched, pairs.originals, strict=True)
    for number, halves in enumerate(both):
        picture = torch.cat(halves, 2).permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(aside / "train" / f"{number:05d}.png")
    aside.rename(folder)
