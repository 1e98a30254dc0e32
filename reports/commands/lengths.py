"""How large and how long the full training of a found setting is, beside its short trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna import Study

from reports.commands.exported import is_progressive, settings_in_full
from reports.commands.train_py import (
    FULL_TRAINING,
    GUIDE_EPOCHS,
    STAGE_EPOCHS,
    in_whole_epochs,
    read_by_harness_train,
    read_by_train_py,
)
from reports.record.names import moves_pixels
from reports.record.queries import extras_of, recommended_trial
from reports.record.study import StudyRecord
from reports.texts.numbers import quantity
from reports.texts.translations import Translate, translator


@dataclass(frozen=True)
class Length:
    """The full training of one trial's setting.

    Attributes:
        here: whether `harness train` runs it, else train.py.
        size: side of a training picture in pixels.
        smaller: that the trial was smaller, and why; "" if it was not.
    """

    here: bool
    size: int
    ngf: int
    epochs: str
    smaller: str


def full_length(
    study: Study, trial: int | None, say: Translate, copy: bool = False
) -> Length | None:
    """The full training of a trial; None where it is not known.

    Args:
        trial: None: the recommended setting, which the search left out.
        copy: whether it is exported for a copy of pix2pix that was named.
    """
    setup = StudyRecord.of(study).ours
    found = recommended_trial(study) if trial is None else study.get_trials(deepcopy=False)[trial]
    if setup is None or setup.program or found is None:
        return None
    train = {**setup.train.as_data(), **extras_of(found)}
    stages = is_progressive(found)
    here = moves_pixels(train) and not (setup.repository or copy)
    if here:
        full = train | ({"crop_size": FULL_TRAINING["crop_size"]} if stages else {})
    else:
        full = {**FULL_TRAINING, **settings_in_full(found, train, setup)}
    same = all(full[name] == train[name] for name in ("crop_size", "ngf"))
    return Length(
        here,
        full["crop_size"],
        full["ngf"],
        f"2 x ({STAGE_EPOCHS} + {STAGE_EPOCHS})" if stages else f"{GUIDE_EPOCHS} + {GUIDE_EPOCHS}",
        "" if same else " " + say("trains_smaller", size=train["crop_size"], ngf=train["ngf"]),
    )


def length_of_training(study: Study, trial: int, say: Translate) -> str:
    """What the command of a decision trains, for its readers; "" where it is not known."""
    full = full_length(study, trial, say)
    if full is None:
        return ""
    text = "trains_here" if full.here else "trains_there"
    own = say(text, size=full.size, ngf=full.ngf, epochs=full.epochs)
    return own + full.smaller


def length_of_export(
    study: Study, config: Mapping[str, Any], repeat_trial: bool, copy: bool
) -> str:
    """What the exported command trains, in a few sentences; "" where it is not known.

    Args:
        config: as `best_config` makes it.
        copy: as in `full_length`.
    """
    full = full_length(study, config["trial"], translator("en"), copy)
    if full is None:
        return ""
    if repeat_trial:
        who = f"trial {config['trial']}" if config["trial"] is not None else "the setting"
        train, setup = config["train"], StudyRecord.of(study).setup
        data = setup.data.as_data()
        read = read_by_harness_train(data) if full.here else read_by_train_py(data)
        steps = in_whole_epochs(train, data, read, setup.trainer)["steps"]
        had = "" if steps == train["steps"] else f" in whole epochs, where it had {train['steps']}"
        return (
            f"This is the short training of {who}: about "
            f"{quantity(steps, 'step')} at {train['crop_size']} px{had}. Without "
            "--repeat-trial you get the full one."
        )
    exactly = "with the searched settings rounded to three significant digits"
    if full.here:
        exactly = "with the settings exactly as they were found"
    return (
        f"This is the full training: {full.size} px, ngf {full.ngf}, {full.epochs} epochs, "
        f"{exactly}.{full.smaller} --repeat-trial gives the trial's short one."
    )
