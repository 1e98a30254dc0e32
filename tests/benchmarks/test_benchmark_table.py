"""The benchmarks' one command: what it runs again, and its table."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks.scaffold import describe_machine
from benchmarks.step import plain_perceptual, plainly
from harness.config.profiles import QUICK
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    return tmp_path


def write(folder: Path, **changed: str) -> None:
    held = {"machine": describe_machine("cpu") | changed, "ratio": 3.21}
    (folder / "plain_loop.json").write_text(json.dumps(held))


def test_only_a_result_of_today_and_of_this_machine_is_fresh(results: Path) -> None:
    one = command.CPU["plain_loop"]
    assert not command.fresh(one, "cpu")
    write(results)
    assert command.fresh(one, "cpu")
    for changed in ({"date": "2001-01-01"}, {"device": "another"}, {"torch": "1.0"}):
        write(results, **changed)
        assert not command.fresh(one, "cpu")


def test_the_table_has_a_line_for_each_result_there_is(results: Path) -> None:
    assert command.table(command.CPU) == ""
    write(results)
    (line,) = command.table(command.CPU).splitlines()
    assert line.startswith("plain_loop")
    assert "3.21x" in line


def test_every_benchmark_is_listed_with_its_minutes_and_its_subject() -> None:
    listed = {line.split()[0]: line for line in command.listing().splitlines()}
    folder = Path(command.__file__).parent
    commands = {f.stem for f in folder.glob("*.py") if "\nif __name__" in f.read_text("utf-8")}
    assert commands - {"__main__"} <= set(listed)
    for name, line in listed.items():
        minutes, _, subject = line[len(name) :].strip().partition("  ")
        assert minutes, name
        assert subject, name


def test_the_committed_results_have_their_line() -> None:
    for name, one in command.CPU.items():
        held = command.result_of(one)
        if held is not None:
            assert command.table({name: one}).startswith(name)


def test_the_peer_s_network_is_the_library_s_and_computes_the_same() -> None:
    ours = build_generator(QUICK, 0).eval()
    theirs = plainly(build_generator(QUICK, 0)).eval()
    assert not [m for m in theirs.modules() if "products" in type(m).__module__]
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ours(picture), theirs(picture), rtol=1e-4, atol=1e-5)


def test_so_are_the_peer_s_discriminator_and_its_perceptual_term() -> None:
    ours = build_discriminator(QUICK, 3, 0)
    theirs = plainly(build_discriminator(QUICK, 3, 0))
    assert not [m for m in theirs.modules() if "products" in type(m).__module__]
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        pair = torch.cat([a, b], 1)
        torch.testing.assert_close(ours(pair), theirs(pair), rtol=1e-4, atol=1e-5)
        term = PerceptualLoss(QUICK.perceptual_layers, "random", QUICK.perceptual_window)
        found = []
        for each in (term, plain_perceptual(term)):
            torch.manual_seed(1)
            found.append(float(each(a, b)))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
