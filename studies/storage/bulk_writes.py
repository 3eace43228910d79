"""Write many values of a trial, or of a study, in one transaction.

A trial has some 40 parameters and 25 attributes. Optuna's `RDBStorage` writes each in three
statements and a commit of its own: 1 ms, so that writing cost more than proposing. All are there
or none: a driver that is killed leaves no half-written trial.

The functions take any storage of Optuna's: a cache in front of a database (`BulkCache`) is asked
to write, so that it knows the values too, SQLite and PostgreSQL get one statement, other storages
one call for each value.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite

UPSERTS: dict[str, Callable[..., Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
Params = Mapping[str, tuple[float, BaseDistribution]]  # Optuna's internal number and range, by name


class BulkCache(BaseStorage):  # type: ignore[misc,unused-ignore]
    """A storage that remembers what it writes, and takes many values in one call."""

    @abstractmethod
    def set_trial_params(self, trial_id: int, params: Params) -> None:
        """Write and remember parameters, all or none."""

    @abstractmethod
    def set_trial_user_attrs(self, trial_id: int, facts: Mapping[str, Any]) -> None:
        """Write and remember user attributes, all or none."""

    @abstractmethod
    def set_trial_system_attrs(self, trial_id: int, facts: Mapping[str, Any]) -> None:
        """Write and remember system attributes, all or none."""


def write_params(storage: BaseStorage, trial_id: int, params: Params) -> None:
    """Add parameters that the trial does not have yet.

    Raises SQLAlchemy's IntegrityError, and writes nothing, where the trial has one of them.
    """
    if isinstance(storage, BulkCache):
        storage.set_trial_params(trial_id, params)
        return
    database = _database(storage)
    if database is None:
        for name, (value, kind) in params.items():
            storage.set_trial_param(trial_id, name, value, kind)
    elif params:
        rows = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": value,
                "distribution_json": distribution_to_json(kind),
            }
            for name, (value, kind) in params.items()
        ]
        with database.engine.begin() as connection:
            connection.execute(insert(models.TrialParamModel), rows)


class Existing(Enum):
    """The fate of an attribute that the study already has."""

    STAYS = auto()
    REPLACED = auto()


def write_user_attrs(storage: BaseStorage, trial_id: int, facts: Mapping[str, Any]) -> None:
    """Set user attributes of a trial that has not ended, by name."""
    if isinstance(storage, BulkCache):
        storage.set_trial_user_attrs(trial_id, facts)
    elif not _upserted(storage, models.TrialUserAttributeModel, {"trial_id": trial_id}, facts):
        for name, value in facts.items():
            storage.set_trial_user_attr(trial_id, name, value)


def write_trial_system_attrs(storage: BaseStorage, trial_id: int, facts: Mapping[str, Any]) -> None:
    """Set system attributes of a trial that has not ended, by name."""
    if isinstance(storage, BulkCache):
        storage.set_trial_system_attrs(trial_id, facts)
    elif not _upserted(storage, models.TrialSystemAttributeModel, {"trial_id": trial_id}, facts):
        for name, value in facts.items():
            storage.set_trial_system_attr(trial_id, name, value)


def write_study_system_attrs(
    storage: BaseStorage, study_id: int, facts: Mapping[str, Any], existing: Existing
) -> None:
    """Set system attributes of a study, by name; `existing` says what becomes of one that is there.

    Meant for attributes that a cache need not know: give it the storage behind (`fresh`).
    """
    owner = {"study_id": study_id}
    if not facts or _upserted(storage, models.StudySystemAttributeModel, owner, facts, existing):
        return
    there = storage.get_study_system_attrs(study_id)
    for name, value in facts.items():
        if existing == Existing.REPLACED or name not in there:
            storage.set_study_system_attr(study_id, name, value)


def _upserted(
    storage: BaseStorage,
    table: Any,
    owner: Mapping[str, int],
    facts: Mapping[str, Any],
    existing: Existing = Existing.REPLACED,
) -> bool:
    """Write attributes in one statement; return False for a storage that has no such statement."""
    database = _database(storage)
    upsert = None if database is None else UPSERTS.get(database.engine.name)
    if database is None or upsert is None:
        return False
    rows = [
        {**owner, "key": name, "value_json": json.dumps(value)} for name, value in facts.items()
    ]
    statement, key = upsert(table), [*(getattr(table, name) for name in owner), table.key]
    if existing == Existing.STAYS:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    else:
        new = {"value_json": statement.excluded.value_json}
        statement = statement.on_conflict_do_update(index_elements=key, set_=new)
    if rows:
        with database.engine.begin() as connection:
            connection.execute(statement, rows)
    return True


def _database(storage: BaseStorage) -> RDBStorage | None:
    """Return the database behind Optuna's own cache, which keeps only trials that ended."""
    behind = getattr(storage, "_backend", storage)
    return behind if isinstance(behind, RDBStorage) else None
