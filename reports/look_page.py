"""The page on which a person judges blind pairs."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from optuna import Study

from reports.eyes import Pair
from reports.html import script_json
from reports.names import trial_name
from reports.pictures import Cut
from reports.templates import template


def page(
    study: Study, pictures: Mapping[int, tuple[Cut, ...]], pairs: Sequence[Pair], begin: int = 0
) -> str:
    """The page's HTML: the crops in the order of their pairs, and no trial's number or score.

    Args:
        begin: the place of the first pair to show; the number of pairs where all are judged.
    """
    crops: dict[str, int] = {}

    def place_of(uri: str) -> int:
        return crops.setdefault(uri, len(crops))

    rows = [
        {
            "left": place_of(restored(pictures, pair.left, pair.picture)),
            "right": place_of(restored(pictures, pair.right, pair.picture)),
            "original": place_of(pictures[pair.left][pair.picture].original),
        }
        for pair in pairs
    ]
    data = Markup(script_json({"crops": list(crops), "pairs": rows, "begin": begin}))
    return template("look.html.j2").render(study=study.study_name, data=data, pairs=len(pairs))


def restored(pictures: Mapping[int, tuple[Cut, ...]], trial: int, picture: int) -> str:
    """One picture as one trial restores it, as a data URI."""
    return pictures[trial][picture].restored[trial_name(trial)]
