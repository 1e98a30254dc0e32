"""Commands whose options are the fields of a settings model, and the help of every command."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

from harness.cli.misuse import MISUSE
from harness.config.options import Option, option_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from harness.config.models import Options


# Options that several commands share.
RunDir = Annotated[Path, typer.Option(help="The run folder of the search.")]
Storage = Annotated[str | None, typer.Option(help="Optuna's database URL.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

MAX_NAME_WIDTH = 30
"""Length of an option's name, in characters, above which its help begins on the next line."""


def to_stderr(sentence: str) -> None:
    """Print a remark, which is not part of a command's output."""
    typer.echo(sentence, err=True)


class Command(TyperCommand):
    """A command with its options in groups; an option with one value cannot be given twice."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **named)
        for each in self.params:
            if each.metavar is None and not getattr(each, "is_flag", False):
                each.metavar = value_placeholder(each)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        names = (f"{each.metavar}" if each.required else f"[{each.metavar}]" for each in arguments)
        return [self.options_metavar or "", *names]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        except MISUSE as error:
            error.ctx = ctx  # type: ignore[attr-defined]  # the parser does not name the command
            raise
        for option in given:
            single = not (getattr(option, "multiple", True) or getattr(option, "is_flag", True))
            if single and given.count(option) > 1:
                ctx.fail(f"{option.opts[-1]} is given {given.count(option)} times: leave one out")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                own = "Options"
                if parameter.param_type_name == "argument":
                    own, record = "Arguments", (parameter.metavar or "", record[1])
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or own, []).append(
                    record
                )
        names = [len(name) for records in groups.values() for name, _ in records]
        width = min(max(names), MAX_NAME_WIDTH)  # one column of names for all groups
        for group, records in groups.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl([(name.ljust(width), text) for name, text in records])


def value_placeholder(parameter: Any) -> str:
    """The placeholder for a parameter's value in the help: `N`, `PATH`, `en|ko`, `PICTURES...`.

    Typer's own would be `<int range>`, `<path>`, `<en|ko>` and `{pictures}...`.
    """
    if parameter.param_type_name == "argument":
        name: str = parameter.name.upper()
        return name if parameter.nargs == 1 else f"{name}..."
    kind: str = parameter.display_type(None).strip("<>").removesuffix(" range")
    return {"int": "N", "float": "X", "str": "TEXT", "path": "PATH"}.get(kind, kind)


class Deferred(Command):
    """A command whose function returns the actual one. Importing a settings model takes a while, so
    that function is called only if this command is."""

    def resolve(self) -> Any:
        """The actual command, with its options."""
        assert self.callback is not None
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(self.name, cls=Command, help=self.help)(self.callback())
        return typer.main.get_command(app)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        return self.resolve().make_context(info_name, args, parent, **extra)


def show_all(context: typer.Context, requested: bool) -> None:
    """`--help-all`: the help with the options that `--help` leaves out."""
    if requested:
        for parameter in context.command.params:
            parameter.hidden = False  # type: ignore[attr-defined]  # Typer's own parameters have it
            if parameter.name == "help_all":
                parameter.help = "Show all options."  # type: ignore[attr-defined]
        typer.echo(context.get_help())
        raise typer.Exit


def command_of(
    model: "type[Options]", run: Callable[..., None], only: Sequence[str] = ()
) -> Callable[..., None]:
    """A Typer command that calls `run` with a settings model made from its options.

    Args:
        run: takes the settings; its further parameters are the command's other options, declared as
            Typer's.
        only: the fields that become options; by default all that have an `Option`, of which
            `--help` shows the basic ones.
    """
    options = {
        name: (field, option)
        for name, field in model.model_fields.items()
        if (option := option_of(field)) and (not only or name in only)
    }
    own = [
        keyword(each.name, each.annotation, each.default)
        for each in list(inspect.signature(run).parameters.values())[1:]
    ]

    def command(context: typer.Context, **values: Any) -> None:
        given = {
            name: values[name]
            for name in options
            if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        }
        run(model.model_validate(given), **{each.name: values[each.name] for each in own})

    parameters = [
        parameter(name, field, option, hidden=not (only or option.basic or option.argument))
        for name, (field, option) in options.items()
    ]
    parameters += own
    hidden = sum(get_args(each.annotation)[1].hidden for each in parameters)
    if hidden:
        parameters.append(help_all(hidden))
    context = keyword("context", typer.Context, inspect.Parameter.empty)
    command.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    return command


def help_all(hidden: int) -> inspect.Parameter:
    """The option that shows the help with all options.

    Args:
        hidden: how many options `--help` leaves out.
    """
    info = typer.Option(
        "--help-all",
        is_eager=True,
        callback=show_all,
        expose_value=False,
        help=f"Show the other {hidden} options, too.",
    )
    return keyword("help_all", Annotated[bool, info], False)


def parameter(name: str, field: "FieldInfo", option: Option, hidden: bool) -> inspect.Parameter:
    """A field as a parameter of a Typer command. Its value stays a string: the model parses it."""
    shape = metavar(field.annotation) if not option.metavar else option.metavar
    described = described_with_limits(field)
    if option.argument:
        info: Any = typer.Argument(metavar=shape, help=described)
    else:
        info = typer.Option(
            option.name(name),
            metavar=shape,
            help=described,
            hidden=hidden,
            rich_help_panel=option.group,
        )
    if field.is_required():
        return keyword(name, Annotated[str, info], inspect.Parameter.empty)
    default = None if field.default_factory else field.get_default()
    if field.annotation is bool:
        return keyword(name, Annotated[bool, info], default)
    if get_origin(field.annotation) in (tuple, dict):
        return keyword(name, Annotated[list[str] | None, info], None)
    return keyword(name, Annotated[str | None, info], None if default is None else str(default))


def described_with_limits(field: "FieldInfo") -> str:
    """A field's description, with the range of whole numbers as Typer writes it of its own."""
    marks = list(field.metadata)
    for kind in get_args(field.annotation):  # of a union
        if get_origin(kind) is Annotated:
            marks += [mark for each in get_args(kind)[1:] for mark in getattr(each, "metadata", ())]
    lows = [mark.ge for mark in marks if hasattr(mark, "ge")]
    highs = [mark.le for mark in marks if hasattr(mark, "le")]
    text = field.description or ""
    return f"{text}  [{max(lows)}<=x<={min(highs)}]" if lows else text


def keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def metavar(kind: Any) -> str:
    """The placeholder for a value of this type: `N|auto`, `PATH`."""
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if get_origin(kind) is Annotated:
        return metavar(get_args(kind)[0])
    if parts := [part for part in get_args(kind) if part not in (NoneType, ...)]:
        return "|".join(map(metavar, parts))
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")
