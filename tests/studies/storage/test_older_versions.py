"""A storage that an older version of ours, or of Optuna, wrote."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.storage.find import find
from skipsearch.studies.terminal.front import status_lines
from tests.support.kills import Killed, violations
from tests.support.tabulated_training import ByNetwork, Silent, charged, study_of


class Dying(ByNetwork):
    def train_epoch(self) -> None:
        raise Killed


def plan(trials: int) -> StudyConfig:
    space = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8)) | {"blocks.1": [1, 2, 3]}
    return study_of(trials=trials, concurrency=1, sampler="random", epochs=3, space=space)


def train(config: StudyConfig, folder: Path) -> optuna.Study:
    return run(config, folder=folder, observer=Silent(), in_process=True, begin=ByNetwork)


def execute(folder: Path, *statements: str) -> None:
    db = sqlite3.connect(folder / "study.db")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def edit(folder: Path, key: str, value: Any) -> None:
    """A study attribute as an older version wrote it; None: as it did not."""
    execute(
        folder,
        f"delete from study_user_attributes where key = '{key}'"
        if value is None
        else f"update study_user_attributes set value_json = '{json.dumps(value)}' "
        f"where key = '{key}'",
    )


def test_tables_of_an_older_optuna_get_one_line_and_the_study_goes_on_after_it(
    tmp_path: Path,
) -> None:
    """The tables as Optuna 3.1 made them: without the index that 3.2 added."""
    home = tmp_path / "tabulated"
    train(plan(1), home)
    url = f"sqlite:///{home / 'study.db'}"
    execute(
        home,
        "drop index ix_trials_study_id",
        "update alembic_version set version_num = 'v3.0.0.d'",
    )
    line = (
        f"storage {url} was written by another version of Optuna: keep a copy of it and run: "
        f"optuna storage upgrade --storage {url}"
    )
    with pytest.raises(ValueError) as caught:
        open_store(plan(2), url, space_hash(plan(2)))
    assert str(caught.value) == line
    with pytest.raises(ValueError) as caught:
        find("tabulated", folder=tmp_path)
    assert str(caught.value) == line
    RDBStorage(url, skip_compatibility_check=True).upgrade()  # what that command does
    assert len(charged(train(plan(2), home))) == 2


def test_tables_of_a_newer_optuna_get_one_line(tmp_path: Path) -> None:
    config, url = plan(1), f"sqlite:///{tmp_path / 'study.db'}"
    open_store(config, url, space_hash(config))
    execute(tmp_path, "update alembic_version set version_num = 'v99.0.0.a'")
    with pytest.raises(ValueError, match=r"another version of Optuna: .*pip install -U optuna"):
        open_store(config, url, space_hash(config))


def test_a_study_of_an_older_version_goes_on_with_the_defaults_of_newer_keys(
    tmp_path: Path,
) -> None:
    first = train(plan(2), tmp_path)
    begun = first.user_attrs["study"]
    for key in ("halving", "eta", "grace", "repeats", "deterministic", "max_failures"):
        del begun["study"][key]
    data = {k: v for k, v in first.user_attrs["data"].items() if k in ("fingerprint", "train")}
    for key, value in (
        ("study", begun),
        ("data", data),
        ("space", None),
        ("exhausted", None),
        ("versions", {"skipsearch": "0.0.1"}),
    ):
        edit(tmp_path, key, value)
    execute(
        tmp_path,
        "delete from trial_user_attributes where key in ('fidelity', 'max_epochs', 'attempts', "
        "'attached_at', 'seconds', 'node', 'pid')",
    )
    assert status_lines(find(str(tmp_path)))[1].startswith("trials    2 of 2 trials: 2 complete")
    done = train(plan(3), tmp_path)
    assert not violations(plan(3), done, tmp_path)
    assert done.user_attrs["versions"] == {"skipsearch": "0.0.1"}


def test_domains_that_another_version_had_are_named(tmp_path: Path) -> None:
    config, url = plan(1), f"sqlite:///{tmp_path / 'study.db'}"
    table = open_store(config, url, space_hash(config)).study.user_attrs["space"]
    edit(tmp_path, "space", {**table, "norm": "batch | layer", "activation.old": "relu"})
    with pytest.raises(ValueError, match=r"activation.old was relu, now not there") as caught:
        open_store(config, url, space_hash(config))
    assert "norm was batch | layer, now " in str(caught.value)


def test_a_trial_in_training_that_this_version_cannot_read_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(plan(2), folder=tmp_path, observer=Silent(), in_process=True, begin=Dying)
    left = optuna.load_study(study_name="tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}")
    arch = dict(charged(left)[0].user_attrs["arch"])
    del arch["stem"]
    execute(
        tmp_path,
        f"update trial_user_attributes set value_json = '{json.dumps(arch)}' where key = 'arch'",
    )
    with pytest.raises(ValueError, match=r"^trial 0 was begun by another version .*stem is mis"):
        train(plan(2), tmp_path)
