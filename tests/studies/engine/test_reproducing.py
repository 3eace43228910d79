"""A study is run again from what it wrote down, elsewhere, and comes to the same."""

import json
from pathlib import Path
from typing import Any

import optuna
import torch

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.provenance import commit, environment, record
from tests.support.tabulated_training import Silent

STUDY = """
[study]
dataset = "digits"
train_subset = 100
trials = 3
epochs = 2
pruner = "none"
seed = 11
[space]
stages = 2
stem_channels = 8
blocks = 1
shortcut = ["none", "sum", "attention"]
[recipe]
batch_size = [32, 64]
lr = { low = 0.002, high = 0.04 }
[baselines]
files = ["mine.json"]
"""


def trained(config: StudyConfig, folder: Path) -> optuna.Study:
    return run(config, folder=folder, observer=Silent(), in_process=True)


def came_to(study: optuna.Study) -> list[tuple[Any, ...]]:
    """Proposals and metrics, exactly."""
    kept = ("identity", "seed", "arch", "recipe", "baseline", "params", "macs")
    facts = [{k: t.user_attrs.get(k) for k in kept} for t in study.trials]
    curves = [(t.state, t.params, t.values, t.intermediate_values) for t in study.trials]
    return list(zip(facts, curves, strict=True))


def test_the_frozen_study_run_elsewhere_has_the_same_proposals_and_metrics(
    tmp_path: Path,
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "small.toml").write_text(STUDY)
    arch = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
    (tmp_path / "here" / "mine.json").write_text(json.dumps(arch))
    first = trained(
        StudyConfig.from_file(tmp_path / "here" / "small.toml"), tmp_path / "runs" / "small"
    )
    (tmp_path / "runs").rename(tmp_path / "there")  # on another machine nothing else is there
    (tmp_path / "here" / "mine.json").unlink()
    config = StudyConfig.from_file(tmp_path / "there" / "small" / "study.toml")
    second = trained(config, tmp_path / "again")
    assert came_to(first) == came_to(second) and len(first.trials) == 3
    assert first.user_attrs["data"] == second.user_attrs["data"]
    assert config.changed(first.user_attrs["study"]) == []


def test_the_environment_is_recorded_and_a_change_of_it_too(tmp_path: Path) -> None:
    study = optuna.create_study()
    assert record(study) == record(study)
    (found,) = study.user_attrs["environments"]
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"]["optuna"] == optuna.__version__
    assert found["cpu"] and json.loads(json.dumps(environment())) == environment()
    study.set_user_attr("environments", [found | {"cpu": "another"}])
    assert [e["cpu"] for e in record(study)] == ["another", found["cpu"]]


def test_the_commit_is_that_of_a_checkout(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    assert commit(tmp_path) == ""  # damaged
