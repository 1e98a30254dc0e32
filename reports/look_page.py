"""The page on which a person judges blind pairs."""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from optuna import Study

from reports.eyes import Pair
from reports.html import script_json
from reports.pictures import Boundary


def page(study: Study, pictures: Mapping[int, tuple[Boundary, ...]], pairs: Sequence[Pair]) -> str:
    """The page's HTML: the crops in the order of their pairs, and no trial's number or score."""
    crops: dict[str, int] = {}

    def place_of(uri: str) -> int:
        return crops.setdefault(uri, len(crops))

    rows = [
        {
            "left": place_of(pictures[pair.left][pair.picture].winner),
            "right": place_of(pictures[pair.right][pair.picture].winner),
            "original": place_of(pictures[pair.left][pair.picture].original),
        }
        for pair in pairs
    ]
    data = Markup(script_json({"crops": list(crops), "pairs": rows}))
    environment = Environment(
        loader=PackageLoader("reports", "."), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("look.html.j2").render(
        study=study.study_name, data=data, pairs=len(pairs)
    )
