"""Do short trials predict long ones? Train settings `--times` as long, and score them on the way.

    python -m benchmarks.evidence --profile quick --settings 16 --times 8    # 17 minutes

A trial's learning rate is constant, so a short trial is the beginning of a long one: a single long
run gives the score at every step of interest. Scores are used alone, and smoothed as the mean of
three in a row. The final score of a setting is the mean of its last three, in the last tenth of the
long run. Each finished setting is saved at once; the same command continues after an interruption.
"""

import argparse
import hashlib
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.scaffold import resume_result, save_result
from harness.config.profiles import choose_profile
from harness.config.settings import TrainSettings, TrialPlan
from harness.data.pairs.cache import default_cache
from harness.data.pairs.prepare import prepare_data
from harness.study.pruners import hopeless, make_pruner
from harness.trials.devices import resolve_device
from harness.trials.messages import Rung, TrialTask
from search_spaces.recipes import load_recipes
from search_spaces.space import Space, load_space
from search_spaces.trial_params import TrialParams

# A score and the two before it, as shares of its step.
BESIDE = (0.9, 0.95, 1.0)
LAST = len(BESIDE)
# Of the settings, for an interval.
DRAWS = 2000
# Random orders in which the pruner meets the settings.
ORDERS = 200


def settings_to_try(space: Space, count: int) -> dict[str, TrialParams]:
    """The guide's recipes, then random points of the default space (fixed seed)."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chosen = dict(list(load_recipes().items())[:count])
    while len(chosen) < count:
        trial = study.ask()
        space.suggest(trial)
        chosen[f"random {trial.number}"] = space.params(trial.params)
    return chosen


def steps_to_look_at(train: TrainSettings, times: int) -> tuple[int, ...]:
    """Steps within a trial's length, the profile's own rungs and halfway between them; then
    fractions of the long run, each after two others close to it; at last its last tenth."""
    rungs = train.rungs
    between = [(one + next) // 2 for one, next in pairwise(rungs)]
    early = [rungs[0] // 2, round(rungs[0] * 0.75), *rungs, *between]
    late = [train.steps * times ** (k / 4) for k in range(1, 5)]
    return tuple(sorted({*early, *(round(step * share) for step in late for share in BESIDE)}))


def run_setting(plan: TrialPlan, name: str, params: TrialParams) -> tuple[str, dict[str, Any]]:
    """Train one setting to the end; its score, components and losses at every step looked at."""
    from harness.trials.trial import make_runner

    runner = make_runner(plan)
    rungs: list[dict[str, Any]] = []
    began = time.perf_counter()

    def report(rung: Rung) -> bool:
        rungs.append(
            {
                "step": rung.step,
                "value": rung.value,
                "components": rung.components,
                "losses": rung.losses,
            }
        )
        return True

    runner.run(TrialTask(0, params, plan.seed), report)
    seconds = time.perf_counter() - began
    return name, {"params": params.model_dump(), "rungs": rungs, "seconds": round(seconds, 1)}


def warm_up(plan: TrialPlan) -> dict[str, float | None]:
    from harness.trials.trial import make_runner

    began = time.perf_counter()
    baseline = make_runner(plan).prepare(lambda done, total: None)
    seconds = time.perf_counter() - began
    return {"noop": baseline.noop, "warm_start": baseline.warm_start, "seconds": round(seconds, 1)}


def agreement(runs: dict[str, Any]) -> list[dict[str, float]]:
    """Spearman's correlation of the scores at each step with the final scores.

    `single`: of the score alone; `smoothed`: of the mean with the two before it, with `low` and
    `high`, a 90% bootstrap interval over settings; `regret`: how far the leader by the smoothed
    score ends behind the best; `spread`: the range of the scores.
    """
    scores = np.array([[rung["value"] for rung in run["rungs"]] for run in runs.values()])
    steps = [rung["step"] for rung in next(iter(runs.values()))["rungs"]]
    truth = scores[:, -LAST:].mean(1)
    random = np.random.default_rng(0)
    draws = [random.integers(len(truth), size=len(truth)) for _ in range(DRAWS)]
    found = []
    for column in range(LAST - 1, len(steps) - LAST):
        single, smoothed = scores[:, column], scores[:, column + 1 - LAST : column + 1].mean(1)
        resampled = [spearmanr(smoothed[d], truth[d]).statistic for d in draws if len(set(d)) > 2]
        low, high = np.nanquantile(resampled, [0.05, 0.95])
        found.append(
            {
                "step": steps[column],
                "single": float(spearmanr(single, truth).statistic),
                "smoothed": float(spearmanr(smoothed, truth).statistic),
                "low": float(low),
                "high": float(high),
                "regret": float(truth.max() - truth[smoothed.argmax()]),
                "spread": float(np.ptp(single)),
            }
        )
    return found


def pruned(runs: dict[str, Any], rungs: tuple[int, ...]) -> dict[str, float]:
    """The effect of the default pruner on these settings as trials, over random orders.

    Trials are scored at the profile's `rungs`, and run one at a time. `saved`: share of the steps
    not trained. `regret`: how far the leader of the surviving trials is behind that of all, by the
    last score of a trial, and `long_regret`: in the long run. `best_survives`: how often the best
    setting of the long run is not pruned.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scores = np.array(
        [[r["value"] for r in run["rungs"] if r["step"] in rungs] for run in runs.values()]
    )
    truth = np.array([[r["value"] for r in run["rungs"][-LAST:]] for run in runs.values()]).mean(1)
    last, leader = scores[:, -1], scores[:, -1].argmax()
    random = np.random.default_rng(0)
    found = []
    for _ in range(ORDERS):
        study = optuna.create_study(direction="maximize", pruner=make_pruner("asha", rungs))
        steps, left = 0, []
        for setting in random.permutation(len(scores)):
            trial = study.ask()
            for step, score in zip(rungs, scores[setting], strict=True):
                trial.report(score, step)
                if hopeless(trial, step, rungs[-1]):
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                    break
            else:
                study.tell(trial, score)
                left.append(setting)
            steps += step
        named = max(left, key=lambda setting: last[setting])
        found.append(
            (
                1 - steps / (len(scores) * rungs[-1]),
                last[leader] - last[named],
                truth[leader] - truth[named],
                truth.argmax() in left,
            )
        )
    names = ("saved", "regret", "long_regret", "best_survives")
    return dict(zip(names, np.mean(found, axis=0).round(5).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="auto", help="quick, standard, full or auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path, help="a folder of pairs; default: the built-in ones")
    parser.add_argument("--direction", default="AtoB")
    parser.add_argument("--settings", type=int, default=16, help="how many settings")
    parser.add_argument("--times", type=int, default=8, help="how many times longer than a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--override", action="append", default=[], help="NAME=JSON of the profile")
    parser.add_argument("--name", default="", help="added to the results file's name")
    asked = parser.parse_args()

    device = resolve_device(asked.device)
    profile, train = choose_profile(asked.profile, device)
    for pair in asked.override:
        key, value = pair.split("=", 1)
        train = TrainSettings.model_validate(train.model_dump() | {key: json.loads(value)})
    space = load_space("default")
    data = prepare_data(asked.data, asked.direction, train, default_cache(), seed=asked.seed)
    # Its warm start may only be used again for the very same settings, pairs and seed.
    made_of = f"{train.model_dump_json()} {data.digest} {asked.seed}".encode()
    work = Path(tempfile.gettempdir()) / f"evidence-{hashlib.sha256(made_of).hexdigest()[:16]}"
    work.mkdir(exist_ok=True)
    rungs = steps_to_look_at(train, asked.times)
    long = train.model_copy(update={"steps": rungs[-1], "rungs": rungs})
    plan = TrialPlan(
        dataset=data.file,
        folder=work,
        train=long,
        weights="random",
        device=device,
        threads=1,
        warm_start_threads=asked.jobs,
        discriminators=space.discriminators,
        seed=asked.seed,
    )

    result = f"evidence_{profile}_seed{asked.seed}{asked.name}"
    made = {"profile": profile, "train": long.model_dump(mode="json"), "data_digest": data.digest}
    kept = resume_result(result, made, parser.error, device)
    kept.setdefault("runs", {})
    settings = settings_to_try(space, asked.settings)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        kept["baseline"] = pool.submit(warm_up, plan).result()
        print(kept["baseline"], flush=True)
        waiting = {
            pool.submit(run_setting, plan, name, params)
            for name, params in settings.items()
            if name not in kept["runs"]
        }
        for done in as_completed(waiting):
            name, run = done.result()
            kept["runs"][name] = run
            save_result(result, kept)
            values = " ".join(f"{rung['step']}:{rung['value']:.3f}" for rung in run["rungs"])
            print(f"{name:<20} {run['seconds']:>6} s  {values}", flush=True)
    kept["agreement"] = agreement(kept["runs"])
    kept["pruned"] = pruned(kept["runs"], train.rungs)
    save_result(result, kept)
    for row in kept["agreement"]:
        print(
            "step {step:>6}  Spearman {single:5.2f}, smoothed {smoothed:5.2f} [{low:.2f}, "
            "{high:.2f}]  regret {regret:.4f}  spread {spread:.4f}".format(**row)
        )
    print(
        "pruned: {saved:.0%} of the steps saved; regret {regret:.4f}, in the long run "
        "{long_regret:.4f}; the best in the long run survives {best_survives:.0%}".format(
            **kept["pruned"]
        )
    )


if __name__ == "__main__":
    main()
