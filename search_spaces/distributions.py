"""A parameter of a space: a fixed value, a range, a choice, or conditional on others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from search_spaces.generators import GENERATOR
from search_spaces.reasons import remedy
from search_spaces.trial_params import EXTRAS, SETTINGS, USE_PERCEPTUAL, Value, type_of

if TYPE_CHECKING:
    from optuna import Trial

KEYS = {
    "float": {"type", "low", "high", "log", "step", "when", "else"},
    "int": {"type", "low", "high", "log", "step", "when", "else"},
    "categorical": {"type", "choices", "when", "else"},
}

MOST_STEPS = 100_000
"""Maximum number of steps in a grid; in a finer one, rounding errors would matter."""


@dataclass(frozen=True)
class Fixed:
    """A setting with one value."""

    value: Value

    def as_data(self) -> Value:
        return self.value

    def describe(self) -> str:
        return format_value(self.value)

    def contains(self, value: Value) -> bool:
        return value == self.value

    def values(self) -> tuple[Any, ...]:
        return (self.value,)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, on a grid with `step` or on a log scale."""

    type: Literal["float", "int"]
    low: float | int
    high: float | int
    log: bool = False
    step: float | int | None = None

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"type": self.type, "low": self.low, "high": self.high}
        if self.log:
            data["log"] = True
        if self.step is not None:
            data["step"] = self.step
        return data

    def describe(self) -> str:
        grid = f" in steps of {self.step:g}" if self.step is not None else ""
        return f"in {self.low:g}..{self.high:g}{grid}"

    def contains(self, value: Value) -> bool:
        if isinstance(value, str | bool) or not self.low <= value <= self.high:
            return False
        return self.step is None or on_grid(value - self.low, self.step)

    def values(self) -> tuple[int, ...]:
        """All values; for integer ranges only."""
        step = int(self.step or 1)
        return tuple(range(int(self.low), int(self.high) + 1, step))

    def suggest(self, trial: "Trial", name: str) -> None:
        if self.type == "int":
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            trial.suggest_int(name, low, high, log=self.log, step=step)
        else:
            trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True)
class Choice:
    """A categorical parameter: one of several unordered values."""

    choices: tuple[Value, ...]

    def as_data(self) -> dict[str, Any]:
        return {"type": "categorical", "choices": list(self.choices)}

    def describe(self) -> str:
        return f"one of {', '.join(map(format_value, self.choices))}"

    def contains(self, value: Value) -> bool:
        return value in self.choices

    def values(self) -> tuple[Any, ...]:
        return self.choices

    def suggest(self, trial: "Trial", name: str) -> None:
        trial.suggest_categorical(name, self.choices)


@dataclass(frozen=True)
class Conditional:
    """A parameter that is sampled only if others have certain values.

    Attributes:
        distribution: the range or choice to sample from.
        when: the conditions, all of which must hold: other parameters and their allowed values.
        otherwise: the value if a condition does not hold; None: the profile's.
    """

    distribution: Range | Choice
    when: tuple[tuple[str, tuple[Value, ...]], ...]
    otherwise: Value | None

    def as_data(self) -> dict[str, Any]:
        when = {name: list(values) for name, values in self.when}
        otherwise = {} if self.otherwise is None else {"else": self.otherwise}
        return {**self.distribution.as_data(), "when": when, **otherwise}

    def describe(self) -> str:
        when = " and ".join(
            f"{name} is {' or '.join(map(format_value, values))}" for name, values in self.when
        )
        otherwise = "the profile's" if self.otherwise is None else format_value(self.otherwise)
        return f"{self.distribution.describe()} when {when}, else {otherwise}"

    def applies(self, values: Mapping[str, Value]) -> bool:
        """Whether the conditions hold for these values of the other parameters."""
        return all(values[name] in allowed for name, allowed in self.when)

    def contains(self, value: Value) -> bool:
        return value == self.otherwise or self.distribution.contains(value)

    def values(self) -> tuple[Any, ...]:
        otherwise = () if self.otherwise is None else (self.otherwise,)
        return tuple(dict.fromkeys((*self.distribution.values(), *otherwise)))


Parameter = Fixed | Range | Choice | Conditional


def read_parameter(name: str, entry: Any, where: str) -> Parameter:
    """Parse a space's entry for the setting `name`.

    Raises:
        ValueError: the message names `where`, the invalid key, the reason and the remedy.
    """
    where = f"{where}: {name}"
    if isinstance(entry, list):
        raise ValueError(
            f"{where} cannot be a list: write {{type: categorical, choices: [...]}} for several "
            "values."
        )
    if not isinstance(entry, dict):
        return Fixed(validate_value(name, entry, where))
    entry_type = entry.get("type")
    if not isinstance(entry_type, str) or entry_type not in KEYS:
        wrong = "is missing" if entry_type is None else f"cannot be {entry_type}"
        raise ValueError(f"{where}: type {wrong}: write float, int or categorical.")
    unknown = [key for key in entry if key not in KEYS[entry_type]]
    if unknown:
        raise ValueError(
            f"{where}: {unknown[0]} is not a key of a {entry_type} entry; its keys are "
            f"{', '.join(sorted(KEYS[entry_type]))}."
        )
    read = read_choice if entry_type == "categorical" else read_range
    distribution = read(name, entry, where)
    if name == GENERATOR and "when" in entry:
        raise ValueError(f"{where}: it can depend on no other setting; leave when out.")
    if "when" not in entry:
        if "else" in entry:
            raise ValueError(f"{where}: else has no meaning without when.")
        return distribution
    return Conditional(distribution, read_when(entry["when"], where), read_else(name, entry, where))


def read_when(when: Any, where: str) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    """Parse the conditions of an entry: setting names, each with an allowed value or a list."""
    if not isinstance(when, dict) or not when:
        raise ValueError(
            f"{where}: when must name a setting and its value: when: {{{USE_PERCEPTUAL}: true}}."
        )
    unknown = [name for name in when if name not in SETTINGS]
    if unknown:
        raise ValueError(f"{where}: when names {unknown[0]}, which is not a setting.")
    if GENERATOR in when:
        raise ValueError(f"{where}: when names {GENERATOR}; both kinds have the same ranges.")
    conditions = []
    for name, allowed in when.items():
        values = allowed if isinstance(allowed, list) and allowed else [allowed]
        read = (validate_value(name, value, f"{where}: when: {name}") for value in values)
        conditions.append((name, tuple(read)))
    return tuple(conditions)


def read_else(name: str, entry: dict[Any, Any], where: str) -> Value | None:
    """Parse `else`. The default is 0 for lambda_perceptual, and None (the profile's) for extras."""
    if "else" in entry:
        value: Value = validate_value(name, entry["else"], f"{where}: else")
        return value
    if name == "lambda_perceptual":
        return 0.0
    if name in EXTRAS:
        return None
    raise ValueError(
        f"{where}: else is missing; give the value that {name} has if the conditions do not hold."
    )


def read_choice(name: str, entry: dict[Any, Any], where: str) -> Choice:
    """Parse a categorical entry; each choice must be valid for the setting."""
    choices = entry.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"{where}: choices must be a list of at least one value.")
    values = tuple(validate_value(name, choice, f"{where}: choices") for choice in choices)
    if len(set(values)) < len(values):
        raise ValueError(f"{where}: choices holds a value twice.")
    return Choice(values)


def read_range(name: str, entry: dict[Any, Any], where: str) -> Range:
    """Parse a float or int entry; validate its bounds and step."""
    number_type: Literal["float", "int"] = entry["type"]
    if type_of(name) not in (float, int):
        raise ValueError(f"{where}: type must be categorical, since its values are not numbers.")
    if type_of(name) is int and number_type == "float":
        raise ValueError(f"{where}: type must be int, since {name} is a whole number.")
    for key in ("low", "high"):
        if key not in entry:
            raise ValueError(f"{where}: {key} is missing.")
    low, high = (
        parse_number(number_type, validate_value(name, entry[key], place), place)
        for key, place in (("low", f"{where}: low"), ("high", f"{where}: high"))
    )
    if low >= high:
        raise ValueError(
            f"{where}: low {low:g} must be below high {high:g}; "
            f"one value is written {name}: {low:g}."
        )
    log = entry.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"{where}: log must be true or false, not {log}.")
    if log and low <= 0:
        raise ValueError(f"{where}: low must be above 0 where log is true, not {low:g}.")
    step = entry.get("step")
    if step is None:
        return Range(number_type, low, high, log)
    step = parse_number(number_type, step, f"{where}: step")
    if log:
        raise ValueError(f"{where}: step cannot be used where log is true; leave one of them out.")
    if step <= 0:
        raise ValueError(f"{where}: step must be above 0, not {step:g}.")
    if (high - low) / step > MOST_STEPS:
        raise ValueError(
            f"{where}: step {step:g} gives more than {MOST_STEPS} values; make it larger."
        )
    if not on_grid(high - low, step):
        raise ValueError(
            f"{where}: step {step:g} does not lead from low {low:g} to high {high:g}; the highest "
            f"value it reaches is {low + step * math.floor((high - low) / step):g}."
        )
    return Range(number_type, low, high, step=step)


def validate_value(name: str, value: Any, where: str) -> Any:
    """Validate `value` and convert it to the setting's type (YAML reads 1e-4 as a string).

    Raises:
        ValueError: it is not valid for this setting.
    """
    finite = ConfigDict(allow_inf_nan=False)
    adapter: TypeAdapter[Any] = TypeAdapter(SETTINGS[name], config=finite)
    if isinstance(value, bool) and type_of(name) is not bool:
        raise ValueError(f"{where} cannot be {value}: a yes/no value has no meaning here.")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{where} cannot be {value!r}: {remedy(error.errors())}.") from None


def parse_number(number_type: Literal["float", "int"], value: Any, where: str) -> float | int:
    """Convert to a finite number, which must be whole if `number_type` is int."""
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"{where} must be a number, not {value!r}.")
    if number_type == "float":
        return result
    if not result.is_integer():
        raise ValueError(f"{where} must be a whole number, not {value!r}.")
    return int(result)


def on_grid(distance: float, step: float) -> bool:
    """Whether the distance is a whole number of steps, up to rounding."""
    return math.isclose(distance / step, round(distance / step), abs_tol=1e-8)


def format_value(value: Value) -> str:
    """Format a value for messages: 100, not 100.0; true, not True."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:g}"
