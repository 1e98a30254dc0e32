"""Is one setting better than another? A paired comparison over fresh seeds and held-out pictures.

Both settings are trained on the same seeds and scored on the same pictures, so each (seed,
picture) gives one difference. A difference shared by all pictures of a seed is luck of that
training, one shared by all seeds of a picture is that picture's character: both are random, and
resampling only one of them, or three seeds as if they were many, finds differences that are not
there. The interval therefore takes the variance of a crossed two-way design from its mean squares
(Cornfield and Tukey, 1956) with Satterthwaite's (1946) degrees of freedom and Student's t.
"""

import numpy as np
from scipy.special import stdtrit as students_t  # scipy.stats takes most of a second to import

from reports.record.finalists import Interval

LEVEL = 0.95


def paired_interval(differences: np.ndarray, level: float = LEVEL) -> Interval:
    """The interval of a mean difference that holds for new seeds and new pictures.

    Args:
        differences: `[seeds, pictures]`, score of the one minus score of the other.
        level: probability that the interval contains the true difference, in (0, 1).

    Raises:
        ValueError: fewer than two seeds or two pictures.
    """
    seeds, pictures = differences.shape
    if seeds < 2 or pictures < 2:
        raise ValueError(
            f"{seeds} seed(s) and {pictures} picture(s): at least two of each are needed"
        )
    mean = float(differences.mean())
    of_seed = differences.mean(axis=1, keepdims=True) - mean
    of_picture = differences.mean(axis=0, keepdims=True) - mean
    rest = differences - mean - of_seed - of_picture
    by_seed = pictures * float((of_seed**2).sum()) / (seeds - 1)
    by_picture = seeds * float((of_picture**2).sum()) / (pictures - 1)
    remaining = float((rest**2).sum()) / ((seeds - 1) * (pictures - 1))
    # The interaction is counted in both terms. If by chance it exceeds them, the larger of the two
    # alone is the conservative choice.
    spread = by_seed + by_picture - remaining
    terms = ((by_seed, seeds - 1), (by_picture, pictures - 1))
    if spread >= max(by_seed, by_picture):
        squares = sum(term**2 / free for term, free in terms)
        squares += remaining**2 / ((seeds - 1) * (pictures - 1))
        freedom = max(spread**2 / squares, 1.0) if squares else 1.0
    else:
        spread, freedom = max(terms)
    half = float(students_t(freedom, 0.5 + level / 2)) * (spread / differences.size) ** 0.5
    return around(mean, half)


def mean_interval(scores: np.ndarray) -> Interval:
    """The interval of a mean score `[seeds, pictures]`, for these pictures and new seeds."""
    of_seed = scores.mean(axis=1)
    mean = float(of_seed.mean())
    if len(of_seed) < 2:
        raise ValueError("one seed: nothing says how much seeds matter")
    error = float(of_seed.std(ddof=1)) / len(of_seed) ** 0.5
    half = float(students_t(len(of_seed) - 1, 0.5 + LEVEL / 2)) * error
    return around(mean, half)


def around(mean: float, half: float) -> Interval:
    """The interval of this half width."""
    return Interval(mean=mean, low=mean - half, high=mean + half)


def level_for(comparisons: int) -> float:
    """The level of each of several intervals that jointly hold with probability `LEVEL`.

    Bonferroni: the winner was selected as the best of k finalists, so at the level of one it would
    be called better up to k times too often.
    """
    return 1 - (1 - LEVEL) / max(1, comparisons)
