"""Decide how many workers share the GPUs, once the memory use of some trials is known."""

from harness.search.plan import SearchPlan
from harness.trials.devices import trials_that_fit
from harness.trials.messages import Memory
from reports.texts.numbers import quantity

MEASURED = 2  # trials to measure: the second recipe is the first with the perceptual networks


class Packing:
    """Collects the memory use of trials, and derives the number of workers."""

    def __init__(self, plan: SearchPlan) -> None:
        self.plan = plan
        self.measured: list[Memory] = []

    def workers(self, memory: Memory | None) -> int | None:
        """The new number of workers; None: unchanged.

        Args:
            memory: GPU memory that a completed trial used.
        """
        if memory is None or self.plan.most_jobs <= self.plan.jobs:
            return None
        self.measured.append(memory)
        if len(self.measured) != MEASURED:
            return None
        fit = trials_that_fit(self.measured) * len(self.plan.devices)
        return max(self.plan.jobs, min(self.plan.most_jobs, fit))

    def remark(self, workers: int) -> str:
        """The message to the user about the new number of workers."""
        need = max(memory.peak for memory in self.measured) / (1 << 30)
        return (
            f"A worker needs up to {need:.1f} GiB of a GPU: from now on "
            f"{quantity(workers, 'trial')} at a time (--per-gpu sets another number)."
        )
