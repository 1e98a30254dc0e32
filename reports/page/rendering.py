"""Render the Jinja templates of `templates/`, which escape everything that they print."""

import json
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from reports.texts.numbers import UNIT, number, signed, unsigned, value


def template(name: str) -> Template:
    """A template by its file name. Rendering fails if it uses an undefined variable."""
    return environment().get_template(name)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": number,
        "signed": signed,
        "unsigned": unsigned,
        "value": value,
        "unbroken": unbroken,
    }
    return made


def unbroken(text: str) -> str:
    """A text in which no line ends between a number and its unit."""
    return UNIT.sub("\u00a0", text)


def script_json(data: object) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
