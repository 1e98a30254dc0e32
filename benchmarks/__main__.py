"""The benchmarks one after the other, and a table of what they found.

    python -m benchmarks                  # those of this machine that have no result of today
    python -m benchmarks step driver      # these, whatever there is
    python -m benchmarks --table          # nothing is run: the table of the results there are
    python -m benchmarks --list           # nor here: each benchmark, its minutes, what it measures

Each is a command of its own, and writes `results/NAME.json` with machine, versions and date. What
was interrupted is taken up by the same command: a result of today from this machine is not made
again. Minutes are those of two quiet cores.
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
    """One command, what it takes, and its result in a line."""

    result: str
    minutes: int
    headline: Callable[[dict[str, Any]], str]
    arguments: tuple[str, ...] = ()
    module: str = ""


def of_step(held: dict[str, Any]) -> str:
    ratio, small = held["256 px, ngf 64"]["ratio"], held["128 px, ngf 12"]["ratio"]
    told = [f"{name} {value}x ({small[name]}x)" for name, value in ratio.items()]
    return f"against the reference's step, 256 px (quick): {', '.join(told[1:])}"


CPU = {
    "step": Benchmark("step", 6, of_step),
    "plain_loop": Benchmark(
        "plain_loop",
        27,
        lambda held: f"trials an hour against the plain loop: {held['ratio']}x",
    ),
    "score": Benchmark(
        "score",
        4,
        lambda held: (
            "against lpips and scikit-image: "
            f"{held['beside_the_plain_way']['ratio']['seconds']['a_rung']}x"
        ),
    ),
    "driver": Benchmark(
        "driver",
        6,
        lambda held: f"milliseconds a trial, processor: {held['driver_ms']['1000']['cpu']}",
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
    "moving_settings": "20 min",
    "operations": "2 min",
    "remedies": "6 min",
    "transfer": "8 min",
    "verdict": "not timed",
    "wheels": "2 min",
}


def result_of(benchmark: Benchmark) -> dict[str, Any] | None:
    """What its last run found; None before the first."""
    file = RESULTS / f"{benchmark.result}.json"
    if not file.exists():
        return None
    held: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return held


def fresh(benchmark: Benchmark, device: str) -> bool:
    """Whether it was run today on this machine."""
    held = result_of(benchmark)
    here = describe_machine(device)
    return held is not None and all(
        held["machine"][key] == here[key] for key in ("device", "cores", "torch", "date")
    )


def table(known: dict[str, Benchmark]) -> str:
    """A line for each result there is."""
    rows = []
    for name, benchmark in known.items():
        held = result_of(benchmark)
        if held is not None:
            machine = held["machine"]
            told = benchmark.headline(held)
            rows.append(f"{name:<11} {machine['date']}  {machine['device']:<22.22}  {told}")
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
    """What a benchmark's file says of itself."""
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
    there = torch.cuda.is_available()
    device = "cuda" if there else "cpu"
    todo = asked.names or [
        n for n, one in (GPU if there else CPU).items() if not fresh(one, device)
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
