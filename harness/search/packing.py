"""How many workers share the GPUs, decided once trials have shown what memory they need."""

from harness.search.plan import SearchPlan
from harness.trials.devices import trials_that_fit
from harness.trials.messages import Memory

MEASURED = 2  # trials: the second recipe is the first that needs the perceptual networks


class Packing:
    """The memory of the trials so far, and the number of workers that follows from it."""

    def __init__(self, plan: SearchPlan) -> None:
        self.plan = plan
        self.measured: list[Memory] = []

    def workers(self, memory: Memory | None) -> int | None:
        """How many workers there are from now on; None: as many as before.

        Args:
            memory: what a completed trial needed of a GPU.
        """
        if memory is None or self.plan.most_jobs <= self.plan.jobs:
            return None
        self.measured.append(memory)
        if len(self.measured) != MEASURED:
            return None
        fit = trials_that_fit(self.measured) * len(self.plan.devices)
        return max(self.plan.jobs, min(self.plan.most_jobs, fit))

    def remark(self, workers: int) -> str:
        """What the user is told of it."""
        need = max(memory.peak for memory in self.measured) / (1 << 30)
        return (
            f"A worker needs up to {need:.1f} GiB of a GPU: {workers} trials run at a time from "
            "now on (--per-gpu sets another number)."
        )
