"""A study in PostgreSQL: a restart, one driver and one judge at a time, its password kept.

The tests start a server of their own, on loopback.
"""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from driving import Instant, make_plan
from null_tracker import NullTracker
from optuna.trial import TrialState

import harness.search.search
from harness.cli.blind_pairs import PairsServer
from harness.console.events import Event, TrialEnded
from harness.console.views import QuietView, View
from harness.errors import UserInputError
from harness.search.stop_signals import StopSwitch
from harness.study.database import open_storage
from harness.study.locks import judgement_lock, only_driver_anywhere
from harness.study.study import read_study
from reports.analysis.judgements import judged_trials, judgements, pairs_to_judge
from reports.page.look import crops
from tests.panels import write_panel
from tests.synthetic_studies import make_study

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(900)]
PASSWORD = "s3cret-and-long"
BUDGET = 30


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: on the path, or where Debian puts them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Server:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, bin_: Path, folder: Path, port: int) -> None:
        self.bin = bin_
        self.folder = folder
        self.url = f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        self.options = f"-p {port} -h 127.0.0.1 -k {folder}"
        # The server refuses to run as root.
        self.user = "postgres" if getpass.getuser() == "root" else None

    def call(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), "-D", str(self.folder / "data"), *arguments]
        log = (self.folder / "server.log").open("ab")
        subprocess.run(
            command,
            check=True,
            stdout=log,
            stderr=log,
            user=self.user,
            cwd=self.folder,
            timeout=120,
        )

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(secret, self.user)
        self.call("initdb", "-U", "me", "-A", "scram-sha-256", "--pwfile", str(secret))
        self.call("pg_ctl", "-w", "-o", self.options, "start")

    def restart(self, mode: str) -> None:
        self.call("pg_ctl", "-w", "-m", mode, "-o", self.options, "restart")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's programs are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    made = Server(found, folder, port)
    made.make()
    yield made
    made.call("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def unmirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())


class Restarting(View):
    """Restarts the server while trials end, once in order and once as by a crash."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ended = 0
        self.restarts: list[threading.Thread] = []

    def show(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.ended += 1
            if mode := {6: "fast", 18: "immediate"}.get(self.ended):
                thread = threading.Thread(target=self.server.restart, args=(mode,))
                thread.start()
                self.restarts.append(thread)

    def close(self) -> None:
        for thread in self.restarts:
            thread.join()


def test_a_server_restarted_in_the_middle_loses_nothing(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(tmp_path, jobs=2, budget=BUDGET, storage=server.url)
    view = Restarting(server)
    outcome = harness.search.search.run_search(plan, view, StopSwitch(None), Instant)
    view.close()
    assert len(view.restarts) == 2
    assert set(outcome.counts) <= {"complete", "pruned", "running"}
    study = optuna.load_study(study_name="fake", storage=server.url)
    ended = [t for t in study.get_trials() if t.state.is_finished()]
    assert len(ended) == BUDGET
    assert TrialState.FAIL not in {trial.state for trial in ended}
    lines = (plan.paths.folder / "ran.txt").read_text().splitlines()
    assert len(lines) == len({line.split()[0] for line in lines}) == BUDGET
    assert not (tmp_path / "optuna.db").exists()

    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file
    assert PASSWORD not in str(study.user_attrs) + str([t.user_attrs for t in study.get_trials()])


def test_a_second_driver_from_another_folder_is_refused(server: Server, tmp_path: Path) -> None:
    first = make_plan(tmp_path / "a", budget=1, storage=server.url)
    harness.search.search.run_search(first, QuietView(), StopSwitch(None), Instant)
    second = make_plan(tmp_path / "b", budget=2, storage=server.url)
    with (
        only_driver_anywhere(open_storage(server.url), "fake"),
        pytest.raises(UserInputError, match=rf"by process {os.getpid()} on .*--study NAME"),
    ):
        harness.search.search.run_search(second, QuietView(), StopSwitch(None), Instant)
    harness.search.search.run_search(second, QuietView(), StopSwitch(None), Instant)


def test_a_wrong_password_is_one_sentence_without_it(server: Server) -> None:
    wrong = server.url.replace(PASSWORD, "wr0ng-password")
    with pytest.raises(UserInputError, match="cannot be opened") as refused:
        open_storage(wrong)
    assert "wr0ng" not in str(refused.value)


def test_two_commands_at_once_count_each_judgement_once(server: Server, tmp_path: Path) -> None:
    made = make_study(12)
    optuna.copy_study(
        from_study_name=made.study_name, from_storage=made._storage, to_storage=server.url
    )
    for number in judged_trials(made):
        write_panel(tmp_path / f"t{number:03d}.png", (20, 200, 20))
    servers = []
    for _ in range(2):
        study = read_study(tmp_path, made.study_name, server.url)
        pictures = crops(study, tmp_path)
        servers.append(PairsServer(study, pictures, pairs_to_judge(study, list(pictures), 2)))
    pairs = servers[0].pairs

    def answer_all(judging: PairsServer) -> None:
        for place in range(len(pairs)):
            assert judging.record(place, "left")

    threads = [threading.Thread(target=answer_all, args=[judging]) for judging in servers]
    with judgement_lock(servers[1].study):
        threads[0].start()
        threads[0].join(0.2)
        assert judgements(servers[0].study) == []
    threads[1].start()
    for thread in threads:
        thread.join()
    noted = [(row.picture, {row.left, row.right}) for row in judgements(servers[0].study)]
    assert noted == [(pair.picture, {pair.left, pair.right}) for pair in pairs]
    for judging in servers:
        judging.server_close()
