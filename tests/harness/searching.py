"""Whole searches with runners that answer at once, for tests of what they leave."""

import time
from pathlib import Path
from threading import Thread
from typing import Any, Self

import optuna
from driving import Instant
from optuna import Study
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

import harness.search
from harness.launch.launcher import Died
from harness.launch.ray import Post
from harness.outcome import SearchOutcome
from harness.plan import SearchPlan
from harness.stopping import StopSwitch
from harness.trial_messages import TrialTask
from harness.view import Event, TrialEnded, View
from harness.worker import Message, Prepare, RunnerFactory, obey


class Heard(View):
    """Keeps every event; stops the search after some trials, where asked to."""

    def __init__(self, stop: StopSwitch, stop_after: int | None = None) -> None:
        self.events: list[Event] = []
        self.stop = stop
        self.stop_after = stop_after

    def show(self, event: Event) -> None:
        self.events.append(event)
        ended = sum(isinstance(event, TrialEnded) for event in self.events)
        if ended == self.stop_after:
            self.stop.reason = "user"

    def close(self) -> None:
        pass


def run(
    plan: SearchPlan, runner: RunnerFactory = Instant, stop_after: int | None = None
) -> SearchOutcome:
    stop = StopSwitch(plan.config.timeout)
    return harness.search.run_search(plan, Heard(stop, stop_after), stop, runner)


class Inline:
    """A launcher whose workers are threads of this process, for runners that never end it."""

    def __init__(self, plan: SearchPlan, factory: RunnerFactory) -> None:
        self.plan = plan.trial_plan
        self.factory = factory
        self.posts: dict[int, Post] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, number: int) -> None:
        self.posts[number] = post = Post()
        Thread(target=obey, args=(post, self.factory, self.plan), daemon=True).start()

    def send(self, number: int, order: TrialTask | Prepare | bool) -> None:
        self.posts[number].orders.put(order)

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        deadline = time.monotonic() + timeout
        while not (said := [n for n, post in sorted(self.posts.items()) if post.words.qsize()]):
            if time.monotonic() > deadline:
                return []
            time.sleep(0.001)
        return [(number, self.posts[number].words.get()) for number in said]

    def kill(self, number: int) -> None:
        self.posts.pop(number).orders.put(None)

    def close(self) -> None:
        for number in list(self.posts):
            self.kill(number)


def trials(folder: Path) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    return study.get_trials()


def essence(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.number, trial.state, trial.params, trial.value, trial.intermediate_values


def remembered(plan: SearchPlan) -> Study:
    """The plan's study as `create_study` makes it, in memory, which is quicker."""
    study = optuna.create_study(
        study_name="fake", storage=InMemoryStorage(), direction=plan.facts["direction"]
    )
    for key, fact in plan.facts.items():
        study.set_user_attr(key, fact)
    for recipe, values in plan.recipes.items():
        study.enqueue_trial(dict(values), user_attrs={"recipe": recipe})
    return study
