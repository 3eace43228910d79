"""Trials go on while they are the best use of epochs, and pause otherwise."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from skipsearch.studies.pruning.expected_gain import ExpectedGain, judgements
from skipsearch.studies.storage.trial_record import TrialRecord, is_full
from tests.support.driven_searcher import begin, drive, study_of


@pytest.mark.parametrize(
    ("grace", "epochs", "expected"),
    [
        (1, 9, {3, 6}),
        (5, 9, {5, 6}),
        (1, 1, set()),
        (1, 2, {1}),
        (1, 100, {34, 67}),
    ],
)
def test_a_trial_is_judged_after_each_third_of_its_training(
    grace: int, epochs: int, expected: set[int]
) -> None:
    assert judgements(grace, epochs) == expected


class Fixed:
    """A belief in which each trial has a given gain, and each new network another."""

    def __init__(self, gains: dict[int, float], new: float, told: int = 20) -> None:
        self.gains, self.new, self.told, self.volume = gains, new, told, 1.0
        self.numbers = [*gains]
        self.counting = SimpleNamespace(names=("params",))

    def look(self, _trials: object, _newer: object) -> "Fixed":
        return self

    def random(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((2, 1)), np.array([[3.0], [4.0]])

    def gains_at(self, _places: object, _costs: np.ndarray) -> np.ndarray:
        return np.array([self.new, 0.0])

    def gains_of(self, numbers: list[int], _costs: np.ndarray) -> np.ndarray:
        return np.array([self.gains[number] for number in numbers])

    def errors_of(self, numbers: list[int], _costs: np.ndarray) -> np.ndarray:
        return -self.gains_of(numbers, _costs)


def pruner(tmp_path: Path, belief: Fixed, trials: int = 3, **study: Any) -> ExpectedGain:
    """With so many trials, all of them in training."""
    config = study_of(pruner="expected-gain", trials=trials, **study)
    searcher = begin(config, tmp_path)
    for _ in range(trials):
        searcher.next_job()
    return ExpectedGain(config, searcher.store, belief)  # type: ignore[arg-type]


def test_it_goes_on_while_each_epoch_left_promises_as_much_as_those_of_a_new_network(
    tmp_path: Path,
) -> None:
    own = pruner(tmp_path, Fixed({0: 0.61, 1: 0.5, 2: 0.9}, new=1.8))  # a new one: 0.1 an epoch
    assert own.goes_on(0, 3)  # 0.1 for each of 6 epochs
    assert not own.goes_on(1, 3)
    assert own.goes_on(1, 6)  # 0.17 for each of 3
    assert own.goes_on(1, 4)  # is not judged here
    own.waiting[2] = 3  # 0.15
    assert not own.goes_on(0, 3)


def test_nothing_is_judged_before_there_is_a_belief(tmp_path: Path) -> None:
    assert pruner(tmp_path, Fixed({0: 0.0}, new=1.0, told=3)).goes_on(0, 3)


def test_the_best_paused_trial_goes_on_once_it_is_worth_more_than_a_new_network(
    tmp_path: Path,
) -> None:
    belief = Fixed({0: 0.2, 1: 0.4, 2: 0.3}, new=1.8)
    own = pruner(tmp_path, belief)
    assert own.next_paused() is None
    own.waiting |= {0: 3, 1: 3, 2: 6}
    assert own.next_paused() is None  # 0.033, 0.067, 0.1 against 0.1
    belief.new = 1.7
    assert own.next_paused() == 2
    belief.new, belief.volume = 2.7, 0.5
    own.close()
    assert own.next_paused() == 2  # 0.05: a tenth of what an epoch brought so far
    belief.gains = {0: 0.0, 1: 0.0, 2: 0.0}
    assert own.next_paused() is None


def test_of_each_kind_of_shortcut_some_are_trained_to_their_end(tmp_path: Path) -> None:
    """Two kinds: the best of each are owed it from ten trials on."""
    gains = {number: 0.001 * (1 + number % 7) for number in range(12)}
    own = pruner(tmp_path, Fixed(gains, new=9.0), trials=12, sampler="random", repeats="record")
    trials = own.store.trials
    kinds = {t.number: TrialRecord.of(t)[TrialRecord.arch]["shortcut"] for t in trials}
    assert len(set(kinds.values())) == 2
    best = {
        max((n for n in gains if kinds[n] == kind), key=lambda n: (gains[n], -n))
        for kind in kinds.values()
    }
    assert {n for n in gains if own.goes_on(n, 3)} == best
    own.waiting |= dict.fromkeys(best, 3)
    assert own.next_paused() == min(best)


@pytest.mark.parametrize("sampler", ["gp", "random"])
def test_a_study_pauses_and_resumes_and_ends(tmp_path: Path, sampler: str) -> None:
    config = study_of(pruner="expected-gain", trials=24, sampler=sampler, space={"blocks": [1, 2]})
    searcher = begin(config, tmp_path)
    trained = drive(searcher)
    trials = [t for t in searcher.store.trials if TrialRecord.of(t).charged]
    assert len(trials) == 24 and searcher.finished
    assert {t.state for t in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    epochs = Counter(number for number, _ in set(trained))
    assert sum(epochs.values()) < 0.7 * 24 * config.epochs
    assert all(epochs[t.number] == config.epochs for t in trials if is_full(t))
    best = min(trials, key=lambda t: min(t.intermediate_values.values()))
    assert is_full(best)


def test_a_dead_drivers_paused_trials_are_paused_again(tmp_path: Path) -> None:
    config = study_of(pruner="expected-gain", trials=24)
    searcher = begin(config, tmp_path)
    parked: dict[int, int] = {}
    from skipsearch.studies.executors.scheduler import StudyScheduler
    from skipsearch.trainers.trial.job import Job, Report
    from tests.support.tabulated_training import val_error

    scheduler = StudyScheduler(searcher.pruner)
    while not parked and isinstance(job := searcher.next_job(), Job):
        for epoch in range(1, 10):
            report = Report(epoch=epoch, val_error=val_error(job.number, epoch))
            if not scheduler.goes_on(job, report):
                searcher.ended(job.number, report)
                break
            searcher.reported(job.number, report)
        parked = dict(searcher.parking.waiting)
    assert parked
    searcher.store.release()
    again = begin(config, tmp_path)
    assert again.parking.waiting == parked
