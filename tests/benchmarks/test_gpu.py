"""The one call for a GPU: it ends in time whatever its parts do, and each of them runs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pretended_gpu import PretendedGpu

from benchmarks import gpu, gpu_parts, step
from benchmarks.gpu_table import table
from harness.config.profiles import QUICK

ROOT = Path(gpu.__file__).parent.parent
TINY = QUICK.updated({"ngf": 4, "ndf": 4, "dropout": False, "perceptual_layers": ("relu1_1",)})

# One part waits and leaves a process behind, one crashes, one prints without end.
PARTS = """
import json, os, subprocess, sys, time
for each in sys.argv[1:]:
    name = each.partition(":")[0]
    if name == "search":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         start_new_session=True)
        print(json.dumps({"pid": os.getpid()}), flush=True)
        time.sleep(60)
    if name == "tests":
        print("a warning", flush=True)
    if name == "rates":
        os._exit(7)
    if name == "loop":
        while True:
            print(json.dumps({"what": "again"}), flush=True)
    print(json.dumps({"what": name}), flush=True)
    print(json.dumps({"ended": name, "seconds": 1.0}), flush=True)
"""


def test_a_part_that_hangs_or_crashes_costs_the_others_nothing(tmp_path: Path) -> None:
    began = time.time()
    ends = dict.fromkeys(("machine", "tests", "search", "rates", "loop", "plain"), began + 60)
    ends["search"], ends["loop"] = began + 2, began + 3  # the latter still has time to print
    results = gpu.Results(tmp_path)
    gpu.run([sys.executable, "-c", PARTS], ends, results)
    assert time.time() - began < 30
    reasons = {row["part"]: row["left_out"] for row in results.rows if "left_out" in row}
    assert reasons == {
        "search": "its time was over",
        "rates": "the process ended with code 7",
        "loop": "its time was over",
    }
    assert any(row.get("what") == "again" for row in results.rows)
    ended = [row["part"] for row in results.rows if "seconds" in row]
    assert ended == ["machine", "tests", "plain"]
    assert {"part": "tests", "output": "a warning"}.items() <= results.rows[2].items()
    written = (tmp_path / "gpu.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in written] == results.rows
    (pid,) = (row["pid"] for row in results.rows if "pid" in row)
    assert not list(gpu.descendants(pid))


def test_the_parts_share_the_minutes_and_keep_their_order() -> None:
    ends = gpu.deadlines(gpu.chosen(""), began=1000.0, minutes=9)
    assert list(ends) == list(gpu.PARTS)
    assert list(ends.values()) == sorted(ends.values())
    assert ends["ceilings"] == pytest.approx(1000 + 9 * 60 - gpu.RESERVE)
    alone = gpu.deadlines(gpu.chosen("plain,search"), began=0.0, minutes=9)
    assert list(alone) == ["machine", "search", "plain"]
    assert alone["search"] > 300
    with pytest.raises(ValueError, match="serch is no part: choose from machine, tests"):
        gpu.chosen("serch")


def test_the_table_sets_a_step_beside_the_reference_and_the_ceilings() -> None:
    kind: dict[str, Any] = {"part": "rates", "netG": "unet_256", "perceptual": False}
    rows = [
        {"part": "machine", "device": "A card", "torch": "2", "date": "today", "rehearsal": True},
        {**kind, "what": "step", "way": "reference", "ms": 12.0},
        {**kind, "what": "step", "way": "tf32", "ms": 2.0},
        {**kind, "what": "counted", "tflop": 0.1, "least_tb": 0.003},
        {"part": "search", "what": "search", "trials": 50, "seconds": 300.0, "code": 0}
        | {"seconds_a_trial": 4.0, "best": 0.4},
        {"part": "plain", "what": "plain", "seconds": 40.0},
        {"part": "mps", "left_out": "its time was over"},
        {"part": "ceilings", "what": "ceiling", "name": "copy", "rate": 3.0, "unit": "TB/s"},
        {"part": "ceilings", "what": "ceiling", "name": "tf32", "rate": 400.0, "unit": "TFLOP/s"},
    ]
    text = table(rows)
    assert text.startswith("REHEARSAL")
    assert next(
        line.split()[-5:] for line in text.splitlines() if line.startswith("tf32, unet_256")
    ) == ["2.000", "500.0", "6.00", "12%", "50%"]
    assert "plain loop: a trial 40.0 s, 90 an hour; ours 900, 10.0 times as many" in text
    assert "left out: mps, its time was over" in text


@pytest.fixture
def with_mps(tmp_path: Path) -> dict[str, str]:
    """An environment in which NVIDIA's service seems to start, and one thread a process."""
    control = tmp_path / "bin" / "nvidia-cuda-mps-control"
    control.parent.mkdir()
    control.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    control.chmod(0o755)
    return {**os.environ, "PATH": f"{control.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


Rows = list[dict[str, Any]]


def found(rows: Rows, part: str, what: str) -> Rows:
    return [row for row in rows if (row["part"], row.get("what")) == (part, what)]


def check_device(rows: Rows) -> None:
    """What must be there of the parts that work on the device; nothing failed or was left out."""
    wrong = [row for row in rows if "left_out" in row or "failed" in row or "Traceback" in str(row)]
    assert not wrong, wrong
    assert [row["precision"] for row in found(rows, "loop", "loop")] == ["tf32", "bfloat16"]
    assert found(rows, "kernels", "kernel")
    for part in {"streams", "processes", "mps"} & {row["part"] for row in rows}:
        assert [row["count"] for row in found(rows, part, "trials")] == [2], part
    assert [row["name"] for row in found(rows, "ceilings", "ceiling")] == [
        "copy",
        "tf32",
        "bfloat16",
        "float32",
    ]


def test_the_parts_on_the_device_are_rehearsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the parts that start others, as the call does, take half a minute."""
    monkeypatch.setattr(gpu_parts, "die_with_parent", lambda: None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    rows: Rows = []
    for part in ("machine", "loop", "kernels", "streams", "ceilings"):
        words = [f"{part}:0", "--out", str(tmp_path), "--work", str(tmp_path), "--rehearse"]
        monkeypatch.setattr(sys, "argv", ["gpu_parts", *words])
        gpu_parts.main()
        said = map(json.loads, capsys.readouterr().out.splitlines())
        rows += [{"part": part, **row} for row in said]
        assert rows[-1]["ended"] == part
    check_device(rows)
    assert table(rows).startswith("REHEARSAL")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_call_is_rehearsed(tmp_path: Path, with_mps: dict[str, str]) -> None:
    """Each part, as it will run on a GPU, in tiny sizes."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", str(out), "--rehearse"]
    command += ["--minutes", "12"]
    done = subprocess.run(command, cwd=ROOT, env=with_mps, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "gpu.jsonl").read_text("utf-8").splitlines()]
    check_device(rows)
    ended = [row["part"] for row in rows if row.keys() == {"at", "part", "seconds"}]
    assert ended == list(gpu.PARTS)
    assert "1 passed" in found(rows, "tests", "summary")[0]["text"]
    text = (out / "table.txt").read_text("utf-8")
    assert text.startswith("REHEARSAL")
    files = {file.name for file in out.iterdir()}
    assert {"table.txt", "gpu.jsonl", "best.yaml"} < files
    assert len(files) == 4
    (searched,) = found(rows, "search", "search")
    assert (searched["code"], searched["complete"]) == (0, 2)
    verdict = [row["text"] for row in found(rows, "search", "verdict")]
    assert verdict
    assert all(each in text for each in verdict)
    assert [(row["netG"], row["way"]) for row in found(rows, "rates", "step")] == [
        (netG, way)
        for netG in ("unet_128", "warp_unet_128")
        for way in ("reference", "tf32", "bfloat16", "float32")
    ]
    assert found(rows, "plain", "plain")[0]["score"] > 0


@pytest.mark.parametrize("window", [TINY.perceptual_window, None])
def test_a_step_is_compared_as_a_gpu_computes_it(window: int | None) -> None:
    """TF32 convolutions move a loss by more than float32 may: up to 3e-4 was seen."""
    assert step.MOST_APART["tf32"] > 3e-4 > step.MOST_APART["float32"]
    with PretendedGpu():
        settings = TINY.updated({"perceptual_window": window})
        row = step.beside(settings, "cuda", rounds=1, steps=1, perceptual=True)
    precisions = ("float32", "tf32", "bfloat16")
    assert set(row["seconds"]) == {
        "reference",
        *precisions,
        *(f"graph {each}" for each in precisions),
    }
