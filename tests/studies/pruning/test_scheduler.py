"""When a trial stops."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from skipsearch.studies.executors.ray_adapters import RayScheduler
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import fidelity
from skipsearch.trainers.trial.job import Job, Report
from skipsearch.trainers.trial.ray_trainable import WRONG

STOP, CONTINUE = False, True
MODES = [(pareto, promote) for pareto in (False, True) for promote in (False, True)]


def halving(*, pareto: bool = False, promote: bool = False) -> StudyScheduler:
    return StudyScheduler(Rungs(9, pareto=pareto, promote=promote))


def everyone() -> list[StudyScheduler]:
    return [StudyScheduler(None), *(halving(pareto=a, promote=b) for a, b in MODES)]


def job(number: int, *, params: float = 1.0, **of: Any) -> Job:
    nothing: dict[str, Any] = {"arch": {}, "recipe": {}, "seed": 0, "folder": ""}
    return Job(number=number, max_epochs=9, threads=1, device="cpu", **nothing, **of)


def told(
    scheduler: StudyScheduler,
    number: int,
    epoch: int,
    val_error: float,
    *,
    last: bool = False,
    params: float = 1.0,
    **of: Any,
) -> bool:
    report = Report(epoch=epoch, val_error=val_error, last=last)
    return scheduler.goes_on(job(number, costs=(params,), **of), report)


@pytest.mark.parametrize("scheduler", everyone())
@pytest.mark.parametrize("val_error", [math.nan, math.inf, -math.inf])
def test_an_error_that_is_no_number_ends_a_trial(
    scheduler: StudyScheduler, val_error: float
) -> None:
    assert told(scheduler, 0, 2, val_error) == STOP
    assert told(scheduler, 0, 1, val_error, baseline=True) == STOP
    assert not isinstance(scheduler.pruner, Rungs) or not scheduler.pruner.at[1]


@pytest.mark.parametrize("scheduler", everyone())
def test_ray_stops_a_trial_where_it_does_not_go_on_or_its_report_is_wrong(
    scheduler: StudyScheduler,
) -> None:
    own, wrong = SimpleNamespace(config={"job": job(0)}), {"epoch": 0, WRONG: "no val_error"}
    adapter = RayScheduler(scheduler, SimpleNamespace(number=None))
    for result, decision in (
        ({"epoch": 2, "val_error": 0.5}, TrialScheduler.CONTINUE),
        ({"epoch": 9, "val_error": 0.5}, TrialScheduler.STOP),
        (wrong, TrialScheduler.STOP),
    ):
        assert adapter.on_trial_result(None, own, result) == decision
    assert not isinstance(scheduler.pruner, Rungs) or not scheduler.pruner.at[1]


@pytest.mark.parametrize("scheduler", everyone())
def test_full_fidelity_ends_a_trial_and_nothing_before_it_but_a_rung(
    scheduler: StudyScheduler,
) -> None:
    assert told(scheduler, 0, 8, 0.5) == told(scheduler, 0, 2, 0.99) == CONTINUE
    assert told(scheduler, 0, 9, 0.5) == told(scheduler, 1, 9, 0.5, baseline=True) == STOP


@pytest.mark.parametrize("scheduler", everyone())
def test_a_training_that_its_recipe_ended_is_at_full_fidelity(scheduler: StudyScheduler) -> None:
    assert told(scheduler, 0, 2, 0.5, last=True) == STOP
    for epoch, last, part in ((2, False, 2 / 9), (2, True, 1), (9, False, 1), (9, True, 1)):
        assert fidelity(job(0), Report(epoch=epoch, val_error=0.5, last=last)) == part


def test_a_training_that_ended_early_at_a_rung_is_compared_there_with_others() -> None:
    scheduler = halving()
    for number in range(3):
        assert told(scheduler, number, 3, 0.1, last=True) == STOP
    assert told(scheduler, 3, 3, 0.5) == STOP


@pytest.mark.parametrize("scheduler", everyone())
def test_a_baseline_always_goes_on_but_counts(scheduler: StudyScheduler) -> None:
    assert told(scheduler, 0, 1, 0.9, baseline=True, params=9.0) == CONTINUE
    for number in range(1, 4):
        told(scheduler, number, 1, 0.1)
    assert told(scheduler, 4, 1, 0.9, baseline=True, params=9.0) == CONTINUE
    assert not isinstance(scheduler.pruner, Rungs) or set(scheduler.pruner.at[1]) == set(range(5))


@pytest.mark.parametrize("scheduler", everyone())
@pytest.mark.parametrize(("seconds", "decision"), [(59.0, CONTINUE), (61.0, STOP)])
def test_a_trial_ends_after_its_longest_time_even_a_baseline(
    scheduler: StudyScheduler, seconds: float, decision: bool
) -> None:
    report = Report(epoch=2, val_error=0.5, seconds=seconds)
    for own in (job(0, max_seconds=60.0), job(1, max_seconds=60.0, baseline=True)):
        assert scheduler.goes_on(own, report) == decision
    assert scheduler.goes_on(job(2), report) == CONTINUE


def test_without_rungs_everyone_gets_all_epochs() -> None:
    scheduler = StudyScheduler(None)
    assert {told(scheduler, n, e, n / 9) for n in range(9) for e in range(1, 9)} == {CONTINUE}


def test_the_best_third_goes_on_and_only_at_a_rung() -> None:
    scheduler = halving()
    for number in range(6):
        told(scheduler, number, 1, 0.5 + number / 100)
    assert told(scheduler, 6, 1, 0.495) == CONTINUE
    assert told(scheduler, 7, 1, 0.505) == CONTINUE  # third of eight
    assert told(scheduler, 8, 1, 0.52) == STOP
    assert told(scheduler, 9, 2, 0.99) == CONTINUE


@pytest.mark.parametrize(("pareto", "decision"), [(False, STOP), (True, CONTINUE)])
def test_a_small_network_is_judged_by_its_costs_too(pareto: bool, decision: bool) -> None:
    scheduler = halving(pareto=pareto)
    for number in range(9):
        told(scheduler, number, 1, 0.1 + number / 100, params=1000.0)
    assert told(scheduler, 9, 1, 0.6, params=10.0) == decision


def test_while_too_few_came_a_trial_goes_on_or_waits() -> None:
    assert told(halving(), 0, 1, 0.5) == CONTINUE
    assert told(halving(promote=True), 0, 1, 0.5) == STOP


def test_a_job_may_be_judged_beside_earlier_trials_only() -> None:
    scheduler = halving()
    for number in range(1, 9):
        told(scheduler, number, 1, number / 10)
    assert told(scheduler, 10, 1, 0.95, below=2) == CONTINUE
    assert told(scheduler, 10, 1, 0.95, below=3) == told(scheduler, 10, 1, 0.95) == STOP
