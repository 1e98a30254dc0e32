"""Cells of a CSV that a spreadsheet cannot take for a formula."""

# What begins a formula in Excel, LibreOffice or Google Sheets.
BEGINS = ("=", "+", "-", "@", "\t", "\r")


def plain_cell(value: object) -> object:
    """Text that would begin a formula with an apostrophe before it; numbers as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(BEGINS) else value
