"""The searcher and scheduler of a study, driven in a loop."""

from collections import Counter
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.protocols import NoJob
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.write_through import Mirror
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job, Report
from tests.support.driven_searcher import begin, drive, study_of
from tests.support.tabulated_training import val_error


def assert_true(store: Store, config: StudyConfig) -> None:
    charged = [t for t in store.trials if "charged" in t.user_attrs]
    assert len(charged) == config.trials
    assert {t.state for t in store.trials} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }
    keys = Counter((t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in charged)
    assert max(keys.values()) == 1
    for trial in charged:
        curve = {e: val_error(trial.number, e) for e in range(1, trial.last_step + 1)}
        assert trial.intermediate_values == curve
        assert (trial.state == TrialState.COMPLETE) == (len(curve) == config.epochs)
        assert decode(Arch, trial.user_attrs["arch"]) and decode(Recipe, trial.user_attrs["recipe"])


class Crash(Exception):
    """The driver dies here."""


class Dying(Mirror):
    """A storage whose n-th write is the last thing that its driver did, or tried."""

    left, before = 0, False

    def _write(self, name: str, *given: Any, **named: Any) -> Any:
        Dying.left -= 1
        if Dying.left == 0 and Dying.before:
            raise Crash
        answer = getattr(Mirror, name)(self, *given, **named)
        if Dying.left == 0:
            raise Crash
        return answer


for _name in (
    "create_new_trial",
    "set_trial_params",
    "set_trial_user_attrs",
    "set_trial_system_attr",
    "set_trial_state_values",
    "set_trial_intermediate_value",
):
    setattr(Dying, _name, partialmethod(Dying._write, _name))


@pytest.mark.parametrize("before", [True, False])
def test_a_driver_that_dies_at_any_write_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """One study, killed again and again, each time some writes later than the last time."""
    monkeypatch.setattr("skipsearch.studies.engine.open_study.Mirror", Dying)
    monkeypatch.setattr(Dying, "before", before)
    config = study_of(
        8, sampler="random", baselines={"presets": ["as/resnet50"]}, limits={"params": 9e6}
    )
    crashes, done = 0, False
    while not done:
        monkeypatch.setattr(Dying, "left", 3 + 7 * crashes % 31)
        try:
            searcher = begin(config, tmp_path)
            drive(searcher)
            done = True
        except Crash:
            crashes += 1
    assert crashes > 10
    assert_true(searcher.store, config)
    asked = [t for t in searcher.store.trials if t.user_attrs.get("baseline")]
    refused = [t for t in asked if t.user_attrs["why"].startswith("over limit")]
    assert len(refused) == 1


def test_a_resumed_study_asks_for_other_networks(tmp_path: Path) -> None:
    drive(begin(study_of(3, sampler="random"), tmp_path))
    searcher = begin(study_of(6, sampler="random"), tmp_path)
    drive(searcher)
    assert not [t for t in searcher.store.trials if "duplicate_of" in t.user_attrs]


def test_a_repeat_is_answered_from_the_record(tmp_path: Path) -> None:
    searcher = begin(study_of(4, sampler="random", repeats="record"), tmp_path)
    drive(searcher)
    first = searcher.store.trials[0]
    searcher.config = study_of(5, sampler="random", repeats="record")
    searcher.store.study.enqueue_trial(first.params)
    drive(searcher)
    repeat = searcher.store.trials[4]
    assert repeat.user_attrs["duplicate_of"] == 0 and repeat.state == TrialState.PRUNED
    assert repeat.user_attrs["why"] == "repeats trial 0" and "charged" not in repeat.user_attrs
    assert max(repeat.constraints.values()) == pytest.approx(1e-6)
    assert_true(searcher.store, searcher.config)


def test_a_network_that_does_not_fit_the_images_is_not_trained(tmp_path: Path) -> None:
    config = study_of(3, space={"stem": ["conv3", "conv7"], "stages": 4})
    searcher = begin(config, tmp_path)
    drive(searcher)
    assert_true(searcher.store, config)
    for trial in searcher.store.trials:
        if "charged" not in trial.user_attrs:
            assert trial.user_attrs["why"].startswith(("does not fit: ", "repeats"))


def test_a_trial_that_kills_its_driver_again_and_again_has_failed(tmp_path: Path) -> None:
    config = study_of(1)
    for _ in range(3):
        searcher = begin(config, tmp_path)
        assert isinstance(searcher.next_job(), Job)
    searcher = begin(config, tmp_path)
    assert searcher.next_job() is NoJob.LEFT
    (trial,) = searcher.store.trials
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["why"] == "its driver died 3 times in epoch 1"


def test_a_driver_that_dies_after_the_last_report_of_an_early_end_goes_on_to_the_verdict(
    tmp_path: Path,
) -> None:
    """What the worker reports again says that it was the last one: nothing more is trained."""
    config = study_of(1)
    searcher = begin(config, tmp_path)
    searcher.next_job()
    searcher.reported(0, Report(epoch=1, val_error=0.25))
    last = Report(epoch=2, val_error=0.5, kept_error=0.25, last=True)
    searcher.reported(0, last)
    del searcher
    again = begin(config, tmp_path)
    job = again.next_job()
    assert isinstance(job, Job)
    assert not StudyScheduler(again.pruner).goes_on(job, last)
    again.ended(job.number, last)
    (trial,) = again.store.trials
    assert trial.state == TrialState.COMPLETE and trial.values[0] == 0.25
    assert trial.user_attrs["epochs"] == 2 and trial.user_attrs["fidelity"] == 1
    assert again.finished


def test_a_point_of_a_curve_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Reports of a worker that went on from an older checkpoint, not quite the same on a GPU."""
    searcher = begin(study_of(1), tmp_path)
    searcher.next_job()
    for epoch, error in ((1, 0.5), (2, 0.4), (1, 0.6), (2, 0.3), (3, 0.2)):
        report = Report(epoch=epoch, val_error=error, seconds=float(epoch))
        searcher.reported(0, report)
        facts = searcher.store.trials[0].user_attrs
        assert facts["epochs"] == facts["seconds"] == searcher.store.trials[0].last_step
    assert searcher.store.trials[0].intermediate_values == {1: 0.5, 2: 0.4, 3: 0.2}


def test_baselines_come_first_with_what_the_sampler_can_learn_of_them(tmp_path: Path) -> None:
    config = study_of(
        2,
        baselines={"presets": ["cnntention/resnet20"]},
        space={"stages": [2, 3], "blocks": [1, 3]},
        recipe={"lr": {"low": 0.2, "high": 0.3}, "weight_decay": [0.0005, 0.1]},
    )
    searcher = begin(config, tmp_path)
    drive(searcher)
    baseline, other = searcher.store.trials
    assert baseline.user_attrs["baseline"] == "cnntention/resnet20"
    assert baseline.params["stages"] == 3 and baseline.params["blocks.1"] == 3
    assert baseline.user_attrs["recipe"]["lr"] == 0.2  # the preset's 0.01 is not in the study
    assert baseline.params["recipe.weight_decay"] == 0.0005
    assert "baseline" not in other.user_attrs


def test_a_baseline_is_a_reference_from_its_first_job_on_and_when_it_is_attached_again(
    tmp_path: Path,
) -> None:
    """No rung stops it, whether or not its driver died meanwhile."""
    config = study_of(2, baselines={"presets": ["cnntention/resnet20"]}, space={"blocks": [1, 3]})
    for _ in range(2):
        searcher = begin(config, tmp_path)
        job = searcher.next_job()
        assert isinstance(job, Job)
        assert (job.number, job.baseline) == (0, True)
        del searcher
    searcher = begin(config, tmp_path)
    drive(searcher)
    baseline, _other = searcher.store.trials
    assert baseline.last_step == config.epochs


def test_the_seed_of_a_trial_depends_on_its_network_and_the_study_alone(tmp_path: Path) -> None:
    searcher = begin(study_of(2), tmp_path)
    drive(searcher)
    for trial in searcher.store.trials:
        if "charged" in trial.user_attrs:
            expected = joint_space.derived_seed(0, trial.user_attrs["identity"])
            assert trial.user_attrs["seed"] == expected


def test_latency_is_an_objective_and_a_limit_like_the_others(tmp_path: Path) -> None:
    config = study_of(3, objectives=["val_error", "macs", "latency_ms"], limits={"latency_ms": 1e6})
    searcher = begin(config, tmp_path)
    drive(searcher)
    assert_true(searcher.store, config)
    (best, *_) = searcher.store.study.best_trials
    facts = best.user_attrs
    assert best.values[1:] == [facts["macs"], facts["latency_ms"]] and facts["latency_ms"] > 0
