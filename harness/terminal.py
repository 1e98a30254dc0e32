"""Text of others on its way to a terminal: names and messages may hold what would command it."""

import re

# Control characters but tab and newline, line separators, what turns the direction of text, and
# bytes of a file's name that are no UTF-8, which cannot be written at all.
COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    """A text with everything that would command a terminal written as its escape: `\\x1b`."""
    return COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def on_one_line(text: object) -> str:
    """As `printable`, newlines too."""
    return printable(text).replace("\n", "\\n")
