"""`harness train` and `harness restore`: train a configuration in full, and apply the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UserInputError, printable

if TYPE_CHECKING:
    from harness.config.settings import TrainConfig


def train(
    config: Annotated[Path, typer.Argument(help="A best.yaml.", metavar="CONFIG.yaml")],
    out: Annotated[Path, typer.Option(help="The training's folder; one in it is continued.")],
    data: Annotated[Path | None, typer.Option(help="Your pairs; else those of the search.")] = None,
    direction: Annotated[
        str | None, typer.Option(help="AtoB or BtoA; else that of the search.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs at the full learning rate; else 1000.")
    ] = None,
    epochs_decay: Annotated[
        int | None, typer.Option(help="Epochs while it falls to zero; else 1000.")
    ] = None,
    load_size: Annotated[int | None, typer.Option(help="Else as the file says.")] = None,
    crop_size: Annotated[int | None, typer.Option(help="Else as the file says.")] = None,
    lr_policy: Annotated[str, typer.Option(help="linear, step, plateau or cosine.")] = "linear",
    lr_decay_iters: Annotated[int, typer.Option(help="Epochs between steps of step.")] = 50,
    init_from: Annotated[
        list[Path] | None,
        typer.Option(help="Continue from your latest_net_G.pth; give it twice to add net_D."),
    ] = None,
    check_every: Annotated[
        int | None, typer.Option(help="Epochs between scores; else a hundredth of all.")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(help="Epochs between kept checkpoints; else a twentieth.")
    ] = None,
    patience: Annotated[
        int, typer.Option(help="Stop after so many scores without a better one; 0: never.")
    ] = 20,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of networks, order and crops.")] = 0,
    weights: Annotated[str, typer.Option(help="auto, pretrained or random.")] = "auto",
    objective: Annotated[
        str | None,
        typer.Option(
            help="The score, also for early stopping: built in, or package.module:factory; else "
            "the search's, if that is built in."
        ),
    ] = None,
    run_dir: Annotated[Path, typer.Option(help="The run folder with its MLflow.")] = Path("runs"),
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's tracking URI.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Train a found configuration in full, or continue a training that was stopped.

    Example: harness train runs/boundary-sharpness/best.yaml --data pairs --out model
    """
    from pydantic import ValidationError

    from harness.cli.search import refusal
    from harness.config.settings import TrainConfig

    try:
        settings = TrainConfig(
            config=config,
            out=out,
            data=data,
            direction=direction,  # type: ignore[arg-type]  # pydantic checks the words
            epochs=epochs,
            epochs_decay=epochs_decay,
            load_size=load_size,
            crop_size=crop_size,
            lr_policy=lr_policy,  # type: ignore[arg-type]
            lr_decay_iters=lr_decay_iters,
            init_from=tuple(init_from or ()),
            check_every=check_every,
            save_every=save_every,
            patience=patience,
            device=device,
            seed=seed,
            weights=weights,  # type: ignore[arg-type]
            objective=objective,
            run_dir=run_dir,
            tracking_uri=tracking_uri,
        )
    except ValidationError as error:
        raise UserInputError(refusal(error)) from error
    run(settings)


def run(config: "TrainConfig") -> None:
    """Train with a console view, and print the outcome."""
    from harness.full_training.train import closing, train_fully
    from harness.full_training.view import make_training_view
    from harness.search.stop_signals import STOPPED_BY_USER

    view = make_training_view()
    try:
        outcome = train_fully(config, view)
    finally:
        view.close()
    print(printable("\n".join(closing(outcome))))
    if outcome.ended == "stopped":
        raise typer.Exit(STOPPED_BY_USER)


def restore(
    checkpoint: Annotated[Path, typer.Argument(help="A latest_net_G.pth, also pix2pix's own.")],
    pictures: Annotated[list[Path], typer.Argument(help="Retouched pictures, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; names and formats are kept.")],
    save_field: Annotated[
        bool,
        typer.Option("--save-field", help="Also write each displacement field, as NAME.flo."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Restore pictures of any size with a trained generator.

    Example: harness restore model/best_net_G.pth retouched --out restored
    """
    from harness.evaluation.restore import restore_pictures
    from harness.trials.devices import resolve_device

    def remark(sentence: str) -> None:
        typer.echo(sentence, err=True)

    place = resolve_device(device)
    for file in restore_pictures(checkpoint, pictures, out, place, remark, save_field):
        print(printable(file), flush=True)
