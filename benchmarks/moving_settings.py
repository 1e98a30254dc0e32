"""Where pixels are moved, do the five settings matter more than seeds do?

    python -m benchmarks.moving_settings
    python -m benchmarks.moving_settings --data PAIRS --direction BtoA --name _mine

The recipe `warp` and random points of the default space in the quick profile, each trained as a
finalist is, on the same seeds: from the warm start of the default search with seed 0, 300 steps,
scored on both held-out splits. How far do the means of settings lie apart, and how far would they
if settings made no difference?

Every run is kept in the results file at once; the same command goes on where it stopped.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import f as f_distribution

from benchmarks.scaffold import resume_result, save_result
from harness.config.profiles import QUICK
from harness.config.settings import TrialPlan
from harness.data.pairs.cache import default_cache
from harness.data.pairs.prepare import PreparedData, prepare_data
from harness.search.finalists import FIRST_SEED
from harness.study.samplers import derived_seed
from harness.training.networks import build_generator
from harness.trials.messages import TrialTask
from harness.trials.trial import Trials
from reports.record.names import MOVING
from search_spaces.generators import WARP, of_kind
from search_spaces.recipes import read_recipes
from search_spaces.space import Space, load_space
from search_spaces.trial_params import TrialParams

TRAIN = QUICK.but({"netG": of_kind(QUICK.netG, WARP)})
SPLITS = ("val", "held_out")
Runs = dict[str, dict[str, dict[str, list[float]]]]
"""By setting, seed and split: the score of every picture."""


def random_settings(space: Space, count: int) -> dict[str, TrialParams]:
    """The recipe for generators that move pixels, then points of the space (fixed seed)."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chosen = {MOVING: read_recipes()[MOVING].params}
    while len(chosen) < count:
        trial = study.ask()
        space.suggest(trial)
        chosen[f"random {trial.number}"] = space.params(trial.params)
    return chosen


def started(data: PreparedData, settings: Iterable[TrialParams]) -> Trials:
    """The trials of the search with seed 0, with its warm start of the moving generator."""
    kinds = sorted({(params.n_layers_D, params.gan_mode) for params in settings})
    made_of = hashlib.sha256(f"{TRAIN.model_dump_json()} {data.digest} {kinds}".encode())
    folder = Path(tempfile.gettempdir()) / f"moving-settings-{made_of.hexdigest()[:16]}"
    plan = TrialPlan(
        dataset=data.file,
        folder=folder,
        train=TRAIN,
        weights="random",
        device="cpu",
        threads=1,
        warm_start_threads=1,
        discriminators=tuple(kinds),
        seed=0,
    )
    trials = Trials(plan)
    trials.prepare(lambda done, total: None)
    return trials


def train(trials: Trials, params: TrialParams, seed: int) -> dict[str, list[float]]:
    """Train a setting as a finalist; the score of every picture of both splits."""
    result = trials.run(TrialTask(0, params, seed, "final"), lambda rung: True)
    assert result is not None
    assert result.checkpoint is not None
    generator = build_generator(TRAIN, seed)
    generator.load_state_dict(torch.load(result.checkpoint, weights_only=True))
    _, on_val = trials.val(generator)
    return {
        "val": [float(row["score"]) for row in on_val.per_image],
        "held_out": [float(row["score"]) for row in result.per_image],
    }


def spread(runs: Runs) -> dict[str, dict[str, float]]:
    """Means of settings `[setting, seed]` against what seeds alone would make of them.

    `settings`: standard deviation of the settings' means; `seeds`: that of one setting over seeds;
    `by_seeds_alone`: that of the means if all settings were alike; `of_settings`: what remains for
    the settings themselves; `p`: how often seeds alone give such an F.
    """
    found = {}
    shared = [seed for seed in runs[MOVING] if all(seed in by for by in runs.values())]
    for split in SPLITS:
        means = np.array([[np.mean(by[seed][split]) for seed in shared] for by in runs.values()])
        settings, seeds = means.shape
        of_setting = means.mean(1, keepdims=True)
        # A seed is the same batches for all settings: what it gives to all tells none from another.
        rest = means - of_setting - means.mean(0, keepdims=True) + means.mean()
        free = (settings - 1) * (seeds - 1)
        chance = float((rest**2).sum()) / free
        between = float(of_setting.var(ddof=1))
        found[split] = {
            "settings": between**0.5,
            "seeds": float(means.var(axis=1, ddof=1).mean()) ** 0.5,
            "by_seeds_alone": (chance / seeds) ** 0.5,
            "of_settings": max(0.0, between - chance / seeds) ** 0.5,
            "best_less_recipe": float(of_setting.max() - means[list(runs).index(MOVING)].mean()),
            "p": float(f_distribution.sf(seeds * between / chance, settings - 1, free)),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3, help="at least 2")
    parser.add_argument("--data", type=Path, help="a folder of pairs; default: the built-in ones")
    parser.add_argument("--direction", default="AtoB")
    parser.add_argument("--name", default="", help="added to the results file's name")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # steps this small gain nothing from a second
    torch.set_flush_denormal(True)

    space = load_space("default")
    data = prepare_data(asked.data, asked.direction, TRAIN, default_cache())
    result = f"moving_settings{asked.name}"
    made = {"profile": "quick", "data_digest": data.digest}
    kept = resume_result(result, made, parser.error)

    settings = random_settings(space, asked.settings)
    kept["settings"] = {name: params.model_dump() for name, params in settings.items()}
    runs = kept.setdefault("runs", {})
    seeds = [derived_seed(0, FIRST_SEED + repeat) for repeat in range(asked.seeds)]
    wanted = [(name, seed) for seed in seeds for name in settings]
    wanted = [(name, seed) for name, seed in wanted if str(seed) not in runs.get(name, {})]
    trials = started(data, settings.values())
    for name, seed in wanted:
        run = train(trials, settings[name], seed)
        runs.setdefault(name, {})[str(seed)] = run
        save_result(result, kept)
        shown = "  ".join(f"{split} {np.mean(run[split]):.4f}" for split in SPLITS)
        print(f"{name:<10} seed {seed}  {shown}", flush=True)
    kept["spread"] = spread(runs)
    save_result(result, kept)
    print(json.dumps(kept["spread"], indent=1))


if __name__ == "__main__":
    main()
