"""The options of `harness train`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.config.models import Options
from harness.config.options import Option
from harness.config.settings import (
    DATA,
    MACHINE,
    RECORD,
    Direction,
    Epochs,
    InitFrom,
    LrPolicy,
    RequestedWeights,
    Seed,
    Side,
)

TRAINING = Option("Training")


class TrainConfig(Options):
    """The options of `harness train`, one per field. None: the configuration file's value."""

    config: Annotated[
        Path,
        Field(description="A best.yaml."),
        replace(TRAINING, argument=True, metavar="CONFIG.yaml"),
    ]
    out: Annotated[
        Path,
        Field(description="The training's folder; one in it is continued."),
        replace(RECORD, basic=True, metavar="DIR"),
    ]
    data: Annotated[
        Path | None,
        Field(description="Your pairs; else those of the search."),
        replace(DATA, basic=True, metavar="DIR"),
    ] = None
    direction: Annotated[
        Direction | None,
        Field(description="Which side is retouched; else as in the search."),
        replace(DATA, basic=True),
    ] = None
    epochs: Annotated[
        Epochs | None,
        Field(description="Epochs at the full learning rate; else 1000."),
        replace(TRAINING, basic=True),
    ] = None
    epochs_decay: Annotated[
        Epochs | None,
        Field(description="Epochs while it falls to zero; else 1000."),
        replace(TRAINING, basic=True),
    ] = None
    load_size: Annotated[Side | None, Field(description="Else as the file says."), DATA] = None
    crop_size: Annotated[Side | None, Field(description="Else as the file says."), DATA] = None
    lr_policy: Annotated[LrPolicy, Field(description="How the learning rate falls."), TRAINING] = (
        "linear"
    )
    lr_decay_iters: Annotated[
        Epochs, Field(ge=1, description="Epochs between steps of the policy step."), TRAINING
    ] = 50
    init_from: Annotated[InitFrom, replace(TRAINING, basic=True, metavar="FILE")] = ()
    check_every: Annotated[
        Epochs | None,
        Field(ge=1, description="Epochs between scores; else a hundredth of all."),
        TRAINING,
    ] = None
    save_every: Annotated[
        Epochs | None,
        Field(ge=1, description="Epochs between kept checkpoints; else a twentieth."),
        RECORD,
    ] = None
    patience: Annotated[
        Epochs,
        Field(description="Stop after so many scores without a better one; 0: never."),
        TRAINING,
    ] = 20
    device: Annotated[
        str, Field(description="auto, cpu, cuda or cuda:N."), replace(MACHINE, metavar="DEVICE")
    ] = "auto"
    seed: Annotated[Seed, Field(description="Seed of networks, order and crops."), TRAINING] = 0
    weights: Annotated[RequestedWeights, TRAINING] = "auto"
    objective: Annotated[
        str | None,
        Field(
            description="The score, also for early stopping: built in, or package.module:factory; "
            "else the search's, if that is built in."
        ),
        replace(TRAINING, metavar="NAME"),
    ] = None
    run_dir: Annotated[
        Path,
        Field(description="The run folder with its MLflow."),
        replace(RECORD, metavar="DIR"),
    ] = Path("runs")
    tracking_uri: Annotated[
        str | None, Field(description="MLflow's tracking URI."), replace(RECORD, metavar="URI")
    ] = None
