"""How a field of a settings model appears as a command line option, and how values are parsed.

The field itself has the option's name, type, range and default; its description is the help text.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserInputError, inline

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

LONGEST_NAME = 200
"""Maximum number of characters in a study's name."""
BUILT_IN_STUDY = "boundary-sharpness"
"""The default name of a study of the built-in pairs."""

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Option:
    """Metadata of a field that is an option.

    Attributes:
        group: the heading in the help.
        flag: the option's name, if it differs from the field's.
        metavar: the placeholder for its value, if the type's own is not clear enough.
        basic: whether `--help` lists it; `--help-all` lists all options.
        argument: whether it is a positional argument.
    """

    group: str
    flag: str = ""
    metavar: str = ""
    basic: bool = False
    argument: bool = False

    def name(self, field: str) -> str:
        """The name on the command line, `--run-dir`; for an argument, its placeholder."""
        return self.metavar if self.argument else self.flag or f"--{field.replace('_', '-')}"


def option_of(field: "FieldInfo") -> Option | None:
    """The metadata of a field; None if it is not an option."""
    return next((entry for entry in field.metadata if isinstance(entry, Option)), None)


def command_words(settings: "BaseModel", leave_out: Collection[str] = ()) -> list[str]:
    """The options that were set explicitly, as words of a command line, with absolute paths.

    Args:
        leave_out: names of fields to omit.
    """
    words: list[str] = []
    for name, field in type(settings).model_fields.items():
        option, value = option_of(field), getattr(settings, name)
        given = name in settings.model_fields_set and name not in leave_out
        if option is None or not given or value is None or value is False:
            continue
        flag = option.name(name)
        if value is True:
            words.append(flag)
            continue
        if isinstance(value, Mapping):
            value = tuple(f"{key}={item}" for key, item in value.items())
        for item in value if isinstance(value, tuple) else (value,):
            words += [flag, str(item.absolute() if isinstance(item, Path) else item)]
    return words


def parse_duration(duration: Any) -> Any:
    """Parse a duration such as `90m`, `8h` or `45s` to seconds. Numbers are returned unchanged.

    Raises:
        ValueError: the text is not a duration.
    """
    if not isinstance(duration, str):
        return duration
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", duration.strip().lower())
    if not match or match[2] not in UNITS or not float(match[1]):
        raise ValueError("it is not a duration: write for example 45s, 90m or 8h")
    return float(match[1]) * UNITS[match[2]]


def parse_pins(entries: Any) -> Any:
    """Parse the entries `NAME=VALUE` of `--set` to a mapping. A mapping is returned unchanged.

    Raises:
        UserInputError: an entry has no name or no `=`, or a name is given twice.
    """
    if not isinstance(entries, list):
        return entries
    pinned: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        name = name.strip()
        if not (equals and name):
            lacking = "name" if equals else "value"
            raise UserInputError(f"--set {entry} has no {lacking}: write --set NAME=VALUE.")
        if name in pinned:
            raise UserInputError(
                f"--set {name} is given twice, as {pinned[name]} and as {value}: leave one out."
            )
        pinned[name] = value
    return pinned


def default_study_name(given: Mapping[str, Any]) -> str:
    """The default name of a study: that of its data, so that other data gives another study.

    Args:
        given: the fields validated before it, with the user's folder or list of pairs, if any.
    """
    data = given.get("originals") or given.get("data")
    if data is None:
        return BUILT_IN_STUDY
    place = Path(os.path.abspath(data))
    is_list = place.suffix.lower() in (".csv", ".jsonl")
    name = f"{place.parent.name}-{place.stem}" if is_list else place.name
    return inline(name)[:LONGEST_NAME] or BUILT_IN_STUDY
