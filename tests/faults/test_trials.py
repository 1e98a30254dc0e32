"""Trials that misbehave in earnest, among others that do not: each ends with its own reason."""

import os
import resource
import sys
from pathlib import Path

import pytest
from checking import trials
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState

import harness.search.search
from harness.console.views import QuietView
from harness.errors import is_out_of_memory
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Report, TrialResult, TrialTask

GIGABYTE = 1 << 30
LEFT_TO_A_TRIAL = 256 << 20


def allocate_all_memory() -> None:
    """Take memory until there is no more; the limit makes that soon, and leaves others theirs."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + LEFT_TO_A_TRIAL, hard))
    taken = []
    while True:
        taken.append(bytearray(16 << 20))


def write_a_gigabyte() -> None:
    """To both of a process's outputs, past Python's own streams too."""
    block = b"x" * (4 << 20)
    for number in range(GIGABYTE // len(block)):
        os.write(1 + number % 2, block)
    print("and more", flush=True)
    print("and more", file=sys.stderr, flush=True)


class Misbehaving(Instant):
    """Trials that misbehave by their number."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 2:
            allocate_all_memory()
        if task.number == 3:
            write_a_gigabyte()
        return super().run(task, report)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory through Linux's /proc")
def test_the_others_finish_and_the_reasons_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = make_plan(tmp_path, jobs=2, budget=7)
    outcome = harness.search.search.run_search(plan, QuietView(), StopSwitch(None), Misbehaving)
    record = trials(tmp_path)
    reasons = {t.number: t.user_attrs["reason"] for t in record if t.state == TrialState.FAIL}
    assert reasons == {2: "out of memory, also when run alone: MemoryError: "}
    assert outcome.counts == {"complete": 7, "failed": 1}


def test_an_allocation_that_pytorch_refuses_is_out_of_memory() -> None:
    import torch

    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value)
