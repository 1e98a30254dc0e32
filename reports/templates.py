"""The Jinja templates beside this file: everything that they print is escaped."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from reports.numbers import number, signed, value


def template(name: str) -> Template:
    """A template by its file name; one that names an unknown variable fails when it is rendered."""
    return environment().get_template(name)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "signed": signed, "value": value}
    return made
