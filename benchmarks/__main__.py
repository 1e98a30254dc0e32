"""The benchmarks one after the other, and a table of what they found.

    python -m benchmarks                  # those without a result of today from this machine
    python -m benchmarks step driver      # these, in any case
    python -m benchmarks --table          # run nothing: the table of the existing results
    python -m benchmarks --list           # run nothing: each benchmark, its minutes, its subject

Each is a command of its own, and writes `results/NAME.json` with machine, versions and date. After
an interruption the same command goes on with the missing results. Minutes are those of two quiet
cores.
"""

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scaffold import RESULTS, describe_machine


@dataclass(frozen=True)
class Benchmark:
    """A command, its duration, and a one-line summary of its result."""

    result: str
    minutes: int
    headline: Callable[[dict[str, Any]], str]
    arguments: tuple[str, ...] = ()
    module: str = ""


def of_step(result: dict[str, Any]) -> str:
    ratio, small = result["256 px, ngf 64"]["ratio"], result["128 px, ngf 12"]["ratio"]
    ratios = [f"{name} {value}x ({small[name]}x)" for name, value in ratio.items()]
    return f"against the reference's step, 256 px (quick): {', '.join(ratios[1:])}"


CPU = {
    "step": Benchmark("step", 6, of_step),
    "plain_loop": Benchmark(
        "plain_loop",
        27,
        lambda result: f"trials an hour against the plain loop: {result['ratio']}x",
    ),
    "score": Benchmark(
        "score",
        4,
        lambda result: (
            "against lpips and scikit-image: "
            f"{result['beside_the_plain_way']['ratio']['seconds']['a_rung']}x"
        ),
    ),
    "driver": Benchmark(
        "driver",
        6,
        lambda result: f"milliseconds a trial, CPU: {result['driver_ms']['1000']['cpu']}",
    ),
}
GPU = {
    "step_gpu": Benchmark("step_gpu", 2, of_step, ("--device", "cuda"), "step"),
}

# Run by themselves, with arguments of their own.
ALONE = {
    "data": "5 min",
    "default_search": "30 min",
    "validate_score": "5 min",
    "evidence": "17 min",
    "gpu": "9 min",
    "verdict": "not timed",
    "wheels": "2 min",
}


def result_of(benchmark: Benchmark) -> dict[str, Any] | None:
    """The result of its last run; None before the first."""
    file = RESULTS / f"{benchmark.result}.json"
    if not file.exists():
        return None
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def fresh(benchmark: Benchmark, device: str) -> bool:
    """Whether it was run today on this machine."""
    result = result_of(benchmark)
    here = describe_machine(device)
    return result is not None and all(
        result["machine"][key] == here[key] for key in ("device", "cores", "torch", "date")
    )


def table(known: dict[str, Benchmark]) -> str:
    """A line for each existing result."""
    rows = []
    for name, benchmark in known.items():
        result = result_of(benchmark)
        if result is not None:
            machine, summary = result["machine"], benchmark.headline(result)
            rows.append(f"{name:<11} {machine['date']}  {machine['device']:<22.22}  {summary}")
    return "\n".join(rows)


def listing() -> str:
    """Every benchmark, its minutes, and what it measures."""
    rows = [
        (name, f"{one.minutes} min", one.module or name) for name, one in {**CPU, **GPU}.items()
    ]
    rows += [(name, minutes, name) for name, minutes in ALONE.items()]
    return "\n".join(
        f"{name:<15}{minutes:>10}  {first_line(module)}" for name, minutes, module in rows
    )


def first_line(module: str) -> str:
    """The first line of a benchmark's own docstring."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*CPU, *GPU]))
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--list", action="store_true", help="run nothing: names and minutes")
    asked = parser.parse_args()
    if asked.list:
        print(listing())
        return
    known = {**CPU, **GPU}
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"no benchmark is called {unknown[0]}: choose from {', '.join(known)}")
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    todo = asked.names or [
        n for n, one in (GPU if on_gpu else CPU).items() if not fresh(one, device)
    ]
    failed = []
    for name in [] if asked.table else todo:
        one = known[name]
        print(f"{name}: about {one.minutes} minutes", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{one.module or name}", *one.arguments]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            failed.append(name)
    print(table(known))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
