"""Writes docs/commands, a page a command, from the commands themselves.

Run it after a change of a command: python docs/make_commands.py (python -m docs does so too)
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer import Typer
from typer.models import ArgumentInfo

from harness.cli.app import app

FOLDER = Path(__file__).parent / "commands"
WORDS = {int: "N", float: "X", Path: "PATH"}

Command = Callable[..., None]


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    commands = dict(commands_of(app, ""))
    found = {f"{name.replace(' ', '-')}.md": page(name, one) for name, one in commands.items()}
    return {"README.md": contents(commands), **found}


def commands_of(group: Typer, before: str) -> Iterator[tuple[str, Command]]:
    """Every command by the words that call it."""
    for one in group.registered_commands:
        if one.callback is not None:
            yield before + (one.name or one.callback.__name__), one.callback
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from commands_of(inner.typer_instance, f"{before}{inner.name} ")


def contents(commands: dict[str, Command]) -> str:
    """The list of all commands."""
    rows = [
        f"| [harness {name}]({name.replace(' ', '-')}.md) | {paragraphs(one)[0]} |"
        for name, one in commands.items()
    ]
    return "\n".join(["# Commands", "", "| command | what it does |", "|---|---|", *rows, ""])


def paragraphs(command: Command) -> list[str]:
    """A command's help."""
    return [" ".join(part.split()) for part in (inspect.getdoc(command) or "").split("\n\n")]


def page(name: str, command: Command) -> str:
    """One command: what it does, its example, its arguments and options."""
    *said, example = paragraphs(command)
    lines = [f"# harness {name}", "", "\n\n".join(said), ""]
    lines += ["```sh", example.removeprefix("Example:").strip(), "```", ""]
    hints = get_type_hints(command, include_extras=True)
    arguments, options = [], []
    for parameter in inspect.signature(command).parameters.values():
        kind, info = get_args(hints[parameter.name])
        if isinstance(info, ArgumentInfo):
            arguments.append(f"| `{parameter.name.upper()}` | {plain(info.help or '')} |")
        else:
            shown = f"{spellings(parameter.name, info)}{taken(kind, info)}"
            options.append(f"| {shown} | {usual(parameter)} | {plain(info.help or '')} |")
    if arguments:
        lines += ["| argument | |", "|---|---|", *arguments, ""]
    if options:
        lines += ["| option | default | |", "|---|---|---|", *options, ""]
    return "\n".join(lines)


def spellings(name: str, info: Any) -> str:
    """`-o`, `--out`: as declared, else made of the parameter's name."""
    declared = [
        word
        for word in (info.default, *(info.param_decls or ()))
        if isinstance(word, str) and word.startswith("-")
    ]
    return ", ".join(f"`{word}`" for word in declared or [f"--{name.replace('_', '-')}"])


def taken(kind: Any, info: Any) -> str:
    """What follows an option: nothing, one of some words, or a value."""
    if get_origin(kind) in (UnionType, Union):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is list:
        return f"{taken(get_args(kind)[0], info)} (repeatable)"
    if info.metavar:
        return f" {info.metavar}"
    if get_origin(kind) is Literal:
        return " " + plain("|".join(get_args(kind)))
    return "" if kind is bool else f" {WORDS.get(kind, 'TEXT')}"


def usual(parameter: inspect.Parameter) -> str:
    """The value of an option that is not given."""
    if parameter.default is inspect.Parameter.empty:
        return "required"
    return "" if parameter.default in (None, False) else f"`{parameter.default}`"


def plain(text: str) -> str:
    """A text that cannot end its cell."""
    return text.replace("|", "\\|")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for file in FOLDER.glob("*.md"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
