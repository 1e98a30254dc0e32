"""The page on which a person judges blind pairs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup
from optuna import Study

from reports.analysis.judgements import Pair, judged_trials
from reports.page.panel_crops import Cut, boundaries
from reports.page.rendering import script_json, template
from reports.record.names import trial_name


def page(
    study: Study, pictures: Mapping[int, tuple[Cut, ...]], pairs: Sequence[Pair], begin: int = 0
) -> str:
    """The page's HTML, which has the pairs of crops but no trial's number or score.

    Args:
        begin: index of the first pair to show; the number of pairs if all have been judged.
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


def crops(study: Study, panels: Path) -> dict[int, tuple[Cut, ...]]:
    """The validation pictures around the retouched region, by trial, of the trials to judge.

    A trial is left out if it has no panel, or one whose pictures differ in size from most others'.
    """
    names = {trial: trial_name(trial) for trial in judged_trials(study)}
    found = {
        trial: boundaries({name: panels / f"{name}.png"}, (name,)) for trial, name in names.items()
    }
    sizes = {trial: tuple((row.width, row.height) for row in rows) for trial, rows in found.items()}
    counts = Counter(size for size in sizes.values() if size)
    usual = max(counts, key=lambda size: counts[size], default=None)
    return {trial: rows for trial, rows in found.items() if sizes[trial] == usual}
