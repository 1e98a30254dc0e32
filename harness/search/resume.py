"""Prepare a resumed study: check budget and warm start, and requeue failed trials."""

import shutil
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from harness.errors import HarnessError, UserInputError
from harness.search.finalists import finished_runs
from harness.search.plan import SearchPlan
from reports.record.baseline import Baseline
from reports.record.queries import ENDED, trials_of
from reports.record.study import StudyRecord
from reports.record.trial import Cause, TrialRecord, enqueued_params
from reports.texts.numbers import quantity

WARM_STARTS = ("warm_start", "other_warm_start")
"""Scores of a `Baseline` that identify a warm start."""


def known_baseline(plan: SearchPlan, study: Study) -> Baseline | None:
    """The baseline of an earlier driver's preparation, if its warm start still exists."""
    found = StudyRecord.of(study).baseline
    usable = plan.trial_plan.warm_start == "none" or plan.paths.warm_start.folder.exists()
    return found if usable else None


def check_budget(plan: SearchPlan, study: Study) -> None:
    """Check that the budget has room for the finalists' runs besides the trials that have ended.

    Raises:
        UserInputError: more trials have ended than the finalists leave room for; or the budget is
            too small for finalists, and those of an earlier, larger budget have used it up.
    """
    ended, runs, confirmed = len(trials_of(study, *ENDED)), plan.final_runs, finished_runs(study)
    spent = ended + confirmed
    if plan.config.finalists == "auto" and not runs and ended < plan.config.budget < spent:
        raise UserInputError(
            f"{quantity(ended, 'trial')} of {plan.config.study} and "
            f"{quantity(confirmed, 'run')} of its finalists have ended, more than "
            f"--budget {plan.config.budget}: name a budget above {spent} to go on. harness status "
            "shows what they found."
        )
    if ended > plan.search_budget and confirmed < runs:
        raise UserInputError(
            f"After {quantity(ended, 'trial')} of {plan.config.study}, confirming the finalists "
            f"takes {runs} runs: --budget {ended + runs} or more confirms them, --finalists 0 "
            "searches on without."
        )


def set_damaged_aside(plan: SearchPlan) -> str:
    """Move a warm start with a missing or damaged file aside, so that it is trained again.

    Returns:
        A message that names the file; "" if all are intact.
    """
    warm = plan.paths.warm_start
    if plan.trial_plan.warm_start == "none" or not warm.folder.exists():
        return ""
    kinds = plan.trial_plan.discriminators
    folders = [warm, warm.other_kind] if plan.trial_plan.other_netG else [warm]
    files = [one.generator for one in folders]
    files += [one.discriminator(*kind) for one in folders for kind in kinds]
    damaged = next((file for file in files if not is_intact(file)), None)
    if damaged is None:
        return ""
    state = "damaged" if damaged.exists() else "missing"
    shutil.rmtree(warm.damaged, ignore_errors=True)
    warm.folder.rename(warm.damaged)
    return (
        f"{damaged} is {state}: the warm start is made again, its old files are kept in "
        f"{warm.damaged}."
    )


def is_intact(file: Path) -> bool:
    """Whether a file of `torch.save`, which is an archive with checksums, is intact."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False


def check_same_start(study: Study, plan: SearchPlan, made: Baseline) -> None:
    """Reject a new warm start that differs from the one of earlier trials.

    Raises:
        HarnessError: it differs; its files are removed.
    """
    before = StudyRecord.of(study).baseline
    if before is None:
        return
    old_scores, new_scores = before.as_data(), made.as_data()
    names = [name for name in WARM_STARTS if old_scores[name] != new_scores[name]]
    if not names:
        return
    if not trials_of(study, *ENDED):
        return
    folder = plan.paths.warm_start.folder
    shutil.rmtree(folder, ignore_errors=True)
    raise HarnessError(
        f"The warm start of study {plan.config.study} was lost, and the one made in its place is "
        f"different (it scores {new_scores[names[0]]}, not {old_scores[names[0]]}), so new trials "
        f"would not compare with the earlier ones: restore {folder} from a copy, or begin anew "
        f"with --study NAME --enqueue {plan.paths.best_yaml}."
    )


def requeue_failed(study: Study) -> None:
    """Enqueue recipes and settings of `--enqueue` again if all of their trials have failed.

    Those that ran out of memory are left out, since they would do so again.
    """
    runs: dict[tuple[str, str], list[FrozenTrial]] = defaultdict(list)
    for trial in study.get_trials(deepcopy=False):
        record = TrialRecord.of(trial)
        for label, name in (("recipe", record.recipe), ("enqueued", record.enqueued)):
            if name is not None:
                runs[label, name].append(trial)
    for (label, name), attempts in runs.items():
        last = attempts[-1]
        only_failed = all(trial.state == TrialState.FAIL for trial in attempts)
        if only_failed and TrialRecord.of(last).cause != Cause.OUT_OF_MEMORY:
            study.enqueue_trial(enqueued_params(last), TrialRecord.attributes(**{label: name}))
