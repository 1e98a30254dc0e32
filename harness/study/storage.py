"""Optuna storage for a single writer: cached after the first read, with retries if unavailable.

Optuna re-reads every unfinished trial before each decision, because others may write to a study.
Only the driver writes to ours, so the cache is never stale and a thousand running trials cost no
more than one. A trial's parameters and attributes are written in one batch: before its next rung or
state, or on `flush`.
"""

import copy
import functools
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import (
    DuplicatedStudyError,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from harness.errors import HarnessError
from harness.study.database_errors import damage_error, is_damage, is_unavailable

PATIENCE = 300.0  # seconds of retries while the database is unavailable
RETRY_AFTER = 0.5  # seconds between retries

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def retrying(
    method: Callable[Concatenate["RetryingStorage", P], R],
) -> Callable[Concatenate["RetryingStorage", P], R]:
    """Decorator: retry a call while the database is unavailable.

    Raises:
        UserInputError: the database is damaged.
        HarnessError: it has been unavailable for too long.
    """

    @functools.wraps(method)
    def repeated(self: "RetryingStorage", /, *args: P.args, **named: P.kwargs) -> R:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return method(self, *args, **named)
            except (StorageInternalError, SQLAlchemyError, ValueError, LookupError) as error:
                if is_damage(error):
                    raise damage_error(self.url, error) from error
                if not isinstance(error, StorageInternalError) or not is_unavailable(error):
                    raise
                reason = type(error.__cause__).__name__
                if time.monotonic() > deadline:
                    raise HarnessError(
                        f"The study's database has been unavailable for {PATIENCE:.0f} s "
                        f"({reason}): when it is back, run the same command again, the study goes "
                        "on."
                    ) from error
                log.warning("the study's database is unavailable (%s); retrying", reason)
                time.sleep(RETRY_AFTER)

    return repeated


@dataclass
class PendingChanges:
    """Changes to a trial that are not yet in the database."""

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)


class RetryingStorage(RDBStorage):
    """Optuna's database storage, with retries while it is unavailable, as in a server restart."""

    create_new_study = retrying(RDBStorage.create_new_study)
    delete_study = retrying(RDBStorage.delete_study)
    set_study_user_attr = retrying(RDBStorage.set_study_user_attr)
    set_study_system_attr = retrying(RDBStorage.set_study_system_attr)
    get_study_id_from_name = retrying(RDBStorage.get_study_id_from_name)
    get_study_name_from_id = retrying(RDBStorage.get_study_name_from_id)
    get_study_directions = retrying(RDBStorage.get_study_directions)
    get_study_user_attrs = retrying(RDBStorage.get_study_user_attrs)
    get_study_system_attrs = retrying(RDBStorage.get_study_system_attrs)
    get_all_studies = retrying(RDBStorage.get_all_studies)
    get_trial = retrying(RDBStorage.get_trial)
    set_trial_intermediate_value = retrying(RDBStorage.set_trial_intermediate_value)
    set_trial_user_attr = retrying(RDBStorage.set_trial_user_attr)
    set_trial_system_attr = retrying(RDBStorage.set_trial_system_attr)
    _create_new_trial = retrying(RDBStorage._create_new_trial)
    _set_trial_param = retrying(RDBStorage._set_trial_param)
    _get_trials = retrying(RDBStorage._get_trials)
    _get_best_trial_id = retrying(RDBStorage._get_best_trial_id)

    @retrying
    def create_marked_study(
        self, name: str, directions: Sequence[str], marks: Mapping[str, Any]
    ) -> None:
        """Create a study with attributes in one transaction; idempotent, so it can be retried.

        Args:
            marks: the attributes; one of them must be unique to the study.

        Raises:
            DuplicatedStudyError: another study has that name.
        """
        study = models.StudyModel(
            study_name=name,
            directions=[
                models.StudyDirectionModel(objective=index, direction=StudyDirection[way.upper()])
                for index, way in enumerate(directions)
            ],
            user_attributes=[
                models.StudyUserAttributeModel(key=key, value_json=json.dumps(value))
                for key, value in marks.items()
            ],
        )
        try:
            with _create_scoped_session(self.scoped_session) as session:
                session.add(study)
        except IntegrityError:
            existing = self.get_study_user_attrs(self.get_study_id_from_name(name))
            if not marks.items() <= existing.items():
                raise DuplicatedStudyError(name) from None

    def write(self, trial_id: int, pending: PendingChanges) -> None:
        """Write all changes in one transaction. A retry after a lost response is not an error.

        Unlike an attribute, a parameter cannot be written twice, so a retry skips those that exist.
        """
        tries = 0

        @retrying
        def put(self: RetryingStorage) -> None:
            nonlocal tries
            tries += 1
            written = self.get_trial(trial_id).params if tries > 1 else {}
            with _create_scoped_session(self.scoped_session) as session:
                for name, (value, distribution) in pending.params.items():
                    if name not in written:
                        self._set_trial_param_without_commit(
                            session, trial_id, name, value, distribution, distribution
                        )
                for model, attrs in (
                    (models.TrialUserAttributeModel, pending.user_attrs),
                    (models.TrialSystemAttributeModel, pending.system_attrs),
                ):
                    for key, value in attrs.items():
                        self._set_trial_attr_without_commit(session, model, trial_id, key, value)

        put(self)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's. A retry after a lost response is not an error."""
        tries = 0

        @retrying
        def change(self: RetryingStorage) -> bool:
            nonlocal tries
            tries += 1
            try:
                changed = RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                if tries == 1:
                    raise
                return True
            return changed or tries > 1

        return change(self)


class SingleWriterStorage(_CachedStorage):
    """Optuna's cache for a database without other writers: each study is read once."""

    def __init__(self, backend: RetryingStorage) -> None:
        super().__init__(backend)
        self.database = backend
        self.read_studies: set[int] = set()
        # Per study: the trials in a set of states, in order, cached until one of them changes.
        self.lists: dict[int, dict[frozenset[TrialState], list[FrozenTrial]]] = defaultdict(dict)
        self.study_attrs: dict[int, dict[str, Any]] = {}
        self.pending: dict[int, PendingChanges] = defaultdict(PendingChanges)

    def flush(self) -> None:
        """Write all pending changes to the database."""
        for trial_id in list(self.pending):
            self.write(trial_id)

    def write(self, trial_id: int) -> None:
        if trial_id in self.pending:
            self.database.write(trial_id, self.pending[trial_id])
            del self.pending[trial_id]

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if study_id not in self.read_studies:
            super()._read_trials_from_remote_storage(study_id)
            study = self._studies[study_id]
            study.trials = dict(sorted(study.trials.items()))
            self.read_studies.add(study_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        self._read_trials_from_remote_storage(study_id)
        selected = frozenset(state for state in TrialState if states is None or state in states)
        lists = self.lists[study_id]
        if selected not in lists:
            trials: Iterable[FrozenTrial] = self._studies[study_id].trials.values()
            lists[selected] = [trial for trial in trials if trial.state in selected]
        return copy.deepcopy(lists[selected]) if deepcopy else list(lists[selected])

    def invalidate_lists(self, study_id: int, *states: TrialState) -> None:
        """Invalidate the cached lists that include any of these states."""
        lists = self.lists[study_id]
        for selected in [each for each in lists if not each.isdisjoint(states)]:
            del lists[selected]

    def delete_study(self, study_id: int) -> None:
        super().delete_study(study_id)
        for cache in (self.lists, self.study_attrs):
            cache.pop(study_id, None)
        self.read_studies.discard(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        if study_id not in self.study_attrs:
            self.study_attrs[study_id] = self._backend.get_study_user_attrs(study_id)
        return self.study_attrs[study_id]

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_user_attr(study_id, key, value)
        self.study_attrs.pop(study_id, None)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._read_trials_from_remote_storage(study_id)
        made = super().create_new_trial(study_id, template_trial)
        self.lists[study_id].clear()
        self.adopt_lost_trials(study_id, made)
        return made

    def adopt_lost_trials(self, study_id: int, made: int) -> None:
        """Queue trials that were created before `made` by calls whose responses were lost."""
        known = self._studies[study_id].trials
        if self.get_trial(made).number == len(known) - 1:
            return
        found = self.database._get_trials(study_id, None, set(), -1)
        lost = [trial for trial in found if trial.number not in known]
        self._add_trials_to_cache(study_id, lost)
        self._studies[study_id].trials = dict(sorted(known.items()))
        self.lists[study_id].clear()
        for trial in lost:
            if trial.state == TrialState.RUNNING:
                self.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        if trial_id not in self._trial_id_to_study_id_and_number:
            return self._backend.get_trial(trial_id)
        study_id, number = self._trial_id_to_study_id_and_number[trial_id]
        return self._studies[study_id].trials[number]

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        trial = self.updatable(trial_id)
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        known = self._studies[study_id].param_distribution.setdefault(param_name, distribution)
        check_distribution_compatibility(known, distribution)
        self.pending[trial_id].params[param_name] = param_value_internal, distribution
        value = distribution.to_external_repr(param_value_internal)
        self.change(
            trial,
            params={**trial.params, param_name: value},
            distributions={**trial.distributions, param_name: distribution},
        )

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        self.write(trial_id)
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        trial = self.get_trial(trial_id)
        self.change(
            trial, intermediate_values={**trial.intermediate_values, step: intermediate_value}
        )

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self.updatable(trial_id)
        self.pending[trial_id].user_attrs[key] = value
        self.change(trial, user_attrs={**trial.user_attrs, key: as_stored(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self.updatable(trial_id)
        self.pending[trial_id].system_attrs[key] = value
        self.change(trial, system_attrs={**trial.system_attrs, key: as_stored(value)})

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        self.write(trial_id)
        changed = super().set_trial_state_values(trial_id, state, values)
        if changed:
            now = datetime.now()
            trial = self.get_trial(trial_id)
            self.change(
                trial,
                state=state,
                values=trial.values if values is None else list(values),
                datetime_start=now if state == TrialState.RUNNING else trial.datetime_start,
                datetime_complete=now if state.is_finished() else trial.datetime_complete,
            )
        return changed

    def updatable(self, trial_id: int) -> FrozenTrial:
        """A trial that may still be changed.

        Raises:
            UpdateFinishedTrialError: it has ended.
        """
        trial = self.get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        return trial

    def change(self, trial: FrozenTrial, **fields: Any) -> None:
        """Replace a trial in the cache with a changed copy."""
        changed = copy.copy(trial)
        for name, value in fields.items():
            setattr(changed, name, value)
        study_id, number = self._trial_id_to_study_id_and_number[trial._trial_id]
        self._studies[study_id].trials[number] = changed
        self.invalidate_lists(study_id, trial.state, changed.state)


def as_stored(value: Any) -> Any:
    """An attribute's value after a round trip through the database's JSON."""
    return json.loads(json.dumps(value))
