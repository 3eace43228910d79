"""Many values in one transaction are those that Optuna writes one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial

from skipsearch.studies.storage.bulk_writes import write_params, write_user_attrs
from skipsearch.studies.storage.write_through import Mirror

PARAMS = {
    "kind": (1.0, CategoricalDistribution(["a", "b"])),
    "rate": (0.25, FloatDistribution(0.1, 1, log=True)),
}
FACTS: dict[str, Any] = {"arch": {"stages": 2, "name": "größe"}, "seconds": 1.5, "charged": True}


@pytest.fixture(params=["memory", "sqlite", "cached sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    if request.param == "memory":
        yield InMemoryStorage()
        return
    database = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    yield database if request.param == "sqlite" else get_storage(database)
    database.engine.dispose()


def written(storage: BaseStorage, *, at_once: bool) -> FrozenTrial:
    trial = optuna.create_study(storage=storage, study_name=str(at_once)).ask()._trial_id
    storage.set_trial_user_attr(trial, "seconds", 0.5)
    if at_once:
        write_params(storage, trial, PARAMS)
        write_user_attrs(storage, trial, FACTS)
        write_params(storage, trial, {})
        write_user_attrs(storage, trial, {})
    else:
        for name, (value, kind) in PARAMS.items():
            storage.set_trial_param(trial, name, value, kind)
        for name, value in FACTS.items():
            storage.set_trial_user_attr(trial, name, value)
    return storage.get_trial(trial)


def test_values_at_once_are_those_one_by_one(storage: BaseStorage) -> None:
    slow, fast = (written(storage, at_once=at_once) for at_once in (False, True))
    assert fast.params == slow.params == {"kind": "b", "rate": 0.25}
    assert fast.distributions == slow.distributions
    assert fast.user_attrs == slow.user_attrs == FACTS


def test_of_values_at_once_all_are_written_or_none(tmp_path: Path) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    mirror = Mirror(storage)
    trial = optuna.create_study(storage=mirror).ask()._trial_id
    mirror.set_trial_params(trial, {"rate": PARAMS["rate"]})
    with pytest.raises(sqlalchemy.exc.IntegrityError):  # `rate` is there
        mirror.set_trial_params(trial, PARAMS)
    for seen in (storage, mirror):
        assert seen.get_trial(trial).params == {"rate": 0.25}
    storage.engine.dispose()
