"""`harness train` and `harness restore`: train a configuration in full, and apply the result."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Debug, command_of, to_stderr
from harness.errors import printable

if TYPE_CHECKING:
    from harness.config.train_config import TrainConfig


def train() -> Callable[..., None]:
    """Train a found configuration in full, or continue its training.

    Example: harness train best.yaml --data pairs --out model
    """
    from harness.config.train_config import TrainConfig

    return command_of(TrainConfig, run)


def run(
    config: "TrainConfig",
    debug: Debug = False,
) -> None:
    """Train with a console view, and print the outcome."""
    from harness.console.signals import STOPPED_BY_USER
    from harness.full_training.train import last_lines, train_fully
    from harness.full_training.view import make_training_view

    with closing(make_training_view()) as view:
        outcome = train_fully(config, view)
    print(printable("\n".join(last_lines(outcome))))
    if outcome.ended == "stopped":
        raise typer.Exit(STOPPED_BY_USER)


def restore(
    checkpoint: Annotated[Path, typer.Argument(help="A latest_net_G.pth, also pix2pix's own.")],
    pictures: Annotated[list[Path], typer.Argument(help="Retouched pictures, or folders of them.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the results; names and formats are kept, files there replaced."
        ),
    ],
    save_field: Annotated[
        bool,
        typer.Option("--save-field", help="Also write each displacement field, as NAME.flo."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    debug: Debug = False,
) -> None:
    """Restore pictures of any size with a trained generator.

    Example: harness restore model/best_net_G.pth retouched --out restored
    """
    from harness.evaluation.restore import restore_pictures
    from harness.trials.devices import resolve_device

    place = resolve_device(device)
    for file in restore_pictures(checkpoint, pictures, out, place, to_stderr, save_field):
        print(printable(file), flush=True)
