"""Where pixels are moved, do the five settings matter once a generator has found what was moved?

    python -m benchmarks.moving_settings

The settings of `results/moving_settings.json`, trained as there: 300 steps on the same three seeds,
scored on both held-out splits. But they continue from a longer and faster warm start (900 steps at
4e-4 instead of 600 at 2e-4), which has found it.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.stats import f as f_distribution

from benchmarks.scaffold import RESULTS, write_result
from harness.config.profiles import QUICK
from harness.config.settings import TrialPlan
from harness.data.pairs.cache import default_cache
from harness.data.pairs.prepare import prepare_data
from harness.training import warm_start
from harness.training.networks import build_generator
from harness.trials.messages import TrialTask
from harness.trials.trial import Trials
from search_spaces.trial_params import TrialParams

TRAIN = QUICK.but({"netG": "warp_unet_128"}).model_copy(update={"warm_start_steps": 900})
SPLITS = ("val", "held_out")
Runs = dict[str, dict[str, dict[str, list[float]]]]
"""By setting, seed and split: the score of every picture."""


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


def spread(runs: Runs, split: str) -> dict[str, float]:
    """Means of settings `[setting, seed]` against what seeds alone would make of them.

    `settings`: standard deviation of the settings' means; `seeds`: that of one setting over seeds;
    `by_seeds_alone`: that of the means if all settings were alike; `p`: how often seeds alone give
    such an F.
    """
    means = np.array([[np.mean(run[split]) for run in by.values()] for by in runs.values()])
    settings, seeds = means.shape
    of_setting = means.mean(1, keepdims=True)
    rest = means - of_setting - means.mean(0, keepdims=True) + means.mean()
    free = (settings - 1) * (seeds - 1)
    chance = float((rest**2).sum()) / free
    between = float(of_setting.var(ddof=1))
    return {
        "settings": between**0.5,
        "seeds": float(means.var(axis=1, ddof=1).mean()) ** 0.5,
        "by_seeds_alone": (chance / seeds) ** 0.5,
        "lowest": float(of_setting.min()),
        "highest": float(of_setting.max()),
        "p": float(f_distribution.sf(seeds * between / chance, settings - 1, free)),
    }


def main() -> None:
    torch.set_num_threads(1)  # steps this small gain nothing from a second
    torch.set_flush_denormal(True)
    warm_start.FINDING = warm_start.FINDING.model_copy(update={"lr": 4e-4})
    before = json.loads((RESULTS / "moving_settings.json").read_text())
    settings = {name: TrialParams(**values) for name, values in before["settings"].items()}
    seeds = [int(seed) for seed in before["runs"]["warp"]]
    data = prepare_data(None, "AtoB", TRAIN, default_cache())
    runs: Runs = {}
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(
            TrialPlan(
                dataset=data.file,
                folder=Path(folder),
                train=TRAIN,
                weights="random",
                device="cpu",
                threads=1,
                warm_start_threads=1,
                discriminators=tuple(
                    sorted({(one.n_layers_D, one.gan_mode) for one in settings.values()})
                ),
            )
        )
        baseline = trials.prepare(lambda done, total: None)
        for seed in seeds:
            for name, params in settings.items():
                run = runs.setdefault(name, {})[str(seed)] = train(trials, params, seed)
                print(seed, name, *(f"{split} {np.mean(run[split]):.4f}" for split in SPLITS))
    write_result(
        "moving_settings_later",
        {
            "profile": "quick",
            "warm_start": {"steps": 900, "lr": 4e-4, "score": baseline.warm_start},
            "data_digest": data.digest,
            "settings": before["settings"],
            "runs": runs,
            "spread": {split: spread(runs, split) for split in SPLITS},
        },
    )


if __name__ == "__main__":
    main()
