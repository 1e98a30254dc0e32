"""Runners that answer at once, of both kinds of generator.

Not in a test's own file: a worker imports the file of its runner, and what tests import takes a
second.
"""

import dataclasses
import math

from driving import Instant

from harness.trials.messages import Rung, TrialTask


class OfKinds(Instant):
    """A generator that moves pixels scores `lift` more than one that repaints."""

    lift = 0.4

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        moves = str(task.extras["netG"]).startswith("warp_")
        scale = 0.3  # repainting stays below the picture as it is
        return dataclasses.replace(rung, value=scale * rung.value + (self.lift if moves else 0))


class TornOfKinds(OfKinds):
    """Both values of a Pareto search are better where pixels are moved."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        tone = math.log(task.params.lambda_L1 / 10) / math.log(50)
        far = 0 if str(task.extras["netG"]).startswith("warp_") else 2
        parts = {"D": far + tone, "E": 0.1, "lpips": far + 1 - tone}
        return dataclasses.replace(rung, components=parts)


class Behind(OfKinds):
    lift = -0.05


class Unlucky(OfKinds):
    """The recipe `warp` has the lowest score of all that move pixels."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        ours = (task.params.lambda_L1, task.params.lr) == (100, 2e-4)
        return dataclasses.replace(rung, value=rung.value - 0.1 * ours)


class UnluckyAndGaudy(Unlucky):
    """And it shifts the colours."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        ours = (task.params.lambda_L1, task.params.lr) == (100, 2e-4)
        return dataclasses.replace(rung, components={**rung.components, "ciede2000": 5 + 3 * ours})


class TornUnlucky(TornOfKinds):
    """The recipe `warp` is off the front of a Pareto search."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        if (task.params.lambda_L1, task.params.lr) != (100, 2e-4):
            return rung
        worse = {key: rung.components[key] + 0.5 for key in ("D", "lpips")}
        return dataclasses.replace(rung, components=rung.components | worse)


class Fair(OfKinds):
    """Every setting that moves pixels leads the recipe `warp` by 0.1 on every picture."""

    def rung(self, task: TrialTask, step: int) -> Rung:
        rung = super().rung(task, step)
        ours = (task.params.lambda_L1, task.params.lr) == (100, 2e-4)
        return dataclasses.replace(rung, value=0.5 - 0.1 * ours)
