"""Sentences that the record has in English (why a trial ended, where its pairs are from), in the
language of a report: the texts `recorded_...`, whose English is what the program writes.
"""

import re
from functools import cache

from reports.texts.translations import LANGUAGES, Translate

NUMBER = r"[-+.,\de]+(?: to [-+.,\de]+)?"
NUMBERS = ("step", "value", "count", "number", "used", "bits", "most", "low", "high")
"""The holes of the texts that only a number fills, or a range of numbers."""


def recorded(text: str, say: Translate) -> str:
    """A recorded text in the language of `say`; what it does not know (a name, another program's
    message) as it is."""
    for key, pattern in patterns().items():
        if found := pattern.fullmatch(text):
            holes = found.groupdict().items()
            return say(key, **{name: recorded(part, say) for name, part in holes})
    return text


@cache
def patterns() -> dict[str, re.Pattern[str]]:
    """What the English texts look like once they are filled in, by key."""
    return {
        key: re.compile(pattern_of(text), re.DOTALL)
        for key, text in LANGUAGES["en"].items()
        if key.startswith("recorded_")
    }


def pattern_of(text: str) -> str:
    parts = re.split(r"{(\w+)(?::([^}]+))?}", text)
    fixed, names, nouns = map(re.escape, parts[::3]), parts[1::3], parts[2::3]
    holes = [
        f"(?P<{name}>{NUMBER if name in NUMBERS else '.+'})"
        + (rf" {noun}(?:s|\(s\))?" if noun else "")  # earlier versions wrote `folder(s)`
        for name, noun in zip(names, nouns, strict=True)
    ]
    return "".join(part for pair in zip(fixed, [*holes, ""], strict=True) for part in pair)
