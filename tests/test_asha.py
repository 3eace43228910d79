"""Successive halving: who goes on at a rung."""

import math
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from ray.tune.schedulers import TrialScheduler

from studies.asha import Asha, FullFidelity, Rungs, fidelity


def trial(number: int, max_epochs: int = 9, *, baseline: bool = False) -> Any:
    job = SimpleNamespace(number=number, max_epochs=max_epochs, baseline=baseline)
    return SimpleNamespace(config={"job": job})


def told(
    scheduler: FullFidelity,
    number: int,
    epoch: int,
    val_error: float,
    *,
    last: bool = False,
    **of: Any,
) -> str:
    result = {"epoch": epoch, "val_error": val_error, "last": last}
    return scheduler.on_trial_result(None, trial(number, **of), result)


@pytest.mark.parametrize(
    ("max_epochs", "rungs"),
    [(1, []), (2, [1]), (3, [1]), (4, [1, 3]), (9, [1, 3]), (10, [1, 3, 9]), (28, [1, 3, 9, 27])],
)
def test_rungs_are_powers_of_eta_below_full_fidelity(max_epochs: int, rungs: list[int]) -> None:
    assert list(Rungs(max_epochs).at) == rungs


def test_nobody_is_judged_before_the_grace_period() -> None:
    assert list(Rungs(27, grace=2).at) == [2, 6, 18]
    assert list(Rungs(9, grace=3).at) == [3]
    assert list(Rungs(5, grace=9).at) == []


def test_nobody_is_stopped_before_eta_trials_came() -> None:
    asha = Asha(Rungs(9))
    assert told(asha, 0, 1, 0.1) == told(asha, 1, 1, 0.9) == TrialScheduler.CONTINUE
    assert told(asha, 2, 1, 0.8) == TrialScheduler.STOP


def test_the_best_third_goes_on_and_only_at_a_rung() -> None:
    asha = Asha(Rungs(9))
    for number in range(6):
        told(asha, number, 1, 0.5 + number / 100)
    assert told(asha, 6, 1, 0.495) == TrialScheduler.CONTINUE
    assert told(asha, 7, 1, 0.505) == TrialScheduler.CONTINUE  # third of eight
    assert told(asha, 8, 1, 0.52) == TrialScheduler.STOP
    assert told(asha, 9, 2, 0.99) == TrialScheduler.CONTINUE


def test_equal_errors_are_not_told_apart() -> None:
    asha = Asha(Rungs(9))
    assert {told(asha, number, 1, 0.5) for number in range(9)} == {TrialScheduler.CONTINUE}


def test_a_baseline_goes_on_but_counts() -> None:
    asha = Asha(Rungs(9))
    for number in range(3):
        told(asha, number, 1, 0.1)
    assert told(asha, 3, 1, 0.9, baseline=True) == TrialScheduler.CONTINUE
    assert 3 in asha.rungs.at[1]


@pytest.mark.parametrize("scheduler", [FullFidelity(), Asha(Rungs(9))])
def test_full_fidelity_and_errors_that_are_no_numbers_end_a_trial(scheduler: FullFidelity) -> None:
    assert told(scheduler, 0, 9, 0.5) == TrialScheduler.STOP
    assert told(scheduler, 0, 2, math.nan) == told(scheduler, 0, 2, math.inf) == TrialScheduler.STOP
    assert told(scheduler, 0, 8, 0.5) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial(0), {"epoch": 1}) == TrialScheduler.STOP


@pytest.mark.parametrize("scheduler", [FullFidelity(), Asha(Rungs(9))])
def test_a_training_that_its_recipe_ended_is_at_full_fidelity(scheduler: FullFidelity) -> None:
    assert told(scheduler, 0, 2, 0.5, last=True) == TrialScheduler.STOP
    for epoch, last, part in ((2, False, 2 / 9), (2, True, 1), (9, False, 1), (9, True, 1)):
        assert fidelity(trial(0).config["job"], {"epoch": epoch, "last": last}) == part


def test_a_training_that_ended_early_at_a_rung_is_compared_there_with_others() -> None:
    asha = Asha(Rungs(9))
    for number in range(3):
        assert told(asha, number, 3, 0.1, last=True) == TrialScheduler.STOP
    assert told(asha, 3, 3, 0.5) == TrialScheduler.STOP


def test_rungs_are_a_function_of_the_studys_curves() -> None:
    lived, study = Rungs(9), optuna.create_study()
    for number in range(7):
        curve = {epoch: (number * 5 % 7) / 7 + 1 / epoch for epoch in range(1, 1 + number)}
        state = optuna.trial.TrialState.PRUNED
        study.add_trial(optuna.trial.create_trial(state=state, intermediate_values=curve))
        for epoch, val_error in curve.items():
            lived.add(number, epoch, val_error)
    loaded = Rungs(9)
    loaded.load(study.trials)
    assert loaded.at == lived.at and loaded.at[1]


def test_a_report_that_is_repeated_changes_nothing() -> None:
    rungs = Rungs(9)
    for number in range(5):
        rungs.add(number, 1, number / 10)
    decided = [rungs.goes_on(number, 1) for number in range(5)]
    rungs.add(2, 1, 0.2)
    assert (
        [rungs.goes_on(number, 1) for number in range(5)] == decided == [True, True] + [False] * 3
    )
