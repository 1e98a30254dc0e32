"""A run folder with a study of ours, what is known of it, and what must hold of it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
import yaml
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from others import looked_at, parts_of, their_study, tree
from sessions import JOBS, Ended, Twist

from harness.paths import RunPaths, StudyPaths, leftover_temporaries
from reports.record.queries import trials_by_score

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
NEVER_BEGUN = ("raises", "diverges")  # runs that go wrong before they are noted


@dataclass
class Record:
    """What the database has: our trials by number, the best first, and all of the others' study."""

    trials: dict[int, FrozenTrial] = field(default_factory=dict)
    leading: list[int] = field(default_factory=list)
    identity: str = ""
    theirs: object = None

    def in_states(self, *states: TrialState) -> set[int]:
        return {number for number, trial in self.trials.items() if trial.state in states}

    @property
    def ended(self) -> dict[int, FrozenTrial]:
        return {number: each for number, each in self.trials.items() if each.state.is_finished()}

    @property
    def counted(self) -> int:
        return len(self.in_states(*COUNTED))


@dataclass
class RunFolder:
    """One run folder and its study.

    Attributes:
        storage: the database that holds the record, where it is not the run folder's own.
        damaged: names of what was damaged or deleted since the last session that went on.
        gone: trials whose weights somebody deleted or damaged.
        mirror_lost: trials whose runs in MLflow somebody deleted.
        theirs: files that others have in it.
        read: the record as it was when it was read last, with its file.
    """

    root: Path
    storage: Path | None = None
    theirs: dict[str, bytes] = field(default_factory=dict)
    read: tuple[dict[str, bytes], Record] | None = None
    damaged: set[str] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    mirror_lost: set[int] = field(default_factory=set)

    @property
    def paths(self) -> StudyPaths:
        return RunPaths(self.root).study("fake")

    @property
    def optuna_db(self) -> Path:
        return self.storage or RunPaths(self.root).optuna_db

    def copy_at(self, root: Path) -> "RunFolder":
        return replace(deepcopy(self), root=root, read=None)

    def take_in(self, files: Mapping[str, bytes]) -> None:
        """Others put files into it, once."""
        for name, held in files.items():
            if name not in self.theirs:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                (self.root / name).write_bytes(held)
                self.theirs[name] = held

    def forget(self) -> None:
        """Its study is no more."""
        (self.paths.folder / "ran.txt").unlink(missing_ok=True)
        self.gone.clear()
        self.mirror_lost.clear()

    def runs(self) -> list[str]:
        """Every run that was begun, a line of number and setting each."""
        file = self.paths.folder / "ran.txt"
        return file.read_text().splitlines() if file.exists() else []

    def record(self, scratch: Path) -> Record:
        """The record as it is on the disk, which nobody opens for that."""
        parts = parts_of(self.optuna_db)
        if self.read is None or self.read[0] != parts:
            self.read = parts, read_record(self.optuna_db, scratch) if parts else Record()
        return self.read[1]


def read_record(file: Path, scratch: Path) -> Record:
    with looked_at(file, scratch) as connection:
        theirs = their_study(connection)
        url = f"sqlite:///{scratch / file.name}"
        storage = RDBStorage(url, skip_compatibility_check=True, skip_table_creation=True)
        try:
            study = optuna.load_study(study_name="fake", storage=storage)
            trials = {trial.number: trial for trial in study.get_trials()}
            leading = [trial.number for trial in trials_by_score(study)]
            return Record(trials, leading, study.user_attrs.get("identity", ""), theirs)
        except KeyError:
            return Record(theirs=theirs)
        finally:
            storage.engine.dispose()


def check_record(before: Record, now: Record, ended: Ended, budget: int, twist: Twist) -> None:
    """No trial was lost, changed or counted twice; the budget is exact; nobody runs nothing."""
    for number, trial in before.ended.items():
        assert now.trials.get(number) == trial, f"trial {number} is not what it was"
    assert list(now.trials) == list(range(len(now.trials)))
    new = now.ended.keys() - before.ended.keys()
    failed = {number for number in new if now.trials[number].state == TrialState.FAIL}
    assert failed == {number for number in new if twist.faults.get(number) == "raises"}
    running = now.in_states(TrialState.RUNNING)
    cut_off = ended.how in ("killed", "HarnessError")  # the second: without its database
    assert len(running) <= (JOBS if cut_off else 0), f"{running} run for ever"
    if ended.how == "finished":
        assert now.counted == max(budget, before.counted)
    else:
        assert now.counted <= max(budget, before.counted)
    own = [trial for trial in now.ended.values() if "recipe" not in trial.user_attrs]
    settings = Counter(json.dumps(trial.user_attrs["params"], sort_keys=True) for trial in own)
    assert all(times == 1 for times in settings.values()), "a setting was tried twice"


def check_runs(begun: Iterable[str], before: Record, now: Record, how: str, twist: Twist) -> None:
    """Whatever ended now ran once now; only what was interrupted was begun beside it."""
    lines = [line.partition(" ") for line in begun]
    runs = Counter(int(number) for number, _, _ in lines)
    assert all(times == 1 for times in runs.values()), f"run twice in one session: {runs}"
    new = now.ended.keys() - before.ended.keys()
    noted = {number for number in new if twist.faults.get(number) not in NEVER_BEGUN}
    assert noted <= runs.keys(), "a trial ended that was not run"
    interrupted = runs.keys() - noted
    assert len(interrupted) <= (0 if how == "finished" else JOBS)
    for number, _, settings in lines:
        trial = now.trials[int(number)]
        if trial.state.is_finished():
            assert json.loads(settings) == trial.user_attrs["params"]


def check_files(folder: RunFolder, now: Record, how: str, formerly: Iterable[Path]) -> None:
    """`best.yaml` is whole and that of the best trial; the best three's weights are kept."""
    best, paths = folder.paths.best_yaml, folder.paths
    orderly = how in ("finished", "user")
    if orderly and now.leading:
        read = yaml.safe_load(best.read_text())
        assert (read["schema"], read["trial"]) == (1, now.leading[0])
        for path in formerly:
            assert str(path) + "/" not in best.read_text(), "it names a folder that moved away"
    elif best.exists() and "best.yaml" not in folder.damaged and now.leading:
        assert yaml.safe_load(best.read_text())["schema"] == 1
    if orderly:
        kept = {number for number in now.ended if paths.checkpoint(number).exists()}
        top = set(now.leading[:3])
        assert kept <= top, "weights of trials that do not lead"
        assert top - folder.gone <= kept, "weights of a leader are lost"
        assert not leftover_temporaries(paths.folder)


def check_others(folder: RunFolder) -> None:
    """Files that are not ours are in the run folder as they were."""
    root = folder.root
    for name, held in folder.theirs.items():
        # With the folder that it lies in, it may be set aside, as when a study is begun anew.
        study, _, rest = name.partition("/")
        found = [root / name, *root.glob(f"{study}/earlier-*/{rest}")]
        there = [file for file in found if file.is_file()]
        assert there, f"{name} is gone, and it was not ours"
        assert there[0].read_bytes() == held, f"{name} was written into, and it was not ours"


def outside(base: Path, *named: Path) -> dict[str, bytes]:
    """All that lies beside what a session was told to write in."""
    own = [str(path.relative_to(base)) for path in named]
    may_change = (*own, *(f"{name}{end}" for name in own for end in ("-wal", "-shm", "-journal")))
    return {
        path: held
        for path, held in tree(base).items()
        if path not in may_change and not any(path.startswith(f"{name}/") for name in own)
    }
