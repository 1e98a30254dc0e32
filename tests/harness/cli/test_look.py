"""`harness look`: the server keeps what is judged, and answers only its own page."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import optuna
import pytest

from harness.cli.blind_pairs import HOST, MAX_BODY, Handler, PairsServer
from harness.paths import RunPaths
from harness.study.locks import judgement_lock
from harness.study.study import read_study
from reports.analysis.judgements import judged_trials, judgements, pairs_to_judge
from reports.page.look import crops
from reports.record.study import Judgement
from tests.panels import write_panel
from tests.synthetic_studies import make_study

COLOURS = [(20, 200, 20), (200, 20, 20), (200, 200, 20)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PairsServer]:
    study = make_study(12)
    for number, colour in zip(judged_trials(study), COLOURS, strict=False):
        write_panel(tmp_path / f"t{number:03d}.png", colour)
    pictures = crops(study, tmp_path)
    with PairsServer(study, pictures, pairs_to_judge(study, list(pictures), 2)) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def answered(address: str, sent: Any = None) -> tuple[int, str]:
    """Status and body of a request to this machine; a POST of JSON where something is sent."""
    body = None if sent is None else json.dumps(sent).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(address, body), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def judged(server: PairsServer) -> list[Judgement]:
    return judgements(server.study)


def test_a_judgement_is_kept_at_once_and_once(server: PairsServer) -> None:
    for choice in ("left", "right"):  # the second is a repetition
        assert answered(f"{server.address}judge", {"pair": 1, "choice": choice})[0] == 200
    pair = server.pairs[1]
    assert judged(server) == [
        Judgement(picture=pair.picture, left=pair.left, right=pair.right, choice="left")
    ]


def test_two_commands_at_once_count_each_pair_once(tmp_path: Path) -> None:
    """Neither notes a pair that the other has noted, and neither overwrites what it noted."""
    storage = f"sqlite:///{tmp_path}/optuna.db"
    made = make_study(12)
    optuna.copy_study(
        from_study_name=made.study_name, from_storage=made._storage, to_storage=storage
    )
    for number, colour in zip(judged_trials(made), COLOURS, strict=False):
        write_panel(tmp_path / f"t{number:03d}.png", colour)
    servers = []
    for _ in range(2):
        study = read_study(tmp_path)
        pictures = crops(study, tmp_path)
        servers.append(PairsServer(study, pictures, pairs_to_judge(study, list(pictures), 2)))
    places = range(len(servers[0].pairs))

    def answer_all(server: PairsServer) -> None:
        for place in places:
            assert server.record(place, "left")

    threads = [Thread(target=answer_all, args=[server]) for server in servers]
    with judgement_lock(servers[1].study):
        threads[0].start()
        threads[0].join(0.2)
        assert judged(servers[0]) == []
    threads[1].start()
    for thread in threads:
        thread.join()
    noted = [(row.picture, {row.left, row.right}) for row in judged(servers[0])]
    assert noted == [(pair.picture, {pair.left, pair.right}) for pair in servers[0].pairs]
    for server in servers:
        server.server_close()


def begin(server: PairsServer) -> int:
    """The place of the pair at which the page begins."""
    _, html = answered(server.address)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    assert found is not None
    place = json.loads(found[1])["begin"]
    assert isinstance(place, int)
    return place


def test_a_reloaded_page_goes_on_at_the_first_pair_not_judged(server: PairsServer) -> None:
    assert begin(server) == 0
    for place in range(2):
        answered(f"{server.address}judge", {"pair": place, "choice": "left"})
    assert begin(server) == 2
    for place in range(2, len(server.pairs)):
        answered(f"{server.address}judge", {"pair": place, "choice": "same"})
    assert begin(server) == len(server.pairs)


@pytest.mark.parametrize(
    "sent",
    [
        {"pair": 99, "choice": "left"},
        {"pair": -1, "choice": "left"},
        {"pair": 0, "choice": "best"},
        {"pair": "0", "choice": "left"},
        {"pair": True, "choice": "left"},
        {"pair": 0, "choice": ["left"]},
        [1],
        {"pair": 0, "choice": "left", "more": "x" * 2000},
    ],
)
def test_what_is_no_judgement_is_refused(server: PairsServer, sent: Any) -> None:
    assert answered(f"{server.address}judge", sent)[0] == 400
    assert judged(server) == []


def sent_raw(server: PairsServer, request: bytes) -> bytes:
    """The answer to bytes that no browser would send."""
    with socket.create_connection((HOST, server.server_port), timeout=10) as connection:
        connection.sendall(request)
        return connection.makefile("rb").read()


def test_deep_json_is_refused(server: PairsServer, capfd: pytest.CaptureFixture[str]) -> None:
    body = b"[" * MAX_BODY
    head = f"POST {server.path}judge HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert sent_raw(server, head + body).startswith(b"HTTP/1.0 400 ")
    assert capfd.readouterr().err == ""


def test_a_browser_that_leaves_prints_no_traceback(
    server: PairsServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(*_: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(Handler, "send", left)
    assert sent_raw(server, f"GET {server.path} HTTP/1.0\r\n\r\n".encode()) == b""
    assert capfd.readouterr().err == ""


def test_a_judgement_that_cannot_be_kept_is_one_line(
    server: PairsServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise OSError("the database is locked\nby another program")

    monkeypatch.setattr(server.study, "set_user_attr", locked)
    body = b'{"pair": 0, "choice": "left"}'
    head = f"POST {server.path}judge HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert sent_raw(server, head + body) == b""
    assert capfd.readouterr().err == "Not kept: the database is locked\\nby another program\n"
    assert judged(server) == []


def test_only_those_who_know_the_address_are_answered(server: PairsServer) -> None:
    root = server.address.removesuffix(server.path)
    assert root.startswith("http://127.0.0.1:")
    assert answered(root + "/")[0] == 404
    assert answered(root + "/judge", {"pair": 0, "choice": "left"})[0] == 404
    assert answered(server.address)[0] == 200
    assert judged(server) == []


def test_the_settings_are_revealed_at_the_end(
    server: PairsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Event()
    answered(f"{server.address}judge", {"pair": 0, "choice": "left"})
    with monkeypatch.context() as patch:
        patch.setattr(server, "shutdown", ended.set)
        status, html = answered(f"{server.address}finish", {})
        assert ended.wait(10)
    assert status == 200
    assert f"t{server.pairs[0].left:03d}" in html


@pytest.mark.browser
def test_a_person_judges_with_the_keyboard(server: PairsServer, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 1000, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.address)
    keys = ["ArrowLeft", "ArrowRight", " "]
    for place, _ in enumerate(server.pairs):
        page.wait_for_function(
            f"document.getElementById('count').textContent.startsWith('Pair {place + 1} ')"
        )
        page.keyboard.press(keys[place % 3])
    page.wait_for_selector("#result:not([hidden]) table")
    names = {"left": 0, "right": 1, "same": 2}
    assert [names[row.choice] for row in judged(server)] == [
        place % 3 for place in range(len(server.pairs))
    ]
    assert not errors
    assert not page.locator("#judging").is_visible()


@pytest.mark.browser
def test_on_a_phone_each_picture_has_the_full_width_and_no_keys(
    server: PairsServer, chromium: Any
) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto(server.address)
    width = page.locator(".pair").bounding_box()["width"]
    figures = page.locator(".pair figure").all()
    assert [figure.bounding_box()["width"] for figure in figures] == [width] * 3
    assert not any(key.is_visible() for key in page.locator("kbd").all())


@pytest.mark.browser
def test_a_person_reloads_the_page(server: PairsServer, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(server.address)
    page.keyboard.press("ArrowLeft")
    counted = "document.getElementById('count').textContent.startsWith('Pair 2 ')"
    page.wait_for_function(counted)
    page.reload()
    page.wait_for_function(counted)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(counted.replace("2", "3"))
    assert [row.choice for row in judged(server)] == ["left", "right"]


@pytest.mark.parametrize("options", [(), ("--no-browser",)])
def test_the_command_opens_the_page_and_ends_with_how_eyes_and_score_agree(
    tmp_path: Path,
    in_process: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    opened: list[str] = []

    def judge_one(server: PairsServer) -> None:
        assert server.record(0, "left")
        raise KeyboardInterrupt

    study = make_study(8)
    monkeypatch.setattr("harness.study.study.read_study", lambda *_: study)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(PairsServer, "serve_forever", judge_one)
    panels = RunPaths(tmp_path).study(study.study_name).panels
    panels.mkdir(parents=True)
    for number in (0, 6):  # one of them is no leader
        write_panel(panels / f"t{number:03d}.png", COLOURS[0])
    for number in judged_trials(study)[:2]:
        write_panel(panels / f"t{number:03d}.png", COLOURS[1])
    code, said, _ = in_process("look", "--run-dir", str(tmp_path), *options)
    assert code == 0
    address, end, agreement = said.splitlines()
    assert end == "Ctrl-C ends it; every judgement is kept."
    assert opened == ([] if options else [address])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", address)
    assert re.match(r"Eyes and score agree in [01] of 1 blind pair \(", agreement)


def test_a_study_without_pictures_is_refused_in_one_sentence(
    tmp_path: Path, in_process: Callable[..., tuple[int, str, str]]
) -> None:
    storage = f"sqlite:///{RunPaths(tmp_path).optuna_db}"
    study = optuna.create_study(study_name="empty", storage=storage)
    for key, value in make_study(0).user_attrs.items():
        study.set_user_attr(key, value)
    code, _, said = in_process("look", "--run-dir", str(tmp_path))
    assert code == 2
    assert "no two trials with pictures" in said
    assert said.count("\n") == 1
