"""The texts of the report: the same in every language, and none of them unused."""

import re
from pathlib import Path

from reports.texts.translations import LANGUAGES


def test_the_languages_say_the_same_things() -> None:
    english, korean = LANGUAGES["en"], LANGUAGES["ko"]
    assert english.keys() == korean.keys()
    for key in english:
        holes = re.compile(r"{(\w+)[}:]")
        assert sorted(holes.findall(english[key])) == sorted(holes.findall(korean[key])), key


def test_every_text_is_used() -> None:
    root = Path(__file__).parents[3] / "reports"
    sources = "".join(
        file.read_text(encoding="utf-8")
        for file in root.rglob("*")
        if file.suffix in (".py", ".j2") and file.parent != root / "texts"
    )
    built = (
        "decide_use_",
        "decide_keep",
        "decide_below",
        "decide_compared_",
        "why_",
        "level_",
        "recipe_",
        "claim_",
        "finding_",
        "band_",
        "state_",
        "expects_",
        "definition_",
        "word_",
        "means_",
        "find_",
        "from_",
        "recorded_",
    )
    unused = [
        key for key in LANGUAGES["en"]
        if f'"{key}"' not in sources and not key.startswith(built)
    ]  # fmt: skip
    assert unused == []
