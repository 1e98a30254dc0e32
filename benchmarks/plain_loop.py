"""Trials per hour against the loop that a competent user writes.

    python -m benchmarks.plain_loop    # 27 minutes on two quiet cores

The peer: Optuna's `optimize`, one subprocess per trial that imports torch, builds the same networks
from the same warm start, trains them eagerly in float32 for as many steps with the usual data
loader from PNG files, restores and saves the validation pictures at the same steps, and scores them
with lpips, scipy and scikit-image; `mlflow.log_metric` one by one. Both sides run the same settings
without pruning, from an existing warm start, in alternation. Times are of whole commands with their
start-up, medians of the rounds. Results: `results/plain_loop.json`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scaffold import write_result
from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings

LOG_EVERY = 100  # steps between two log lines: pix2pix's own print_freq
LOADERS = 2
STUDY = "plain"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24, help="of each side, in each round")
    parser.add_argument("--rounds", type=int, default=2, help="of one side after the other")
    parser.add_argument("--trial", nargs=2, metavar=("FOLDER", "PARAMS"), help="one of the peer's")
    asked = parser.parse_args()
    if asked.trial:
        print(json.dumps(plain_trial(Path(asked.trial[0]), json.loads(asked.trial[1]))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        search(folder, 1)  # makes the pairs and the warm start that both sides begin with
        write_pictures(folder, QUICK, "cpu")
        rounds = [one_round(folder, number, asked.trials) for number in range(asked.rounds)]
    ours, theirs = (statistics.median(one[side] for one in rounds) for side in ("ours", "plain"))
    result = {
        "trials": asked.trials,
        "seconds": {"ours": ours, "plain": theirs},
        "trials_per_hour": {
            "ours": round(3600 * asked.trials / ours, 1),
            "plain": round(3600 * asked.trials / theirs, 1),
        },
        "ratio": round(statistics.median(one["ratio"] for one in rounds), 2),
        "rounds": rounds,
    }
    write_result("plain_loop", result)


def one_round(folder: Path, number: int, trials: int) -> dict[str, Any]:
    """Continue the search by `trials` trials, then run the same settings in the plain loop."""
    before = 1 + number * trials
    began = time.perf_counter()
    search(folder, before + trials)
    ours = time.perf_counter() - began
    settings = settings_of(folder)[before:]
    began = time.perf_counter()
    scores = plain_loop(folder, [params for params, _ in settings])
    theirs = time.perf_counter() - began
    return {
        "ours": round(ours, 1),
        "plain": round(theirs, 1),
        "ratio": round(theirs / ours, 2),
        "scores": [
            {"params": params, "ours": score, "plain": plain}
            for (params, score), plain in zip(settings, scores, strict=True)
        ],
    }


def search(folder: Path, budget: int) -> None:
    """`harness search` as a user starts it, without pruning."""
    command = [sys.executable, "-m", "harness"]
    command += ["search", "--budget", str(budget), "--finalists", "0", "--weights", "random"]
    command += ["--device", "cpu", "--run-dir", str(folder), "--study", STUDY, "--quiet"]
    command += ["--pruner", "none"]
    subprocess.run(command, check=True, capture_output=True)


def settings_of(folder: Path) -> list[tuple[dict[str, Any], float]]:
    """The settings of the search's finished trials, with their scores."""
    from harness import read_study
    from reports.record.queries import params_of

    tried = [trial for trial in read_study(folder, STUDY).trials if trial.values]
    return [(params_of(trial), trial.values[0]) for trial in tried]


def write_pictures(folder: Path, train: TrainSettings, device: str) -> None:
    """Write the study's pairs as files, A and B side by side, with the masks and settings."""
    import torch
    from torchvision.io import write_png

    dataset = prepared(train)
    (folder / "plain.json").write_text(
        json.dumps({"device": device, "train": train.model_dump(mode="json")}), encoding="utf-8"
    )
    for split, pairs in (("train", dataset.train), ("val", dataset.val)):
        (folder / split).mkdir()
        for number, (a, b) in enumerate(zip(pairs.retouched, pairs.originals, strict=True)):
            write_png(torch.cat([a, b], 2), str(folder / split / f"{number:03d}.png"))
    torch.save(torch.stack(dataset.val.masks), folder / "masks.pt")


def prepared(train: TrainSettings) -> Any:
    """The built-in pairs, as the search prepared them."""
    from harness.data.pairs.cache import default_cache
    from harness.data.pairs.pair_set import load_dataset
    from harness.data.pairs.prepare import prepare_data

    return load_dataset(prepare_data(None, "AtoB", train, default_cache()).file)


def plain_loop(folder: Path, settings: list[dict[str, Any]]) -> list[float]:
    """Run the peer's study over these settings; returns their scores."""
    import mlflow
    import optuna

    mlflow.set_tracking_uri(f"sqlite:///{folder}/plain-mlflow.db")
    study = optuna.create_study(storage=f"sqlite:///{folder}/plain.db", direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        params = settings[trial.number]
        command = [sys.executable, "-m", "benchmarks.plain_loop", "--trial"]
        command += [str(folder), json.dumps(params)]
        with mlflow.start_run(run_name=f"trial {trial.number}"):
            for name, value in params.items():
                mlflow.log_param(name, value)
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(done.stdout.splitlines()[-1])
            for step, name, value in result["metrics"]:
                mlflow.log_metric(name, value, step=step)
        return float(result["score"])

    study.optimize(objective, n_trials=len(settings))
    return [trial.values[0] for trial in study.trials]


def plain_trial(folder: Path, params: dict[str, Any]) -> dict[str, Any]:
    """One of the peer's trials, in its own process."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms.functional import hflip, pil_to_tensor
    from torchvision.utils import save_image

    from benchmarks.plain_score import plain_network, plain_noop, plain_rows
    from benchmarks.step import pix2pix_step, plain_perceptual, plainly
    from harness.paths import StudyPaths
    from harness.training.networks import build_discriminator, build_generator, restoring
    from harness.training.perceptual import PerceptualLoss
    from objectives.score import Reference
    from search_spaces.trial_params import TrialParams

    def halves(file: Path) -> tuple[torch.Tensor, torch.Tensor]:
        picture = pil_to_tensor(Image.open(file).convert("RGB")).float() / 127.5 - 1
        a, b = picture.chunk(2, dim=2)
        return a, b

    class Aligned(Dataset[tuple[torch.Tensor, torch.Tensor]]):
        files = sorted((folder / "train").iterdir())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            a, b = halves(self.files[index])
            return (hflip(a), hflip(b)) if torch.rand(()) < 0.5 else (a, b)

    written = json.loads((folder / "plain.json").read_text(encoding="utf-8"))
    train, device = TrainSettings.model_validate(written["train"]), written["device"]
    torch.manual_seed(0)
    warm = StudyPaths(folder / STUDY).warm_start
    mode, layers = params["gan_mode"], params["n_layers_D"]
    generator = plainly(build_generator(train, 0))
    generator.load_state_dict(torch.load(warm.generator, weights_only=True))
    generator.to(device)
    critic = plainly(build_discriminator(train, layers, 0))
    critic.load_state_dict(torch.load(warm.discriminator(layers, mode), weights_only=True))
    critic.to(device)
    term = PerceptualLoss(train.perceptual_layers, "random", train.perceptual_window)
    perceptual = plain_perceptual(term.to(device)) if params["lambda_perceptual"] > 0 else None
    optimize = pix2pix_step(generator, critic, TrialParams(**params), train.beta1, perceptual)
    averaged = AveragedModel(
        generator, multi_avg_fn=get_ema_multi_avg_fn(train.ema_decay**train.ema_every)
    )
    pairs = [halves(file) for file in sorted((folder / "val").iterdir())]
    targets = torch.stack([b for _, b in pairs]) / 2 + 0.5
    inputs = torch.stack([a for a, _ in pairs]) / 2 + 0.5
    names = tuple(str(number) for number in range(len(pairs)))
    reference = Reference(names, targets, torch.load(folder / "masks.pt"), inputs)
    package = plain_network()
    noop = plain_noop(package, reference)
    metrics: list[tuple[int, str, float]] = []
    score = 0.0
    step = 0
    loader = DataLoader(Aligned(), batch_size=1, shuffle=True, num_workers=LOADERS)
    while step < train.steps:
        for real_a, real_b in loader:
            step += 1
            losses = optimize(real_a.to(device), real_b.to(device))
            if step % train.ema_every == 0:
                averaged.update_parameters(generator)
            if step % LOG_EVERY == 0:
                metrics += [(step, name, value.item()) for name, value in losses.items()]
            if step in train.rungs:
                with restoring(averaged.module) as restore:
                    restored = (
                        torch.cat([restore(a[None].to(device)).cpu() for a, _ in pairs]) / 2 + 0.5
                    )
                restored = restored.clamp(0, 1).clone()
                for name, picture in zip(names, restored, strict=True):
                    save_image(picture, folder / f"restored-{name}.png")
                rows = plain_rows(package, reference, restored, noop)
                means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
                metrics += [(step, name, value) for name, value in means.items()]
                score = means["score"]
            if step == train.steps:
                break
    return {"score": score, "metrics": metrics}


if __name__ == "__main__":
    main()
