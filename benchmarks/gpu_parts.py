"""The parts of `benchmarks.gpu`, in the process that it starts; each prints rows as JSON lines.

256 px, ngf 64, batch 1, three layers, unless a part says otherwise:

- machine: the card, versions, whether this is a rehearsal.
- tests: the tests marked gpu.
- search: `harness search --budget 50 --profile standard` on the built-in pairs; its verdict.
- rates: milliseconds of one captured step by precision, generator and with the perceptual term,
  beside pix2pix's own step as torch runs it by default; what a step computes and moves at least.
- loop: a trial's loop (batches, running average, sums) beside the replay of its graph alone.
- kernels: of one replay, by name.
- streams, processes, mps: 1, 2, 4 trials at a time, by streams of one process, by processes that
  take turns, by processes under NVIDIA's multi-process service.
- plain: one trial of `benchmarks.plain_loop`, from the search's warm start.
- ceilings: the rate of a large matrix product in each precision, and of a large copy.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_together import by_processes, by_streams, multi_process_service
from benchmarks.gpu_trial import (
    GPU,
    Scene,
    build,
    captured,
    milliseconds,
    random_pairs,
    rehearsal,
    standard,
)
from benchmarks.scaffold import describe_machine
from benchmarks.step import reference_step
from benchmarks.wheels import own_requirements, suffices
from harness.training.batches import batches
from harness.training.loop import train
from harness.training.precision import tf32
from harness.trials.worker import die_with_parent
from search_spaces.generators import WARP, generator_of_kind

ROOT = Path(__file__).parent.parent
STUDY = "plain"  # as benchmarks.plain_loop calls it
PRECISIONS = ("tf32", "bfloat16", "float32")
REHEARSED_TESTS = "test_a_captured_step_tells_a_failure"


@dataclass(frozen=True)
class Part:
    """What every part is given.

    Attributes:
        ends: when the part has to have ended, in `time.time()`.
    """

    scene: Scene
    out: Path
    work: Path
    ends: float


def say(**row: Any) -> None:
    print(json.dumps(row), flush=True)


def machine(part: Part) -> None:
    described = describe_machine("cpu" if part.scene.rehearsal else "cuda")
    say(rehearsal=part.scene.rehearsal, **described)
    for requirement in own_requirements():
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            say(failed=f"{requirement} is missing")
            continue
        if not suffices(found, requirement.specifier):
            say(failed=f"{requirement} is required, {found} is installed")


def tests(part: Part) -> None:
    """Only the files that hold such a test are collected, by pytest alone, without its plugins."""
    marked = [
        str(file)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        if "any_gpu" in (text := file.read_text("utf-8")) or "mark.gpu" in text
        if "benchmarks" not in file.parts
    ]
    # The lines that name a failed test have its cause if they may be so wide.
    os.environ["COLUMNS"] = "400"
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "-rfE", "--tb=line"]
    if part.scene.rehearsal:
        command += ["-m", "not gpu", "-k", REHEARSED_TESTS]
    else:
        command += ["-m", "gpu"]
    last = ""
    for line in output_of([*command, *marked]):
        if line.startswith(("FAILED", "ERROR")):
            say(what="failed", text=line)
        last = line or last
    say(what="summary", text=last)


def output_of(command: list[str], codes: list[int] | None = None) -> Iterator[str]:
    """The lines that a command prints, as they come; its exit code is appended to `codes`."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield line.rstrip()
    if codes is not None:
        codes.append(process.returncode)


def shrink() -> None:
    """In a rehearsal's search, make the standard profile a tiny one."""
    from harness.config.profiles import PROFILES

    PROFILES["standard"] = rehearsal(Path()).trial


def search(part: Part) -> None:
    """A search that is stopped half a minute before its time is over keeps what it found."""
    tiny = part.scene.rehearsal
    first = "from benchmarks.gpu_parts import shrink; shrink(); " if tiny else ""
    budget, device = ("2", "cpu") if tiny else ("50", "cuda")
    limit = max(1, round(part.ends - time.time() - (0 if tiny else 25)))
    command = [sys.executable, "-c", f"{first}from harness.cli.app import main; main()", "search"]
    command += ["--budget", budget, "--profile", "standard", "--weights", "random"]
    command += ["--device", device, "--study", STUDY, "--run-dir", str(part.work / "runs")]
    command += ["--timeout", f"{limit}s", "--json"]
    began, codes = time.perf_counter(), list[int]()
    outcome: dict[str, Any] = {}
    for line in output_of(command, codes):
        say(what="output", text=line)
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            outcome = event if event.get("event") == "Outcome" else outcome
    seconds = round(time.perf_counter() - began, 1)
    found = trials_of(part.work / "runs")
    say(what="search", code=codes[0], seconds=seconds, limit=limit, **found)
    for answer in outcome.get("answers", ()):
        say(what="verdict", text=answer)
    best = part.work / "runs" / STUDY / "best.yaml"
    if best.exists():
        (part.out / "best.yaml").write_bytes(best.read_bytes())


def trials_of(runs: Path) -> dict[str, Any]:
    """How many trials the study has, and what the whole ones took and reached."""
    from harness import read_study

    trials = read_study(runs, STUDY).trials
    whole = [trial for trial in trials if trial.state.name == "COMPLETE"]
    taken = [trial.duration.total_seconds() for trial in whole if trial.duration is not None]
    return {
        "trials": sum(trial.state.is_finished() for trial in trials),
        "complete": len(whole),
        "seconds_a_trial": round(statistics.median(taken), 2) if taken else None,
        "best": round(max(trial.values[0] for trial in whole), 4) if whole else None,
    }


def rates(part: Part) -> None:
    scene = part.scene
    for netG in (scene.trial.netG, generator_of_kind(scene.trial.netG, WARP)):
        for perceptual in scene.perceptual:
            same = dataclasses.replace(scene, trial=scene.trial.updated({"netG": netG}))
            kind = {"netG": netG, "perceptual": perceptual}
            for way in ("reference", *PRECISIONS):
                guarded(partial(rate_of, same, way, perceptual), **kind, way=way)
            guarded(partial(count, same, perceptual), **kind)


def guarded(act: Callable[[], None], **kind: Any) -> None:
    """Measure one thing; if it fails, say so, and go on with the next."""
    try:
        act()
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}".splitlines()[0][:300], **kind)
    torch.cuda.empty_cache()


def rate_of(scene: Scene, way: str, perceptual: bool) -> None:
    act: Callable[[], object]
    if way == "reference":
        step = reference_step(scene.trial, GPU, perceptual)
        stream = batches(random_pairs(scene.trial), scene.trial, torch.device(GPU), 0)
        first = next(stream)
        act = partial(step, first.retouched.contiguous(), first.original.contiguous())
    else:
        made, _ = captured(scene, way, perceptual)
        act = made.graph.replay
    ms = milliseconds(act, scene)
    say(what="step", netG=scene.trial.netG, perceptual=perceptual, way=way, ms=round(ms, 4))


def count(scene: Scene, perceptual: bool) -> None:
    """Operations of a step by torch's own counter, and the least that it moves.

    Weights are read forwards and backwards, gradients written; Adam reads four and writes three.
    """
    model, _, stream = build(scene, "tf32", perceptual)
    first = next(stream)
    with FlopCounterMode(display=False) as counter:
        model.optimize(*first)
    nets = (model.generator, model.discriminator)
    weights = sum(value.numel() for net in nets for value in net.parameters())
    operations, least = counter.get_total_flops() / 1e12, 4 * weights * (3 + 7) / 1e12
    kind = {"netG": scene.trial.netG, "perceptual": perceptual}
    say(what="counted", **kind, tflop=operations, least_tb=least)


def loop(part: Part) -> None:
    scene = part.scene
    settings = scene.trial.updated({"steps": scene.steps, "rungs": (scene.steps,)})
    for precision in PRECISIONS[:2]:
        for perceptual in scene.perceptual:

            def one(precision: str = precision, perceptual: bool = perceptual) -> None:
                step, stream = captured(scene, precision, perceptual)
                replay = milliseconds(step.graph.replay, scene)
                began = time.perf_counter()
                for _ in train(step, stream, settings):
                    torch.cuda.synchronize()
                ms = (time.perf_counter() - began) / scene.steps * 1e3
                memory = round(torch.cuda.max_memory_reserved(GPU) / 2**30, 2)
                kind = {"precision": precision, "perceptual": perceptual}
                times = {"ms": round(ms, 4), "replay_ms": round(replay, 4)}
                say(what="loop", **kind, **times, reserved_gib=memory)

            guarded(one, precision=precision, perceptual=perceptual)


def kernels(part: Part) -> None:
    scene = part.scene
    activity = ProfilerActivity.CPU if scene.rehearsal else ProfilerActivity.CUDA
    for perceptual in scene.perceptual:

        def one(perceptual: bool = perceptual) -> None:
            step, _ = captured(scene, "tf32", perceptual)
            step.graph.replay()
            torch.cuda.synchronize()
            with profile(activities=[activity]) as seen:
                step.graph.replay()
                torch.cuda.synchronize()
            found: Any = seen.key_averages()
            rows = sorted(found, key=lambda row: -row.self_device_time_total)
            busy = sum(row.self_device_time_total for row in rows) / 1e3
            total = sum(row.count for row in rows)
            say(what="kernels", perceptual=perceptual, count=total, busy_ms=round(busy, 3))
            for row in rows[:20]:
                took = round(row.self_device_time_total, 1)
                say(what="kernel", perceptual=perceptual, name=row.key[:90], n=row.count, us=took)

        guarded(one, perceptual=perceptual)


def streams(part: Part) -> None:
    for count, found in by_streams(part.scene):
        say(what="trials", count=count, steps_a_second=found)


def processes(part: Part) -> None:
    for count, found in by_processes(part.scene):
        say(what="trials", count=count, steps_a_second=found)


def mps(part: Part) -> None:
    with multi_process_service() as refused:
        if refused:
            say(failed=refused)
            return
        processes(part)


def plain(part: Part) -> None:
    """With the guide's recommended setting, its start-up included, as the loop has it each time."""
    from benchmarks.plain_loop import write_pictures
    from harness.paths import RunPaths
    from reports.record.names import RECOMMENDED
    from search_spaces.recipes import load_recipes

    runs = part.work / "runs"
    if not RunPaths(runs).study(STUDY).warm_start.folder.exists():
        say(failed="there is no warm start of a search to begin with")
        return
    if not (runs / "train").exists():
        write_pictures(runs, part.scene.trial, "cpu" if part.scene.rehearsal else GPU)
    params = json.dumps(load_recipes()[RECOMMENDED].model_dump())
    command = [sys.executable, "-m", "benchmarks.plain_loop", "--trial", str(runs), params]
    began, codes = time.perf_counter(), list[int]()
    lines = list(output_of(command, codes))
    seconds = time.perf_counter() - began
    if codes[0]:
        say(failed=lines[-1] if lines else f"exit code {codes[0]}")
        return
    say(what="plain", seconds=round(seconds, 2), score=json.loads(lines[-1])["score"])


def ceilings(part: Part) -> None:
    scene = part.scene
    large = torch.empty(scene.copied, dtype=torch.uint8, device=GPU)
    ms = milliseconds(partial(torch.empty_like(large).copy_, large), scene)
    say(what="ceiling", name="copy", rate=2 * scene.copied / ms / 1e9, unit="TB/s")
    for name in PRECISIONS:
        kind = torch.bfloat16 if name == "bfloat16" else torch.float32
        a = torch.randn(scene.side, scene.side, device=GPU).to(kind)
        with tf32(name != "float32"):
            ms = milliseconds(partial(torch.mm, a, a), scene)
        say(what="ceiling", name=name, rate=2 * scene.side**3 / ms / 1e9, unit="TFLOP/s")


HOST = (machine, tests, search, processes, mps, plain)
DEVICE = (rates, loop, kernels, streams, ceilings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", metavar="NAME:END")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    asked = parser.parse_args()
    die_with_parent()
    tiny = asked.rehearse or not torch.cuda.is_available()
    scene = (rehearsal if tiny else standard)(ROOT)
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    acts = {act.__name__: act for act in (*HOST, *DEVICE)}
    for each in asked.parts:
        name, _, ends = each.partition(":")
        act, began = acts[name], time.perf_counter()
        inside = scene.device() if act in DEVICE else contextlib.nullcontext()
        with inside:
            guarded(partial(act, Part(scene, asked.out, asked.work, float(ends))))
        say(ended=name, seconds=round(time.perf_counter() - began, 1))
