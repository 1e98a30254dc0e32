"""Writes docs/commands, a page a command, from the commands themselves.

Run it after a change of a command: python docs/make_commands.py (python -m docs does so too)
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from harness.cli.app import app
from harness.cli.options import Deferred

FOLDER = Path(__file__).parent / "commands"


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    commands = dict(commands_of(typer.main.get_command(app), ""))
    found = {f"{name.replace(' ', '-')}.md": page(name, one) for name, one in commands.items()}
    return {"README.md": contents(commands), **found}


def commands_of(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands_of(one, f"{before}{name} ")
        else:
            yield before + name, one.resolve() if isinstance(one, Deferred) else one


def contents(commands: dict[str, Any]) -> str:
    """The list of all commands."""
    rows = [
        f"| [harness {name}]({name.replace(' ', '-')}.md) | {paragraphs(one)[0]} |"
        for name, one in commands.items()
    ]
    return "\n".join(["# Commands", "", "| command | what it does |", "|---|---|", *rows, ""])


def paragraphs(command: Any) -> list[str]:
    """A command's help."""
    return [" ".join(part.split()) for part in command.help.split("\n\n")]


def page(name: str, command: Any) -> str:
    """One command: what it does, its example, its arguments and options."""
    *said, example = paragraphs(command)
    lines = [f"# harness {name}", "", "\n\n".join(said), ""]
    lines += ["```sh", example.removeprefix("Example:").strip(), "```", ""]
    arguments, options = [], []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            arguments.append(f"| `{parameter.metavar}` | {plain(parameter.help or '')} |")
        elif parameter.expose_value:
            options.append(option_row(parameter))
    if arguments:
        lines += ["| argument | |", "|---|---|", *arguments, ""]
    if options:
        lines += ["| option | default | |", "|---|---|---|", *options, ""]
    return "\n".join(lines)


def option_row(option: Any) -> str:
    """A row of the table: `-o`, `--out` PATH, its default, its help."""
    shown = ", ".join(f"`{word}`" for word in option.opts)
    if not option.is_flag:
        shown += f" {plain(option.metavar)}"
    repeatable = " (repeatable)" if option.multiple else ""
    default = "" if option.default is None or option.is_flag else f"`{option.default}`"
    usual = "required" if option.required else default
    return f"| {shown}{repeatable} | {usual} | {plain(option.help or '')} |"


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
