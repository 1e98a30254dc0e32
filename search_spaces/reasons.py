"""What to write instead of a value that pydantic refuses, in a user's words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KINDS = {
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
    """What to write for a value, from its errors: one for each type that it might have."""
    texts = [text for error in errors if (text := accepted(error))]
    if texts:
        return f"write {', or '.join(dict.fromkeys(texts))}"
    return ", or ".join(error["msg"].removeprefix("Value error, ") for error in errors)


def accepted(error: "ErrorDetails") -> str:
    """The values that one type takes; "" if its message is our own."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in BOUNDS:
        words, key = BOUNDS[kind]
        return f"{words} {context[key]:g}"
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    return KINDS.get(kind, "")
