"""The launcher of a cluster keeps the contract of launchers, without Ray and without a process."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driving import Instant
from pretended_ray import Actor, PretendedRay

from harness.config.settings import TrialPlan
from harness.errors import UserInputError
from harness.trials.launchers import ray
from harness.trials.launchers.launcher import Died
from harness.trials.launchers.ray import RayLauncher, connect
from harness.trials.messages import TrialResult
from harness.trials.worker import Prepare
from tests.harness.trials import test_launchers as contract

plan = contract.plan


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PretendedRay:
    made = PretendedRay()
    monkeypatch.setattr(ray, "load", lambda: made)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return made


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    "kept",
    [
        contract.test_a_trial_from_order_to_result,
        contract.test_workers_of_a_resumed_study_use_its_warm_start,
        contract.test_a_killed_worker_sends_no_more_messages,
    ],
    ids=lambda kept: kept.__name__,
)
def test_it_is_a_launcher(kept: Any, plan: TrialPlan) -> None:
    kept(contract.make_ray, plan)


def warm(actor: Actor) -> bool:
    """Whether an actor's node has the warm start."""
    return (actor.held.folder / "checkpoints" / "warm_start").exists()


def test_each_actor_gets_the_warm_start_once_and_its_share_of_the_node(
    pretended: PretendedRay,
    plan: TrialPlan,
) -> None:
    threads = plan.model_copy(update={"threads": 3})
    with closing(RayLauncher(contract.Sharing, threads, gpus=0.25)) as launcher:
        contract.prepared(launcher, 0)
        contract.ready(launcher, 1)
        assert [warm(actor) for actor in pretended.actors] == [True, False]
        for trial in (1, 2):
            result = contract.run(launcher, 1, trial, answers=[True] * 3)
            assert isinstance(result, TrialResult)
            made = pretended.actors[1].held.folder / "checkpoints" / f"t00{trial}_net_G.pth"
            assert not made.exists()  # it is the driver's now
            first = next((pretended.actors[1].held.folder).rglob("latest_net_G.pth"))
            first.write_bytes(b"kept")  # and is not sent again
        assert result.checkpoint.read_bytes() == b"trained, kept"
    assert pretended.resources == {
        "num_cpus": 3, "num_gpus": 0.25, "max_concurrency": 2, "max_restarts": 0,
    }  # fmt: skip
    assert pretended.killed == pretended.actors
    assert not any(actor.held.folder.exists() for actor in pretended.actors)


def test_an_actor_that_is_lost_is_replaced_and_gets_the_warm_start_again(
    pretended: PretendedRay,
    plan: TrialPlan,
) -> None:
    with closing(contract.make_ray(plan)) as launcher:
        contract.prepared(launcher, 0)
        pretended.actors[0].lose()
        died = contract.next_of(launcher)
        assert died == (0, Died("its actor is gone: ActorDiedError"))
        launcher.send(0, Prepare())  # to nobody
        contract.ready(launcher, 0)
        assert not warm(pretended.actors[1])
        assert isinstance(contract.run(launcher, 0, 1, answers=[True] * 3), TrialResult)
        assert warm(pretended.actors[1])


def test_an_actor_has_the_user_s_files_in_their_order(
    pretended: PretendedRay,
    plan: TrialPlan,
    tmp_path: Path,
) -> None:
    told: list[TrialPlan] = []

    def make(local: TrialPlan) -> Instant:
        told.append(local)
        return Instant(local)

    files = [tmp_path / name for name in ("net_G.pth", "net_D.pth")]
    for file in files:
        file.write_text(file.name)
    own = plan.model_copy(update={"init_from": tuple(files)})
    with closing(RayLauncher(make, own, gpus=0)) as launcher:
        contract.ready(launcher, 0)
        (local,) = told
        assert [file.read_text() for file in local.init_from] == ["net_G.pth", "net_D.pth"]
        assert local.dataset.read_bytes() == b"pairs"
        assert {file.parent for file in (*local.init_from, local.dataset)} == {local.folder}


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        (None, {"address": "local", "include_dashboard": False}),
        ("head:6379", {"address": "head:6379"}),
    ],
)
def test_a_cluster_is_joined_or_started(
    monkeypatch: pytest.MonkeyPatch, address: str | None, asked: dict[str, Any]
) -> None:
    joined: list[dict[str, Any]] = []
    module = SimpleNamespace(
        is_initialized=lambda: bool(joined), init=lambda **options: joined.append(options)
    )
    monkeypatch.setattr(ray, "importlib", SimpleNamespace(import_module=lambda _: module))
    for _ in range(2):
        connect(address)
    assert joined == [{**asked, "log_to_driver": False, "logging_level": "error"}]


def test_no_cluster_and_no_ray_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("nobody there")

    module = SimpleNamespace(is_initialized=lambda: False, init=refuse)
    monkeypatch.setattr(ray, "importlib", SimpleNamespace(import_module=lambda _: module))
    with pytest.raises(UserInputError, match=r"at --address head:1 \(ConnectionError\): start one"):
        connect("head:1")

    def missing(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(ray, "importlib", SimpleNamespace(import_module=missing))
    with pytest.raises(UserInputError, match="--launcher ray needs Ray: install it with pip"):
        connect(None)
