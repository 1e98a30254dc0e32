"""Lists of pairs, CSV or JSON Lines, as people's programs write them -> rows of plain text."""

import codecs
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.data.files.picture_reading import reason, shown
from harness.errors import UserInputError

NEEDED = "a"
COLUMNS = (NEEDED, "b", "mask", "split")
RULE = "a list of pairs needs the column `a` and may have `b`, `mask` and `split`"
# Excel separates by the list separator of the user's country, and by tabs in its UTF-16 text.
SEPARATORS = (",", ";", "\t")


def rows_of(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a list by lower-case column, with their numbers from 1; empty cells and empty
    rows are left out.

    Raises:
        UserInputError: it is not such a list; the sentence names the columns that it has.
    """
    try:
        text = decoded(file.read_bytes())
        rows = csv_rows(text) if file.suffix.lower() == ".csv" else json_rows(text)
        for number, row in enumerate(rows, 1):
            if cells := filled(row):
                if NEEDED not in cells:
                    raise ValueError(f"row {number} names no file in column `a`")
                yield number, cells
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        why = reason(error).rstrip(".")
        raise UserInputError(f"{shown(file)} cannot be read as a list of pairs: {why}.") from error


def decoded(body: bytes) -> str:
    """UTF-8 or, by its mark, UTF-16; other bytes stay what they are in the names of files."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16")
    return body.decode("utf-8-sig", "surrogateescape")


def csv_rows(text: str) -> Iterator[Mapping[str, object]]:
    """A mapping a row.

    Raises:
        ValueError: the head lacks a column or has it twice, or a row is longer than the head.
    """
    tables = [
        csv.reader(io.StringIO(text, newline=""), delimiter=separator) for separator in SEPARATORS
    ]
    heads = [[name.strip().lower() for name in next(table, [])] for table in tables]
    number = next((place for place, head in enumerate(heads) if NEEDED in head), None)
    if number is None:
        raise ValueError(f"its columns are {listed(max(heads, key=len))}; {RULE}")
    head = heads[number]
    if twice := [name for name in head if name and head.count(name) > 1]:
        raise ValueError(f"it has the column {twice[0]!r} twice")
    for line, row in enumerate(tables[number], 1):
        if any(row[len(head) :]):
            raise ValueError(
                f"row {line} has {len(row)} cells, but the first line has {len(head)}: put "
                "quotes around names that contain a separator"
            )
        yield dict(zip(head, row, strict=False))


def listed(names: Sequence[str]) -> str:
    """The first few names of columns, not too long."""
    return ", ".join(repr(name[:40]) for name in names[:8]) or "none"


def json_rows(text: str) -> Iterator[Mapping[str, object]]:
    """A mapping a line.

    Raises:
        ValueError: a line is no JSON object, or lacks the key `a`.
    """
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), 1):
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is not a JSON object with `a` and `b`")
        lower = {str(key).strip().lower(): value for key, value in row.items()}
        if NEEDED not in lower:
            raise ValueError(f"row {number} has the keys {listed(list(row))}; {RULE}")
        yield lower


def filled(row: Mapping[str, object]) -> dict[str, str]:
    """The cells that hold something.

    Raises:
        ValueError: one is not text, or no file can have that name.
    """
    cells: dict[str, str] = {}
    for key, value in row.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if key not in COLUMNS:
            continue
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"`{key}` is {value!r}, which is not a file name")
        os.fsencode(value)  # a ValueError where it cannot be
        cells[key] = value
    return cells
