"""Searches that are started, stopped, killed, moved and damaged in any order lose nothing.

hypothesis chooses the order, and finds the shortest one that breaks what must hold.
"""

import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import optuna
import ours
import pytest
from forked import in_a_process
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from others import THEIR_STUDY, make_optuna
from ours import Record, RunFolder
from sessions import PLACES, Ended, Twist, begin, import_for_sessions, plan_of, session

MEMORY = Path("/dev/shm")  # to wait for a disk is most of what a session takes
# Files of others in a run folder from the first, and what they put into a study's own folders.
THEIRS = {
    "notes.txt": b"which pictures to try next",
    "fake/holiday.png": b"a picture",
    "fake (copy)/best.yaml": b"schema: 1",
}
THEIRS_LATER = {
    "fake/panels/mine.png": b"another",
    "fake/checkpoints/latest_net_G.pth": b"months of training",
}
LOST = [
    "best.yaml",
    "driver.*",
    "panels/t*",
    "checkpoints/t*",
    "checkpoints/warm_start/*",
]
FAULTS = st.dictionaries(
    st.integers(0, 3), st.sampled_from(["dies", "diverges", "memory", "raises"]), max_size=2
)
SIGNALS = st.sampled_from([(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM)])
EVENTS = st.integers(1, 14)
MORE = st.integers(1, 3)


def places(names: list[str]) -> st.SearchStrategy[str]:
    """Where to kill a driver."""
    parts = st.sampled_from(names), st.sampled_from(["before", "after"]), st.integers(1, 4)
    return st.tuples(*parts).map(lambda part: f"{part[0]}:{part[1]}:{part[2]}")


class AnyOrder(RuleBasedStateMachine):
    """One study after another of the same name, in a run folder that others use too."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(
            tempfile.mkdtemp(prefix="any-order-", dir=MEMORY if MEMORY.is_dir() else None)
        )
        self.tree, self.scratch = self.base / "tree", self.base / "scratch"
        self.scratch.mkdir()
        self.formerly: list[Path] = []
        self.names = iter(range(1000))

    def teardown(self) -> None:
        shutil.rmtree(self.base)

    @initialize(shared=st.booleans())
    def begin(self, shared: bool) -> None:
        self.make_place(shared)

    def make_place(self, shared: bool) -> None:
        """A run folder in which others have files and a study; the record is there or elsewhere."""
        team = self.tree / "team"
        (team / "plans").mkdir(parents=True)
        (team / "plans" / "next.txt").write_text("theirs")
        self.folder = self.used_by_others(RunFolder(self.tree / "runs"))
        if shared:
            self.folder.storage = team / "optuna.db"
            shutil.copy(their_database(), self.folder.storage)
        self.folders = [self.folder]
        self.theirs = self.folder.record(self.scratch).theirs

    def used_by_others(self, folder: RunFolder) -> RunFolder:
        folder.take_in(THEIRS)
        shutil.copy(their_database(), folder.optuna_db)
        return folder

    # -- sessions ---------------------------------------------------------------------------

    def go_on(self, more: int, *expected: str, **what: Any) -> Ended:
        """A session with a budget of so many trials more; then everything is looked at."""
        before, twist = self.folder.record(self.scratch), self.twist(**what)
        budget, there = before.counted + more, self.begun_before()
        ended = session(self.plan(budget), twist)
        assert ended.how in ("finished", *expected), ended
        self.check(before, ended, budget, twist, there)
        return ended

    def plan(self, budget: int, **other: Any) -> Any:
        storage = self.folder.storage and f"sqlite:///{self.folder.storage}"
        return plan_of(
            **{"folder": self.folder.root, "budget": budget, "storage": storage, **other}
        )

    def twist(self, **what: Any) -> Twist:
        return Twist(**what)

    def begun_before(self) -> tuple[Any, ...]:
        """What a session is compared with: all that it may not change, and the runs before it."""
        return (ours.outside(self.tree, *self.named()), self.folder.runs())

    def named(self) -> list[Path]:
        """Where a session may write."""
        storage = self.folder.storage
        return [self.folder.root, *([storage, *locks_beside(storage)] if storage else [])]

    def check(self, before: Record, ended: Ended, budget: int, twist: Twist, there: Any) -> None:
        """All that must hold after a session."""
        now, (outside, runs, *_) = self.folder.record(self.scratch), there
        assert now.theirs == self.theirs, "a study that is not ours was written into"
        ours.check_others(self.folder)
        changed = {path for path, _ in outside.items() ^ self.begun_before()[0].items()}
        assert not changed, "something was written outside of the run folder"
        ours.check_record(before, now, ended, budget, twist)
        assert self.folder.runs()[: len(runs)] == runs
        begun = self.folder.runs()[len(runs) :]
        ours.check_runs(begun, before, now, ended.how, twist)
        ours.check_files(self.folder, now, ended.how, self.formerly)
        if ended.how in ("finished", "user"):
            self.folder.damaged.clear()
            if now.leading:
                self.folder.take_in(THEIRS_LATER)

    @rule(more=MORE)
    def search(self, more: int) -> None:
        self.go_on(more)

    @rule(more=MORE, at=EVENTS, signals=SIGNALS)
    def stop(self, more: int, at: int, signals: tuple[signal.Signals, ...]) -> None:
        """As a terminal's Ctrl-C and a scheduler's SIGTERM do; GNU `timeout` sends two."""
        self.go_on(more, "user", at=at, signals=signals)

    @rule(more=MORE, place=places(PLACES))
    def kill(self, more: int, place: str) -> None:
        self.go_on(more, "killed", kill=place)

    @rule(more=MORE, faults=FAULTS)
    def go_wrong(self, more: int, faults: dict[int, str]) -> None:
        """Workers die, trials diverge, raise, or find too little memory."""
        first = len(self.folder.record(self.scratch).ended)
        self.go_on(more, faults={first + number: what for number, what in faults.items()})

    @rule(more=MORE, at=EVENTS, for_good=st.booleans())
    def lock_the_record(self, more: int, at: int, for_good: bool) -> None:
        """Somebody else has Optuna's database, for a moment or for longer than is waited."""
        lock = {"at": at + 1, "lock": self.folder.optuna_db, "for_good": for_good}
        ended = self.go_on(more, *(["HarnessError"] if for_good else []), **lock)
        assert ended.how == "finished" or "has been unavailable" in ended.text

    @rule(more=MORE, at=EVENTS)
    def two_drivers(self, more: int, at: int) -> None:
        """The second is refused, and does not disturb the first."""
        before = self.folder.record(self.scratch)
        budget, there, twist = (
            before.counted + more,
            self.begun_before(),
            self.twist(at=at, meet=True),
        )
        first = begin(self.plan(budget), twist)
        ended = first.hear()
        if ended == "met":
            other = self.tree / "beside" if self.folder.storage else self.folder.root
            refused = session(self.plan(budget + 1, folder=other))
            first.pipe.send("go on")
            ended = first.hear()
            shutil.rmtree(self.tree / "beside", ignore_errors=True)
            assert refused.how == "UserInputError", refused
            assert "is being searched already" in refused.text
        first.wait()
        assert ended.how == "finished", ended
        self.check(before, ended, budget, twist, there)

    @rule(more=MORE)
    def take_a_name(self, more: int) -> None:
        """The name of a study that somebody else made is refused."""
        before, there = self.folder.record(self.scratch), self.begun_before()
        refused = session(self.plan(more, study=THEIR_STUDY))
        assert refused.how == "UserInputError", refused
        assert THEIR_STUDY in refused.text
        assert self.folder.record(self.scratch) == before
        assert self.begun_before() == there

    # -- what people do in between ----------------------------------------------------------

    @property
    def copyable(self) -> bool:
        """All of a study is in its folder: a copy is another study."""
        return self.folder.storage is None

    def new_path(self) -> Path:
        return self.tree / f"runs of day {next(self.names)}"

    @rule(how=st.sampled_from(["move", "move", "copy", "copy and go on there", "turn"]))
    def change_folders(self, how: str) -> None:
        """The run folder is moved or copied; a copy that was made before is gone on with."""
        if how == "move":
            self.formerly.append(self.folder.root)
            self.folder.root = self.folder.root.rename(self.new_path())
        elif how == "turn":
            self.folder = self.folders[(self.folders.index(self.folder) + 1) % len(self.folders)]
        elif self.copyable and len(self.folders) < 3:
            copied = self.folder.copy_at(self.new_path())
            shutil.copytree(self.folder.root, copied.root)
            self.folders.append(copied)
            if how != "copy":
                self.folder = copied

    @rule(what=st.sampled_from(LOST), held=st.sampled_from([None, b"", b"half of a"]))
    def lose_files(self, what: str, held: bytes | None) -> None:
        """Deleted (None) or damaged: what a search leaves in a study's folder."""
        found = sorted(self.folder.paths.folder.glob(what))
        for file in found[:2]:
            if held is None:
                file.unlink()
            else:
                file.write_bytes(held)
            if file.name[0] in "t" and file.suffix == ".pth":
                self.folder.gone.add(int(file.name[1:4]))
            self.folder.damaged.add(file.name)

    @rule(by=st.sampled_from(["name", "file"]))
    def forget(self, by: str) -> None:
        """The study is deleted, in Optuna or with its file; a new one gets the same name."""
        file = self.folder.optuna_db
        if by == "file" and self.folder.storage is None:
            for part in file.parent.glob("optuna.db*"):
                part.unlink()
            shutil.copy(their_database(), file)
        else:
            in_a_process(lambda: delete_study(file))
        self.folder.forget()

    @rule(more=MORE)
    def damage_the_record(self, more: int) -> None:
        """A record that cannot be read is refused and left as it is."""
        file = self.folder.optuna_db
        parts = {part: part.read_bytes() for part in file.parent.glob("optuna.db*")}
        for part in parts:
            part.unlink()  # from a log of changes SQLite mends its file
        file.write_bytes(b"it was a database" * 300)
        refused = session(self.plan(more))
        assert refused.how == "UserInputError", refused
        assert file.read_bytes() == b"it was a database" * 300
        for part in file.parent.glob("optuna.db*"):
            part.unlink()
        for part, held in parts.items():
            part.write_bytes(held)


def locks_beside(database: Path) -> list[Path]:
    """What drivers of a database that several people use know one another by."""
    return [*database.parent.glob(".study-*.lock"), database.parent / ".opening.lock"]


def delete_study(file: Path) -> None:
    """As a person does, with Optuna's own command."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        optuna.delete_study(study_name="fake", storage=f"sqlite:///{file}")
    except KeyError:
        return


made: dict[str, Path] = {}


def their_database() -> Path:
    return made["optuna"]


def prepare(folder: Path) -> None:
    """What others have, made once."""
    made["optuna"] = folder / "optuna.db"
    make_optuna(made["optuna"])


@pytest.fixture(scope="module", autouse=True)
def theirs(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_for_sessions()
    prepare(tmp_path_factory.mktemp("theirs"))


COMMON = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.timeout(900)
class TestAnyOrder(AnyOrder.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=85, stateful_step_count=5, **COMMON)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
class TestAnyOrderAtLength(AnyOrder.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=2000, stateful_step_count=16, **COMMON)
