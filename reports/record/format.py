"""What all parts of a study's record have in common: validation, storage and error messages."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

VERSION = 2
"""The version of the record that this program writes. A record without a version is of version 1;
see `reports.record.migrations` for what has changed since."""

BRANCHES = {"bool", "float", "int", "str"}
"""Names of a union's members, which pydantic adds to the location of an error."""


class RecordError(ValueError):
    """A record cannot be read; the message says where it is wrong."""


class Part(BaseModel):
    """A part of the record, stored as JSON.

    Validation is strict: the string "3" is not a number. Unknown keys are ignored.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    def as_data(self) -> dict[str, Any]:
        """The part as it is stored."""
        return self.model_dump()

    @classmethod
    def read(cls, attributes: Mapping[str, Any], place: str) -> Self:
        """Validate stored attributes.

        Args:
            place: what they belong to, for the message: `trial 3`.

        Raises:
            RecordError: an attribute is missing or wrong; the message names the first one.
        """
        try:
            return cls.model_validate(attributes)
        except ValidationError as error:
            raise RecordError(problem(error, place)) from None

    @classmethod
    def attributes(cls, **fields: Any) -> dict[str, Any]:
        """Some fields as they are stored, by name.

        Raises:
            TypeError, ValidationError: a field is unknown or of another type, which is a bug.
        """
        if unknown := fields.keys() - cls.model_fields.keys():
            raise TypeError(f"{cls.__name__} has no {', '.join(unknown)}")
        return cls.model_validate(fields).model_dump(include=set(fields), exclude_unset=True)


def problem(error: ValidationError, place: str) -> str:
    """The first error as words: `seconds` of trial 3 is 'soon' (should be a valid number)."""
    first = error.errors(include_url=False)[0]
    keys = [str(key) for key in first["loc"]]
    while len(keys) > 1 and keys[-1] in BRANCHES:
        keys.pop()
    key = f"`{'.'.join(keys)}` of {place}" if keys else place[:1].upper() + place[1:]
    if first["type"] == "missing":
        return f"{key} is missing"
    found = repr(first["input"])
    text = found if len(found) <= 40 else f"{found[:37]}..."
    wrong = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{key} is {text} ({wrong})" if keys else f"{key}: {wrong}"


def plain_setting(value: Any) -> bool | int | float | str:
    """A value of a searched setting, unchanged.

    Raises:
        ValueError: it is of another type.
    """
    if not isinstance(value, bool | int | float | str):
        raise ValueError("should be a number, a text, true or false")
    return value


Setting = Annotated[bool | int | float | str, PlainValidator(plain_setting)]
"""The value of a searched setting, of the type in which it was suggested."""

Settings = dict[str, Setting]
