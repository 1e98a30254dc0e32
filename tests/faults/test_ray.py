"""A search on a Ray cluster of two nodes that loses one of them in the middle."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checking import began, check_mirror
from driving import Slow, make_plan

import harness.search
from harness.stopping import StopSwitch
from harness.view import Event, TrialEnded, View

BUDGET = 20


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each, on this machine."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # actors find the fake runners
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        made.second = made.add_node(num_cpus=1)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        yield made
        ray.shutdown()
        made.shutdown()


class Removing(View):
    """Takes the second node away after some trials."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.ended = 0

    def show(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.ended += 1
            if self.ended == 8:
                self.cluster.remove_node(self.cluster.second, allow_graceful=False)

    def close(self) -> None:
        pass


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lost_nodes_trials_run_elsewhere(cluster: Any, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, jobs=2, budget=BUDGET, launcher="ray")
    (tmp_path / "pairs.pt").write_bytes(b"pairs")
    trial_plan = plan.trial_plan.model_copy(update={"dataset": tmp_path / "pairs.pt"})
    noted = replace(plan, trial_plan=trial_plan)
    view = Removing(cluster)
    outcome = harness.search.run_search(noted, view, StopSwitch(None), Slow)
    assert outcome.counts.get("complete", 0) + outcome.counts.get("pruned", 0) == BUDGET
    assert view.ended == BUDGET
    assert began(tmp_path) == 0  # nothing was written but through Ray: each node has its own folder
    check_mirror(tmp_path)
