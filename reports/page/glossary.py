"""The report's glossary: links from the texts to its entries, and the guide's settings."""

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from reports.analysis.settings_in_words import short_settings
from reports.page.first_screen import setting_name
from reports.record.names import BLURRING, PARAMS, RECOMMENDED
from reports.texts.translations import Translate

SETTINGS = {
    BLURRING: (500, 0, 3, "vanilla", 1e-4),
    "perceptual": (100, 10, 3, "vanilla", 1e-4),
    "lower_L1": (50, 0, 3, "vanilla", 1e-4),
    "stronger_D": (100, 0, 4, "vanilla", 1e-4),
    "lsgan": (100, 0, 3, "lsgan", 1e-4),
    "progressive": (100, 0, 3, "vanilla", 2e-4),
    RECOMMENDED: (100, 10, 3, "lsgan", 1e-4),
    "alternative": (50, 0, 4, "lsgan", 1e-4),
}
"""The guide's eight settings, in the order of `PARAMS`, as search_spaces/recipes.yaml has them."""

FOUND = (
    *("recipe", "guide", "profile", "budget", "space", "seed", "step", "rung", "pruned"),
    *("diverged", "validation", "held_out", "kinds", "warm_start", "unchanged", "oracle"),
    *("finalist", "interval", "LPIPS"),
)
"""Terms whose first mention becomes a link: the texts `find_...` are patterns that match them."""


def word_links(words: Sequence[str], say: Translate) -> Callable[[str], Markup]:
    """A function that turns a text into HTML, in which the first mention of each term is a link.

    Args:
        words: keys of the terms in the page's glossary.
    """
    named = (f"(?P<{word}>{say(f'find_{word}')})" for word in FOUND if word in words)
    pattern = re.compile("|".join(named), re.IGNORECASE)

    def linked(text: str) -> Markup:
        seen = set()

        def link(match: re.Match[str]) -> str:
            word = match.lastgroup
            if word in seen:
                return match[0]
            seen.add(word)
            return f'<a class="word" href="#word-{word}">{match[0]}</a>'

        return Markup(pattern.sub(link, escape(text)))

    return linked


def guide_settings(say: Translate) -> list[tuple[str, str]]:
    """The guide's eight settings: the name and the values of each."""
    return [
        (setting_name(name, say), short_settings(dict(zip(PARAMS, values, strict=True)), say))
        for name, values in SETTINGS.items()
    ]
