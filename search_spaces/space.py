"""A search space: what its YAML may say, and what Optuna is asked for.

The file is a mapping with `params` (one entry for each setting of `TrialParams`) and, optionally,
`description`. An entry is either a value, which stays fixed, or a range:

    lr: {type: float, low: 0.00005, high: 0.0004, log: true}
    n_layers_D: {type: int, low: 2, high: 5}
    gan_mode: {type: categorical, choices: [vanilla, lsgan]}
    lambda_perceptual: 10
"""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from search_spaces.checks import check_combination
from search_spaces.parameters import Fixed, Parameter, plain, read_parameter
from search_spaces.params import GanMode, TrialParams
from search_spaces.strict_yaml import read_mapping

if TYPE_CHECKING:
    from optuna import Trial

BUILT_IN = ("default", "narrow", "wide")


@dataclass(frozen=True)
class Space:
    """The settings that a search varies, and those that it keeps.

    Attributes:
        name: the built-in's name, or the file's without its ending.
        description: one paragraph for a person.
        parameters: one entry for each field of `TrialParams`, in that order.
    """

    name: str
    description: str
    parameters: Mapping[str, Parameter]

    @property
    def text(self) -> str:
        """The space as canonical YAML: two spaces that mean the same have the same text."""
        entries = {name: entry.as_data() for name, entry in self.parameters.items()}
        return yaml.safe_dump({"params": entries}, sort_keys=False, default_flow_style=None)

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of `text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def suggest(self, trial: "Trial") -> None:
        """Let Optuna choose every setting of a trial that is not fixed."""
        for name, entry in self.parameters.items():
            if not isinstance(entry, Fixed):
                entry.suggest(trial, name)

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings with one value, by name."""
        return {
            name: entry.value for name, entry in self.parameters.items() if isinstance(entry, Fixed)
        }

    def params(self, suggested: Mapping[str, Any]) -> TrialParams:
        """A trial's settings from what the sampler suggested."""
        return TrialParams(**{**self.fixed, **suggested})

    def suggestion(self, params: TrialParams) -> dict[str, Any]:
        """The part of `params` that a sampler would have suggested; the inverse of `params()`.

        Raises:
            ValueError: a value is not in this space; the sentence names every such setting.
        """
        values = params.model_dump()
        misfits = [
            f"{name} {plain(values[name])} is not {entry.describe()}"
            for name, entry in self.parameters.items()
            if not entry.holds(values[name])
        ]
        if misfits:
            raise ValueError(f"outside space {self.name}: {', '.join(misfits)}")
        return {name: values[name] for name in values if name not in self.fixed}

    def holds(self, params: TrialParams) -> bool:
        """Whether every setting of `params` is in this space."""
        values = params.model_dump()
        return all(entry.holds(values[name]) for name, entry in self.parameters.items())

    @property
    def discriminators(self) -> tuple[tuple[int, GanMode], ...]:
        """Every `(n_layers_D, gan_mode)` that a trial of this space can ask for, sorted."""
        depths = self.parameters["n_layers_D"].values()
        modes = self.parameters["gan_mode"].values()
        return tuple(sorted(itertools.product(depths, modes)))

    def check_against(self, train: Mapping[str, Any]) -> None:
        """Refuse settings that no trial of this space could be trained with.

        Args:
            train: the fixed training settings (netG, crop_size, load_size, preprocess).

        Raises:
            ValueError: one sentence that names the two settings which exclude each other.
        """
        for depth in self.parameters["n_layers_D"].values():
            check_combination(depth, train)


def load_space(name_or_file: str, overrides: Mapping[str, str] | None = None) -> Space:
    """Read a built-in space by name, or a user's by path; pin the `overrides` (`--set`).

    Raises:
        ValueError: one sentence with the file, the key at fault and what is wrong with it.
    """
    return parse_space(Path(name_or_file).stem, space_text(name_or_file), overrides)


def space_text(name_or_file: str) -> str:
    """A space's YAML as its file stands, comments and all.

    Raises:
        ValueError: there is no such space, or it is no text.
    """
    if name_or_file in BUILT_IN:
        return (files("search_spaces") / f"{name_or_file}.yaml").read_text(encoding="utf-8")
    path = Path(name_or_file).expanduser()
    if not path.is_file():
        raise ValueError(
            f"Space {name_or_file} is neither a file nor one of {', '.join(BUILT_IN)}: give one of "
            "these names, or the path of a YAML file."
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Space {name_or_file} cannot be read as text: {error}.") from error


def parse_space(name: str, text: str, overrides: Mapping[str, str] | None = None) -> Space:
    """A space from YAML text; `name` is what messages call it.

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
    known = tuple(TrialParams.model_fields)
    for key in [*entries, *(overrides or {})]:
        if key not in known:
            raise ValueError(
                f"{where}: {key} is no setting that can be searched; these can: {', '.join(known)}."
            )
    entries = {**entries, **(overrides or {})}
    missing = [key for key in known if key not in entries]
    if missing:
        raise ValueError(f"{where}: {missing[0]} is missing; give it a range or a fixed value.")
    return Space(
        name=name,
        description=" ".join(str(data.get("description", "")).split()),
        parameters={key: read_parameter(key, entries[key], where) for key in known},
    )
