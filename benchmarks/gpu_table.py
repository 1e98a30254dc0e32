"""The table at the end of `benchmarks.gpu`, from its rows."""

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """What was found, most telling first; at the end the parts that are missing."""
    return "\n".join(
        [
            *heading(rows),
            *tests(rows),
            *search(rows),
            *steps(rows),
            *others(rows),
            *trials_an_hour(rows),
            *left_out(rows),
        ]
    )


def of(rows: list[Row], part: str, what: str | None = None) -> list[Row]:
    """The rows of a part, those about one thing."""
    return [row for row in rows if row["part"] == part and (not what or row.get("what") == what)]


def heading(rows: list[Row]) -> Iterator[str]:
    for row in of(rows, "machine"):
        if row.get("rehearsal"):
            yield "REHEARSAL: a pretended GPU and tiny sizes; no figure here means anything."
        if "device" in row:
            yield f"{row['device']}, torch {row['torch']}, {row['date']}"


def tests(rows: list[Row]) -> Iterator[str]:
    for row in of(rows, "tests", "summary"):
        yield f"GPU tests: {row['text']}"
    for row in of(rows, "tests", "failed"):
        yield f"  {row['text']}"


def search(rows: list[Row]) -> Iterator[str]:
    for row in of(rows, "search", "search"):
        yield (
            f"search: {row['trials']} trials in {row['seconds']} s, exit code {row['code']}; a "
            f"whole trial {row['seconds_a_trial']} s; best {row['best']}"
        )
    for row in of(rows, "search", "verdict"):
        yield f"  {row['text']}"


def steps(rows: list[Row]) -> Iterator[str]:
    """The rate of every kind of step, beside the reference's and the two ceilings."""
    found = of(rows, "rates", "step")
    if not found:
        return
    yield f"{'step':<46}{'ms':>8}{'steps/s':>9}{'x':>7}{'product':>9}{'copy':>7}"
    most = {row["name"]: row for row in of(rows, "ceilings", "ceiling")}
    counted = {kind(row): row for row in of(rows, "rates", "counted")}
    reference = {kind(row): row["ms"] for row in found if row["way"] == "reference"}
    for row in found:
        name = f"{row['way']}, {row['netG']}{with_term(row)}"
        times = times_as_fast(reference.get(kind(row)), row["ms"])
        work = counted.get(kind(row), {})
        product = most.get("bfloat16" if row["way"] == "bfloat16" else "tf32", {})
        yield (
            f"{name:<46}{row['ms']:>8.3f}{1e3 / row['ms']:>9.1f}{times:>7}"
            f"{reached(work.get('tflop'), row['ms'], product):>9}"
            f"{reached(work.get('least_tb'), row['ms'], most.get('copy', {})):>7}"
        )
    for name, row in most.items():
        yield f"ceiling {name}: {row['rate']:.1f} {row['unit']}"


def kind(row: Row) -> tuple[str, bool]:
    return row["netG"], row["perceptual"]


def with_term(row: Row) -> str:
    return ", perceptual" if row["perceptual"] else ""


def times_as_fast(reference: float | None, ms: float) -> str:
    return "" if reference is None else f"{reference / ms:.2f}"


def reached(amount: float | None, ms: float, ceiling: Row) -> str:
    """The share of a ceiling at which a step does so much work (in units of the ceiling)."""
    if amount is None or not ceiling:
        return ""
    return f"{amount / (ms / 1e3) / ceiling['rate']:.0%}"


def others(rows: list[Row]) -> Iterator[str]:
    for row in of(rows, "loop", "loop"):
        yield (
            f"loop of a trial, {row['precision']}{with_term(row)}: "
            f"{row['ms']:.3f} ms a step, its graph alone {row['replay_ms']:.3f}"
        )
    for row in of(rows, "kernels", "kernels"):
        yield f"kernels of a replay{with_term(row)}: {row['count']}, busy {row['busy_ms']} ms"
    for part in ("streams", "processes", "mps"):
        for row in of(rows, part, "trials"):
            yield f"{row['count']} at a time, {part}: {row['steps_a_second']} steps/s together"


def trials_an_hour(rows: list[Row]) -> Iterator[str]:
    """Of the search beside the plain loop, from the time that a whole trial takes."""
    ours = [row["seconds_a_trial"] for row in of(rows, "search", "search")]
    for row in of(rows, "plain", "plain"):
        text = f"plain loop: a trial {row['seconds']} s, {3600 / row['seconds']:.0f} an hour"
        if ours and ours[0]:
            text += f"; ours {3600 / ours[0]:.0f}, {row['seconds'] / ours[0]:.1f} times as many"
        yield text


def left_out(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if "left_out" in row:
            yield f"left out: {row['part']}, {row['left_out']}"
        if "failed" in row:
            yield f"failed: {row['part']}, {row['failed']}"
