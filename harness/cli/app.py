"""Assemble the commands, and turn errors into messages and exit codes.

Commands import their heavy dependencies when they run.
"""

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Annotated

import typer

from harness.cli import (
    compare,
    data,
    doctor,
    export,
    look,
    results,
    score,
    search,
    spaces,
    training,
)
from harness.cli.misuse import MISUSE, correction
from harness.cli.options import Command, Deferred
from harness.config.version import __version__
from harness.console.signals import (
    STOPPED_BY_USER,
    discard_unread,
    interrupt,
    stopping_on_signals,
    unread_outputs,
)
from harness.errors import HarnessError, disk_full, inline
from harness.study.urls import scrubbed

# Errors about a path that the user chose, rather than bugs.
UNUSABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)

DEFERRED = (search.search, compare.compare, training.train)

app = typer.Typer(
    name="harness",
    help="Finds the pix2pix settings that remove the blur around retouched regions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    search.search,
    results.status,
    export.export,
    export.report,
    results.ui,
    look.look,
    compare.compare,
    training.train,
    training.restore,
    score.score,
    spaces.spaces,
    doctor.doctor,
):
    app.command(cls=Deferred if command in DEFERRED else Command)(command)
app.add_typer(data.app, name="data")


def show_version(requested: bool) -> None:
    if requested:
        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; works after any command.")
    ] = False,
) -> None:
    """Finds the pix2pix settings that remove the blur around retouched regions."""


def main() -> None:
    """The `harness` command.

    Exit codes: 0 success, 1 a bug, 2 invalid input, 3 all trials failed, 130 stopped by the user or
    because nobody reads the output any more. Unless a command has its own signal handlers, SIGTERM
    and SIGHUP interrupt it like Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # Escape characters that the terminal cannot print, instead of failing.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        with stopping_on_signals(interrupt, to_the_end=True):
            code = run(words)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(STOPPED_BY_USER)
    except MISUSE as error:
        print(correction(error), file=sys.stderr)
        sys.exit(2)
    except HarnessError as error:
        print(f"harness: {inline(scrubbed(str(error)))}", file=sys.stderr)
        if debug:
            print(scrubbed(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and any(unread_outputs()):
            discard_unread()
            sys.exit(STOPPED_BY_USER)
        unusable = unusable_path(error)
        if unusable or not debug:
            print(unusable or fault(error), file=sys.stderr)
        if debug:
            print(scrubbed(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(2 if unusable else 1)


def run(words: list[str]) -> int | None:
    """Run a command and flush its output; returns its exit code.

    Raises:
        BrokenPipeError: nobody reads its output any more, or another pipe of the command broke.
    """
    try:
        with failure_as_json(words):
            code: int | None = app(words, prog_name="harness", standalone_mode=False)
        if sys.stdout is not None:  # None if it was closed from the start
            sys.stdout.flush()
    except SystemExit as ended:
        # typer exits with 1 at every broken pipe, and says nothing.
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    return code


@contextmanager
def failure_as_json(words: list[str]) -> Iterator[None]:
    """With `--json`, the reason of a search's or a comparison's failure is also the last JSON
    object, for programs to read."""
    as_json = words[:1] in (["search"], ["compare"]) and "--json" in words
    try:
        yield
    except HarnessError as error:
        if as_json:
            print(failed(str(error), error.exit_code))
        raise
    except MISUSE as error:
        if as_json:
            print(failed(correction(error).removeprefix("harness: "), 2))
        raise


def failed(reason: str, code: int) -> str:
    """A failure as JSON. `code` is the exit code."""
    event = {"event": "Failed", "reason": scrubbed(reason), "code": code}
    return json.dumps(event, ensure_ascii=False)


def unusable_path(error: Exception) -> str:
    """A message for a path that cannot be used, or a full disk; "" for any other error."""
    if disk_full(error):
        where = (
            f" that holds {inline(named)}" if (named := getattr(error, "filename", None)) else ""
        )
        return f"harness: The disk{where} is full: free some space, and run the command again."
    if not isinstance(error, OSError) or error.errno not in UNUSABLE or error.filename is None:
        return ""
    place = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
    return f"harness: {inline(place)} cannot be used ({error.strerror}): choose another."


def fault(error: Exception) -> str:
    """A message for a bug. Writes the traceback to a temporary file, which it names."""
    with tempfile.NamedTemporaryFile(
        "w",
        prefix="harness-",
        suffix=".txt",
        delete=False,
        encoding="utf-8",
        errors="backslashreplace",
    ) as file:
        file.write(scrubbed("".join(traceback.format_exception(error))))
    return (
        f"harness: a fault of the program ({type(error).__name__}): the report is in {file.name}; "
        "--debug shows it."
    )
