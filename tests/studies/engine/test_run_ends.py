"""Studies on real Ray whose recipes end trainings early and keep their best weights."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace import build
from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode, encode
from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.page.files import Report
from skipsearch.studies.run_study import run_study
from skipsearch.trainers.loop.device import bf16_chosen
from skipsearch.trainers.loop.evaluate import evaluate
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.training import Training
from tests.support.tabulated_training import (
    Impatient,
    Silent,
    charged,
    study_of,
    trained_once,
    val_error,
)

pytestmark = [  # as in studies/engine/test_run.py
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.mark.parametrize("pruner", ["asha", "none"])
def test_a_trial_that_its_recipe_ended_early_is_complete_with_the_error_that_it_keeps(
    cluster: str, tmp_path: Path, pruner: str
) -> None:
    config = study_of(pruner=pruner, trials=8)
    done = run(config, folder=tmp_path, observer=Report(tmp_path), begin=Impatient)
    assert len(charged(done)) == 8 and trained_once(tmp_path)
    complete = [t for t in charged(done) if t.state == TrialState.COMPLETE]
    assert {t.user_attrs["epochs"] for t in complete} >= {4}
    for trial in complete:
        early = trial.number % 2 == 0
        assert trial.user_attrs["epochs"] == trial.last_step == (4 if early else 9)
        assert trial.user_attrs["max_epochs"] == 9 and trial.user_attrs["fidelity"] == 1
        assert trial.values[0] == val_error(trial.number, 1) and trial.user_attrs["why"] == ""
    for trial in charged(done):
        if trial.state == TrialState.PRUNED:
            assert pruner == "asha" and trial.user_attrs["epochs"] in (1, 3)
    table = pd.read_csv(tmp_path / "trials.csv").set_index("trial")
    front = json.loads((tmp_path / "front.json").read_text())["front"]
    assert {m["trial"] for m in front} & {t.number for t in complete if t.number % 2 == 0}
    for member in front:
        trial, row = done.trials[member["trial"]], table.loc[member["trial"]]
        assert member["val_error"] == row["val_error"] == trial.values[0]
        assert member["epochs"] == row["epochs"] == trial.last_step
    again = run(config, folder=tmp_path, observer=Silent(), begin=Impatient)
    assert [t.datetime_complete for t in again.trials] == [t.datetime_complete for t in done.trials]


def test_a_recipe_that_ends_early_and_keeps_the_best_does_so_in_a_study(
    cluster: str, tmp_path: Path
) -> None:
    """An error that must fall by 90 % in an epoch ends nearly every training after two."""
    config = study_of(
        trials=2,
        epochs=5,
        pruner="none",
        train_subset=200,
        keep="all",
        recipe={"patience": 1, "min_improvement": 0.9, "keep": "best"},
    )
    done, home = run_study(config, folder=tmp_path), tmp_path / config.name
    table = pd.read_csv(home / "trials.csv").set_index("trial")
    for trial in charged(done):
        assert trial.state == TrialState.COMPLETE and trial.user_attrs["max_epochs"] == 5
        errors = list(trial.intermediate_values.values())
        assert len(errors) == trial.user_attrs["epochs"] == table.loc[trial.number, "epochs"] < 5
        assert trial.values[0] == min(errors) == table.loc[trial.number, "val_error"]
        assert kept_error(config, trial) == min(errors)
        curve = pd.read_csv(home / "trials" / str(trial.number) / "curve.csv")
        assert list(curve["val_error"]) == errors and curve["kept_error"].iloc[-1] == min(errors)
        assert list(curve["last"]) == [False] * (len(errors) - 1) + [True]


def kept_error(config: StudyConfig, trial: FrozenTrial) -> float:
    """The error of the weights in the trial's checkpoint."""
    data = load_data(config)
    arch = decode(Arch, trial.user_attrs["arch"])
    model = build(arch, classes=data.num_classes, shape=data.shape)
    state = torch.load(trial.user_attrs["checkpoint"], weights_only=True)
    model.load_state_dict(state["fit"]["model"])
    bf16 = bf16_chosen("auto", torch.device("cpu"))
    return evaluate(model, data, "validation", bf16=bf16)[1]


def test_a_worker_that_takes_over_an_ended_training_reports_its_end_again(tmp_path: Path) -> None:
    config = study_of(train_subset=100)
    arch = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
    recipe = Recipe(epochs=9, patience=1, min_improvement=0.9, keep="best", precision="fp32")

    def begun() -> Training:
        job = Job(0, arch, encode(recipe), 7, 9, str(tmp_path), 1, "cpu")
        return Training(job, load_data(config))

    first = begun()
    reports = [first.step()]
    while not reports[-1].last:
        reports.append(first.step())
    assert 1 < len(reports) < 9
    second = begun()
    assert second.step() == reports[-1]
    assert first.fit is not None and second.fit is not None and second.fit.done
    errors = [
        evaluate(t.model, t.data, "validation", bf16=False)[1] for t in (first.fit, second.fit)
    ]
    assert errors == [reports[-1].kept_error] * 2
