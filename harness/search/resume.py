"""What a study that goes on needs before a trial is spent."""

import shutil
import zipfile
import zlib
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from harness.errors import HarnessError
from harness.search.plan import SearchPlan
from harness.trials.messages import Baseline

OUT_OF_MEMORY = "out of memory, also when run alone"
"""How the reason of a failure begins that is the setting's own doing."""

# Attributes of the trials that somebody asked for by name.
ASKED_FOR = ("recipe", "enqueued")
SAY_SOMETHING = (TrialState.COMPLETE, TrialState.PRUNED)
WARM_STARTS = ("warm_start", "other_warm_start")
"""Scores of a `Baseline` that say whether a warm start is the one that there was."""


def known_baseline(plan: SearchPlan, study: Study) -> Baseline | None:
    """What an earlier driver's preparation found, where all that it made is still there."""
    found = study.user_attrs.get("baseline")
    made = plan.trial_plan.warm_start == "none" or plan.paths.warm_start.folder.exists()
    return Baseline(**found) if found and made else None


def set_damaged_aside(plan: SearchPlan) -> str:
    """Move a warm start with a file gone or damaged out of the way, so that it is made again.

    Returns:
        A sentence that names the file; "" where nothing is wrong.
    """
    warm = plan.paths.warm_start
    if plan.trial_plan.warm_start == "none" or not warm.folder.exists():
        return ""
    kinds = plan.trial_plan.discriminators
    folders = [warm, warm.of_other] if plan.trial_plan.other_netG else [warm]
    files = [one.generator for one in folders]
    files += [one.discriminator(*kind) for one in folders for kind in kinds]
    damaged = next((file for file in files if not is_whole(file)), None)
    if damaged is None:
        return ""
    what = "damaged" if damaged.exists() else "missing"
    shutil.rmtree(warm.aside, ignore_errors=True)
    warm.folder.rename(warm.aside)
    return (
        f"{damaged} is {what}: the warm start is made again, its old files are kept in "
        f"{warm.aside}."
    )


def is_whole(file: Path) -> bool:
    """Whether a file of `torch.save` is as it was written: it is an archive with checksums."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False


def check_same_start(study: Study, plan: SearchPlan, made: Baseline) -> None:
    """Refuse a warm start that was made again and is another than the trials so far began from.

    Raises:
        HarnessError: so it is; it is removed again.
    """
    before = study.user_attrs.get("baseline")
    if before is None:
        return
    made_now = asdict(made)
    names = [name for name in WARM_STARTS if before.get(name) != made_now[name]]
    if not names:
        return
    if not study.get_trials(deepcopy=False, states=SAY_SOMETHING):
        return
    folder = plan.paths.warm_start.folder
    shutil.rmtree(folder, ignore_errors=True)
    raise HarnessError(
        f"The warm start of study {plan.config.study} was lost, and the one made in its place is "
        f"different (it scores {made_now[names[0]]}, not {before.get(names[0])}), so new trials "
        f"would not compare with the earlier ones: restore {folder} from a copy, or begin anew "
        f"with --study NAME --enqueue {plan.paths.best_yaml}."
    )


def requeue_failed(study: Study) -> None:
    """Queue once more what the guide or the user asked for and a fault kept from its end.

    A setting that was too large for the memory would be so again.
    """
    runs: dict[tuple[str, str], list[FrozenTrial]] = defaultdict(list)
    for trial in study.get_trials(deepcopy=False):
        for label in ASKED_FOR:
            if label in trial.user_attrs:
                runs[label, trial.user_attrs[label]].append(trial)
    for (label, name), tried in runs.items():
        last = tried[-1]
        only_failed = all(trial.state == TrialState.FAIL for trial in tried)
        if only_failed and not last.user_attrs.get("reason", "").startswith(OUT_OF_MEMORY):
            study.enqueue_trial(last.system_attrs["fixed_params"], {label: name})
