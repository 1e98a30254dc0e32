"""Running trials in a terminal, the remaining time, and the width of all lines."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from harness.config.settings import FINAL_TIMES
from harness.console.events import (
    CutShort,
    Event,
    Expected,
    Note,
    Opened,
    Prepared,
    RungReached,
    Stopping,
    TrialBegan,
    TrialEnded,
    WarmStart,
)
from harness.console.lines import WIDTH, duration_parts, rough_duration, wrapped
from harness.console.live_view import MAX_ROWS, LiveView
from harness.console.time_left import Durations, seconds_left
from harness.console.views import PlainView

WARP = {
    "lambda_L1": 104.3, "lambda_perceptual": 17.5, "n_layers_D": 4, "gan_mode": "vanilla",
    "lr": 0.00032, "netG": "warp_unet_128",
}  # fmt: skip
REPAINT = WARP | {"lambda_L1": 404.1, "lambda_perceptual": 2.5, "lr": 7.9e-05, "netG": "unet_128"}
OPENED = Opened(
    "boundary-sharpness", 50, 0, "standard", "cuda:0", 2, "random",
    "96 + 12 pairs of built-in photographs of scikit-image, liquified", "runs/boundary-sharpness",
    final_runs=15,
)  # fmt: skip
EXPECTED = Expected(60, 140, 100, "2 workers of this CPU", True)


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(name: str, done: int, seconds: float, state: str = "complete", **more: object) -> Event:
    fields = {"value": 0.3496, "params": WARP, "recipe": None, "reason": "", "best": False}
    fields["final"] = name[0] == "f"
    return TrialEnded(name, state, seconds=seconds, done=done, **fields | more)  # type: ignore[arg-type]


def view_of(width: int, clock: Clock) -> LiveView:
    return LiveView(Console(file=io.StringIO(), width=width, height=40), clock)


def frame(view: LiveView, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(view.render())
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("width", [80, 100])
def test_running_trials_stand_whole_in_the_terminal(width: int, clock: Clock) -> None:
    view = view_of(width, clock)
    for event in (
        OPENED,
        ended("t000", 1, 9, best=True),
        TrialBegan("t001", WARP, None),
        TrialBegan("f13", REPAINT, None),
        RungReached("t001", 1850, 2500, 0.3361),
    ):
        view.show(event)
    lines = frame(view, width)
    view.close()
    assert max(map(len, lines)) <= width
    assert lines[-3].split() == ["trial", "step", "score", "settings"]
    assert lines[-2].split() == [
        "t001", "1850/2500", "0.3361",
        "L1=104.3", "perc=17.5", "nD=4", "vanilla", "lr=0.00032", "warp",
    ]  # fmt: skip
    assert lines[-1].split()[:3] == ["f13", "-", "-"]
    assert lines[-1].endswith("lr=7.9e-05 unet_128")
    assert lines[-4].startswith("leader 0.3496  t000 L1=104.3")
    assert lines[-4].endswith("warp")


def test_many_running_trials_take_a_few_lines(clock: Clock) -> None:
    view = view_of(100, clock)
    view.show(OPENED)
    for number in range(64):
        view.show(TrialBegan(f"t{number:03d}", WARP, None))
    lines = frame(view)
    view.close()
    assert len(lines) < MAX_ROWS + 6
    assert lines[-1].strip() == "and 52 more"


def head(view: LiveView) -> list[str]:
    """What stands beside the bar, and the counts below it."""
    return [line.strip("━╸╺ ") for line in frame(view)[:2]]


def left_of(view: LiveView) -> str:
    return "".join(head(view)[0].partition("about")[1:])


def test_the_counts_add_up_in_every_state_of_a_search(clock: Clock) -> None:
    view = view_of(100, clock)
    view.show(replace(OPENED, budget=6, final_runs=2))
    assert head(view) == ["0/6 trials, getting ready"]
    view.show(WarmStart(700, 1400))
    assert head(view) == ["warm start 700/1400 steps"]
    view.show(Prepared(noop=0.2, warm_start=0.2, oracle=0.9))
    assert head(view) == ["0/6 trials"]
    for name in ("t000", "t001"):
        view.show(TrialBegan(name, WARP, None))
    assert head(view)[1] == "2 running"
    view.show(ended("t000", 1, 0))
    view.show(ended("t001", 1, 0, "failed", value=None))
    view.show(TrialBegan("t002", WARP, None))
    bar, counts = head(view)
    assert bar == "1/6 trials"
    assert counts.startswith("1 completed; 1 running, 1 failed")
    view.show(ended("t002", 2, 0, "pruned"))
    view.show(ended("t003", 3, 0, "pruned"))
    view.show(TrialBegan("t004", WARP, None))  # the last: the budget has no other
    assert head(view)[1].startswith("1 completed, 2 stopped early; 1 running, 1 failed")
    view.show(ended("t004", 4, 0))
    assert head(view)[0] == "4/6 trials, finalists 0/2"
    view.show(TrialBegan("f00", WARP, None))
    view.show(ended("f00", 5, 0))
    bar, counts = head(view)
    assert bar == "5/6 trials, finalists 1/2"
    assert counts.startswith("2 completed, 2 stopped early, 1 run of finalists; 1 failed")
    view.show(ended("f01", 6, 0))
    bar, counts = head(view)
    assert bar == "6/6 trials, writing the results"
    assert counts.startswith("2 completed, 2 stopped early, 2 runs of finalists; 1 failed")
    assert len(view.state.history) == 2  # finalists' scores are of other pairs
    view.close()


def test_a_resumed_search_counts_what_was_done_before_and_a_stopped_one_runs_nothing(
    clock: Clock,
) -> None:
    view = view_of(100, clock)
    view.show(replace(OPENED, done=30))
    assert head(view) == ["30/50 trials, getting ready", "30 done before"]
    view.show(Prepared(noop=0.2, warm_start=0.2, oracle=0.9))
    view.show(ended("t030", 31, 20))
    view.show(TrialBegan("t031", WARP, None))
    bar, counts = head(view)
    assert bar.startswith("31/50 trials, about ")
    assert counts.startswith("30 done before, 1 completed; 1 running")
    view.show(Stopping("Stopping."))
    assert head(view)[0] == "31/50 trials, stopping"
    assert head(view)[1].startswith("30 done before, 1 completed  ")
    assert not any("t031" in line for line in frame(view))
    view.close()


def test_the_remaining_time_is_first_as_expected_then_by_the_trials(clock: Clock) -> None:
    view = view_of(100, clock)
    view.show(OPENED)
    assert left_of(view) == ""
    view.show(EXPECTED)
    view.show(WarmStart(350, 1400))
    assert view.seconds_left() == 0.75 * EXPECTED.warm_start + EXPECTED.trials + EXPECTED.runs
    assert left_of(view) == "about 5 min left"
    view.show(Prepared(noop=0.2, warm_start=0.2, oracle=0.9))
    clock.now = 100
    assert left_of(view) == "about 2 min left"
    clock.now = 1000  # it takes longer than expected
    assert left_of(view) == ""
    clock.now = 100
    view.show(ended("t000", 0, 7, "failed", value=None))  # which is no trial of the budget
    assert left_of(view) == "about 2 min left"
    view.show(ended("t000", 1, 60))
    # 34 trials of 60 s and 15 runs of 90 s, on two workers.
    assert left_of(view) == "about 30 min left"
    for number in range(1, 35):
        view.show(ended(f"t{number:03d}", number + 1, 20, "pruned"))
    view.show(TrialBegan("f00", WARP, None))
    assert view.seconds_left() == 15 * 90 / 2
    clock.now = 150  # longer than a trial, shorter than a run
    assert view.seconds_left() == (15 * 90 - 50) / 2
    view.show(ended("f00", 36, 30))
    assert view.seconds_left() == 14 * 30 / 2
    view.close()


def test_the_remaining_time_is_by_the_latest_trials() -> None:
    took = Durations([90] * 20 + [10, 30] * 10, [90] * 20 + [30, 50] * 10, (), ())
    assert seconds_left(3, 0, 1, took) == 3 * 20
    assert seconds_left(0, 2, 1, took) == 2 * FINAL_TIMES * 40  # a run is as a whole trial
    hung = replace(took, running=[5, 1000])  # no trial is counted for more than its own time
    assert seconds_left(3, 0, 2, hung) == (3 * 20 - 5 - 20) / 2
    assert seconds_left(1, 0, 1, Durations()) is None


def test_a_search_that_is_cut_short_goes_on_with_its_finalists(clock: Clock) -> None:
    out, view = io.StringIO(), view_of(100, clock)
    plain = PlainView(out, clock)
    for event in (
        OPENED,
        Prepared(noop=0.2, warm_start=0.2, oracle=0.9),
        *(ended(f"t{number:03d}", number + 1, 20) for number in range(12)),
        CutShort(trials=12, planned=35, runs=15),
        ended("f00", 13, 30),
    ):
        view.show(event)
        plain.show(event)
    assert head(view)[0].startswith("13/27 trials, finalists 1/15, about ")
    assert view.seconds_left() == 14 * 30 / 2
    lines = out.getvalue().splitlines()
    assert ": 50 trials (35, then 15 runs of finalists); " in lines[0]
    assert lines[-2].startswith("12 of 35 trials have run: the rest of the time is kept for")
    assert lines[-1].startswith("13/27 f00 ")
    view.close()


def events() -> Iterator[Event]:
    """The widest that each kind of line gets in the default space."""
    yield OPENED
    yield Note("A sentence of many words, which says what the user must know. " * 4)
    yield EXPECTED
    yield WarmStart(140, 1400)
    yield Prepared(
        noop=0.2671, warm_start=0.1945, oracle=0.8735, held_out_noop=0.2773, other_warm_start=0.3295
    )
    yield TrialBegan("t000", WARP, None)
    yield RungReached("t000", 100, 200, 0.3361)
    yield ended("t006", 7, 123.4, params=REPAINT, recipe="progressive", best=True)
    yield ended(
        "t010", 11, 14.4, "pruned", reason="0.3360 is not in the better half", stopped_at=1375
    )
    yield ended("t011", 12, 14.4, "failed", value=None, reason="CUDA error: an illegal " * 9)
    yield Stopping("The time is up: stopping. Running trials will start anew.")


def test_plain_lines_fit_a_hundred_columns(clock: Clock) -> None:
    out = io.StringIO()
    view = PlainView(out, clock)
    for event in events():
        clock.now += 60
        view.show(event)
    text = out.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[2] == "Everything goes to runs/boundary-sharpness"
    assert "Takes about 5 min on 2 workers of this CPU: warm start 1 min, trials 2 min" in text
    assert "warm start: 140 of 1400 steps\n" in text
    baseline = "The input unchanged scores 0.2671, the warm start 0.1945 (moving pixels 0.3295),"
    assert f"{baseline} warped back 0.8735." in " ".join(lines)
    assert " 7/50 t006 leads     0.3496  123 s L1=404.1 perc=2.5  nD=4 vanilla" in text
    assert any(line.endswith("unet_128 [progressive]") for line in lines)
    [stopped] = [line for line in lines if line.endswith("warp at step 1375")]
    assert stopped.startswith("11/50 t010 stopped   0.3496")


def test_a_log_has_a_line_for_each_tenth_of_the_warm_start(clock: Clock) -> None:
    out = io.StringIO()
    view = PlainView(out, clock)
    for done in (20, 140, 150, 279, 300, 1400):
        view.show(WarmStart(done, 1400))
    assert [line.split()[2] for line in out.getvalue().splitlines()] == ["140", "300", "1400"]


def test_parts_of_a_search_that_take_no_time_are_not_told() -> None:
    assert duration_parts(replace(EXPECTED, warm_start=0, stops=False)) == (
        "trials 2 min, finalists 2 min"
    )


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    text = "Takes about 13 min: warm start 3 min, trials 6 min, 3 h or 2 days at 128 px, 200 steps."
    for width in range(30, 100):
        lines = wrapped(text, width=width).split("\n")
        assert " ".join(lines) == text
        assert not any(line[-1].isdigit() for line in lines)
        assert max(map(len, lines)) <= width


def test_lines_are_as_narrow_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("80", 80), ("200", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert max(map(len, wrapped("word " * 90).split("\n"))) in range(width - 4, width + 1)


@pytest.mark.parametrize("width", [80, 100])
def test_a_terminal_breaks_no_line_between_a_number_and_its_unit(width: int, clock: Clock) -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, width=width, height=40), clock)
    view.show(EXPECTED)
    lines = out.getvalue().splitlines()
    view.close()
    assert max(map(len, lines)) <= width
    assert not any(line.rstrip()[-1].isdigit() for line in lines)
    assert " ".join(" ".join(lines).split()) == (
        "Takes about 5 min on 2 workers of this CPU: warm start 1 min, trials 2 min if half stop "
        "early, finalists 2 min."
    )


def test_a_line_now_and_then_says_how_far_a_trial_is(clock: Clock) -> None:
    out = io.StringIO()
    view = PlainView(out, clock)
    view.show(OPENED)
    for second, step in ((1, 100), (8, 125), (9, 150), (20, 175)):
        clock.now = second
        view.show(RungReached("t000", step, 200, 0.3361))
    said = out.getvalue().splitlines()[-2:]
    view.show(ended("t000", 1, 20))
    for second in (30, 79, 80, 90):  # a minute after the last line
        clock.now = second
        view.show(RungReached("t001", second, 200, 0.3361))
    assert out.getvalue().splitlines()[-1] == "  t001 is at step 80 of 200, score 0.3361"
    assert len(out.getvalue().splitlines()) == 7
    assert said == [f"  t000 is at step {step} of 200, score 0.3361" for step in (125, 175)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "10 s"), (44, "40 s"), (56, "1 min"), (317, "5 min"), (1150, "19 min"),
        (1500, "25 min"), (5100, "85 min"), (5500, "1.5 h"), (11000, "3.1 h"), (86400, "24 h"),
        (162000, "45 h"), (200000, "2 days"),
    ],
)  # fmt: skip
def test_an_estimate_is_rounded(seconds: float, words: str) -> None:
    assert rough_duration(seconds) == words
