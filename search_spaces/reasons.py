"""What to write instead of a value that pydantic rejects, in words for the user."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
}
BOUNDS = {
    "greater_than_equal": ("a number of at least", "ge"),
    "greater_than": ("a number above", "gt"),
    "less_than_equal": ("a number of at most", "le"),
    "less_than": ("a number below", "lt"),
}


def remedy(errors: Sequence["ErrorDetails"]) -> str:
    """What to write instead of a value, from its errors: one for each type that it may have."""
    texts = [text for error in errors if (text := expected_value(error))]
    if texts:
        return f"write {', or '.join(dict.fromkeys(texts))}"
    return ", or ".join(error["msg"].removeprefix("Value error, ") for error in errors)


def expected_value(error: "ErrorDetails") -> str:
    """What an error says is expected; "" if its message is our own."""
    error_type, context = error["type"], error.get("ctx", {})
    if error_type in BOUNDS:
        phrase, key = BOUNDS[error_type]
        return f"{phrase} {context[key]:g}"
    if error_type == "literal_error":
        return str(context["expected"]).replace("'", "")
    return EXPECTED.get(error_type, "")
