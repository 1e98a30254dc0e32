"""What tests of decisions share: the decision of a study, and its recurring words."""

import shlex

import optuna

from reports.analysis.decision import Decision, decide
from reports.commands.next_command import Where
from reports.texts.translations import translator

RECOMMENDED = "(L1 100, perceptual 10, 3 layers, lsgan, lr 1e-4)"
CLOSER = "it comes closer to the sharp original than the recommended setting"
BELOW = "but doing nothing scores at least as well"
AS_IS = (
    f"With train.py as it is: keep the recommended setting {RECOMMENDED}: nothing else that it can "
    "run was reliably sharper"
)
HIGH = {"noop": 0.3, "warm_start": 0.2, "oracle": 0.9}


def decided(study: optuna.Study, where: Where | None = None) -> Decision:
    """In English."""
    return decide(study, translator("en"), where or Where())


def words(command: str) -> list[str]:
    """The words of a command, as a shell reads them."""
    return shlex.split(command)
