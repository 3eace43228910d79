"""Every sampler of a study file with a conditional space, limits, pruning, a death and a resume."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from skipsearch.studies.config.schema import SAMPLERS
from skipsearch.studies.config.study_config import StudyConfig
from tests.support.failure_cases import ONE, train
from tests.support.kills import Killed, killed_at
from tests.support.tabulated_training import ByNetwork, charged, study_of, trained_once

CONDITIONAL = {
    **{name: value for name, value in ONE.items() if not name.startswith("shortcut")},
    "stem_channels": [8, 16, 32],
    "shortcut": ["none", "sum", "attention"],
    "shortcut.attention.heads": [1, 2, 4],
}


def study_with(sampler: str) -> StudyConfig:
    return study_of(
        trials=16,
        sampler=sampler,
        concurrency=1,
        space=CONDITIONAL,
        recipe={"lr": {"low": 0.01, "high": 0.3}},
        limits={"params": 27_000},
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_works_with_conditions_limits_pruning_and_goes_on(
    tmp_path: Path, sampler: str
) -> None:
    config = study_with(sampler)
    with killed_at("before", 120), pytest.raises(Killed):
        train(config, tmp_path, begin=ByNetwork)
    done = train(config, tmp_path, begin=ByNetwork)
    assert_true(done, config)
    assert trained_once(tmp_path)


def assert_true(done: optuna.Study, config: StudyConfig) -> None:
    trials = charged(done)
    assert len(trials) == config.trials and all(t.state.is_finished() for t in done.trials)
    keys = {(t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in trials}
    assert len(keys) == config.trials
    assert {t.state for t in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        steps = range(1, len(trial.intermediate_values) + 1)
        assert list(trial.intermediate_values) == list(steps)
        assert (trial.state == TrialState.COMPLETE) == (len(steps) == config.epochs)
        assert trial.user_attrs["params"] <= 27_000
    for trial in done.trials:
        if "shortcut" in trial.params:  # an abandoned one may lack it
            attends = trial.params["shortcut"] == "attention"
            assert ("shortcut.attention.heads" in trial.params) == attends


def test_a_sampler_that_cannot_search_several_objectives_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="cma-es cannot search several objectives: take gp"):
        study_with("cma-es")
