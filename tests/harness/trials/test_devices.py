"""Resolving `--device`, the number of workers, and packing GPUs by measured memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import driving
import pytest
from driving import Instant, make_plan
from null_tracker import NullTracker

import harness.search.search
from harness.config.settings import SearchConfig
from harness.console.events import Event, Note
from harness.console.views import View
from harness.errors import UserInputError
from harness.search.packing import Packing
from harness.search.plan import SearchPlan
from harness.search.resolve import choose_placement, packing_remark
from harness.search.search import make_launcher
from harness.search.stop_signals import StopSwitch
from harness.training.cuda_graph import MIN_FREE_SHARE
from harness.trials.devices import (
    CUDA_CONTEXT,
    Slots,
    allocate_cluster_slots,
    allocate_slots,
    measure_memory,
    mps_is_running,
    place_of,
    resolve_device,
    resolve_devices,
    trials_that_fit,
    visible_device,
)
from harness.trials.launchers.local import LocalLauncher
from harness.trials.messages import Memory, Report, TrialResult, TrialTask

GIB = 1 << 30


@pytest.mark.parametrize(
    ("option", "available", "devices"),
    [
        ("auto", 0, ("cpu",)),
        ("auto", 4, ("cuda:0",)),
        ("cpu", 4, ("cpu",)),
        ("cuda", 1, ("cuda:0",)),
        ("cuda:1", 2, ("cuda:1",)),
        ("cuda:0,1", 2, ("cuda:0", "cuda:1")),
        ("cuda:2,0,2", 3, ("cuda:2", "cuda:0")),
    ],
)
def test_device_options_are_resolved(option: str, available: int, devices: tuple[str, ...]) -> None:
    assert resolve_devices(option, available) == devices


@pytest.mark.parametrize("option", ["tpu", "cuda:", "cuda:0,", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_invalid_device_options_are_refused(option: str) -> None:
    with pytest.raises(UserInputError, match="is not a device"):
        resolve_devices(option, 8)


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserInputError, match=r"cuda:0,3: PyTorch sees 2 CUDA"):
        resolve_devices("cuda:0,3", 2)


@pytest.mark.parametrize(
    ("devices", "jobs", "per_gpu", "cores", "slots"),
    [
        (("cpu",), None, None, 8, Slots(8, 8, threads=1)),
        (("cpu",), 2, None, 8, Slots(2, 2, threads=4)),
        (("cpu",), 1, None, 8, Slots(1, 1, threads=8)),
        (("cpu",), 16, None, 8, Slots(16, 16, threads=1)),
        (("cuda:0",), None, None, 16, Slots(1, 1, threads=4)),
        (("cuda:0", "cuda:1"), None, None, 16, Slots(2, 2, threads=4)),
        (("cuda:0", "cuda:1"), None, 3, 16, Slots(6, 6, threads=2)),
        (("cuda:0", "cuda:1"), 4, None, 16, Slots(4, 4, threads=4)),
        (("cuda:0", "cuda:1"), 8, 3, 16, Slots(6, 6, threads=2)),
        (("cuda:0", "cuda:1"), None, None, 1, Slots(2, 2, threads=1)),
    ],
)
def test_the_number_of_workers_and_threads(
    devices: tuple[str, ...], jobs: int | None, per_gpu: int | None, cores: int, slots: Slots
) -> None:
    assert allocate_slots(devices, jobs, per_gpu, cores) == slots


def test_processes_that_take_turns_on_a_gpu_are_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only NVIDIA's multi-process service runs several at the same time."""
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert allocate_slots(("cuda:0",), None, None, 16, mps_is_running()) == Slots(1, 1, threads=4)
    (tmp_path / "control").touch()
    assert allocate_slots(("cuda:0",), None, None, 16, mps_is_running()) == Slots(1, 16, threads=1)
    assert allocate_slots(("cuda:0",), None, 2, 16, mps_is_running()) == Slots(2, 2, threads=4)


@pytest.mark.parametrize(
    ("device", "listed", "seen"),
    [
        ("cpu", "2,3", ""),
        ("cuda:1", None, "1"),
        ("cuda", None, "0"),
        ("cuda:1", "2,3", "3"),
        ("cuda:0", "3", "3"),
        ("cuda:1", "GPU-8f1e, GPU-77aa", "GPU-77aa"),
        ("cuda:0", "MIG-1b0c", "MIG-1b0c"),
    ],
)
def test_a_program_sees_the_device_that_pytorch_means(
    monkeypatch: pytest.MonkeyPatch, device: str, listed: str | None, seen: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_device(device) == seen
    assert place_of(device).endswith(f" {seen or 'cpu'}")


@pytest.mark.parametrize("options", [{}, {"per_gpu": 2}, {"jobs": 2}])
def test_what_is_chosen_for_a_gpu_is_said_where_it_was_left_open(
    options: dict[str, int],
) -> None:
    config = SearchConfig(run_dir=Path("runs"), study="s", **{"jobs": "auto", **options})
    (alone,) = packing_remark(config, Slots(1, 1, 4), "cuda:0") or ("",)
    (packed,) = packing_remark(config, Slots(1, 8, 1), "cuda:0") or ("",)
    assert alone.startswith("One trial at a time on each GPU: without") != bool(options)
    assert ("as many as it holds" in packed) != bool(options)
    assert not packing_remark(config, Slots(1, 1, 1), "cpu")


def test_per_gpu_needs_a_gpu() -> None:
    with pytest.raises(UserInputError, match="--per-gpu is for GPUs"):
        allocate_slots(("cpu",), None, 2, 8)


@pytest.mark.parametrize(
    ("peaks", "rooms", "fit"),
    [
        ([5], [78], 15),
        ([4, 10], [78, 78], 7),
        ([4, 10], [78, 30], 3),
        ([70], [78], 1),
        ([9], [8], 1),
    ],
)
def test_trials_that_fit_a_gpu(peaks: list[int], rooms: list[int], fit: int) -> None:
    measured = [Memory(peak * GIB, room * GIB) for peak, room in zip(peaks, rooms, strict=True)]
    assert trials_that_fit(measured) == fit


class OnFakeGpus(Instant):
    """Trials that need 40 of a GPU's 100 GiB; each records the device it ran on."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        result = super().run(task, report)
        with (self.plan.folder / "where.txt").open("a") as file:
            file.write(f"{self.plan.device}\n")
        return result and replace(result, memory=Memory(40 * GIB, 100 * GIB))


class Notes(View):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            self.texts.append(event.text)

    def close(self) -> None:
        pass


def on_gpus(plan: SearchPlan, jobs: int, most: int) -> SearchPlan:
    return replace(plan, devices=("cuda:0", "cuda:1"), jobs=jobs, most_jobs=most)


@pytest.mark.parametrize(("jobs", "most", "workers"), [(2, 16, 4), (2, 2, 2)])
def test_gpus_are_packed_by_the_memory_of_the_first_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, most: int, workers: int
) -> None:
    started: list[int] = []
    start = LocalLauncher.start

    def noted(self: LocalLauncher, number: int) -> None:
        started.append(number)
        start(self, number)

    monkeypatch.setattr(LocalLauncher, "start", noted)
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    plan = on_gpus(make_plan(tmp_path, budget=10), jobs, most)
    view = Notes()
    harness.search.search.run_search(plan, view, StopSwitch(None), OnFakeGpus)
    assert started == list(range(workers))
    notes = [text for text in view.texts if "needs up to 40.0 GiB" in text]
    assert len(notes) == (0 if most == jobs else 1)
    # On a busy machine one worker may have run them all before another was ready.
    assert set((plan.paths.folder / "where.txt").read_text().split()) <= {"cuda:0", "cuda:1"}
    assert driving.runs_of(plan.paths.folder, 9) == 1


def test_workers_are_added_once_when_two_trials_have_shown_what_they_need(tmp_path: Path) -> None:
    plan = on_gpus(make_plan(tmp_path), 2, 5)
    packing = Packing(plan)
    assert packing.workers(None) is None
    assert packing.workers(Memory(10 * GIB, 100 * GIB)) is None
    assert packing.workers(Memory(40 * GIB, 100 * GIB)) == 4
    assert packing.remark(4).startswith(
        "A worker needs up to 40.0 GiB of a GPU: from now on 4 trials at a time"
    )
    assert packing.workers(Memory(10 * GIB, 100 * GIB)) is None
    few = Packing(replace(plan, most_jobs=3))
    assert [few.workers(Memory(40 * GIB, 100 * GIB)) for _ in range(2)] == [None, 3]


def test_workers_take_the_devices_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    class Context:
        def Pipe(self) -> tuple[Any, Any]:  # noqa: N802
            return Mock(), Mock()

        def Process(self, args: Any, **_: Any) -> Any:  # noqa: N802
            given.append(args[2].device)
            return Mock()

    plan = make_plan(tmp_path).trial_plan
    launcher = LocalLauncher(Instant, plan, tmp_path / "log", ("cuda:1", "cuda:0"))
    launcher.context = Context()
    for number in range(3):
        launcher.start(number)
    assert given == ["cuda:1", "cuda:0", "cuda:1"]


def test_a_command_that_trains_once_takes_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(UserInputError, match="--device cuda:0,1 names several devices"):
        resolve_device("cuda:0,1")


def test_the_memory_of_a_trial_is_its_peak_and_what_a_gpu_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = {
        "reset_peak_memory_stats": None,
        "max_memory_reserved": 10 * GIB,
        "empty_cache": None,
        "mem_get_info": (60 * GIB, 80 * GIB),
        "memory_reserved": 3 * GIB,
    }
    for name, answer in cuda.items():
        monkeypatch.setattr(f"torch.cuda.{name}", lambda *_, answer=answer: answer)
    free = round(MIN_FREE_SHARE * 80 * GIB)
    assert measure_memory("cuda:1", lambda: "done") == (
        "done",
        Memory(10 * GIB + CUDA_CONTEXT, 63 * GIB + CUDA_CONTEXT - free),
    )
    assert measure_memory("cpu", lambda: "done") == ("done", None)


@pytest.mark.parametrize(
    ("asked", "slots"),
    [({}, Slots(2, 12, 1)), ({"jobs": 4}, Slots(4, 4, 3)), ({"per_gpu": 3}, Slots(6, 6, 2))],
)
def test_workers_are_placed_as_the_user_says(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, int], slots: Slots
) -> None:
    devices = ("cuda:2", "cuda:0")
    monkeypatch.setattr("harness.trials.devices.resolve_devices", lambda _: devices)
    monkeypatch.setattr("harness.trials.devices.mps_is_running", lambda: True)
    monkeypatch.setattr("harness.search.resolve.available_cores", lambda: 12)
    assert choose_placement(SearchConfig(**asked)) == ("cuda:2", devices, slots)


def test_workers_are_placed_on_the_cluster_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[str | None] = []
    monkeypatch.setattr("harness.trials.launchers.ray.connect", joined.append)
    monkeypatch.setattr("harness.trials.launchers.ray.resources", lambda: {"CPU": 9, "GPU": 4})
    config = SearchConfig(launcher="ray", address="head:6379", jobs=7, per_gpu=2)
    slots = Slots(7, 7, threads=1)
    assert choose_placement(config) == ("cuda:0", ("cuda:0 on ray",), slots)
    assert joined == ["head:6379"]
    local = config.model_copy(update={"launcher": "local"})
    with pytest.raises(UserInputError, match="--address head:6379 is for --launcher ray"):
        choose_placement(local)


@pytest.mark.parametrize(
    ("device", "per_gpu", "gpus"), [("cuda:0", None, 1), ("cuda:0", 4, 0.25), ("cpu", None, 0)]
)
def test_a_worker_of_a_cluster_takes_its_part_of_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, per_gpu: int | None, gpus: float
) -> None:
    monkeypatch.setattr("harness.trials.launchers.ray.RayLauncher", lambda *told: told)
    plan = make_plan(tmp_path, launcher="ray", per_gpu=per_gpu)
    plan = replace(plan, trial_plan=plan.trial_plan.model_copy(update={"device": device}))
    assert make_launcher(plan, Instant) == (Instant, plan.trial_plan, gpus)


@pytest.mark.parametrize(
    ("resources", "option", "jobs", "per_gpu", "device", "workers"),
    [
        ({"CPU": 64.0}, "auto", None, None, "cpu", 64),
        ({"CPU": 64.0, "GPU": 8.0}, "auto", None, None, "cuda:0", 8),
        ({"CPU": 64.0, "GPU": 8.0}, "cuda", None, 3, "cuda:0", 24),
        ({"CPU": 64.0, "GPU": 8.0}, "cpu", 5, None, "cpu", 5),
        ({"CPU": 64.0, "GPU": 8.0}, "cuda", 5, None, "cuda:0", 5),
    ],
)
def test_the_workers_of_a_cluster(
    resources: dict[str, float],
    option: str,
    jobs: int | None,
    per_gpu: int | None,
    device: str,
    workers: int,
) -> None:
    slots = Slots(workers, workers, threads=1)
    assert allocate_cluster_slots(resources, option, jobs, per_gpu) == (device, slots)


@pytest.mark.parametrize(
    ("option", "per_gpu", "message"),
    [
        ("cuda", None, "has no GPU"),
        ("cuda:1", None, "Ray chooses the GPU"),
        ("cpu", 2, "--per-gpu is for GPUs"),
    ],
)
def test_a_cluster_refuses_devices_it_does_not_have(
    option: str, per_gpu: int | None, message: str
) -> None:
    with pytest.raises(UserInputError, match=message):
        allocate_cluster_slots({"CPU": 4.0}, option, None, per_gpu)
