"""How often the confirmation says "better", if nothing is better and if something is.

    python -m benchmarks.verdict

Simulated finalists without training: three challengers and the baseline, each score the sum of
random effects of seed, picture and single run. The verdict is on the best of the three, as in a
search. The peer is the usual percentile bootstrap over seeds and pictures.
"""

import numpy as np

from benchmarks.scaffold import write_result
from harness.evaluation.paired_comparison import level_for, paired_interval

CHALLENGERS = 3
STUDIES = 1000
RESAMPLES = 400
# Standard deviations of the random effects: seeds, pictures, single runs.
SOURCES = {
    "seeds": (1.0, 0.0, 0.3),
    "pictures": (0.0, 1.0, 0.3),
    "single runs": (0.1, 0.3, 1.0),
    "all alike": (0.7, 0.7, 0.7),
}
SIZES = ((3, 4), (3, 12), (3, 32), (5, 12))
LEADS = (1.0, 2.0, 4.0)  # of the best challenger, in standard deviations of a single run


def leads(
    random: np.random.Generator,
    source: tuple[float, float, float],
    seeds: int,
    pictures: int,
    better_by: float = 0.0,
) -> np.ndarray:
    """The best of the challengers less the baseline: `[study, seed, picture]`.

    Args:
        better_by: how much better than all others the first challenger truly is.
    """
    of_seed, of_picture, single = source
    shape = (STUDIES, CHALLENGERS + 1)
    scores = (
        random.normal(0, of_seed, (*shape, seeds, 1))
        + random.normal(0, of_picture, (*shape, 1, pictures))
        + random.normal(0, single, (*shape, seeds, pictures))
    )
    scores[:, 0] += better_by
    over_baseline = scores[:, :CHALLENGERS] - scores[:, CHALLENGERS:]
    best = over_baseline.mean(axis=(2, 3)).argmax(axis=1)
    return over_baseline[np.arange(STUDIES), best]


def said_better(differences: np.ndarray) -> float:
    """How often our verdict is "better"."""
    level = level_for(CHALLENGERS)
    return float(np.mean([paired_interval(each, level).low > 0 for each in differences]))


def bootstrap_says_better(random: np.random.Generator, differences: np.ndarray) -> float:
    """How often the percentile bootstrap, at the same level, would say so."""
    _, seeds, pictures = differences.shape
    tail = (1 - level_for(CHALLENGERS)) / 2
    found = 0
    for each in differences:
        drawn = random.multinomial(seeds, [1 / seeds] * seeds, RESAMPLES) / seeds
        shown = random.multinomial(pictures, [1 / pictures] * pictures, RESAMPLES) / pictures
        found += np.quantile(np.einsum("bs,sp,bp->b", drawn, each, shown), tail) > 0
    return float(found / len(differences))


def main() -> None:
    rows = []
    for name, source in SOURCES.items():
        for seeds, pictures in SIZES:
            random = np.random.default_rng([seeds, pictures])
            nothing = leads(random, source, seeds, pictures)
            row = {
                "differences come from": name,
                "seeds": seeds,
                "pictures": pictures,
                "wrongly better": said_better(nothing),
                "bootstrap, wrongly better": bootstrap_says_better(random, nothing),
                "power": {
                    str(by): said_better(leads(random, source, seeds, pictures, by * source[2]))
                    for by in LEADS
                },
            }
            rows.append(row)
            print(row, flush=True)
    write_result("verdict", {"studies": STUDIES, "rows": rows})


if __name__ == "__main__":
    main()
