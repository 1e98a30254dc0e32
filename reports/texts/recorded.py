"""Translate sentences that are recorded in English, such as why a trial ended.

The texts `recorded_...` have their translations; in English they are what the program writes.
"""

import re
from functools import cache

from reports.texts.translations import LANGUAGES, Translate

NUMBER = r"[-+.,\de]+(?: to [-+.,\de]+)?"
NUMBERS = ("step", "value", "count", "number", "used", "bits", "most", "low", "high")
"""Placeholders of the texts that are filled only by a number or a range of numbers."""


def recorded(text: str, say: Translate) -> str:
    """A recorded text in the language of `say`; an unknown one (a name, another program's message)
    is returned unchanged."""
    for key, pattern in patterns().items():
        if found := pattern.fullmatch(text):
            values = found.groupdict().items()
            return say(key, **{name: recorded(part, say) for name, part in values})
    return text


@cache
def patterns() -> dict[str, re.Pattern[str]]:
    """Patterns that match the English texts once they are filled in, by key."""
    return {
        key: re.compile(pattern_of(text), re.DOTALL)
        for key, text in LANGUAGES["en"].items()
        if key.startswith("recorded_")
    }


def pattern_of(text: str) -> str:
    parts = re.split(r"{(\w+)(?::([^}]+))?}", text)
    fixed, names, nouns = map(re.escape, parts[::3]), parts[1::3], parts[2::3]
    groups = [
        f"(?P<{name}>{NUMBER if name in NUMBERS else '.+'})"
        + (rf" {noun}(?:s|\(s\))?" if noun else "")  # earlier versions wrote `folder(s)`
        for name, noun in zip(names, nouns, strict=True)
    ]
    return "".join(part for pair in zip(fixed, [*groups, ""], strict=True) for part in pair)
