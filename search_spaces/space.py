"""Search spaces: parse and validate their YAML, and suggest parameters with Optuna.

search_spaces/README.md describes the file format: a mapping with `params` and, optionally,
`description`. An entry of `params` is a fixed value, a range or a choice, and may be conditional
on others:

    lambda_L1: 100
    lr: {type: float, low: 0.00005, high: 0.0004, log: true}
    n_layers_D: {type: int, low: 2, high: 5}
    use_perceptual: {type: categorical, choices: [true, false]}
    lambda_perceptual: {type: float, low: 1, high: 30, log: true, when: {use_perceptual: true}}
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from search_spaces.checks import check_combination
from search_spaces.distributions import (
    Conditional,
    Fixed,
    Parameter,
    Range,
    format_value,
    read_parameter,
)
from search_spaces.generators import GENERATOR, GeneratorKind, kind_of
from search_spaces.strict_yaml import read_bounded, read_mapping
from search_spaces.trial_params import (
    EXTRAS,
    FROM_SCRATCH,
    REQUIRED_SETTINGS,
    SETTINGS,
    USE_PERCEPTUAL,
    GanMode,
    TrialParams,
    Value,
)

if TYPE_CHECKING:
    from optuna import Trial

BUILT_IN = ("default", "narrow", "wide")


@dataclass(frozen=True)
class Space:
    """The settings that a search varies, and those that it fixes.

    Attributes:
        name: the name of a built-in space, or the file's name without its extension.
        description: one paragraph for users.
        parameters: an entry for each field of `TrialParams`, then for those of `EXTRAS`,
            `GENERATOR` and `USE_PERCEPTUAL` that the file contains.
        overrides: values that the user set beside the file, by name, as given.
    """

    name: str
    description: str
    parameters: Mapping[str, Parameter]
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The space as canonical YAML: equal spaces have the same text."""
        entries = {name: entry.as_data() for name, entry in self.parameters.items()}
        return yaml.safe_dump({"params": entries}, sort_keys=False, default_flow_style=None)

    @property
    def conditional(self) -> dict[str, Conditional]:
        """The conditional parameters, by name."""
        return {
            name: entry for name, entry in self.parameters.items() if isinstance(entry, Conditional)
        }

    @property
    def fixed(self) -> dict[str, Any]:
        """The values of the fixed parameters, by name."""
        return {
            name: entry.value for name, entry in self.parameters.items() if isinstance(entry, Fixed)
        }

    @property
    def kinds(self) -> tuple[GeneratorKind, ...]:
        """The kinds of generator to choose from; () if only the profile's netG is used."""
        entry = self.parameters.get(GENERATOR)
        kinds: tuple[Any, ...] = entry.values() if entry is not None else ()
        return kinds

    def without(self, name: str) -> "Space":
        """A copy of the space without one setting."""
        others = {key: entry for key, entry in self.parameters.items() if key != name}
        return replace(self, parameters=others)

    def suggest(self, trial: "Trial") -> None:
        """Let Optuna suggest all parameters that are not fixed and whose conditions hold."""
        for name, entry in self.parameters.items():
            if not isinstance(entry, Fixed | Conditional):
                entry.suggest(trial, name)
        others = {**self.fixed, **trial.params}
        for name, entry in self.conditional.items():
            if entry.applies(others):
                entry.distribution.suggest(trial, name)

    def values(self, suggested: Mapping[str, Any]) -> dict[str, Value]:
        """A trial's settings, from the sampler's suggestion; those of the profile are left out."""
        values = {**self.fixed, **suggested}
        for name, entry in self.conditional.items():
            if name not in suggested and entry.otherwise is not None:
                values[name] = entry.otherwise
        return values

    def params(self, suggested: Mapping[str, Any]) -> TrialParams:
        """A trial's five parameters, from the sampler's suggestion."""
        values = self.values(suggested)
        return TrialParams.model_validate({name: values[name] for name in REQUIRED_SETTINGS})

    @property
    def pinned(self) -> dict[str, Value]:
        """The extra training settings that this space fixes."""
        return {name: value for name, value in self.fixed.items() if name in EXTRAS}

    def extras(self, suggested: Mapping[str, Any]) -> dict[str, Value]:
        """A trial's extra training settings, without those that the space fixes."""
        values, pinned = self.values(suggested), self.pinned
        return {name: values[name] for name in EXTRAS if name in values and name not in pinned}

    def suggestion(self, params: TrialParams, train: Mapping[str, Any]) -> dict[str, Any]:
        """The suggestion that results in these settings: the inverse of `params` and `extras`.

        Args:
            params: the five parameters.
            train: training settings, with all of `EXTRAS`.

        Raises:
            ValueError: the message names every setting whose value is outside this space, or is
                excluded by an override.
        """
        values = {
            **train,
            **params.model_dump(),
            GENERATOR: kind_of(train["netG"]),
            USE_PERCEPTUAL: params.lambda_perceptual > 0,
        }
        suggested: dict[str, Any] = {}
        outside: list[tuple[str, Value, str]] = []
        for name, entry in self.parameters.items():
            value, allowed = values[name], entry.describe()
            if isinstance(entry, Conditional):
                if not entry.applies(values):
                    if entry.otherwise not in (None, value):
                        outside.append((name, value, allowed))
                    continue
                entry = entry.distribution
            if not entry.contains(value):
                outside.append((name, value, allowed))
            elif not isinstance(entry, Fixed):
                suggested[name] = value
        if outside:
            raise ValueError(self.refusal(outside))
        return suggested

    def refusal(self, outside: Sequence[tuple[str, Value, str]]) -> str:
        """Why settings are not of this space: its own limits, or `--set`.

        Args:
            outside: each setting, with its value and what is allowed.
        """
        others = [
            f"{name} {format_value(value)} is not {allowed}"
            for name, value, allowed in outside
            if name not in self.overrides
        ]
        excluded = [
            f"--set {name}={self.overrides[name]} (it has {format_value(value)})"
            for name, value, _ in outside
            if name in self.overrides
        ]
        parts = [f"outside space {self.name}: {', '.join(others)}"] if others else []
        return ", and ".join(parts + ([f"excluded by {', '.join(excluded)}"] if excluded else []))

    def contains(self, params: TrialParams) -> bool:
        """Whether the five parameters are in this space."""
        values = params.model_dump()
        return all(self.parameters[name].contains(value) for name, value in values.items())

    @property
    def discriminators(self) -> tuple[tuple[int, GanMode], ...]:
        """All `(n_layers_D, gan_mode)` combinations of this space, sorted."""
        depths = self.parameters["n_layers_D"].values()
        modes = self.parameters["gan_mode"].values()
        return tuple(sorted(itertools.product(depths, modes)))

    def check_against(self, train: Mapping[str, Any]) -> None:
        """Reject training settings that do not allow every discriminator and netG of this space.

        Args:
            train: the fixed training settings (netG, crop_size, load_size, preprocess).

        Raises:
            ValueError: names the two settings that exclude each other.
        """
        nets = self.parameters["netG"].values() if "netG" in self.parameters else (train["netG"],)
        for depth, net in itertools.product(self.parameters["n_layers_D"].values(), nets):
            check_combination(depth, {**train, "netG": net})

    def check_shared_start(self, netG: str) -> None:
        """Reject a space that varies settings which a shared warm start fixes.

        Args:
            netG: the warm start's generator.

        Raises:
            ValueError: names the setting.
        """
        # Dropout inside residual blocks changes the state_dict keys of later layers.
        shared = (*FROM_SCRATCH, "dropout") if netG.startswith("resnet") else FROM_SCRATCH
        for name in shared:
            if not isinstance(self.parameters.get(name, Fixed(0)), Fixed):
                raise ValueError(
                    f"Space {self.name}: {name} changes what a trial begins with, and all continue "
                    "from one warm start: search it with --from-scratch, or give it one value."
                )


def load_space(name_or_file: str, overrides: Mapping[str, str] | None = None) -> Space:
    """Read a built-in space by name, or a user's by path, and apply `overrides` (`--set`).

    Raises:
        ValueError: names the file, the invalid key and the reason.
    """
    return parse_space(Path(name_or_file).stem, space_text(name_or_file), overrides)


def space_text(name_or_file: str) -> str:
    """The YAML text of a space's file, with comments.

    Raises:
        ValueError: there is no such space, or the file is not text.
    """
    if name_or_file in BUILT_IN:
        return (files("search_spaces") / f"{name_or_file}.yaml").read_text(encoding="utf-8")
    path = Path(os.path.expanduser(name_or_file))  # keeps ~ if there is no home folder
    if not path.is_file():
        raise ValueError(
            f"Space {name_or_file} is neither a file nor one of {', '.join(BUILT_IN)}: give one of "
            "these names, or the path of a YAML file."
        )
    try:
        return read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Space {name_or_file} cannot be read as text: {error}.") from error


def parse_space(name: str, text: str, overrides: Mapping[str, str] | None = None) -> Space:
    """Parse a space from YAML text; messages refer to it by `name`.

    Raises:
        ValueError: as `load_space`.
    """
    where = f"Space {name}"
    data = read_mapping(text, where)
    unknown = set(data) - {"description", "params"}
    if unknown:
        raise ValueError(
            f"{where}: {sorted(map(str, unknown))[0]} is not a key of a space; its keys are "
            "description and params."
        )
    entries = data.get("params")
    if not isinstance(entries, dict):
        raise ValueError(f"{where}: params must be a mapping of settings to ranges or values.")
    overrides = overrides or {}
    entries = {**entries, **overrides}

    def source(*keys: str) -> str:
        """Where the values of these settings come from: of `--set`, or else of the file."""
        return (
            " ".join(f"--set {key}={overrides[key]}" for key in keys if key in overrides) or where
        )

    for key in entries:
        if key not in SETTINGS:
            raise ValueError(
                f"{source(key)}: {key} is not a setting that can be searched{did_you_mean(key)} "
                f"these can: {', '.join(SETTINGS)}."
            )
    missing = [key for key in REQUIRED_SETTINGS if key not in entries]
    if missing:
        raise ValueError(f"{where}: {missing[0]} is missing; give it a range or a fixed value.")
    parameters = {
        key: read_parameter(key, entries[key], source(key)) for key in SETTINGS if key in entries
    }
    perceptual = parameters["lambda_perceptual"]
    if USE_PERCEPTUAL in parameters and isinstance(perceptual, Fixed):
        parameters[USE_PERCEPTUAL] = Fixed(perceptual.value != 0)
    resolve_generator(parameters, source("netG", GENERATOR))
    check_conditions(parameters, where)
    check_use_perceptual(parameters, source(USE_PERCEPTUAL))
    return Space(name, " ".join(str(data.get("description", "")).split()), parameters, overrides)


def resolve_generator(parameters: dict[str, Parameter], where: str) -> None:
    """Remove the choice of `generator` from a space that fixes netG, which implies the kind.

    Raises:
        ValueError: the two contradict each other, or both are searched.
    """
    net, choice = parameters.get("netG"), parameters.get(GENERATOR)
    if net is None or choice is None:
        return
    if not isinstance(net, Fixed):
        raise ValueError(
            f"{where}: netG and {GENERATOR} both choose the generator; leave one of them out."
        )
    if not choice.contains(kind_of(str(net.value))):
        raise ValueError(
            f"{where}: netG {net.value} is of {GENERATOR} {kind_of(str(net.value))}, and "
            f"{GENERATOR} is {choice.describe()}; leave one of them out."
        )
    del parameters[GENERATOR]


def check_conditions(parameters: Mapping[str, Parameter], where: str) -> None:
    """Reject conditions that can never hold, or that depend on unsuitable parameters.

    Raises:
        ValueError: names the invalid key.
    """
    for key, entry in parameters.items():
        for name, allowed in entry.when if isinstance(entry, Conditional) else ():
            dependency = parameters.get(name)
            if dependency is None:
                raise ValueError(f"{where}: {key}: when names {name}, which the space leaves out.")
            if isinstance(dependency, Conditional):
                raise ValueError(f"{where}: {key}: when names {name}, which depends on others.")
            if isinstance(dependency, Range) and dependency.type == "float":
                raise ValueError(
                    f"{where}: {key}: when names {name}, a range: name a choice or whole numbers."
                )
            # Overrides may disable a setting; an impossible value in a file is an error.
            for value in allowed if not isinstance(dependency, Fixed) else ():
                if not dependency.contains(value):
                    raise ValueError(
                        f"{where}: {key}: when: {name} is never {format_value(value)}; it is "
                        f"{dependency.describe()}."
                    )


def check_use_perceptual(parameters: Mapping[str, Parameter], where: str) -> None:
    """Reject a space in which use_perceptual is not the same as a lambda_perceptual above 0.

    Raises:
        ValueError: names the invalid key.
    """
    entry = parameters["lambda_perceptual"]
    if USE_PERCEPTUAL not in parameters or isinstance(entry, Fixed):
        return
    where = f"{where}: lambda_perceptual"
    if not isinstance(entry, Conditional) or (USE_PERCEPTUAL, (True,)) not in entry.when:
        raise ValueError(
            f"{where}: when must be {{{USE_PERCEPTUAL}: true}} where the space holds "
            f"{USE_PERCEPTUAL}."
        )
    if entry.otherwise != 0:
        raise ValueError(f"{where}: else must be 0, which is what {USE_PERCEPTUAL} false means.")
    if entry.distribution.contains(0):
        raise ValueError(
            f"{where}: it must stay above 0, since {USE_PERCEPTUAL} says whether it is used."
        )


def did_you_mean(key: object) -> str:
    """A suggestion, as part of a sentence: the setting with the most similar name."""
    near = get_close_matches(str(key).lower(), [name.lower() for name in SETTINGS], 1)
    names = [name for name in SETTINGS if name.lower() in near]
    return f" (did you mean {names[0]}?);" if names else ";"
