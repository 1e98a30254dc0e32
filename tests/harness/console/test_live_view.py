"""Running trials in a terminal, the remaining time, and the width of all lines."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from harness.console.events import (
    Event,
    Expected,
    Note,
    Opened,
    Prepared,
    RungReached,
    TrialBegan,
    TrialEnded,
    WarmStart,
)
from harness.console.lines import WIDTH, rough
from harness.console.live_view import MOST_ROWS, LiveView
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
    assert len(lines) < MOST_ROWS + 6
    assert lines[-1].strip() == "and 52 more"


def left_of(view: LiveView) -> str:
    [line] = [line for line in frame(view) if "/50 trials" in line or "steps" in line]
    return line.partition(", ")[2]


def test_the_remaining_time_is_first_as_expected_then_by_the_trials(clock: Clock) -> None:
    view = view_of(100, clock)
    view.show(OPENED)
    assert left_of(view) == ""
    view.show(EXPECTED)
    view.show(WarmStart(700, 1400))
    assert left_of(view) == "about 4 min left"  # half of the warm start, and 240 s
    view.show(Prepared(noop=0.2, warm_start=0.2, oracle=0.9))
    clock.now = 100
    assert left_of(view) == "about 2 min left"
    view.show(ended("t000", 1, 60))
    # 34 trials of 60 s and 15 runs of 90 s, on two workers.
    assert left_of(view) == "about 30 min left"
    for number in range(1, 35):
        view.show(ended(f"t{number:03d}", number + 1, 20, "pruned"))
    view.show(TrialBegan("f00", WARP, None))
    assert view.seconds_left() == 15 * 90 / 2
    clock.now = 110
    assert view.seconds_left() == (15 * 90 - 10) / 2
    view.show(ended("f00", 36, 30))
    assert view.seconds_left() == 14 * 30 / 2
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
    assert " 7/50 t006 leads     0.3496  123 s L1=404.1 perc=2.5  nD=4 vanilla" in text
    assert any(line.endswith("unet_128 [progressive]") for line in lines)
    [stopped] = [line for line in lines if line.endswith("warp at step 1375")]
    assert stopped.startswith("11/50 t010 stopped   0.3496")


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
        (200000, "2 days"),
    ],
)  # fmt: skip
def test_an_estimate_is_rounded(seconds: float, words: str) -> None:
    assert rough(seconds) == words
