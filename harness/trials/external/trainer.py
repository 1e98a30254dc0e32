"""Resolve `--trainer`: the built-in training, a copy of pix2pix, or another external program."""

from harness.config.settings import External, Program, Repository, SearchConfig, TrainSettings
from harness.errors import UserInputError
from harness.trials.external.program import check_program, read_program
from harness.trials.external.repository import check_options, read_repository
from reports.commands.program_template import named_in
from reports.commands.train_py import WITH_PERCEPTUAL, quoted
from reports.record.names import RECOMMENDED
from search_spaces.distributions import format_value
from search_spaces.generators import MOVING, generator_of_kind, kind_of
from search_spaces.recipes import load_recipes
from search_spaces.space import Space

# Seconds without a sign of life after which a program counts as hung; if --trial-timeout is given,
# half of that is used instead.
SILENCE = 600.0


def choose_trainer(config: SearchConfig, space: Space, train: TrainSettings) -> External | None:
    """Inspect and validate the external trainer; None for the built-in one.

    Raises:
        UserInputError: it cannot be run, or does not support the space.
    """
    if (config.trainer == "external") != (config.repo is not None):
        raise UserInputError(
            "--trainer external and --repo belong together: --repo names your copy of "
            "pytorch-CycleGAN-and-pix2pix, or a YAML file that describes another program."
        )
    if config.repo is None:
        return None
    silence = SILENCE if config.trial_timeout is None else config.trial_timeout / 2
    if config.repo.suffix in (".yaml", ".yml"):
        if train.netG in MOVING:
            raise UserInputError(
                f"netG {train.netG} moves pixels, which a program described by a YAML file "
                "cannot do: choose another netG, or name a copy of pix2pix with --repo DIR."
            )
        program = read_program(config.repo, silence)
        check_program(program, space, config.from_scratch, bool(config.init_from))
        return program
    repository = read_repository(config.repo, silence)
    perceptual = space.fixed.get("lambda_perceptual") != 0
    sample = next(iter(load_recipes().values()))
    sample = sample.model_copy(update={"lambda_perceptual": 1.0 if perceptual else 0.0})
    for kind in space.kinds or (kind_of(train.netG),):
        netG = generator_of_kind(train.netG, kind)
        check_options(repository, sample, train.updated({"netG": netG}))
    return repository


def no_baseline(external: External | None, space: Space, train: TrainSettings) -> str:
    """Why the finalists' baseline, the guide's recommended setting, cannot be trained; else "".

    A space may leave it out because the user's program has no such setting.
    """
    recommended = load_recipes()[RECOMMENDED].model_dump()
    reason = "finalists are compared with the guide's recommended setting, which has"
    if isinstance(external, Repository):
        # Our model that moves pixels has the term, and a search with the term needs the model.
        searched_with = space.fixed.get("lambda_perceptual") != 0 or train.netG in MOVING
        if searched_with or WITH_PERCEPTUAL in external.models:
            return ""
        place = quoted(str(external.folder))
        return (
            f"{reason} a perceptual term, and {external.folder} has no {WITH_PERCEPTUAL} (harness "
            f"export --format plugin --repo {place} adds it)"
        )
    if isinstance(external, Program):
        named = named_in(" ".join(external.command))
        for name, value in recommended.items():
            if name not in named and space.fixed.get(name, value) != value:
                return (
                    f"{reason} {name} {format_value(value)}, and the command in {external.file} "
                    f"does not name {{{name}}}"
                )
    return ""


def start_of(config: SearchConfig, external: External | None) -> str:
    """What trials start from: "shared" (the warm start), "init-from" or "none"."""
    supported = not isinstance(external, Program) or external.continues
    if config.from_scratch or not supported:
        return "none"
    return "init-from" if config.init_from else "shared"
