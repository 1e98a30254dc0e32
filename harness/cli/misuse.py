"""Explain command lines that cannot be parsed: what is wrong, and what to write instead."""

import re
from typing import Any

import typer

from harness.errors import inline

# The base class of typer's errors for arguments that it cannot parse; only this subclass is public.
MISUSE: type[Exception] = typer.BadParameter.__bases__[0]

# Messages of the parser, for errors that have no attributes for what they name.
NOT_A_CHOICE = re.compile(r"'(.*)' is not one of (.*)")
NO_COMMAND = re.compile(r"No such command '(.*?)'\.(?: Did you mean '(.*)'\?)?")
BELONGS_NOWHERE = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")


def correction(error: Any) -> str:
    """A one-line message for a command line that cannot be parsed, or the help of a group."""
    message: str = error.format_message()
    if message.startswith("Usage:"):
        return message
    command = error.ctx.command_path if error.ctx else "harness"
    return f"harness: {inline(explanation(error, command))} See {command} --help."


def explanation(error: Any, command: str) -> str:
    """What is wrong with a command line, and what to write."""
    message = " ".join(error.message.split()).rstrip(".")
    kind = type(error).__name__
    if kind == "MissingParameter":
        is_argument = error.param.param_type_name == "argument"
        missing = placeholder(error.param) if is_argument else error.param.opts[0]
        return f"{missing} is missing: write {usage(error.ctx)}."
    if kind == "NoSuchOption":
        meant = listed(error.possibilities or [])
        wrong = f"{error.option_name} is no option of {command}"
        if meant:
            return f"{wrong}: did you mean {meant}?"
        takes_files = any(each.param_type_name == "argument" for each in error.ctx.command.params)
        as_file = ", or write ./ before the name of a file that begins with -"
        return f"{wrong}: leave it out{as_file if takes_files else ''}."
    if kind == "BadOptionUsage" and "requires an argument" in message:
        return f"{error.option_name} has no value: write one after it{example(error)}."
    if kind == "BadParameter" and error.param is not None:
        return unusable_value(error, message)
    if found := NO_COMMAND.fullmatch(error.message):
        wrong = f"{found[1]} is no command of {command}"
        return f"{wrong}: did you mean {found[2]}?" if found[2] else f"{wrong}: choose another."
    if found := BELONGS_NOWHERE.fullmatch(message):
        words = found[1]
        options = [name for each in error.ctx.command.params for name in each.opts]
        budget = words.isdecimal() and "--budget" in options
        meant = f"--budget {words}" if budget else "an option's value, after its name"
        return f"{words} belongs to no option: did you mean {meant}?"
    return f"{message}."


def unusable_value(error: Any, message: str) -> str:
    """What a value should be. Typer's errors do not know it, but pydantic's behind them do."""
    from pydantic import ValidationError

    from search_spaces.reasons import remedy

    if not isinstance(error.__cause__, ValidationError):
        return f"{message}."
    reasons = error.__cause__.errors()
    hint = remedy(reasons)
    if found := NOT_A_CHOICE.fullmatch(hint):
        hint = f"write {listed(found[2].rstrip('.').replace(chr(39), '').split(', '))}"
    value = reasons[0]["input"] or "''"
    return f"{error.param.opts[0]} {value} cannot be used: {hint}."


def usage(ctx: Any) -> str:
    """The command with all that it requires."""
    words = [ctx.command_path]
    for each in ctx.command.params:
        if each.required:
            option = [] if each.param_type_name == "argument" else [each.opts[0]]
            words += [*option, placeholder(each)]
    return " ".join(words)


def placeholder(parameter: Any) -> str:
    """The placeholder for a parameter's value: `CONFIG.yaml`, `FOLDER`."""
    return str(parameter.metavar or parameter.name.upper())


def example(error: Any) -> str:
    """An example of the option with its default; "" if it has none."""
    for each in error.ctx.command.params if error.ctx else ():
        if error.option_name in each.opts and each.default is not None:
            return f", for example {error.option_name} {each.default}"
    return ""


def listed(choices: list[str]) -> str:
    """`a, b or c`."""
    *others, last = choices or [""]
    return f"{', '.join(others)} or {last}" if others else last
