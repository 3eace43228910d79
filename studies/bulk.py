"""Many values of a trial in one transaction.

A trial has some 40 parameters and 25 attributes. Optuna's `RDBStorage` writes each in three
statements and a commit of its own: 1 ms, so that writing cost more than proposing. All are there
or none: a driver that is killed leaves no half-written trial.
"""

import json
from collections.abc import Callable, Mapping
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
Params = Mapping[str, tuple[float, BaseDistribution]]


def write_params(storage: BaseStorage, trial_id: int, params: Params) -> None:
    """Parameters that the trial does not have yet, as Optuna's internal numbers."""
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


def write_user_attrs(storage: BaseStorage, trial_id: int, facts: Mapping[str, Any]) -> None:
    """New ones, and others than before."""
    database = _database(storage)
    upsert = None if database is None else UPSERTS.get(database.engine.name)
    if database is None or upsert is None:
        for name, value in facts.items():
            storage.set_trial_user_attr(trial_id, name, value)
    elif facts:
        table = models.TrialUserAttributeModel
        statement = upsert(table)
        statement = statement.on_conflict_do_update(
            index_elements=[table.trial_id, table.key],
            set_={"value_json": statement.excluded.value_json},
        )
        rows = [
            {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)}
            for name, value in facts.items()
        ]
        with database.engine.begin() as connection:
            connection.execute(statement, rows)


def _database(storage: BaseStorage) -> RDBStorage | None:
    """Behind Optuna's cache, which keeps only trials that ended."""
    behind = getattr(storage, "_backend", storage)
    return behind if isinstance(behind, RDBStorage) else None
