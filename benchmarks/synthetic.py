"""Does the search search well? Its own sampler and pruner on made-up scores with a known optimum.

    python -m benchmarks.synthetic

Nothing is trained. Each of the seeds draws a landscape over the default space; a trial's true
quality is its height there, and its score at a rung is that height plus noise, as much as the
stated correlation between a rung's score and the truth asks for. Strategies are compared by the
training steps after which the trial that they would name is truly as good as what random search
names after 50 full trials. docs/search.md tells what came out.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from benchmarks.machine import describe_machine
from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import PrunerName, SamplerName
from harness.search.resolve import available_cores, choose_recipes
from harness.study.samplers import hopeless, make_pruner
from harness.study.study import ask
from search_spaces.params import TrialParams
from search_spaces.space import load_space

RESULTS = Path(__file__).parent / "results" / "synthetic.json"
SPACE = load_space("default")
TRIALS = 50
FINALISTS, REPEATS = 3, 3
SEARCHES = 2000  # simulated random searches a landscape
RESAMPLES = 400  # of the landscapes, for the interval of a share


@dataclass(frozen=True)
class Scenario:
    """How much a rung's score says.

    Attributes:
        rungs: steps at which a trial is scored.
        first: correlation of the first rung's score with the truth, over random settings.
        last: the same of the last rung's, which is a trial's score; those between lie between.
        carried: correlation of the noise at the first rung with that at the last.
    """

    rungs: tuple[int, ...]
    first: float
    last: float
    carried: float

    @property
    def noise(self) -> np.ndarray:
        """Standard deviation of the noise at each rung, where the truth's is 1."""
        return noise_of(np.linspace(self.first, self.last, len(self.rungs)))

    def scores(self, truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Scores at the rungs, `[n, rungs]`, of trials of these true qualities `[n]`."""
        carry = self.carried ** (1 / (len(self.rungs) - 1))
        fresh = random.standard_normal((len(truth), len(self.rungs)))
        path = fresh[:, :1]
        for column in fresh.T[1:]:
            following = carry * path[:, -1] + np.sqrt(1 - carry**2) * column
            path = np.column_stack([path, following])
        return truth[:, None] + self.noise * path


def noise_of(correlation: Any) -> np.ndarray:
    """Standard deviation of noise on values of deviation 1 that leaves this correlation."""
    return np.sqrt(1 / np.square(correlation) - 1)


SCENARIOS = {
    # docs/evidence.md: Spearman's correlations of the rungs with the score after 1,760 steps.
    "as measured": Scenario(QUICK.rungs, 0.22, 0.65, 0.68),
    "as aimed": Scenario(QUICK.rungs, 0.5, 0.8, 0.68),
    "as aimed, early rungs": Scenario(STANDARD.rungs, 0.5, 0.8, 0.68),
    # The trial's own score is the truth; its rungs agree with it as the measured ones do.
    "the score is the truth": Scenario(QUICK.rungs, 0.65, 1.0, 0.68),
    "the score is the truth, early rungs": Scenario(STANDARD.rungs, 0.65, 1.0, 0.68),
}

FINALIST_CORRELATIONS = (0.71, 0.8, 0.9, 0.95)
"""Of one finalist's score with the truth. Measured after twice a trial's length: 0.71."""


@dataclass(frozen=True)
class Strategy:
    """A way to search.

    Attributes:
        go_on: all trials are trained to their first rung, and then only the best of them on: so
            many, or this share of them. None: the pruner decides.
    """

    sampler: SamplerName
    pruner: PrunerName
    recipes: bool = True
    go_on: int | float | None = None

    def chosen(self, ran: "Sequence[Ran]") -> "list[Ran]":
        """The trials that have been trained to their end once these have been run."""
        if self.go_on is None:
            return [each for each in ran if each.score is not None]
        count = self.go_on if isinstance(self.go_on, int) else round(self.go_on * len(ran))
        return sorted(ran, key=lambda each: -each.first)[: max(1, count)]


STRATEGIES = {
    "random, all to the end": Strategy("random", "none"),
    "tpe, all to the end": Strategy("tpe", "none"),
    "tpe, median": Strategy("tpe", "median"),
    "tpe, median, no recipes": Strategy("tpe", "median", recipes=False),
    "tpe, asha": Strategy("tpe", "asha"),
    "tpe, hyperband": Strategy("tpe", "hyperband"),
    "random, median": Strategy("random", "median"),
    "random, first rung, then the best": Strategy("random", "none", go_on=3),
    "tpe, first rung, then the best": Strategy("tpe", "none", go_on=3),
    "tpe, first rung, then the best quarter": Strategy("tpe", "none", go_on=0.25),
    "qmc, median": Strategy("qmc", "median"),
    "cmaes, median": Strategy("cmaes", "median"),
    "gp, median": Strategy("gp", "median"),
}


class Landscape:
    """A hill over the default space, its top anywhere; heights have mean 0 and deviation 1.

    Settings matter more or less, the best lr leans on lambda_L1, and one loss is better.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        random = np.random.default_rng([seed, 7])
        self.top = random.uniform(0.1, 0.9, 5)
        self.weight = random.exponential(1, 5)
        self.lean = random.uniform(-0.5, 0.5)
        heights = self.raw(random.uniform(size=(20_000, 5)))
        self.mean, self.deviation = heights.mean(), heights.std()
        self.heights = (heights - self.mean) / self.deviation

    def raw(self, unit: np.ndarray) -> np.ndarray:
        """Heights at points of the unit cube, `[n, 5]` -> `[n]`."""
        away = unit - self.top
        away[:, 4] -= self.lean * away[:, 0]
        # There are two losses, and nothing between them.
        away[:, 3] = (unit[:, 3] > 0.5) != (self.top[3] > 0.5)
        return -(np.square(away) * self.weight * (1, 1, 1, 0.1, 1)).sum(1)

    def truth(self, params: TrialParams) -> float:
        point = [
            np.log(params.lambda_L1 / 10) / np.log(50),
            params.lambda_perceptual / 30,
            (params.n_layers_D - 2) / 3,
            float(params.gan_mode == "lsgan"),
            np.log(params.lr / 5e-5) / np.log(8),
        ]
        return float((self.raw(np.array([point]))[0] - self.mean) / self.deviation)

    def random_search(self, scenario: Scenario) -> np.ndarray:
        """True quality of what random search would name after each trial, `[searches, trials]`."""
        random = np.random.default_rng([self.seed, 17])
        truth = random.choice(self.heights, (SEARCHES, TRIALS))
        noise = scenario.noise[-1] * random.standard_normal(truth.shape)
        return np.array([named(*row) for row in zip(truth, truth + noise, strict=True)])

    @cached_property
    def best(self) -> float:
        return float(self.heights.max())


def named(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """After each trial, the true quality of the one with the best score so far."""
    leader = np.maximum.accumulate(score)
    at = np.maximum.accumulate(np.where(score >= leader, np.arange(len(score)), 0))
    return truth[at]


@dataclass(frozen=True)
class Ran:
    """One trial of a simulated search: what it cost, what it is worth, what is seen of it."""

    steps: int
    truth: float
    first: float
    score: float | None


def run_search(landscape: Landscape, scenario: Scenario, how: Strategy) -> Iterator[Ran]:
    """The harness's own search on a landscape, trial by trial, without end."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=InMemoryStorage(),
        study_name="synthetic",
        direction="maximize",
        pruner=make_pruner(how.pruner, scenario.rungs),
    )
    if how.recipes:
        for name, values in choose_recipes(SPACE, QUICK)[0].items():
            study.enqueue_trial(values, user_attrs={"recipe": name})
    random = np.random.default_rng([landscape.seed, 11])
    last = scenario.rungs[-1]
    while True:
        trial = ask(study, SPACE, how.sampler, landscape.seed)
        truth = landscape.truth(SPACE.params(trial.params))
        (scores,) = scenario.scores(np.array([truth]), random)
        first = float(scores[0])
        if how.go_on is not None:
            study.tell(trial, first)
            yield Ran(scenario.rungs[0], truth, first, float(scores[-1]))
            continue
        for step, score in zip(scenario.rungs, scores, strict=True):
            trial.report(float(score), step)
            if hopeless(trial, step, last):
                study.tell(trial, state=TrialState.PRUNED)
                yield Ran(step, truth, first, None)
                break
        else:
            study.tell(trial, float(scores[-1]))
            yield Ran(last, truth, first, float(scores[-1]))


def course(
    landscape: Landscape, scenario: Scenario, how: Strategy
) -> tuple[list[tuple[int, float]], list[Ran]]:
    """Steps spent, and the true quality of what would be named then, after each trial.

    A search ends with the steps of 50 full trials.
    """
    end = scenario.rungs[-1]
    ran: list[Ran] = []
    points: list[tuple[int, float]] = []
    for trial in run_search(landscape, scenario, how):
        ran.append(trial)
        chosen = how.chosen(ran)
        spent = sum(each.steps for each in ran)
        if how.go_on is not None:
            spent += len(chosen) * (end - scenario.rungs[0])
        if spent > TRIALS * end:
            return points, ran[:-1]
        if chosen:
            points.append((spent, max(chosen, key=lambda each: each.score or 0.0).truth))
    raise AssertionError("a search does not end by itself")


@dataclass(frozen=True)
class Searched:
    """One search: at every step of `grid_of`, how far what it names is ahead of random search's."""

    ahead: np.ndarray
    short: float
    trials: int
    steps_of_50_trials: int


def grid_of(scenario: Scenario) -> np.ndarray:
    return np.arange(scenario.rungs[0], TRIALS * scenario.rungs[-1] + 1, 20)


def search_once(seed: int, scenario: Scenario, how: Strategy) -> Searched:
    """A strategy on the landscape of that seed."""
    landscape = Landscape(seed)
    target = np.median(landscape.random_search(scenario)[:, -1])
    points, ran = course(landscape, scenario, how)
    steps, truth = np.array(points).T
    at = np.searchsorted(steps, grid_of(scenario), side="right") - 1
    ahead = np.where(at < 0, -np.inf, truth[at] - target)
    spent = sum(each.steps for each in ran[:TRIALS])
    return Searched(ahead, float(landscape.best - truth[-1]), len(ran), spent)


def level_at(ahead: np.ndarray, scenario: Scenario) -> float:
    """The share of random search's steps at which the median of searches `[n, steps]` is level.

    Noise lets any search name something good for a moment: what counts is when the median over
    the searches, of what is named then against random search's on the same landscape, is level.
    Infinite where it never is.
    """
    level = np.flatnonzero(np.median(ahead, axis=0) >= 0)
    full = TRIALS * scenario.rungs[-1]
    return float(grid_of(scenario)[level[0]]) / full if level.size else np.inf


def judge_strategy(
    seeds: Sequence[int], scenario: Scenario, how: Strategy, run: Callable[..., Iterable[Searched]]
) -> dict[str, Any]:
    """How soon a strategy is where random search is after 50 full trials, and where it ends.

    Args:
        seeds: of the landscapes; resampled, they give the share's 90 % interval.
        run: `map`, or one that shares its work out.
    """
    times = len(seeds)
    found = list(run(search_once, seeds, [scenario] * times, [how] * times))
    ahead = np.array([each.ahead for each in found])
    short = [each.short for each in found]
    random = np.random.default_rng(19)
    draws = random.integers(times, size=(RESAMPLES, times))
    shares = np.sort([level_at(ahead[draw], scenario) for draw in draws])
    share = level_at(ahead, scenario)
    ends = shares[[round(0.05 * RESAMPLES), round(0.95 * RESAMPLES) - 1]]
    return {
        "searches": times,
        "share_of_random": finite(share),
        "share_90": [finite(end) for end in ends],
        "shortfall_at_equal_steps": {
            "median": float(np.median(short)),
            "mean": float(np.mean(short)),
            "standard_error": float(np.std(short) / np.sqrt(len(short))),
        },
        "trials_at_equal_steps": float(np.median([each.trials for each in found])),
        "steps_of_50_trials": float(np.median([each.steps_of_50_trials for each in found])),
    }


def finite(value: float) -> float | None:
    """A share as JSON has it; None: never."""
    return float(value) if np.isfinite(value) else None


def top_of(seed: int, scenario: Scenario) -> list[float]:
    """The true qualities of a search's best three, the one with the best score first."""
    _, ran = course(Landscape(seed), scenario, Strategy("tpe", "asha"))
    done = [(each.score, each.truth) for each in ran[:TRIALS] if each.score is not None]
    return [truth for _, truth in sorted(done, reverse=True)[:FINALISTS]]


def judge_finalists(
    seeds: Sequence[int], scenario: Scenario, run: Callable[..., Iterable[list[float]]]
) -> dict[str, Any]:
    """How often the truly best of the top three is named: by its one score, by mean of repeats.

    Also how much true quality naming by repeats gains, in deviations over random settings.
    """
    tops = list(run(top_of, seeds, [scenario] * len(seeds)))
    truth = np.array(tops)[:, None]
    random = np.random.default_rng(13)
    best = truth.argmax(2)
    found: dict[str, Any] = {"searches": len(tops), "by_one_score": float((best == 0).mean())}
    for correlation in FINALIST_CORRELATIONS:
        drawn = random.standard_normal((len(tops), 1000, REPEATS, FINALISTS))
        chosen = (truth + noise_of(correlation) * drawn.mean(2)).argmax(2)
        gain = np.take_along_axis(truth, chosen[:, None], 2)[:, 0] - truth[:, :, 0]
        found[f"by_repeats_of_{correlation:g}"] = float((chosen == best).mean())
        found[f"gain_by_repeats_of_{correlation:g}"] = float(gain.mean())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="landscapes for the strategies")
    parser.add_argument("--finalist-seeds", type=int, default=100, help="and for the finalists")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--scenario", action="append", help="one by name; default: all")
    parser.add_argument("--out", type=Path, default=RESULTS, help="added to, where it is there")
    parser.add_argument("--only", action="append", help="a strategy by name; default: all")
    asked = parser.parse_args()
    with ProcessPoolExecutor(available_cores()) as pool:
        compare(asked, partial(pool.map, chunksize=4))


def compare(asked: argparse.Namespace, run: Callable[..., Iterable[Any]]) -> None:
    """Every strategy that was asked for under every scenario, written down one by one."""
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    finalist_seeds = range(asked.first_seed, asked.first_seed + asked.finalist_seeds)
    kept: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    kept |= {"machine": describe_machine("cpu"), "trials": TRIALS}
    for name in asked.scenario or SCENARIOS:
        scenario = SCENARIOS[name]
        found = kept.setdefault("scenarios", {}).setdefault(name, {"strategies": {}})
        found["scenario"] = asdict(scenario)
        print(f"\n{name}: {scenario}", flush=True)
        for label in asked.only or STRATEGIES:
            row = judge_strategy(seeds, scenario, STRATEGIES[label], run)
            found["strategies"][label] = row
            short = row["shortfall_at_equal_steps"]
            print(
                f"  {label:<38} level at {row['share_of_random']} {row['share_90']} of random's "
                f"steps, short by {short['median']:.2f} / "
                f"{short['mean']:.2f} +- {short['standard_error']:.2f}, "
                f"{row['trials_at_equal_steps']:.0f} trials",
                flush=True,
            )
        if asked.finalist_seeds:
            found["finalists"] = judge_finalists(finalist_seeds, scenario, run)
            print(f"  finalists: {found['finalists']}", flush=True)
        asked.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
