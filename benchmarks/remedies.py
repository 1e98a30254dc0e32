"""What removes the blur? Ways of training, each against the guide's recommended setting.

    python -m benchmarks.remedies --seeds 3 --strip docs/moving.png
    python -m benchmarks.remedies --data PAIRS --direction BtoA --name _mine

A remedy changes how the guide's recommended five settings are trained, and nothing else: pairs,
seeds and steps are the same, and all remedies of one network continue from the same warm start, as
the trials of a search do. A run is as long as a trial, and is scored on the pairs held out from
training. The lead over the recommended setting is that of
`harness.evaluation.paired_comparison`: an interval for new seeds and new pictures. Remedies of
generators that move pixels are compared with the plain one of them too. `--larger` scores that one
at larger sizes, by the field found at its own.

The remedies are prototypes, in `benchmarks.remedy_steps`. Every run is kept in
the results file at once; the same command goes on where it stopped.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks.remedy_steps import (
    BASELINE,
    MOVING,
    PLAIN_MOVING,
    REMEDIES,
    Prototype,
    Remedy,
    built_as,
)
from benchmarks.scaffold import lead, resume_result, save_result
from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings, TrialPlan
from harness.data.check.flow import estimated_displacement
from harness.data.pairs.cache import default_cache
from harness.data.pairs.pair_set import PairSet, load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.restore import load_generator, restore
from harness.training.batches import Batch, batches
from harness.training.loop import Progress, train
from harness.trials.messages import TrialTask
from harness.trials.trial import Trials
from objectives.loading import load_objective
from objectives.masks import dilate
from reports.record.names import RECOMMENDED
from search_spaces.recipes import load_recipes

PARAMS = load_recipes()[RECOMMENDED]
LARGER = (256, 512)
# Displacements are kept as bytes, up to this share of the side.
REACH = 0.08


@cache
def with_beside(dataset: Path) -> PairSet:
    """The training pairs, whose originals carry four channels more, as bytes.

    They are the region, the displacement (x, y) that optical flow finds to undo the retouching, and
    the column, which shows whether a batch is flipped.
    """
    pairs = load_dataset(dataset).train
    originals = []
    for retouched, original, mask in zip(
        pairs.retouched, pairs.originals, pairs.masks, strict=True
    ):
        moved, still = (each.permute(1, 2, 0).numpy() for each in (original, retouched))
        field = torch.from_numpy(estimated_displacement(moved, still))[None]
        field = F.interpolate(field, mask.shape[-2:], mode="bilinear", align_corners=False)[0]
        coded = (field * (127 / REACH) + 128).round().clamp(0, 255).byte()
        region = dilate(mask[None])[0].byte() * 255
        column = torch.linspace(0, 255, mask.shape[-1]).byte().expand_as(region)
        originals.append(torch.cat([original, region, coded, column]))
    return replace(pairs, originals=tuple(originals))


def decoded(beside: Tensor) -> Tensor:
    """What a batch carries beside its originals, as `Prototype.beside`, from values in [-1, 1]."""
    region, coded, column = beside[:, :1], beside[:, 1:3], beside[:, 3:]
    field = ((coded + 1) * 127.5 - 128) * (REACH / 127)
    flipped = column[..., :1, -1:] < column[..., :1, :1]
    x = torch.where(flipped, -field[:, :1], field[:, :1])
    return torch.cat([(region + 1) / 2, x, field[:, 1:]], 1)


class RemedyTrials(Trials):
    """The trials of one remedy."""

    def __init__(self, plan: TrialPlan, remedy: Remedy) -> None:
        super().__init__(plan)
        self.remedy = remedy

    def phase_setup(self, task: TrialTask) -> tuple[TrainSettings, Evaluator, Path]:
        settings, _, checkpoint = super().phase_setup(task)
        return settings.but({"rungs": (settings.steps,)}), self.test, checkpoint

    def train_built_in(self, task: TrialTask, settings: TrainSettings) -> Generator[Progress]:
        generator, discriminator = self.networks(task)
        model = self.remedy.step.start(
            generator,
            self.remedy.discriminator(discriminator),
            task.params,
            settings,
            self.perceptual,
        )
        assert isinstance(model, Prototype)
        model.prepare()

        uses = self.remedy.step.uses_beside
        pairs = with_beside(self.plan.dataset) if uses else self.dataset.train

        def stream() -> Iterator[Batch]:
            for batch in batches(pairs, settings, self.device, task.seed):
                if not uses:
                    yield batch
                    continue
                model.beside = decoded(batch.original[:, 3:])
                yield Batch(batch.retouched, batch.original[:, :3])

        torch.manual_seed(task.seed)
        yield from train(model, stream(), settings)


def run_remedy(trials: Trials, remedy: Remedy, seed: int) -> tuple[dict[str, Any], Path]:
    """One training on one seed: its scores on the held-out pairs, and its generator."""
    began = time.perf_counter()
    with built_as(remedy.network):
        result = trials.run(TrialTask(0, PARAMS, seed), lambda rung: True)
    assert result is not None
    assert result.checkpoint is not None
    return {
        "score": result.rung.value,
        "components": {key: result.rung.components[key] for key in ("D", "E", "Lrel")},
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


def lead_of(remedy: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, float]:
    """How far a remedy lies above another, over seeds and pictures."""
    one, other = (
        {seed: run["pictures"] for seed, run in each["runs"].items()} for each in (remedy, over)
    )
    return {key: round(value, 4) for key, value in lead(one, other).items()}


def strip(pairs: PairSet, restored: Sequence[Tensor]) -> Image.Image:
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
    parser.add_argument("--strip", type=Path, help="a picture: a validation pair by the first seed")
    parser.add_argument("--only", nargs="+", choices=REMEDIES, default=[*REMEDIES])
    parser.add_argument("--larger", action="store_true", help="score at larger sizes, too")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # steps this small gain nothing from a second
    torch.set_flush_denormal(True)

    prepared = {
        size: prepare_data(
            asked.data,
            asked.direction,
            QUICK.but({"load_size": size, "crop_size": size}),
            default_cache(),
        )
        for size in (QUICK.crop_size, *(LARGER if asked.larger else ()))
    }
    data = prepared.pop(QUICK.crop_size)
    larger = {size: load_dataset(one.file).test for size, one in prepared.items()}
    shown = load_dataset(data.file).val  # nothing is chosen by them here
    result = f"remedies{asked.name}"
    made = {
        "profile": "quick",
        "pairs": f"{data.n_train} to train, {data.n_test} held out",
        "data_digest": data.digest,
    }
    kept = resume_result(result, made, parser.error)
    known = kept.setdefault("remedies", {})
    restored: dict[str, Tensor] = {}
    # Its warm starts are of these settings and pairs.
    made_of = hashlib.sha256(f"{QUICK.model_dump_json()} {data.digest}".encode()).hexdigest()
    work = Path(tempfile.gettempdir()) / f"remedies-{made_of[:16]}"
    for name in dict.fromkeys([BASELINE, PLAIN_MOVING, *asked.only]):
        remedy = REMEDIES[name]
        entry = known.setdefault(name, {"runs": {}})
        lacking = [seed for seed in range(1, asked.seeds + 1) if f"{seed}" not in entry["runs"]]
        if not lacking:
            continue
        trials = started(data.file, work / remedy.warm_start_name, remedy)
        kept["noop"] = trials.test.noop()
        for seed in lacking:
            run, checkpoint = run_remedy(trials, remedy, seed)
            if name == PLAIN_MOVING and asked.larger:
                run["sizes"] = at_larger_sizes(checkpoint, larger)
            if seed == 1 and name in (BASELINE, PLAIN_MOVING):
                restored[name] = restored_by(checkpoint, shown)
            entry["runs"][f"{seed}"] = run
            save_result(result, kept)
            print(f"{name:<42} seed {seed}  {run['score']:.4f}", flush=True)
        for key, other in (("lead", BASELINE), ("lead_over_moving", PLAIN_MOVING)):
            if name != other and (other == BASELINE or remedy.netG == MOVING):
                entry[key] = lead_of(entry, known[other])
                print(f"{name:<42} {key} {entry[key]}", flush=True)
        save_result(result, kept)
    if asked.strip is not None and len(restored) == 2:
        strip(shown, list(restored.values())).save(asked.strip)


def started(dataset: Path, folder: Path, remedy: Remedy) -> RemedyTrials:
    """The trials of a remedy, with the warm start of its network."""
    plan = TrialPlan(
        dataset=dataset,
        folder=folder,
        train=QUICK.but({"netG": remedy.netG}),
        weights="random",
        device="cpu",
        threads=1,
        warm_start_threads=1,
        discriminators=((PARAMS.n_layers_D, PARAMS.gan_mode),),
    )
    trials = RemedyTrials(plan, remedy)
    with built_as(remedy.network):
        trials.prepare(lambda done, total: None)
    return trials


if __name__ == "__main__":
    main()
