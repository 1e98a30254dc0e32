"""Searches in any order with MLflow beside them: its own store or one that others use too."""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_any_order
from forked import in_a_process
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from mirrored import EMPTY, Mirror, check_mirror, read_mirror
from others import make_mlflow
from ours import Record, RunFolder
from sessions import MIRROR_PLACES, Ended, Twist, import_for_sessions
from test_any_order import COMMON, MORE, AnyOrder, places

from harness.paths import RunPaths
from harness.tracking.client import quiet_client

GARBAGE = b"it was a database" * 300
made: dict[str, Path] = {}


class AnyOrderMirrored(AnyOrder):
    """As `AnyOrder`, and MLflow holds what the record has of a study, and nothing of another."""

    team_store: Path | None = None
    readable = True

    @initialize(shared=st.booleans(), team=st.booleans())
    def begin(self, shared: bool, team: bool) -> None:
        """The run folder's own store; or a team's, with runs of others that look like ours.

        There, somebody else begins a search of the same name as well, in a run folder of theirs.
        """
        self.make_place(shared)
        if not team:
            shutil.copy(made["empty"], self.store)
            return
        self.team_store = self.tree / "team" / "mlflow.db"
        shutil.copy(made["theirs"], self.team_store)
        with closing(sqlite3.connect(self.team_store)) as store, store:
            store.execute("UPDATE experiments SET artifact_location = ?", [self.artifacts.as_uri()])
        self.folders.append(self.used_by_others(RunFolder(self.tree / "neighbour")))

    @property
    def store(self) -> Path:
        return self.team_store or RunPaths(self.folder.root).mlflow_db

    @property
    def artifacts(self) -> Path:
        """Where the pictures of runs are."""
        team = self.team_store and self.team_store.parent / "artifacts"
        return team or RunPaths(self.folder.root).mlflow_artifacts

    @property
    def copyable(self) -> bool:
        return super().copyable and self.team_store is None

    def named(self) -> list[Path]:
        return [*super().named(), *([self.team_store, self.artifacts] if self.team_store else [])]

    def plan(self, budget: int, **other: Any) -> Any:
        uri = f"sqlite:///{self.team_store}" if self.team_store else None
        return super().plan(budget, tracking_uri=uri, **other)

    def twist(self, **what: Any) -> Twist:
        return replace(super().twist(**what), mirrored=True)

    def mirror(self) -> Mirror:
        identity = self.folder.record(self.scratch).identity or "none yet"
        return read_mirror(self.store, identity, self.scratch) if self.readable else EMPTY

    def begun_before(self) -> tuple[Any, ...]:
        """Also every row that MLflow holds of others."""
        return (*super().begun_before(), replace(self.mirror(), runs=[]))

    def check(
        self, before: Record, ended: Ended, budget: int, twist: Twist, there: tuple[Any, ...]
    ) -> None:
        super().check(before, ended, budget, twist, there)
        mirror, old = self.mirror(), there[-1]
        assert mirror.theirs == old.theirs, "a run that is not ours was written into"
        restored = dict.fromkeys(old.stages, "active")
        assert mirror.stages == old.stages or (old.deleted and mirror.stages == restored)
        up = self.readable and not twist.mlflow_away
        if up and ended.how in ("finished", "user"):
            now = self.folder.record(self.scratch)
            check_mirror(mirror, now.trials, self.folder.mirror_lost, self.artifacts)
            assert not list(self.folder.paths.outbox.glob("*.entry")), "it waits for ever"

    # -- what happens to the mirror ---------------------------------------------------------

    @rule(more=MORE, place=places(MIRROR_PLACES))
    def kill_while_mirroring(self, more: int, place: str) -> None:
        self.go_on(more, "killed", kill=place)

    @rule(more=MORE)
    def mlflow_is_away(self, more: int) -> None:
        """For a whole session; what it should hold waits for a later one."""
        ended = self.go_on(more, mlflow_away=True)
        assert any("MLflow" in note for note in ended.notes)

    @rule(how=st.sampled_from(["cut", "empty", "delete", "copy"]), seed=st.randoms())
    def spoil_the_outbox(self, how: str, seed: Any) -> None:
        """One entry; what it held is lost, and nothing else."""
        waiting = sorted(self.folder.paths.outbox.glob("*.entry"))
        if not waiting:
            return
        file = seed.choice(waiting)
        held = file.read_bytes()
        if how == "copy":
            file.with_name(f"copy of {file.name}").write_bytes(held)
            return
        with suppress(ValueError):  # it was spoilt before
            self.folder.mirror_lost.add(int(json.loads(held.partition(b"\n")[0])["run"][1:]))
        if how == "delete":
            file.unlink()
        else:
            file.write_bytes(held[: len(held) // 2] if how == "cut" else b"")

    @precondition(lambda self: self.team_store is None)
    @rule()
    def delete_the_store(self) -> None:
        """A new one is made; what the old one held nobody can tell it."""
        self.folder.mirror_lost |= self.folder.record(self.scratch).trials.keys()
        for part in self.store.parent.glob("mlflow.db*"):
            part.unlink()

    @precondition(lambda self: self.team_store is None)
    @rule(more=MORE)
    def damage_the_store(self, more: int) -> None:
        """The search goes on; the file is left as it is, for whoever can mend it."""
        parts = {part: part.read_bytes() for part in self.store.parent.glob("mlflow.db*")}
        for part in parts:
            part.unlink()
        self.store.write_bytes(GARBAGE)
        self.readable = False
        ended = self.go_on(more)
        assert any("MLflow" in note for note in ended.notes)
        assert self.store.read_bytes() == GARBAGE
        self.readable = True
        self.store.unlink()
        for part, held in parts.items():
            part.write_bytes(held)

    @precondition(lambda self: self.team_store is None)
    @rule()
    def delete_the_experiment(self) -> None:
        """In MLflow's own pages, where it can be restored."""
        if self.store.exists():
            in_a_process(lambda: delete_experiment(f"sqlite:///{self.store}"))


def delete_experiment(uri: str) -> None:
    client = quiet_client(uri)
    found = client.get_experiment_by_name("fake")
    if found is not None and found.lifecycle_stage == "active":
        client.delete_experiment(found.experiment_id)


def prepare(folder: Path) -> None:
    """What others have, and a store of nothing, made once."""
    from harness.tracking import store  # where a database is made

    test_any_order.prepare(folder)
    made["theirs"], made["empty"] = folder / "mlflow.db", folder / "empty" / "mlflow.db"
    make_mlflow(made["theirs"], folder / "artifacts")
    made["empty"].parent.mkdir()
    store.make_database(made["empty"])


@pytest.fixture(scope="module", autouse=True)
def theirs(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_for_sessions()
    prepare(tmp_path_factory.mktemp("theirs"))


@pytest.mark.timeout(900)
class TestAnyOrderMirrored(AnyOrderMirrored.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=15, stateful_step_count=5, **COMMON)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
class TestAnyOrderMirroredAtLength(AnyOrderMirrored.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=500, stateful_step_count=16, **COMMON)
