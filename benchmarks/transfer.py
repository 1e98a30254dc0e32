"""Do pairs made from originals teach what a real tool did? A moving generator, scored on its pairs.

    python -m benchmarks.transfer --originals PORTRAITS --pairs PAIRS --direction BtoA

`PORTRAITS` are of other people than the pairs. Trained in the quick profile without a warm start,
on made pairs alone, made in several ways; on a part of the real pairs, the rest being scored, in
folds that keep a picture's pairs together; and on made pairs first and that part then. A lead is
over the pairs returned unchanged: an interval for new seeds and new pictures. What is trained is
kept in the results file at once; the same command goes on where it stopped.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.scaffold import lead, resume_result, save_result
from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings
from harness.data.files.listing import list_pictures
from harness.data.files.pair_folders import find_pairs
from harness.data.files.picture_reading import read_picture
from harness.data.pairs.cache import default_cache
from harness.data.pairs.pair_set import PairSet
from harness.data.pairs.prepare import pair_set
from harness.data.pairs.sizing import centred_crop, sized_pair, to_tensor
from harness.data.pairs.splits import picture_groups
from harness.data.synthesis import make_pairs
from harness.data.synthesis.face_detection import find_face
from harness.data.synthesis.liquify import Stroke
from harness.data.synthesis.make_pairs import MakePlan, made_pair
from harness.data.synthesis.retouch import Face, retouch
from harness.evaluation.evaluator import Evaluator
from harness.training.batches import batches, to_unit
from harness.training.checkpoints import NetWeights, state_of
from harness.training.loop import train
from harness.training.networks import build_discriminator, build_generator
from harness.training.step import Pix2Pix
from harness.training.warm_start import FINDING
from objectives.loading import load_objective
from objectives.masks import region_from_field
from search_spaces.generators import WARP, of_kind

T = TypeVar("T")
Way = Callable[[Face, np.random.Generator], tuple[Stroke, ...]]


def other_sign(face: Face, random: np.random.Generator) -> tuple[Stroke, ...]:
    """The opposite of a retouching: the jaw made wider, the eyes smaller."""
    return tuple(
        replace(
            stroke,
            push=(-stroke.push[0], -stroke.push[1]),
            pinch=(-stroke.pinch[0], -stroke.pinch[1]),
        )
        for stroke in retouch(face, random)
    )


def either_sign(face: Face, random: np.random.Generator) -> tuple[Stroke, ...]:
    """Every other retouching the opposite of one."""
    return (retouch if random.uniform() < 0.5 else other_sign)(face, random)


WAYS: dict[str, Way] = {
    "as harness data make": retouch,
    "the other sign": other_sign,
    "either sign": either_sign,
}
FIRST = "as harness data make"
ALONE, AFTER_MADE = ARMS = ("real alone", "made, then real")


def settings(steps: int) -> TrainSettings:
    return QUICK.but({"netG": of_kind(QUICK.netG, WARP), "steps": steps, "rungs": (steps,)})


def made_from(originals: Path, count: int, way: Way) -> PairSet:
    """Pairs as `harness data make` makes them, retouched in this way; in memory."""
    files = list_pictures(originals).pictures
    plan = MakePlan(Path(), QUICK.load_size, seed=0)
    pictures = [read_picture(file) for file in files]
    faces = {id(picture): find_face(picture) for picture in pictures}
    made = []
    with (
        patch.object(make_pairs, "retouch", way),
        patch.object(make_pairs, "find_face", lambda picture: faces[id(picture)]),
    ):
        for number in range(count):
            own = number % len(files)
            made.append(made_pair(pictures[own], files[own], number, plan))
    return PairSet(
        tuple(str(number) for number in range(count)),
        tuple(to_tensor(pair.retouched) for pair in made),
        tuple(to_tensor(pair.original) for pair in made),
        tuple(region_from_field(torch.from_numpy(pair.field)) for pair in made),
    )


def real_pairs(folder: Path, direction: Any) -> tuple[PairSet, list[list[int]]]:
    """All pairs of a folder, and which of them show one picture."""
    files = [pair for pairs in find_pairs(folder).splits.values() for pair in pairs]
    sized = [sized_pair(each, direction, QUICK, "fine") for each in files]
    cut = pair_set([centred_crop(pair, QUICK.crop_size) for pair in sized])
    return cut, picture_groups(files, default_cache())


def part(pairs: PairSet, indices: Sequence[int]) -> PairSet:
    def chosen(entries: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(entries[index] for index in indices)

    return PairSet(
        chosen(pairs.names), chosen(pairs.retouched), chosen(pairs.originals), chosen(pairs.masks)
    )


def trained(pairs: PairSet, steps: int, seed: int, start: NetWeights | None = None) -> NetWeights:
    """A moving generator trained on these pairs, from the identity or from these weights."""
    chosen = settings(steps)
    generator = build_generator(chosen, seed)
    if start is not None:
        generator.load_state_dict(start)
    discriminator = build_discriminator(chosen, FINDING.n_layers_D, seed)
    model = Pix2Pix.start(generator, discriminator, FINDING, chosen, None)
    torch.manual_seed(seed)
    (end,) = train(model, batches(pairs, chosen, torch.device("cpu"), seed), chosen)
    assert isinstance(end.judged, torch.nn.Module)
    return state_of(end.judged)


class Scores:
    """Scores generators on the real pairs, picture by picture."""

    def __init__(self, pairs: PairSet) -> None:
        objective = load_objective("boundary_sharpness", "random", "cpu")
        self.judge = Evaluator(pairs, objective, torch.device("cpu"))

    def of(self, pictures: torch.nn.Module | Tensor) -> list[float]:
        _, score = self.judge(pictures)
        return [float(row["score"]) for row in score.per_image]

    def of_weights(self, weights: NetWeights) -> list[float]:
        generator = build_generator(settings(1), 0)
        generator.load_state_dict(weights)
        return self.of(generator)

    def unchanged(self) -> list[float]:
        return self.of(to_unit(self.judge.retouched))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--originals", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--direction", default="AtoB")
    parser.add_argument("--made", type=int, default=200, help="how many pairs to make")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=2, help="at least 2")
    parser.add_argument("--folds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)

    real, pictures = real_pairs(asked.pairs, asked.direction)
    scores = Scores(real)
    kept = resume_result("transfer", {}, parser.error)
    runs = kept.setdefault("runs", {})
    kept |= {
        "pairs": f"{len(real)} real, {asked.made} made from "
        f"{len(list_pictures(asked.originals).pictures)} portraits, {asked.steps} steps",
        "names": list(real.names),
        "unchanged": scores.unchanged(),
    }
    print("unchanged", np.mean(kept["unchanged"]), flush=True)

    def keep(name: str, seed: int, found: list[float]) -> None:
        runs.setdefault(name, {})[str(seed)] = found
        save_result("transfer", kept)
        print(f"{name:<28} seed {seed}  {np.mean(found):.4f}", flush=True)

    def lacks(name: str, seed: int) -> bool:
        return str(seed) not in runs.get(name, {})

    folds = [list(chain(*pictures[fold :: asked.folds])) for fold in range(asked.folds)]
    for name, way in WAYS.items():
        arms = [name, *(ARMS if name == FIRST else ())]
        lacking = [seed for seed in range(asked.seeds) if any(lacks(each, seed) for each in arms)]
        made = made_from(asked.originals, asked.made, way) if lacking else None
        for seed in lacking:
            assert made is not None
            weights = trained(made, asked.steps, seed)
            keep(name, seed, scores.of_weights(weights))
            for arm in arms[1:]:
                start = None if arm == ALONE else weights
                keep(arm, seed, crossed(real, folds, asked.steps, seed, start, scores))
    kept["lead"] = {
        name: lead(by_seed, dict.fromkeys(by_seed, kept["unchanged"]))
        for name, by_seed in runs.items()
    }
    kept["lead_over_real_alone"] = lead(runs[AFTER_MADE], runs[ALONE])
    save_result("transfer", kept)
    print(json.dumps({key: kept[key] for key in ("lead", "lead_over_real_alone")}, indent=1))


def crossed(
    real: PairSet,
    folds: Sequence[Sequence[int]],
    steps: int,
    seed: int,
    start: NetWeights | None,
    scores: Scores,
) -> list[float]:
    """The score of every pair by a training on the other folds."""
    found = [0.0] * len(real)
    for fold in folds:
        others = [index for index in range(len(real)) if index not in fold]
        of_all = scores.of_weights(trained(part(real, others), steps, seed, start))
        for index in fold:
            found[index] = of_all[index]
    return found


if __name__ == "__main__":
    main()
