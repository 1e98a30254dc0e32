"""How many operations a GPU is given for a step, counted on the pretended one.

    python -m benchmarks.operations

Batch 1, three layers. Views compute nothing and are left out. `captured`: of the step's graph,
which the host starts as one, at 256 px and ngf 64. The others, in the tiny sizes of a rehearsal,
are what the host starts itself: `beside` the graph at every step (where its pictures are, and their
features for the perceptual term, once they are known);
in a step that trains a discriminator of each depth and loss of the default space against a finished
generator (`warm_discriminators`); `from_host`, copies to the device when a second trial of a
structure begins. Kernels are not counted: which operation takes several is known on a GPU alone.
Results: `results/operations.json`.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_trial import Scene, build, captured, random_pairs, rehearsal
from benchmarks.scaffold import write_result
from harness.config.profiles import STANDARD
from harness.config.settings import TrialPlan
from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.training import cuda_graph
from harness.training.batches import Draw
from harness.training.loop import train
from harness.training.warm_start import train_discriminators
from harness.trials.messages import TrialTask
from harness.trials.trial import Trials
from search_spaces.space import load_space

STEPS = 6
ENOUGH = 30  # steps, after which some batch's features are known


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    cuda_graph.WARM_UPS = 1
    small = rehearsal(Path(__file__).parent.parent)
    large = dataclasses.replace(small, trial=STANDARD)
    found: dict[str, Any] = {}
    for name, perceptual in (("L1 and GAN", False), ("with the perceptual term", True)):
        with large.device():
            step: Any = captured(large, "float32", perceptual)[0]
            found[name] = {"captured": computing(Counter(step.graph.names))}
            del step
        with small.device() as gpu:
            found[name]["beside"] = beside(small, gpu, perceptual)
        print(name, found[name], file=sys.stderr)
    with small.device() as gpu:
        found["warm_discriminators"] = of_warm_discriminators(small, gpu)
    with small.device() as gpu, tempfile.TemporaryDirectory() as folder:
        found["from_host"] = at_a_trial_s_begin(small, gpu, Path(folder))
    write_result("operations", found)


def computing(names: Counter[str]) -> int:
    """Without views, whose results share the memory of what they are given."""
    return sum(count for name, count in names.items() if not is_view(name))


def is_view(name: str) -> bool:
    packet, overload = name.removeprefix("aten.").split(".")
    operation: Any = getattr(getattr(torch.ops.aten, packet), overload)
    made = [each.alias_info for each in operation._schema.returns]
    return any(each is not None and not each.is_write for each in made) or packet == "_unsafe_view"


def beside(scene: Scene, gpu: Any, perceptual: bool) -> int:
    step, stream = captured(scene, "float32", perceptual)
    settings = scene.trial.but({"steps": ENOUGH, "rungs": (ENOUGH,)})
    seen: list[int] = []

    def watched(draws: Iterator[Draw]) -> Iterator[Draw]:
        for draw in draws:
            seen.append(computing(gpu.operations))
            yield draw

    stream.draws = watched(stream.draws)
    for _ in train(step, stream, settings):
        pass
    return min(after - before for before, after in pairwise(seen))


def of_warm_discriminators(scene: Scene, gpu: Any) -> dict[str, int]:
    model, _, stream = build(scene, "float32", False)
    settings = scene.trial.but({"warm_discriminator_steps": STEPS})
    seen: list[int] = []

    def note(done: int, total: int) -> None:
        seen.append(computing(gpu.operations))

    kinds = load_space("default").discriminators
    train_discriminators(model.generator, {}, settings, stream, kinds, 0, note)
    return {"beside": seen[4] - seen[3], "discriminators": len(kinds)}


def at_a_trial_s_begin(scene: Scene, gpu: Any, folder: Path) -> int:
    from benchmarks.step import PARAMS

    pairs = random_pairs(scene.trial)
    save_dataset(Dataset(pairs, pairs, pairs, "digest"), folder / "pairs.pt")
    plan = TrialPlan(
        dataset=folder / "pairs.pt",
        folder=folder / "study",
        train=scene.trial,
        weights="random",
        device="cuda:0",
        threads=1,
        warm_start_threads=1,
        discriminators=((PARAMS.n_layers_D, PARAMS.gan_mode),),
    )
    trials = Trials(plan)
    trials.prepare(lambda done, total: None)
    trials.run(TrialTask(0, PARAMS, 0), lambda rung: True)
    before = gpu.waits.copy()
    trials.run(TrialTask(1, PARAMS, 0), lambda rung: True)
    copied = gpu.waits - before
    return sum(n for what, n in copied.items() if "from the host" in what)


if __name__ == "__main__":
    main()
