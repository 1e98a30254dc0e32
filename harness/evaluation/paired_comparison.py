"""Is one setting better than another? A paired comparison over fresh seeds and held-out pictures.

Both settings are trained on the same seeds and scored on the same pictures, so each (seed,
picture) gives one difference. What all pictures of a seed have in common is the luck of that
training; what all seeds of a picture have in common is peculiar to that picture. Both are random
effects: resampling only one of them, or three seeds as if they were many, finds differences where
there are none. The interval therefore takes the variance of a crossed two-way design from its mean
squares (Cornfield and Tukey, 1956), with Satterthwaite's (1946) degrees of freedom and Student's t.
"""

import numpy as np
from scipy.special import stdtrit as students_t  # scipy.stats takes most of a second to import

from reports.record.finalists import Interval

LEVEL = 0.95


def paired_interval(differences: np.ndarray, level: float = LEVEL) -> Interval:
    """The confidence interval of a mean difference, for new seeds and new pictures.

    Args:
        differences: `[seeds, pictures]`, one setting's scores minus the other's.
        level: confidence level in (0, 1).

    Raises:
        ValueError: fewer than two seeds or two pictures.
    """
    seeds, pictures = differences.shape
    if seeds < 2 or pictures < 2:
        raise ValueError(
            f"{seeds} seed(s) and {pictures} picture(s): at least two of each are needed"
        )
    mean = float(differences.mean())
    seed_effects = differences.mean(axis=1, keepdims=True) - mean
    picture_effects = differences.mean(axis=0, keepdims=True) - mean
    residuals = differences - mean - seed_effects - picture_effects
    seed_square = pictures * float((seed_effects**2).sum()) / (seeds - 1)
    picture_square = seeds * float((picture_effects**2).sum()) / (pictures - 1)
    residual_square = float((residuals**2).sum()) / ((seeds - 1) * (pictures - 1))
    # Both mean squares include the interaction. If by chance it exceeds them, the larger of the two
    # alone is the conservative choice.
    variance = seed_square + picture_square - residual_square
    terms = ((seed_square, seeds - 1), (picture_square, pictures - 1))
    if variance >= max(seed_square, picture_square):
        squares = sum(term**2 / degrees for term, degrees in terms)
        squares += residual_square**2 / ((seeds - 1) * (pictures - 1))
        degrees_of_freedom = max(variance**2 / squares, 1.0) if squares else 1.0
    else:
        variance, degrees_of_freedom = max(terms)
    quantile = float(students_t(degrees_of_freedom, 0.5 + level / 2))
    return interval_around(mean, quantile * (variance / differences.size) ** 0.5)


def mean_interval(scores: np.ndarray) -> Interval:
    """The 95 % confidence interval of a mean score, for these pictures and new seeds.

    Args:
        scores: `[seeds, pictures]`.

    Raises:
        ValueError: there is only one seed.
    """
    if len(scores) < 2:
        raise ValueError("one seed: nothing says how much seeds matter")
    return sample_interval(scores.mean(axis=1))


def sample_interval(values: np.ndarray) -> Interval:
    """The 95 % confidence interval of the mean that independent values, at least two, are from."""
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    half_width = float(students_t(len(values) - 1, 0.5 + LEVEL / 2)) * error
    return interval_around(float(values.mean()), half_width)


def interval_around(mean: float, half_width: float) -> Interval:
    """The interval from `mean - half_width` to `mean + half_width`."""
    return Interval(mean=mean, low=mean - half_width, high=mean + half_width)


def level_for(comparisons: int) -> float:
    """The confidence level of each of several intervals that jointly hold at `LEVEL`.

    Bonferroni: the winner was selected as the best of k finalists, so without the correction it
    would be called better up to k times too often.
    """
    return 1 - (1 - LEVEL) / max(1, comparisons)
