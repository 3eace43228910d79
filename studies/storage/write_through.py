"""Cache a driver's storage in memory: reads are answered from it, writes go through to the storage.

Samplers read all trials dozens of times per proposal (Optuna's grouped TPE with `constant_liar`:
once per group of parameters, 3 ms each in SQLite, more over a network). A study has one driver (its
lease), so what the driver wrote is what is there, and memory can answer.
"""

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.storage.bulk_writes import (
    BulkCache,
    Params,
    write_params,
    write_trial_system_attrs,
    write_user_attrs,
)
from skipsearch.studies.storage.connect import storage_of

OPEN = (TrialState.RUNNING, TrialState.WAITING)
CLOSED = tuple(state for state in TrialState if state not in OPEN)


class Mirror(BulkCache):  # type: ignore[misc,unused-ignore]
    """Answers for the storage `durable` from memory; every write goes through to it first.

    For one study and one writer: a trial or an attribute that another process writes is not seen
    (`fresh` gives the storage that sees it). A study's user attributes are read through: they are
    few.

    Numbers that were drawn from other `ranges`, before the study was extended, are shown as drawn
    from the present ones: TPE draws from the first range that it sees of a name, the other samplers
    forget a name that had two.
    """

    def __init__(
        self, durable: BaseStorage, ranges: Mapping[str, BaseDistribution] | None = None
    ) -> None:
        """Cache `durable`; `ranges` are the present ones of the study's numbers, by name."""
        self.durable, self.ranges = durable, ranges or {}
        self._studies: dict[int, list[int]] = {}
        self._trials: dict[int, FrozenTrial] = {}
        self._study_attrs: dict[int, dict[str, Any]] = {}
        self._kinds: dict[str, BaseDistribution] = {}
        self._open: dict[int, int] = {}  # trials that have not ended, and whose they are

    # Trials

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Answer from memory; the first call reads all trials of the study."""
        if study_id not in self._studies:
            there = self.durable.get_all_trials(study_id)
            self._studies[study_id] = [t._trial_id for t in there]
            self._trials |= {t._trial_id: self._shown(t) for t in there}
            self._open |= {t._trial_id: study_id for t in there if not t.state.is_finished()}
        ids = self._studies[study_id]
        if states is not None and not any(state in states for state in CLOSED):
            ids = sorted(i for i, study in self._open.items() if study == study_id)
        trials = [self._trials[i] for i in ids]
        if states is not None:
            trials = [t for t in trials if t.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Answer from memory; a trial that was not read yet comes from the storage."""
        return self._trials.get(trial_id) or self.durable.get_trial(trial_id)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Answer from memory. Raises KeyError for an unknown number."""
        if study_id not in self._studies:
            self.get_all_trials(study_id, deepcopy=False)
        ids = self._studies[study_id]
        if not 0 <= trial_number < len(ids):
            raise KeyError(f"no trial {trial_number} in study {study_id}")
        return ids[trial_number]

    def get_n_trials(
        self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None
    ) -> int:
        """Count in memory; by state as Optuna does, over `get_all_trials`."""
        if state is None and study_id in self._studies:
            return len(self._studies[study_id])
        return super().get_n_trials(study_id, state)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial in the storage, and read it back into memory."""
        self.get_all_trials(study_id, deepcopy=False, states=OPEN)
        trial_id = self.durable.create_new_trial(study_id, template_trial)
        self._studies[study_id].append(trial_id)
        self._trials[trial_id] = self._shown(self.durable.get_trial(trial_id))
        if not self._trials[trial_id].state.is_finished():
            self._open[trial_id] = study_id
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Write state and values through; read the trial's times back."""
        changed = self.durable.set_trial_state_values(trial_id, state, values)
        trial = copy.copy(self._trials[trial_id])
        noted = self.durable.get_trial(trial_id)  # with the times
        trial.state, trial.values = noted.state, noted.values
        trial.datetime_start, trial.datetime_complete = (
            noted.datetime_start,
            noted.datetime_complete,
        )
        self._trials[trial_id] = trial
        if state.is_finished():
            self._open.pop(trial_id, None)
        return changed

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        kinds = trial.distributions
        now = {name: kind for name, kind in self.ranges.items() if kinds.get(name, kind) != kind}
        if now:
            trial = copy.copy(trial)
            trial.distributions = {**kinds, **now}
        return trial

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Write one parameter through."""
        self.set_trial_params(trial_id, {param_name: (param_value_internal, distribution)})

    def set_trial_params(self, trial_id: int, params: Params) -> None:
        """Write several parameters through in one transaction."""
        write_params(self.durable, trial_id, params)
        trial = self._trials[trial_id]
        values = {name: kind.to_external_repr(value) for name, (value, kind) in params.items()}
        trial.params = {**trial.params, **values}
        kinds = {name: self._kind(name, kind) for name, (_, kind) in params.items()}
        trial.distributions = {**trial.distributions, **kinds}

    def _kind(self, name: str, kind: BaseDistribution) -> BaseDistribution:
        """Return one object for equal distributions: 40 of a trial's own would be most of the
        memory that it takes.
        """
        known = self._kinds.setdefault(name, kind)
        return known if known == kind else kind

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Write a point of the trial's curve through."""
        self.durable.set_trial_intermediate_value(trial_id, step, intermediate_value)
        trial = self._trials[trial_id]
        trial.intermediate_values = {**trial.intermediate_values, step: intermediate_value}

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write one user attribute of a trial through."""
        self.set_trial_user_attrs(trial_id, {key: value})

    def set_trial_user_attrs(self, trial_id: int, facts: Mapping[str, Any]) -> None:
        """Write several user attributes of a trial through in one transaction."""
        write_user_attrs(self.durable, trial_id, facts)
        trial = self._trials[trial_id]
        trial.user_attrs = {**trial.user_attrs, **facts}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write one system attribute of a trial through."""
        self.set_trial_system_attrs(trial_id, {key: value})

    def set_trial_system_attrs(self, trial_id: int, facts: Mapping[str, Any]) -> None:
        """Write several system attributes of a trial through in one transaction."""
        write_trial_system_attrs(self.durable, trial_id, facts)
        trial = self._trials[trial_id]
        trial.system_attrs = {**trial.system_attrs, **facts}

    # Studies

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Create a study in the storage."""
        return self.durable.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Delete a study from the storage and from memory."""
        self.durable.delete_study(study_id)
        self._studies.pop(study_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write a user attribute of a study to the storage."""
        self.durable.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write a system attribute of a study through."""
        self.durable.set_study_system_attr(study_id, key, value)
        if study_id in self._study_attrs:
            self._study_attrs[study_id][key] = value

    def get_study_id_from_name(self, study_name: str) -> int:
        """Read from the storage."""
        return self.durable.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Read from the storage."""
        return self.durable.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Read from the storage."""
        return self.durable.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Read from the storage, uncached, as they are few."""
        return self.durable.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Answer from memory, without what the dashboard shows (notes, figures).

        Samplers of generations read these attributes for every proposal; notes and figures, which
        are written past this cache, are megabytes of them.
        """
        if study_id not in self._study_attrs:
            there = self.durable.get_study_system_attrs(study_id)
            own = {k: v for k, v in there.items() if not k.startswith("dashboard:")}
            self._study_attrs[study_id] = own
        return dict(self._study_attrs[study_id])

    def get_all_studies(self) -> Any:
        """Read from the storage."""
        return self.durable.get_all_studies()


def fresh(study: optuna.Study) -> BaseStorage:
    """Return the storage of a study past its driver's cache: what other processes wrote is seen
    in it, and what is written into it takes no memory of the driver.
    """
    storage = storage_of(study)
    return storage.durable if isinstance(storage, Mirror) else storage
