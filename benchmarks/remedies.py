"""What removes the blur? Ways of training, each against the guide's recommended setting.

    python -m benchmarks.remedies --seeds 3
    python -m benchmarks.remedies --data PAIRS --direction BtoA --name _mine

A remedy changes training settings and nothing else: the guide's recommended five settings, the
pairs, the seeds and the steps are the same. Each seed has a warm start of its own for each remedy,
and is scored on pairs held out from training. The lead over the recommended setting is that of
`harness.evaluation.paired_comparison`: an interval for new seeds and new pictures. A generator
that moves pixels is scored on the same pairs at larger sizes too, by the field found at its own.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.scaffold import RESULTS, describe_machine
from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings, TrialPlan
from harness.data.pairs.cache import default_cache
from harness.data.pairs.pair_set import PairSet, load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.paired_comparison import paired_interval
from harness.evaluation.restore import load_generator, restore
from harness.trials.messages import Rung, TrialTask
from harness.trials.trial import Trials
from objectives.loading import load_objective
from reports.names import RECOMMENDED
from search_spaces.recipes import load_recipes

BASELINE = "repainting, as the guide recommends"
REMEDIES: dict[str, dict[str, Any]] = {BASELINE: {}, "moving pixels": {"netG": "warp_unet_128"}}
LARGER = (256, 512)


def train_remedy(
    train: TrainSettings, dataset: Path, seed: int, folder: Path
) -> tuple[dict[str, Any], Path]:
    """One training on one seed: its scores on the held-out pairs, and its generator."""
    params = load_recipes()[RECOMMENDED]
    plan = TrialPlan(
        dataset=dataset,
        folder=folder,
        train=train,
        weights="random",
        device="cpu",
        threads=1,
        warm_start_threads=1,
        discriminators=((params.n_layers_D, params.gan_mode),),
        seed=seed,
    )
    began = time.perf_counter()
    trials = Trials(plan)
    baseline = trials.prepare(lambda done, total: None)
    rungs: list[Rung] = []

    def report(rung: Rung) -> bool:
        rungs.append(rung)
        return True

    result = trials.run(TrialTask(0, params, seed, "final"), report)
    assert result is not None
    assert result.checkpoint is not None
    return {
        "noop": baseline.held_out_noop,
        "steps": rungs[-1].step,
        "score": rungs[-1].value,
        "components": {key: rungs[-1].components[key] for key in ("D", "E", "Lrel")},
        "pictures": [row["score"] for row in result.per_image],
        "seconds": round(time.perf_counter() - began, 1),
    }, result.checkpoint


def restored_by(checkpoint: Path, pairs: PairSet) -> Tensor:
    """The retouched pictures as `harness restore` restores them, bytes `[n, 3, h, w]`."""
    generator, multiple = load_generator(checkpoint)
    found = [
        restore(generator, picture.permute(1, 2, 0).numpy(), multiple, torch.device("cpu"))
        for picture in pairs.retouched
    ]
    return torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in found])


def at_larger_sizes(checkpoint: Path, pairs_at: dict[int, PairSet]) -> dict[str, dict[str, float]]:
    """A generator on the same pairs at other sizes."""
    objective = load_objective("boundary_sharpness", "random", "cpu")
    found = {}
    for size, pairs in pairs_at.items():
        judge = Evaluator(pairs, objective, torch.device("cpu"))
        score = judge.score(restored_by(checkpoint, pairs).float() / 255)
        found[f"{size}"] = {
            "score": score.value,
            "noop": judge.noop(),
            "mae_outside": score.components["mae_outside"],
        }
    return found


def lead(runs: list[dict[str, Any]], baseline: list[dict[str, Any]]) -> dict[str, float]:
    """How far a remedy lies above the baseline, over seeds and pictures."""
    differences = np.array(
        [np.subtract(a["pictures"], b["pictures"]) for a, b in zip(runs, baseline, strict=True)]
    )
    return {key: round(value, 4) for key, value in asdict(paired_interval(differences)).items()}


def strip(pairs: PairSet, restored: list[Tensor]) -> Image.Image:
    """The first pair: retouched, restored in each way, original; three times as large."""
    row = [pairs.retouched[0], *(way[0] for way in restored), pairs.originals[0]]
    picture = Image.fromarray(torch.cat(row, 2).permute(1, 2, 0).numpy())
    return picture.resize((3 * picture.width, 3 * picture.height), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="at least 2")
    parser.add_argument("--data", type=Path, help="a folder of pairs; default: the built-in ones")
    parser.add_argument("--direction", default="AtoB")
    parser.add_argument("--name", default="", help="added to the results file's name")
    parser.add_argument("--strip", type=Path, help="a picture: a validation pair by seed 0")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # steps this small gain nothing from a second

    prepared = {
        size: prepare_data(
            asked.data,
            asked.direction,
            QUICK.but({"load_size": size, "crop_size": size}),
            default_cache(),
        )
        for size in (QUICK.crop_size, *LARGER)
    }
    larger = {size: load_dataset(prepared[size].file).test for size in LARGER}
    data = prepared[QUICK.crop_size]
    shown = load_dataset(data.file).val  # nothing is chosen by them here
    restored: list[Tensor] = []
    kept: dict[str, Any] = {
        "machine": describe_machine("cpu"),
        "profile": "quick",
        "pairs": f"{data.n_train} to train, {data.n_test} held out",
        "data_digest": data.digest,
        "remedies": {},
    }
    file = RESULTS / f"remedies{asked.name}.json"
    file.parent.mkdir(exist_ok=True)
    for name, changes in REMEDIES.items():
        runs: list[dict[str, Any]] = []
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run, checkpoint = train_remedy(QUICK.but(changes), data.file, seed, Path(folder))
                if str(changes.get("netG", "")).startswith("warp_"):
                    run["sizes"] = at_larger_sizes(checkpoint, larger)
                if seed == 0:
                    restored.append(restored_by(checkpoint, shown))
            runs.append(run)
            print(
                f"{name:<36} seed {seed}  {run['score']:.4f} (unchanged {run['noop']:.4f})",
                flush=True,
            )
        entry: dict[str, Any] = {"changes": changes, "runs": runs}
        if name != BASELINE:
            entry["lead"] = lead(runs, kept["remedies"][BASELINE]["runs"])
            print(
                "{:<36} leads by {mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(
                    name, **entry["lead"]
                )
            )
        kept["remedies"][name] = entry
        file.write_text(json.dumps(kept, indent=1))
    if asked.strip is not None:
        strip(shown, restored).save(asked.strip)


if __name__ == "__main__":
    main()
