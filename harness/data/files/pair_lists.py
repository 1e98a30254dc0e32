"""Parse lists of pairs, tables or JSON Lines, as common programs write them."""

import codecs
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.data.files.picture_reading import reason
from harness.errors import UserInputError, inline

NEEDED = "a"
COLUMNS = (NEEDED, "b", "mask", "split")
RULE = "a list of pairs needs the column `a` and may have `b`, `mask` and `split`"
# Excel uses the list separator of the user's locale, and tabs in UTF-16 text.
SEPARATORS = (",", ";", "\t")


def rows_of(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a list, by lower-case column, with their numbers from 1. Empty cells and empty
    rows are left out.

    Raises:
        UserInputError: it is not a list of pairs; the message names its columns.
    """
    try:
        text = decoded(file.read_bytes())
        rows = json_rows(text) if file.suffix.lower() == ".jsonl" else csv_rows(text)
        for number, row in enumerate(rows, 1):
            if cells := filled_cells(row):
                if NEEDED not in cells:
                    raise ValueError(f"row {number} names no file in column `a`")
                yield number, cells
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        why = reason(error).rstrip(".")
        raise UserInputError(f"{inline(file)} cannot be read as a list of pairs: {why}.") from error


def decoded(body: bytes) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark; invalid bytes become surrogate escapes."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16")
    return body.decode("utf-8-sig", "surrogateescape")


def csv_rows(text: str) -> Iterator[Mapping[str, object]]:
    """One mapping per row."""
    tables = [
        csv.reader(io.StringIO(text, newline=""), delimiter=separator) for separator in SEPARATORS
    ]
    headers = [[name.strip().lower() for name in next(table, [])] for table in tables]
    number = next((place for place, header in enumerate(headers) if NEEDED in header), None)
    if number is None:
        raise ValueError(f"its columns are {listed(max(headers, key=len))}; {RULE}")
    header = headers[number]
    if repeated := [name for name in header if name and header.count(name) > 1]:
        raise ValueError(f"it has the column {repeated[0]!r} twice")
    for line, row in enumerate(tables[number], 1):
        if any(row[len(header) :]):
            raise ValueError(
                f"row {line} has {len(row)} cells, but the first line has {len(header)}: put "
                "quotes around names that contain a separator"
            )
        yield dict(zip(header, row, strict=False))


def listed(names: Sequence[str]) -> str:
    """The first few column names, shortened, for a message."""
    return ", ".join(repr(name[:40]) for name in names[:8]) or "none"


def json_rows(text: str) -> Iterator[Mapping[str, object]]:
    """One mapping per line."""
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), 1):
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is not a JSON object with `a` and `b`")
        lower = {str(key).strip().lower(): value for key, value in row.items()}
        if NEEDED not in lower:
            raise ValueError(f"row {number} has the keys {listed(list(row))}; {RULE}")
        yield lower


def filled_cells(row: Mapping[str, object]) -> dict[str, str]:
    """The non-empty cells of the known columns."""
    cells: dict[str, str] = {}
    for key, value in row.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if key not in COLUMNS:
            continue
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"`{key}` is {value!r}, which is not a file name")
        os.fsencode(value)  # raises ValueError if it cannot be a file name
        cells[key] = value
    return cells
