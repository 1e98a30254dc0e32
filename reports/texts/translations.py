"""The texts of reports and exports by language: `en.json` and `ko.json`, which have the same keys.

`{name}` is filled in by `translator`. The glossary's words are `word_...` with their definitions
`means_...`, in the order of the page; docs/glossary.md has the same ones.
"""

import json
from collections.abc import Callable
from importlib.resources import files

Translate = Callable[..., str]

LANGUAGES: dict[str, dict[str, str]] = {
    language: json.loads(files(__package__).joinpath(f"{language}.json").read_text("utf-8"))
    for language in ("en", "ko")
}

OF_THE_SCORE = ("D", "E", "Lrel", "LPIPS", "score")
"""Words of the glossary that explain boundary_sharpness, and no objective of the user's own."""


def glossary_words(of_score: bool) -> list[str]:
    """The keys of the glossary's words, with or without those of boundary_sharpness."""
    words = [key.removeprefix("word_") for key in LANGUAGES["en"] if key.startswith("word_")]
    return [word for word in words if of_score or word not in OF_THE_SCORE]


def translator(language: str) -> Translate:
    """`say(key, **values)`: a text of that language with its values filled in."""
    texts = LANGUAGES[language]

    def say(key: str, **values: object) -> str:
        return texts[key].format(**values)

    return say
