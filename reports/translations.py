"""The report's texts by language: `translator` fills them in."""

from collections.abc import Callable

from reports import english, glossary, korean, note_texts

Translate = Callable[..., str]

LANGUAGES = {
    "en": english.TEXTS | glossary.ENGLISH | note_texts.ENGLISH,
    "ko": korean.TEXTS | glossary.KOREAN | note_texts.KOREAN,
}


def translator(language: str) -> Translate:
    """`say(key, **values)`: a sentence of that language with its values filled in."""
    texts = LANGUAGES[language]

    def say(key: str, **values: object) -> str:
        return texts[key].format(**values)

    return say
