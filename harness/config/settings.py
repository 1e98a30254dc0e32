"""Settings models: immutable, and validated once, on creation."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from harness.config.models import Frozen, Options
from harness.config.options import (
    LONGEST_NAME,
    Option,
    default_study_name,
    parse_duration,
    parse_pins,
)
from harness.errors import inline
from search_spaces.trial_params import MOST_FILTERS, MOST_IN_BATCH, GanMode, GeneratorName

# A finalist is trained so many times as long as a trial; the CPU profile has no time for more.
FINAL_TIMES = 1.5
# Upper bounds: larger numbers are typos or attacks.
LARGEST_SIDE = 8192
MOST_STEPS = 10_000_000
MOST_EPOCHS = 1_000_000
MOST_TRIALS = 1_000_000
MOST_REPEATS = 100
MOST_WORKERS = 1024
LARGEST_SEED = 2**32 - 1
LONGEST_WAIT = 10 * 366 * 86400.0

Weights = Literal["pretrained", "random"]
Direction = Literal["AtoB", "BtoA"]
SamplerName = Literal["tpe", "gp", "cmaes", "qmc", "random"]
PrunerName = Literal["asha", "hyperband", "median", "none"]
InitType = Literal["normal", "xavier", "kaiming", "orthogonal"]
LrPolicy = Literal["linear", "step", "plateau", "cosine"]
Precision = Literal["float32", "tf32", "bfloat16"]
PerceptualLayer = Literal["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Filters = Annotated[int, Field(gt=0, le=MOST_FILTERS)]
Steps = Annotated[int, Field(ge=0, le=MOST_STEPS)]
# Not `Steps = Field(ge=1)`: of two lower bounds pydantic checks only the type's own.
PositiveSteps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Epochs = Annotated[int, Field(ge=0, le=MOST_EPOCHS)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=LONGEST_WAIT)]


def reject_control_characters(name: str) -> str:
    """Validate that a name has no control characters, which could control the terminal."""
    if name != inline(name):
        raise ValueError("a name must not contain control characters")
    return name


SafeName = Annotated[str, AfterValidator(reject_control_characters)]
StudyName = Annotated[
    str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(reject_control_characters)
]


class TrainSettings(Frozen):
    """All training settings of a trial except the five of `TrialParams`.

    Names and meanings are those of pytorch-CycleGAN-and-pix2pix, where it has the setting.
    """

    netG: GeneratorName
    ngf: Filters
    netD: Literal["n_layers", "basic", "pixel"] = "n_layers"
    ndf: Filters
    norm: Literal["batch", "instance", "none"] = "batch"
    dropout: bool = True
    init_type: InitType = "normal"
    init_gain: float = Field(default=0.02, gt=0)
    preprocess: Literal["resize_and_crop", "scale_width_and_crop", "crop", "none"]
    load_size: Side
    crop_size: Side
    flip: bool = True
    batch_size: int = Field(default=1, ge=1, le=MOST_IN_BATCH)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    steps: PositiveSteps = Field(description="optimisation steps of one trial")
    rungs: tuple[Steps, ...] = Field(
        max_length=1000, description="steps at which a trial is scored; the last = steps"
    )
    precision: Precision = Field(
        default="float32",
        description="of convolutions and products in training; weights and losses stay float32",
    )
    ema_decay: float = Field(ge=0, lt=1, description="running average of the scored weights")
    ema_every: PositiveSteps = Field(default=1, description="steps between its updates")
    perceptual_layers: tuple[PerceptualLayer, ...] = Field(
        min_length=1, max_length=5, description="VGG19 activations compared"
    )
    perceptual_window: Side | None = Field(
        description="side of the square that is compared; None: the whole picture"
    )
    warm_start_steps: Steps = Field(description="steps of the study's shared warm start")
    warm_discriminator_steps: Steps = Field(
        description="further steps, in which discriminators of all kinds are trained together"
    )
    warm_start_lr_warp: float = Field(
        default=2e-4, gt=0, description="learning rate of the warm start that moves pixels"
    )

    def longer(self, times: float) -> "TrainSettings":
        """The same training, `times` as long, scored at its original and its new end."""
        steps = round(self.steps * times)
        return self.model_copy(update={"steps": steps, "rungs": (self.steps, steps)})

    def updated(self, extras: Mapping[str, Any]) -> "TrainSettings":
        """A validated copy in which `extras` replace the values of the same names."""
        return TrainSettings.model_validate({**self.model_dump(), **extras})


class Repository(Frozen):
    """A user's copy of pix2pix whose train.py runs the trials."""

    folder: Path
    python: str = Field(description="the interpreter that runs it")
    options: tuple[str, ...] = Field(description="the options of its train.py")
    models: tuple[str, ...] = Field(default=(), description="valid values of its --model")
    silence: float = Field(gt=0, description="seconds without a sign of life until it is hung")


class Program(Frozen):
    """Any other program that runs the trials, described by the user's YAML file."""

    file: Path = Field(description="the YAML that describes it")
    folder: Path = Field(description="where it runs")
    command: tuple[str, ...] = Field(description="words with placeholders such as {lr} and {out}")
    mark: Literal["epoch", "step"] | None = Field(
        description="the unit that numbers its results; None: there is only one, at its end"
    )
    checkpoint: str | None = Field(description="path in {out} of pix2pix's generator")
    restored: str | None = Field(description="path in {out} of a folder of restored pictures")
    log: str | None = Field(description="path in {out}; None: its output")
    losses: str | None = Field(description="regular expression for log lines, a group per loss")
    silence: float = Field(gt=0, description="seconds without a sign of life until it is hung")

    @property
    def continues(self) -> bool:
        """Whether it continues from a checkpoint that it is given."""
        return any("{start_G}" in word or "{start_D}" in word for word in self.command)


External = Repository | Program


class TrialPlan(Frozen):
    """Everything that a worker needs to run any trial of a study; can be pickled."""

    dataset: Path = Field(description="the file with the prepared pairs")
    folder: Path = Field(description="the study's folder")
    train: TrainSettings
    other_netG: GeneratorName | None = Field(
        default=None, description="the generator of the other kind, if the study has both"
    )
    weights: Weights
    device: str = Field(description="a torch device: cpu, cuda:0")
    threads: int = Field(ge=1, description="CPU threads of one trial")
    warm_start_threads: int = Field(ge=1, description="CPU threads that train the warm start")
    warm_start: Literal["shared", "none"] = "shared"
    init_from: tuple[Path, ...] = Field(default=(), description="the user's net_G [, net_D]")
    discriminators: tuple[tuple[int, GanMode], ...] = Field(
        description="all (n_layers_D, gan_mode) of the space"
    )
    seed: int = 0
    objective: str = "boundary_sharpness"
    external: External | None = Field(default=None, description="None: built-in training")

    @property
    def generators(self) -> tuple[GeneratorName, ...]:
        """The generators of the study's trials, the profile's own first."""
        return (self.train.netG, *([self.other_netG] if self.other_netG else []))


# Options that `harness search` and `harness train` share.
InitFrom = Annotated[
    tuple[Path, ...],
    Field(
        max_length=2,
        description="Continue from your latest_net_G.pth; give it twice to add net_D.",
    ),
]
RequestedWeights = Annotated[
    Literal["auto", "pretrained", "random"],
    Field(description="Weights of the networks of LPIPS and of the perceptual term."),
]

# Groups of options in the help.
DATA = Option("Pictures")
TRIED = Option("What is tried")
START = Option("How trials are trained")
RECORD = Option("Where results go")
MACHINE = Option("Machine")
TRIALS = Option("Trials")


class SearchConfig(Options):
    """The options of `harness search`, one per field. Times are in seconds."""

    budget: Annotated[
        int,
        Field(ge=1, le=MOST_TRIALS, description="Trials of the study, earlier ones included."),
        replace(TRIALS, basic=True),
    ] = 50
    data: Annotated[
        Path | None,
        Field(
            description="Your pairs: DIR/{train,val,test}/*, A and B side by side, or "
            "retouched/ and original/. Only single portraits: see harness search --originals."
        ),
        replace(DATA, basic=True, metavar="DIR"),
    ] = None
    originals: Annotated[
        Path | None,
        Field(description="Portraits without retouched versions: pairs are made of them."),
        replace(DATA, metavar="DIR"),
    ] = None
    direction: Annotated[
        Direction,
        Field(description="Which side is retouched: A in AtoB, B in BtoA."),
        replace(DATA, basic=True),
    ] = "AtoB"
    skip_bad: Annotated[bool, Field(description="Skip unreadable pictures."), DATA] = False
    space: Annotated[
        str, Field(description="A space by name, or a YAML file."), replace(TRIED, metavar="NAME")
    ] = "default"
    pinned: Annotated[
        dict[str, str],
        BeforeValidator(parse_pins),
        Field(description="Keep one setting at a value."),
        replace(TRIED, basic=True, flag="--set", metavar="NAME=VALUE"),
    ] = {}  # noqa: RUF012  # pydantic copies it
    enqueue: Annotated[
        tuple[Path, ...],
        Field(description="Try an earlier result's best.yaml after the guide's settings."),
        replace(TRIED, metavar="FILE"),
    ] = ()
    pareto: Annotated[
        bool,
        Field(description="Weigh sharpness against LPIPS; no trial is stopped early."),
        TRIED,
    ] = False
    sampler: Annotated[SamplerName, Field(description="How settings are chosen."), TRIED] = "tpe"
    pruner: Annotated[
        PrunerName, Field(description="How hopeless trials are stopped early."), TRIED
    ] = "asha"
    study: Annotated[
        StudyName,
        Field(
            default_factory=default_study_name,
            description="The study's name, else the data folder's; an existing study is continued.",
        ),
        replace(RECORD, basic=True, metavar="NAME"),
    ]
    run_dir: Annotated[
        Path,
        Field(description="Where everything is written."),
        replace(RECORD, basic=True, metavar="DIR"),
    ] = Path("runs")
    profile: Annotated[
        str,
        Field(description="Size of a trial: quick on a CPU, standard on a GPU, full."),
        replace(START, basic=True, metavar="auto|quick|standard|full"),
    ] = "auto"
    device: Annotated[
        str, Field(description="auto, cpu, cuda or cuda:N[,M]."), replace(MACHINE, metavar="DEVICE")
    ] = "auto"
    precision: Annotated[
        Precision | Literal["auto"],
        Field(description="Of training only; auto: tf32 on a GPU, float32 on a CPU."),
        MACHINE,
    ] = "auto"
    jobs: Annotated[
        Annotated[int, Field(ge=1, le=MOST_WORKERS)] | Literal["auto"],
        Field(description="Trials at a time in all."),
        MACHINE,
    ] = "auto"
    per_gpu: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_WORKERS,
            description="Trials at a time on each GPU; else one, or under MPS as many as fit.",
        ),
        MACHINE,
    ] = None
    launcher: Annotated[
        Literal["local", "ray"],
        Field(description="local: processes here; ray: actors of a cluster."),
        MACHINE,
    ] = "local"
    address: Annotated[
        str | None,
        Field(description="Address of the Ray cluster: auto or ray://HOST:PORT."),
        replace(MACHINE, metavar="URL"),
    ] = None
    seed: Annotated[Seed, Field(description="Seed of sampler, networks and batches."), START] = 0
    weights: Annotated[RequestedWeights, START] = "auto"
    objective: Annotated[
        str,
        Field(
            description="boundary_sharpness; boundary_sharpness_vgg or ..._squeeze, by another "
            "network of LPIPS; or your own as package.module:factory."
        ),
        replace(TRIED, metavar="NAME"),
    ] = "boundary_sharpness"
    init_from: Annotated[InitFrom, replace(START, basic=True, metavar="FILE")] = ()
    from_scratch: Annotated[bool, Field(description="Train every trial from nothing."), START] = (
        False
    )
    trainer: Annotated[
        Literal["builtin", "external"],
        Field(description="external: your own train.py, or any program."),
        START,
    ] = "builtin"
    repo: Annotated[
        Path | None,
        Field(description="External: your copy of pix2pix, or a program's YAML."),
        START,
    ] = None
    finalists: Annotated[
        Annotated[int, Field(ge=0, le=MOST_TRIALS)] | Literal["auto"],
        Field(
            description="Best settings trained again to confirm; auto: 3 where the budget has room."
        ),
        TRIALS,
    ] = "auto"
    repeats: Annotated[
        int,
        Field(ge=2, le=MOST_REPEATS, description="Fresh seeds that a finalist is trained on."),
        TRIALS,
    ] = 3
    storage: Annotated[
        str | None,
        Field(description="Optuna's database; else SQLite in the run folder."),
        replace(RECORD, metavar="URL"),
    ] = None
    tracking_uri: Annotated[
        str | None,
        Field(description="MLflow's store; else SQLite in the run folder."),
        replace(RECORD, metavar="URI"),
    ] = None
    register_model: Annotated[
        SafeName | None,
        Field(description="Register the winner as a version of this model in MLflow."),
        replace(RECORD, metavar="NAME"),
    ] = None
    timeout: Annotated[
        Duration | None,
        Field(description="Stop after so long, such as 90m, the finalists' runs included."),
        replace(TRIALS, metavar="DURATION"),
    ] = None
    trial_timeout: Annotated[
        Duration | None,
        Field(description="Fail a trial after so long; else 10x the median."),
        replace(TRIALS, metavar="DURATION"),
    ] = None
    max_failures: Annotated[
        int,
        Field(ge=1, le=MOST_TRIALS, description="Stop after so many failed trials in a row."),
        TRIALS,
    ] = 10
    open: Annotated[
        bool,
        Field(description="Open the report in the browser, and keep it up to date."),
        RECORD,
    ] = False

    @model_validator(mode="after")
    def one_source_of_pairs(self) -> "SearchConfig":
        if self.originals is not None and self.data is not None:
            raise ValueError(
                "--originals and --data exclude one another: give portraits to make pairs of, or "
                "pairs"
            )
        if self.originals is not None and self.direction == "BtoA":
            raise ValueError(
                "--direction BtoA cannot be used with --originals: pairs that are made have A "
                "retouched"
            )
        return self

    @field_validator("register_model")
    @classmethod
    def valid_model_name(cls, name: str | None) -> str | None:
        if name is not None and (not name.strip() or set(name) & set("/:.'\"")):
            raise ValueError("a model's name holds letters, but no / : . or quotation mark")
        return name
