"""One setting of a space: a fixed value, a range of numbers, or a choice."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from search_spaces.params import TrialParams

if TYPE_CHECKING:
    from optuna import Trial

Value = float | int | str
KEYS = {
    "float": {"type", "low", "high", "log", "step"},
    "int": {"type", "low", "high", "log", "step"},
    "categorical": {"type", "choices"},
}


@dataclass(frozen=True)
class Fixed:
    """A setting with one value."""

    value: Value

    def as_data(self) -> Value:
        return self.value

    def describe(self) -> str:
        return plain(self.value)

    def holds(self, value: Value) -> bool:
        return value == self.value

    def values(self) -> tuple[Any, ...]:
        return (self.value,)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `step` makes a grid, `log` an even log scale."""

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

    def holds(self, value: Value) -> bool:
        if isinstance(value, str) or not self.low <= value <= self.high:
            return False
        return self.step is None or on_grid(value - self.low, self.step)

    def values(self) -> tuple[int, ...]:
        """Every value of an integer range."""
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
    """One of a few values without order."""

    choices: tuple[Value, ...]

    def as_data(self) -> dict[str, Any]:
        return {"type": "categorical", "choices": list(self.choices)}

    def describe(self) -> str:
        return f"one of {', '.join(map(plain, self.choices))}"

    def holds(self, value: Value) -> bool:
        return value in self.choices

    def values(self) -> tuple[Any, ...]:
        return self.choices

    def suggest(self, trial: "Trial", name: str) -> None:
        trial.suggest_categorical(name, self.choices)


Parameter = Fixed | Range | Choice


def read_parameter(name: str, entry: Any, where: str) -> Parameter:
    """A space's entry for the setting `name`.

    Raises:
        ValueError: one sentence: `where`, the key at fault, what is wrong and what is right.
    """
    where = f"{where}: {name}"
    if not isinstance(entry, dict):
        return Fixed(checked(name, entry, where))
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in KEYS:
        raise ValueError(f"{where}: type must be float, int or categorical, not {kind}.")
    unknown = [key for key in entry if key not in KEYS[kind]]
    if unknown:
        raise ValueError(
            f"{where}: {unknown[0]} is not a key of a {kind} entry; its keys are "
            f"{', '.join(sorted(KEYS[kind]))}."
        )
    if kind == "categorical":
        return read_choice(name, entry.get("choices"), where)
    return read_range(name, entry, where)


def read_choice(name: str, choices: Any, where: str) -> Choice:
    """A categorical entry, each choice a value that the setting can take."""
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"{where}: choices must be a list of at least one value.")
    values = tuple(checked(name, choice, f"{where}: choices") for choice in choices)
    if len(set(values)) < len(values):
        raise ValueError(f"{where}: choices holds a value twice.")
    return Choice(values)


def read_range(name: str, entry: dict[Any, Any], where: str) -> Range:
    """A float or int entry with sensible ends."""
    kind: Literal["float", "int"] = entry["type"]
    field = TrialParams.model_fields[name].annotation
    if field not in (float, int):
        raise ValueError(f"{where}: type must be categorical, for its values are words.")
    if field is int and kind == "float":
        raise ValueError(f"{where}: type must be int, for {name} counts whole layers.")
    for key in ("low", "high"):
        if key not in entry:
            raise ValueError(f"{where}: {key} is missing.")
    low, high = (
        number(kind, checked(name, entry[key], f"{where}: {key}"), f"{where}: {key}")
        for key in ("low", "high")
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
        return Range(kind, low, high, log)
    step = number(kind, step, f"{where}: step")
    if log:
        raise ValueError(f"{where}: step cannot be used where log is true; leave one of them out.")
    if step <= 0:
        raise ValueError(f"{where}: step must be above 0, not {step:g}.")
    if not on_grid(high - low, step):
        raise ValueError(
            f"{where}: step {step:g} does not lead from low {low:g} to high {high:g}; the highest "
            f"value it reaches is {low + step * math.floor((high - low) / step):g}."
        )
    return Range(kind, low, high, step=step)


def checked(name: str, value: Any, where: str) -> Any:
    """`value` as the setting `name` takes it (YAML reads 1e-4 as a text: numbers are made of it).

    Raises:
        ValueError: it cannot take it.
    """
    field = TrialParams.model_fields[name]
    constrained: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter[Any] = TypeAdapter(constrained, config=ConfigDict(allow_inf_nan=False))
    if isinstance(value, bool):
        raise ValueError(f"{where} cannot be {value}: a yes/no value has no meaning here.")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ValueError(f"{where} cannot be {value!r}: {reason[0].lower()}{reason[1:]}.") from None


def number(kind: Literal["float", "int"], value: Any, where: str) -> float | int:
    """A finite number, whole where `kind` is int."""
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"{where} must be a number, not {value!r}.")
    if kind == "float":
        return result
    if not result.is_integer():
        raise ValueError(f"{where} must be a whole number, not {value!r}.")
    return int(result)


def on_grid(distance: float, step: float) -> bool:
    """Whether a whole number of steps makes the distance, but for rounding."""
    return math.isclose(distance / step, round(distance / step), abs_tol=1e-8)


def plain(value: Value) -> str:
    """A value as a person writes it: 100, not 100.0."""
    return value if isinstance(value, str) else f"{value:g}"
