"""The contract of launchers, tested on each: local processes and Ray actors."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from driving import Instant, make_plan

import harness.trials.launchers.local
from harness.config.settings import TrialPlan
from harness.errors import UserInputError
from harness.paths import StudyPaths
from harness.trials.launchers.launcher import Died, Launcher
from harness.trials.launchers.local import FORKED, LocalLauncher, shorten_socket_paths
from harness.trials.messages import (
    Answer,
    Baseline,
    ProgressCallback,
    Report,
    Rung,
    TrialResult,
    TrialTask,
)
from harness.trials.worker import Measure, Message, Prepare, Ready, Stopped
from search_spaces.trial_params import TrialParams

PARAMS = TrialParams(lambda_L1=50, lambda_perceptual=0, n_layers_D=3, gan_mode="lsgan", lr=1e-4)
DEADLY = 66


class Sharing(Instant):
    """Reads the pairs when it is created, makes a warm start, and reads that in each trial."""

    def __init__(self, plan: TrialPlan) -> None:
        super().__init__(plan)
        self.pairs = plan.dataset.read_bytes()

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        folder = StudyPaths(self.plan.folder).warm_start.folder
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / "latest_net_G.pth").write_bytes(b"warm from " + self.pairs)
        panel = StudyPaths(self.plan.folder).warm_start_panel()
        panel.parent.mkdir(exist_ok=True)
        panel.write_bytes(b"its picture")
        return super().prepare(on_progress)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == DEADLY:
            report(self.rung(task, 10))
            os.kill(os.getpid(), signal.SIGKILL)
        result = super().run(task, report)
        warm = (StudyPaths(self.plan.folder).warm_start.folder / "latest_net_G.pth").read_bytes()
        if result is None:
            return None
        result.checkpoint.write_bytes(b"trained, " + warm)
        return replace(result, per_image=({"folder": str(self.plan.folder)},))


Make = Callable[[TrialPlan], Launcher]


def make_local(plan: TrialPlan) -> Launcher:
    return LocalLauncher(Sharing, plan, plan.folder / "log", ("cpu",))


def make_spawned(plan: TrialPlan) -> Launcher:
    """As on systems where libraries do not survive a fork."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.trials.launchers.local, "FORKED", False)
        return make_local(plan)


def make_ray(plan: TrialPlan) -> Launcher:
    from harness.trials.launchers.ray import RayLauncher

    return RayLauncher(Sharing, plan, gpus=0)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of this machine only."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # actors find the runners above
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
        ray.init(address="local", num_cpus=2, **quiet)
        yield
        ray.shutdown()


@pytest.fixture(
    params=[
        pytest.param(make_local, id="local"),
        pytest.param(make_spawned, id="spawned"),
        pytest.param(make_ray, id="ray", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ]
)
def make(request: pytest.FixtureRequest) -> Make:
    if request.param is make_ray:
        request.getfixturevalue("ray_cluster")
    made: Make = request.param
    return made


@pytest.fixture
def plan(tmp_path: Path) -> TrialPlan:
    (tmp_path / "pairs.pt").write_bytes(b"pairs")
    made = replace(make_plan(tmp_path)).trial_plan
    made.folder.mkdir()
    return made.model_copy(update={"dataset": tmp_path / "pairs.pt"})


def next_of(launcher: Launcher, seconds: float = 120) -> tuple[int, Message | Died]:
    """The next message of any worker. One worker is busy at a time, so there is only one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if messages := launcher.wait(1.0):
            assert len(messages) == 1
            return messages[0]
    raise AssertionError("no worker sent a message")


def ready(launcher: Launcher, number: int) -> None:
    launcher.start(number)
    assert next_of(launcher) == (number, Ready())


def prepared(launcher: Launcher, number: int) -> None:
    ready(launcher, number)
    launcher.send(number, Prepare())
    while not isinstance(message := next_of(launcher)[1], Baseline):
        pass
    assert (message.noop, message.warm_start) == (0.2, 0.22)


def run(launcher: Launcher, number: int, trial: int, answers: list[bool]) -> Message | Died:
    """Send a trial to a worker and answer its rungs; returns the worker's last message."""
    launcher.send(number, TrialTask(trial, PARAMS, seed=0))
    for answer in answers:
        worker, rung = next_of(launcher)
        assert worker == number
        assert isinstance(rung, Rung)
        launcher.send(number, answer)
    return next_of(launcher)[1]


def test_a_trial_from_order_to_result(make: Make, plan: TrialPlan) -> None:
    with closing(make(plan)) as launcher:
        prepared(launcher, 0)
        ready(launcher, 1)
        assert launcher.wait(0.05) == []
        for worker in (0, 1, 1):
            result = run(launcher, worker, trial=worker, answers=[True] * 3)
            assert isinstance(result, TrialResult)
            assert result.rung.step == 30
            assert result.checkpoint == StudyPaths(plan.folder).checkpoint(worker)
            assert result.checkpoint.read_bytes() == b"trained, warm from pairs"
        assert run(launcher, 0, trial=3, answers=[True, False]) == Stopped()
    paths = StudyPaths(plan.folder)
    assert paths.warm_start.generator.read_bytes() == b"warm from pairs"
    assert [file.name for file in paths.warm_start.folder.iterdir()] == ["latest_net_G.pth"]
    assert paths.warm_start_panel().read_bytes() == b"its picture"


def test_workers_of_a_resumed_study_use_its_warm_start(make: Make, plan: TrialPlan) -> None:
    generator = StudyPaths(plan.folder).warm_start.generator
    generator.parent.mkdir(parents=True)
    generator.write_bytes(b"an earlier one")
    with closing(make(plan)) as launcher:
        prepared(launcher, 0)
        result = run(launcher, 0, trial=1, answers=[True] * 3)
        assert isinstance(result, TrialResult)
        assert result.checkpoint.read_bytes() == b"trained, an earlier one"


def test_the_death_of_a_worker_is_reported_and_it_can_be_replaced(
    make: Make, plan: TrialPlan
) -> None:
    with closing(make(plan)) as launcher:
        prepared(launcher, 0)
        died = run(launcher, 0, trial=DEADLY, answers=[True])
        assert isinstance(died, Died)
        assert died.reason
        ready(launcher, 0)
        assert isinstance(run(launcher, 0, trial=1, answers=[True] * 3), TrialResult)


def test_a_killed_worker_sends_no_more_messages(make: Make, plan: TrialPlan) -> None:
    with closing(make(plan)) as launcher:
        prepared(launcher, 0)
        launcher.send(0, TrialTask(1, PARAMS, seed=0))
        launcher.kill(0)
        launcher.kill(0)
        assert launcher.wait(0.2) == []
        ready(launcher, 0)


class ReportingEnvironment(Instant):
    """Reports the value of an environment variable."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        rung = self.rung(task, 30)
        return TrialResult(rung, ({"found": os.environ.get("FOR_WORKERS", "")},), None)


def test_a_worker_has_the_driver_s_environment_at_its_start(
    plan: TrialPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = LocalLauncher(ReportingEnvironment, plan, plan.folder / "log", ("cpu",))
    with closing(started) as launcher:
        for text in ("one", "another"):
            monkeypatch.setenv("FOR_WORKERS", text)
            prepared(launcher, 0)
            result = run(launcher, 0, trial=0, answers=[])
            assert isinstance(result, TrialResult)
            assert result.per_image[0]["found"] == text
            launcher.kill(0)


def serving() -> tuple[psutil.Process, psutil.Process]:
    """This process's fork server, and the one worker that was forked from it."""
    (server,) = (
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "forkserver" in " ".join(child.cmdline())
    )
    (worker,) = server.children()
    return server, worker


@pytest.mark.skipif(not FORKED, reason="workers are spawned here")
def test_workers_die_with_their_fork_server_and_can_be_replaced(plan: TrialPlan) -> None:
    with closing(make_local(plan)) as launcher:
        prepared(launcher, 0)
        serving()[0].kill()
        assert isinstance(next_of(launcher)[1], Died)
        ready(launcher, 0)
        assert isinstance(run(launcher, 0, trial=1, answers=[True] * 3), TrialResult)


@pytest.mark.skipif(not FORKED, reason="workers are spawned here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_stop_a_search_end_neither_workers_nor_their_server(
    plan: TrialPlan, number: int
) -> None:
    with closing(make_local(plan)) as launcher:
        prepared(launcher, 0)
        server, worker = serving()
        worker.send_signal(number)
        server.send_signal(number)
        assert isinstance(run(launcher, 0, trial=1, answers=[True] * 3), TrialResult)
        launcher.kill(0)
        ready(launcher, 0)
        assert serving()[0] == server


@pytest.mark.skipif(not FORKED, reason="workers are spawned here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_does_not_end_a_fork_server_that_starts(number: int) -> None:
    """In its first moment, when it has run no line of this project."""
    code = f"""
import os
from multiprocessing import forkserver, get_context
from harness.trials.launchers.local import start_server
start_server()
os.kill(forkserver._forkserver._forkserver_pid, {int(number)})
worker = get_context("forkserver").Process(target=int)
worker.start()
worker.join()
assert worker.exitcode == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("length", "place"), [(75, None), (76, "/tmp")])
def test_sockets_are_placed_where_their_path_is_short_enough(
    monkeypatch: pytest.MonkeyPatch, length: int, place: str | None
) -> None:
    chosen = "/" + "t" * (length - 1)
    used: list[str | None] = []
    monkeypatch.setattr("tempfile.tempdir", chosen)
    monkeypatch.setattr("multiprocessing.util.get_temp_dir", lambda: used.append(tempfile.tempdir))
    shorten_socket_paths()
    assert used == ([place] if place else [])
    assert tempfile.tempdir == chosen

    def unwritable() -> None:
        raise OSError

    if place:
        monkeypatch.setattr("multiprocessing.util.get_temp_dir", unwritable)
        with pytest.raises(UserInputError, match=rf"TMPDIR, {chosen}, is too .* at most 75 bytes"):
            shorten_socket_paths()
        assert tempfile.tempdir == chosen


@pytest.mark.slow
@pytest.mark.skipif(not FORKED, reason="workers are spawned here")
def test_the_fork_server_imports_the_libraries_and_does_not_initialise_cuda() -> None:
    code = """
import os, sys
from harness.trials.launchers import preload
import torch
assert {"lpips", "torchvision", "torch._dynamo", "harness.trials.trial"} <= set(sys.modules)
assert not {"mlflow", "optuna", "sqlalchemy"} & set(sys.modules)
if os.fork() == 0:
    os._exit(torch.cuda._is_in_bad_fork())  # true once CUDA has been queried before the fork
assert os.wait()[1] == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray_cluster")
def test_actors_leave_nothing_on_their_node(
    plan: TrialPlan, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(make_ray(plan)) as launcher:
        prepared(launcher, 0)
        result = run(launcher, 0, trial=1, answers=[True] * 3)
        assert isinstance(result, TrialResult)
        folder = Path(result.per_image[0]["folder"])
        assert folder.exists()
        assert folder != plan.folder
    assert not folder.exists()
    assert capfd.readouterr().out == ""  # of an actor that ends by itself Ray prints a warning


def test_an_actor_runs_orders_in_the_order_they_were_sent() -> None:
    """Its threads may get them in another."""
    from harness.trials.launchers.ray import QueuePipe

    pipe = QueuePipe()
    for position, order in ((1, Prepare()), (2, Answer.GO_ON), (0, Measure())):
        pipe.put(position, order)
    assert [pipe.orders.get_nowait() for _ in range(3)] == [Measure(), Prepare(), Answer.GO_ON]
