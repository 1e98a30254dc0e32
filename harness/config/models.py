"""The base of all settings models, and their error messages."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.config.options import option_of
from harness.errors import UserInputError
from search_spaces.reasons import remedy


class Frozen(BaseModel):
    """Base of every settings model: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Options(Frozen):
    """Base of the models whose fields are a command's options.

    An invalid value raises `UserInputError`, from Python too, with the command's message.
    """

    if not TYPE_CHECKING:  # type checkers derive the parameters from the fields

        def __init__(self, /, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise UserInputError(error_sentence(type(self), error)) from error


def error_sentence(model: type[Options], error: ValidationError) -> str:
    """A message about the first invalid option, from pydantic's errors."""
    first, *others = error.errors()
    same_field = [first, *(other for other in others if other["loc"][:1] == first["loc"][:1])]
    text = remedy(same_field)
    if not first["loc"]:
        return f"{text}."
    field = str(first["loc"][0])
    if field not in model.model_fields:
        close = get_close_matches(field, model.model_fields, 1)
        meant = f"did you mean {close[0]}?" if close else "leave it out."
        return f"{model.__name__} has no option {field}: {meant}"
    option = option_of(model.model_fields[field])
    default = model.model_fields[field].default
    if option and "_parsing" in first["type"] and type(default) in (int, float):
        text += f", for example {option.name(field)} {default}"
    value = "''" if first["input"] == "" else first["input"]
    printed = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return f"{option.name(field) if option else field} {printed} cannot be used: {text}."


def unusable_entry(file: Path, error: ValidationError) -> UserInputError:
    """The error for a file with an invalid or missing entry; its message names the first."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return UserInputError(f"{file} has no entry {where}: is it the file that you mean?")
    return UserInputError(f"{file}: {where} cannot be used: {first['msg']}.")
