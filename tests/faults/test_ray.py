"""A search on a Ray cluster of two nodes that loses one of them in the middle."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checking import began, check_mirror, check_whole, started, trials, wait_until
from driving import Slow, make_plan
from optuna.trial import TrialState

import harness.search.search
from harness.config.settings import TrialPlan
from harness.console.events import Event, TrialEnded
from harness.console.signals import STOPPED_BY_USER
from harness.console.views import View
from harness.search.stop_signals import StopSwitch
from harness.trials.messages import Report, TrialResult, TrialTask

BUDGET = 20
WORKERS = 4


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, of two CPUs and a GPU each. Ray counts GPUs and looks at none."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # actors find the fake runners
        node = {"num_cpus": 2, "num_gpus": 1}
        made = Cluster(initialize_head=True, head_node_args=node)
        made.second = made.add_node(**node)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        yield made
        ray.shutdown()
        made.shutdown()


class Placed(Slow):
    """Notes which node and GPU it has; no trial ends before there are as many as there should be.

    What stands for the pairs is the name of the file to note that in.
    """

    def __init__(self, plan: TrialPlan) -> None:
        import ray

        super().__init__(plan)
        self.file = Path(plan.dataset.read_text())
        node = ray.get_runtime_context().get_node_id()
        with self.file.open("a") as file:
            file.write(f"{node} gpu={os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        wait_until(lambda: len(self.file.read_text().splitlines()) >= WORKERS)
        return super().run(task, report)


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
@pytest.mark.parametrize(("device", "per_gpu", "gpu"), [("cpu", None, ""), ("cuda:0", 2, "0")])
def test_a_lost_nodes_trials_run_elsewhere(
    cluster: Any, tmp_path: Path, device: str, per_gpu: int | None, gpu: str
) -> None:
    plan = make_plan(tmp_path, jobs=WORKERS, budget=BUDGET, launcher="ray", per_gpu=per_gpu)
    places = tmp_path / "places.txt"
    (tmp_path / "pairs.pt").write_text(str(places))
    own = {"dataset": tmp_path / "pairs.pt", "device": device}
    noted = replace(plan, trial_plan=plan.trial_plan.model_copy(update=own))
    view = Removing(cluster)
    outcome = harness.search.search.run_search(noted, view, StopSwitch(None), Placed)
    assert outcome.counts.get("complete", 0) + outcome.counts.get("pruned", 0) == BUDGET
    assert view.ended == BUDGET
    assert began(tmp_path) == 0  # nothing was written but through Ray: each node has its own folder
    check_mirror(tmp_path)
    # Two workers a node at first: of the GPU, half each.
    found = Counter(places.read_text().splitlines()[:WORKERS])
    assert sorted(found.values()) == [2, 2]
    assert {place.rpartition("gpu=")[2] for place in found} == {gpu}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_puts_the_actors_trials_back(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    folder, options = tmp_path / "runs", ("--budget", "12", "--launcher", "ray", "--unmirrored")
    folder.mkdir()
    (folder / "none.pt").write_bytes(b"pairs")
    with started(folder, *options) as driver:
        wait_until(lambda: " 3/12 " in folder.with_suffix(".out").read_text())
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does, Ray's own processes too
        assert driver.wait(timeout=120) == STOPPED_BY_USER
    check_whole(folder)
    left = {trial.state for trial in trials(folder)}
    assert TrialState.RUNNING not in left
    assert TrialState.WAITING in left
    with started(folder, *options) as driver:
        assert driver.wait(timeout=300) == 0
    ended = [trial.number for trial in trials(folder) if trial.state.is_finished()]
    assert ended == list(range(12))
