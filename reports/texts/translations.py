"""The report's texts by language: `translator` fills them in."""

from collections.abc import Callable

from reports.texts import english, export_notes, glossary, korean

Translate = Callable[..., str]

LANGUAGES = {
    "en": english.TEXTS | glossary.ENGLISH | export_notes.ENGLISH,
    "ko": korean.TEXTS | glossary.KOREAN | export_notes.KOREAN,
}


def translator(language: str) -> Translate:
    """`say(key, **values)`: a sentence of that language with its values filled in."""
    texts = LANGUAGES[language]

    def say(key: str, **values: object) -> str:
        return texts[key].format(**values)

    return say
