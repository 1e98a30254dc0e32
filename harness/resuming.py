"""What a study that goes on needs before a trial is spent."""

from optuna import Study

from harness.plan import SearchPlan
from harness.trial_messages import Baseline


def known_baseline(plan: SearchPlan, study: Study) -> Baseline | None:
    """What an earlier driver's preparation found, where all that it made is still there."""
    found = study.user_attrs.get("baseline")
    made = plan.trial_plan.warm_start == "none" or plan.paths.warm_start.folder.exists()
    return Baseline(**found) if found and made else None
