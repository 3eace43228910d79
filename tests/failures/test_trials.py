"""Failure cases of trials: stopped, out of memory, no numbers, reports out of order, a dead worker,
a full disk, the same seed twice.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.schema import SAMPLERS
from skipsearch.studies.engine.driver import run
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.storage.store import load
from skipsearch.trainers.trial.checkpoints import CannotSave, Checkpoints
from skipsearch.trainers.trial.job import REMEDY, Job, Report
from skipsearch.trainers.trial.training import Training
from tests.support.failure_cases import ONE, assert_whole, file_size_limit, quick, stops, train
from tests.support.tabulated_training import (
    ByNetwork,
    CannotSaveOnce,
    Shot,
    Silent,
    Tabulated,
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


def test_case_02_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(
    cluster: str, tmp_path: Path
) -> None:
    config = quick(trials=3)
    done = run(config, folder=tmp_path, observer=Silent(), begin=Shot)
    assert_whole(done, config)
    assert trained_once(tmp_path) and done.trials[1].user_attrs["attempts"] == 2


@pytest.mark.parametrize("pruner", ["asha", "pareto-asha"])
@pytest.mark.parametrize("halving", ["stop", "promote"])
def test_case_04_who_was_stopped_is_pruned_and_never_on_a_front(
    tmp_path: Path, pruner: str, halving: str
) -> None:
    space = {**ONE, "stem_channels": [8, 16]}
    config = quick(trials=9, epochs=9, pruner=pruner, halving=halving, space=space)
    done = train(config, tmp_path)
    states = {t.state for t in charged(done)}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in charged(done):
        assert (trial.state == TrialState.COMPLETE) == (trial.last_step == 9)
    for member in [*front_trials(done), *done.best_trials]:
        assert member.user_attrs["epochs"] == member.user_attrs["max_epochs"] == 9


CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB"


class OutOfMemory(Tabulated):
    """Host and device, at the first step and later; trial 4 before its first one."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        if job.number == 4:
            raise torch.OutOfMemoryError(CUDA)

    def train_epoch(self) -> None:
        if (self.job.number, self.epoch) in ((0, 1), (1, 2)):
            raise MemoryError
        if (self.job.number, self.epoch) in ((2, 1), (3, 2)):
            raise torch.OutOfMemoryError(CUDA)


def test_case_05_out_of_memory_is_a_failure_with_its_reason_and_the_study_goes_on(
    tmp_path: Path,
) -> None:
    config = quick(trials=7, max_failures=6)
    done = train(config, tmp_path, begin=OutOfMemory)
    assert [t.state for t in done.trials] == [TrialState.FAIL] * 5 + [TrialState.COMPLETE] * 2
    whys = [t.user_attrs["why"] for t in done.trials]
    assert (
        whys
        == ["out of memory: MemoryError"] * 2
        + [f"out of memory: OutOfMemoryError: {CUDA}"] * 3
        + [""] * 2
    )
    curves = [list(t.intermediate_values) for t in done.trials[:5]]
    assert curves == [[], [1], [], [1], []]
    assert {t.number for t in done.best_trials} <= {5, 6}


class FirstOutOfMemory(Tabulated):
    def train_epoch(self) -> None:
        if self.job.number == 0:
            raise MemoryError


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_case_05_out_of_memory_of_a_network_is_not_met_again_by_any_sampler(
    tmp_path: Path, sampler: str
) -> None:
    """Of three networks the first fails; neither this run nor the next one proposes it again."""
    space = {**ONE, "stem_channels": [8, 16, 24]}
    for trials in (2, 9):
        config = quick(trials=trials, sampler=sampler, space=space, recipe={})
        done = train(config, tmp_path, begin=FirstOutOfMemory)
    networks = [t.user_attrs["identity"] for t in charged(done)]
    assert len(networks) == len(set(networks)) == 3
    assert [t.state.name for t in charged(done)] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert done.user_attrs["exhausted"].startswith("all networks of the space were trained")


class AlwaysOutOfMemory(Tabulated):
    def train_epoch(self) -> None:
        raise torch.OutOfMemoryError(CUDA)


class Mute(Tabulated):
    def report(self) -> Any:
        return {"epoch": self.epoch}


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (AlwaysOutOfMemory, "out of memory: OutOfMemoryError: CUDA"),
        (Mute, "report has no val_error, which must be a number"),
    ],
)
def test_case_05_out_of_memory_everywhere_ends_the_study_with_a_clear_error(
    tmp_path: Path, begin: type[Tabulated], why: str
) -> None:
    with stops(f"2 trials in a row failed, the last with: {why}.*run the same command again"):
        train(quick(max_failures=2), tmp_path, begin=begin)
    left = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [t.state for t in left.trials] == [TrialState.FAIL] * 2
    done = train(quick(max_failures=2), tmp_path)
    assert [t.state.name for t in done.trials] == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]


MISSING = "missing"
ODD = (math.nan, math.inf, -math.inf, None, MISSING, "high", [0.5])


class Odd(Tabulated):
    """Trial 2 k reports the k-th odd value in its first epoch, trial 2 k + 1 in its second one."""

    def report(self) -> Any:
        which, later = divmod(self.job.number, 2)
        if which >= len(ODD) or self.epoch != 1 + later:
            return super().report()
        return {"epoch": self.epoch} | ({} if ODD[which] == MISSING else {"val_error": ODD[which]})


def test_case_06_an_error_that_is_no_number_is_a_result_with_a_reason(tmp_path: Path) -> None:
    config = quick(trials=15, epochs=2, max_failures=99)
    done = train(config, tmp_path, begin=Odd)
    trials = charged(done)
    assert [t.state.name for t in trials] == ["PRUNED"] * 6 + ["FAIL"] * 8 + ["COMPLETE"]
    for trial, value in zip(trials, [v for v in ODD for _ in range(2)], strict=False):
        later = trial.number % 2
        expected = {
            "PRUNED": f"diverged: val_error is {value} after epoch {1 + later}",
            "FAIL": "report: val_error must be a number (nan where training diverged), got "
            f"{value!r}: {REMEDY}",
        }[trial.state.name]
        if value == MISSING:
            expected = (
                "report has no val_error, which must be a number (nan where training diverged), "
                f"only epoch: {REMEDY}"
            )
        assert trial.user_attrs["why"] == expected
        assert list(trial.intermediate_values) == list(range(1, 1 + later))
    assert [t.number for t in front_trials(done)] == [t.number for t in done.best_trials] == [14]


class KeepsNothing(Tabulated):
    def report(self) -> Any:
        kept = {0: math.nan, 1: None}.get(self.job.number, 0.5)
        return {**super().report().to_dict(), "kept_error": kept}


def test_case_06_kept_weights_whose_error_is_no_number_are_no_result(tmp_path: Path) -> None:
    done = train(quick(trials=3), tmp_path, begin=KeepsNothing)
    assert [t.state.name for t in done.trials] == ["PRUNED", "FAIL", "COMPLETE"]
    assert done.trials[0].user_attrs["why"] == "diverged: kept_error is nan after epoch 3"
    expected = f"report: kept_error must be a number, got None: {REMEDY}"
    assert done.trials[1].user_attrs["why"] == expected


class OnAFullDisk(Training):
    """Its third epoch finds no room for its checkpoint."""

    def step(self) -> Report:
        if self.fit is not None and self.fit.epoch == 2 and self.again is None:
            with file_size_limit(2000):
                return super().step()
        return super().step()


def test_case_07_a_full_disk_at_a_checkpoint_stops_the_run_and_fails_no_trial(
    tmp_path: Path,
) -> None:
    config = quick(trials=2, train_subset=100)
    data = load_data(config)
    with stops(r"storage failed: .*File too large: '.*trials/0'.*mend it and run the same"):
        train(config, tmp_path, begin=partial(OnAFullDisk, data=data))
    own = tmp_path / "trials" / "0"
    assert not list(own.glob("*.part"))
    (left,) = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert left.state == TrialState.RUNNING and list(left.intermediate_values) == [1, 2]
    done = train(config, tmp_path, begin=partial(Training, data=data))
    assert_whole(done, config)


def test_case_07_a_full_disk_under_a_worker_stops_the_run_and_fails_no_trial(
    cluster: str, tmp_path: Path
) -> None:
    config = quick(trials=3)
    with stops(r"storage failed: .*No such file or directory: '.*trials/1'"):
        run(config, folder=tmp_path, observer=Silent(), begin=CannotSaveOnce)
    left = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}").trials[1]
    assert left.state == TrialState.RUNNING
    (tmp_path / "mended").touch()
    assert_whole(train(config, tmp_path, begin=CannotSaveOnce), config)


def test_an_error_of_the_training_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError), Checkpoints.at(str(tmp_path)).saving():
        raise torch.OutOfMemoryError(CUDA)
    with pytest.raises(CannotSave), Checkpoints.at(str(tmp_path)).saving():
        (tmp_path / "no folder" / "file").write_text("x")


class Disorderly(Tabulated):
    """The fourth trial reports epochs twice and late; the late first epoch is a poor one."""

    ORDER = (1, 1, 2, 3, 1, 2, 4, 5, 6, 5, 7, 8, 9)

    def step(self) -> Any:
        if self.job.number != 3:
            return super().step()
        self.epoch += 1  # counts the reports
        epoch = self.ORDER[self.epoch - 1]
        late = epoch < max(self.ORDER[: self.epoch])
        return {"epoch": epoch, "val_error": 0.9 if late else 0.0}


def test_case_13_reports_that_come_twice_or_late_leave_a_whole_curve_and_judge_nobody_again(
    tmp_path: Path,
) -> None:
    config = quick(trials=6, epochs=9, pruner="asha")
    done = train(config, tmp_path, begin=Disorderly)
    odd = done.trials[3]
    assert odd.state == TrialState.COMPLETE and odd.user_attrs["epochs"] == 9
    assert sorted(odd.intermediate_values) == list(range(1, 10)) and odd.values[0] == 0.0
    for trial in charged(done):
        if trial.number != 3:
            curve = {e: val_error(trial.number, e) for e in trial.intermediate_values}
            assert trial.intermediate_values == curve
            assert (trial.state == TrialState.COMPLETE) == (len(curve) == 9)


def outcomes(study: Any) -> list[tuple[Mapping[str, Any], Mapping[int, float], list[float] | None]]:
    trials = [t for t in study.trials if "charged" in t.user_attrs]
    return [(t.params, t.intermediate_values, t.values) for t in trials]


def test_case_18_the_same_seed_gives_the_same_proposals_and_the_same_metrics(
    tmp_path: Path,
) -> None:
    space = {**ONE, "stem_channels": [8, 16], "shortcut": ["none", "sum"]}
    space.pop("shortcut.sum.match", None)
    config = quick(trials=3, epochs=2, train_subset=100, sampler="tpe", space=space)
    one, same = (train(config, tmp_path / name, begin=None) for name in ("one", "same"))
    assert outcomes(one) == outcomes(same) and len(outcomes(one)) == 3
    other = quick(**{**config.to_dict()["study"], "seed": 1}, space=space)
    assert outcomes(train(other, tmp_path / "other", begin=None)) != outcomes(one)


def test_case_18_two_workers_of_a_deterministic_study_train_the_same_set(
    cluster: str, tmp_path: Path
) -> None:
    """However fast they are: side by side in Ray, and one after the other here."""
    config = study_of(
        trials=8, epochs=3, concurrency=2, deterministic=True, space=ONE, recipe=quick().recipe
    )
    here = train(config, tmp_path / "here", begin=ByNetwork)
    there = run(config, folder=tmp_path / "there", observer=Silent(), begin=ByNetwork)
    assert outcomes(here) == outcomes(there) and len(outcomes(here)) == 8
