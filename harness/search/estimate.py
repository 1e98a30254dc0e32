"""How long a search will take, from the measured pace of its workers."""

import math
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from harness.config.settings import FINAL_TIMES
from harness.console.events import Expected
from harness.console.views import View
from harness.search.plan import SearchPlan
from harness.trials.launchers.local import LocalLauncher
from harness.trials.messages import Pace
from harness.trials.worker import Measure, Ready, trial_runner
from reports.record.study import StudyRecord
from reports.texts.numbers import quantity
from search_spaces.generators import WARP, kind_of

if TYPE_CHECKING:
    from optuna import Study

# The share of the sampled trials that a pruner is expected to stop at the first rung, as ASHA does.
STOPPED_SHARE = 0.5
# The share of the trials that move pixels, if the search tries both kinds of generator.
MOVING_SHARE = 2 / 3
# Seconds after which `measure_paces` gives up.
PATIENCE = 60.0


class Forecast:
    """Shows and records how long a search will take, once all of its workers report a pace."""

    def __init__(self, plan: SearchPlan, study: "Study", view: View) -> None:
        self.plan = plan
        self.study = study
        self.view = view
        self.paces: list[Pace] = []

    def note(self, pace: Pace) -> None:
        self.paces.append(pace)
        if len(self.paces) < self.plan.jobs:
            return
        found = expected(self.plan, self.paces)
        if found is not None:
            StudyRecord.note(self.study, expected_seconds=found.seconds)
            self.view.show(found)


def expected(plan: SearchPlan, paces: Sequence[Pace]) -> Expected | None:
    """How long a new search will take; None if a worker could not measure its pace.

    Args:
        paces: those of all workers, measured at the same time, since they slow each other down.
    """
    if not paces or not all(pace.steps for pace in paces):
        return None
    trial_plan, train, data = plan.trial_plan, plan.trial_plan.train, plan.setup.data
    scoring = fmean(pace.scoring for pace in paces)
    steps = {netG: fmean(pace.steps[netG] for pace in paces) for netG in trial_plan.generators}
    step = sum(share_of(netG, len(steps)) * seconds for netG, seconds in steps.items())

    warm_steps = 0
    if trial_plan.warm_start == "shared":
        own = 0 if trial_plan.init_from else train.warm_start_steps
        warm_steps = own + train.warm_discriminator_steps
    faster = trial_plan.warm_start_threads / trial_plan.threads

    recipes = min(plan.search_budget, len(plan.recipes))
    stops = plan.config.pruner != "none"
    stopped = STOPPED_SHARE * (plan.search_budget - recipes) if stops else 0.0
    to_the_end = train.steps * step + len(train.rungs) * data.n_val * scoring
    to_first_rung = train.rungs[0] * step + data.n_val * scoring
    trials = (plan.search_budget - stopped) * to_the_end + stopped * to_first_rung

    longer = train.longer(FINAL_TIMES)
    run = longer.steps * step + len(longer.rungs) * data.n_test * scoring
    return Expected(
        warm_start=warm_steps * sum(steps.values()) / faster,
        trials=trials / plan.jobs,
        runs=math.ceil(plan.final_runs / plan.jobs) * run,
        where=where(plan),
        stops=stopped > 0,
    )


def share_of(netG: str, kinds: int) -> float:
    """The share of the trials that have this generator."""
    if kinds == 1:
        return 1.0
    return MOVING_SHARE if kind_of(netG) == WARP else 1 - MOVING_SHARE


def where(plan: SearchPlan) -> str:
    """The search's machine in words: `2 workers of this CPU`, `this GPU`, `2 GPUs`."""
    workers = f"{quantity(plan.jobs, 'worker')} of"
    if plan.config.launcher == "ray":
        return f"{workers} the Ray cluster"
    place = "this CPU" if plan.trial_plan.device == "cpu" else "this GPU"
    if len(plan.devices) > 1:
        place = f"{len(plan.devices)} GPUs"
    return place if plan.jobs <= len(plan.devices) else f"{workers} {place}"


def measure_paces(plan: SearchPlan) -> list[Pace]:
    """The pace of the plan's workers, which are started just for this and write nothing.

    Empty if it cannot be measured: for an external program, on a cluster, or after an error, which
    the search itself will report.
    """
    if plan.trial_plan.external is not None or plan.config.launcher != "local":
        return []
    paces: list[Pace] = []
    deadline = time.monotonic() + PATIENCE
    workers = LocalLauncher(trial_runner, plan.trial_plan, Path(os.devnull), plan.devices)
    with closing(workers) as launcher:
        for number in range(plan.jobs):
            launcher.start(number)
            launcher.send(number, Measure())
        while len(paces) < plan.jobs and time.monotonic() < deadline:
            for _, message in launcher.wait(1.0):
                if isinstance(message, Pace):
                    paces.append(message)
                elif not isinstance(message, Ready):
                    return []
    return paces if len(paces) == plan.jobs else []
