"""The texts of reports and exports by language: `en.json` and `ko.json`, which have the same keys.

`{name}` is filled in by `translator`; `{pairs:held-out pair}` becomes a count with its noun. The
glossary's terms are `word_...` with their definitions `means_...`, in the order of the page;
docs/glossary.md has the same ones.
"""

import json
from collections.abc import Callable
from importlib.resources import files
from string import Formatter
from typing import Any

from reports.texts.numbers import quantity

Translate = Callable[..., str]

LANGUAGES: dict[str, dict[str, str]] = {
    language: json.loads(files(__package__).joinpath(f"{language}.json").read_text("utf-8"))
    for language in ("en", "ko")
}

OF_THE_SCORE = ("D", "E", "Lrel", "LPIPS", "score")
"""Terms of the glossary that apply to boundary_sharpness, but not to an objective of the user's."""


def glossary_words(of_score: bool, warm_start: bool = True) -> list[str]:
    """The keys of the glossary's terms, without those that do not apply to the study.

    Args:
        of_score: whether the objective is boundary_sharpness.
        warm_start: whether trials continue from a warm start or the user's model.
    """
    words = [key.removeprefix("word_") for key in LANGUAGES["en"] if key.startswith("word_")]
    absent = {*(() if of_score else OF_THE_SCORE), *(() if warm_start else ("warm_start",))}
    return [word for word in words if word not in absent]


class WithNouns(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return quantity(value, format_spec) if format_spec else str(value)


def translator(language: str) -> Translate:
    """A function `say(key, **values)`: a text in that language with its values filled in.

    Raises:
        ValueError: there is no such language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"There is no language {language}: name one of {', '.join(LANGUAGES)}.")
    texts = LANGUAGES[language]

    def say(key: str, **values: object) -> str:
        return WithNouns().vformat(texts[key], (), values)

    return say
