"""Successive halving: who goes on at a rung."""

import math
from random import Random

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skipsearch.studies.pareto import Points, front_numbers, ranked, spread
from skipsearch.studies.pruning.rungs import Rungs

# Few values, so that ties and identical points are common; 1 to 3 objectives.
POINTS = st.tuples(st.integers(1, 24), st.integers(1, 3)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 6).map(float))
)

untimed = settings(deadline=None)


def positions(points: Points, fronts: np.ndarray) -> np.ndarray:
    """The slow twin. For each point how many come before it: all of better fronts, and of its own
    front those that are taken earlier when always the farthest from all taken is taken next, the
    best error first.
    """
    places, ranks, before = np.empty(len(points), dtype=int), ranked(points), 0
    for number in range(fronts.max(initial=-1) + 1):
        own = np.flatnonzero(fronts == number)
        places[own[spread(ranks[own])]] = before + np.arange(len(own))
        before += len(own)
    return places


def rungs(max_epochs: int = 9, *, pareto: bool = False, promote: bool = False, **of: int) -> Rungs:
    return Rungs(max_epochs, pareto=pareto, promote=promote, **of)


def filled(points: np.ndarray, *, pareto: bool = True, promote: bool = False) -> Rungs:
    """All points at the first rung, by trials numbered in their order."""
    made = rungs(pareto=pareto, promote=promote)
    for number, (val_error, *costs) in enumerate(points.tolist()):
        made.add(number, 1, val_error, costs)
    return made


def going(made: Rungs) -> set[int]:
    return {number for number in made.at[1] if made.goes_on(number, 1)}


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


def peeled(points: np.ndarray) -> list[int]:
    """The fronts as they are defined, one taken off after the other."""
    fronts, left, number = [-1] * len(points), set(range(len(points))), 0
    while left:
        free = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        for i in free:
            fronts[i] = number
        left, number = left - set(free), number + 1
    return fronts


@pytest.mark.parametrize(
    ("max_epochs", "at"),
    [(1, []), (2, [1]), (3, [1]), (4, [1, 3]), (9, [1, 3]), (10, [1, 3, 9]), (28, [1, 3, 9, 27])],
)
def test_rungs_are_powers_of_eta_below_full_fidelity(max_epochs: int, at: list[int]) -> None:
    assert list(rungs(max_epochs).at) == at


def test_nobody_is_judged_before_the_grace_period() -> None:
    assert list(rungs(27, grace=2).at) == [2, 6, 18]
    assert list(rungs(9, grace=3).at) == [3]
    assert list(rungs(5, grace=9).at) == []
    assert list(rungs(9, eta=2).at) == [1, 2, 4, 8]


@pytest.mark.parametrize("pareto", [False, True])
def test_nobody_is_stopped_before_eta_trials_came(pareto: bool) -> None:
    made = filled(np.array([[0.1, 1.0], [0.9, 2.0]]), pareto=pareto)
    assert going(made) == {0, 1}
    made.add(2, 1, 0.8, (3.0,))
    assert going(made) == {0}


@pytest.mark.parametrize("pareto", [False, True])
def test_nobody_is_promoted_before_eta_trials_came(pareto: bool) -> None:
    made = filled(np.array([[0.1, 1.0], [0.9, 2.0]]), pareto=pareto, promote=True)
    assert going(made) == set()
    made.add(2, 1, 0.8, (3.0,))
    assert going(made) == {0}


@pytest.mark.parametrize(("promote", "on"), [(False, {0, 1}), (True, {0})])
def test_when_nobody_else_comes_the_best_of_fewer_than_eta_go_on(
    promote: bool, on: set[int]
) -> None:
    made = filled(np.array([[0.1, 1.0], [0.9, 2.0]]), promote=promote)
    assert going(made) == (set() if promote else {0, 1})
    made.close()
    assert going(made) == on


def test_the_best_third_goes_on_by_error_alone() -> None:
    made = filled(np.array([[0.5 + number / 100, -number] for number in range(6)]), pareto=False)
    assert going(made) == {0, 1}
    made.add(6, 1, 0.495, (9.0,))
    made.add(7, 1, 0.505, (9.0,))  # third of eight
    made.add(8, 1, 0.52, (0.0,))
    assert going(made) == {6, 0, 7}


def test_who_did_not_report_at_a_rung_goes_on() -> None:
    made = filled(np.array([[0.1, 1.0]] * 9), pareto=False)
    assert made.goes_on(99, 1) and made.goes_on(0, 2)
    made.add(0, 2, 0.5, ())
    assert list(made.at) == [1, 3]


@pytest.mark.parametrize("pareto", [False, True])
def test_equal_errors_are_not_told_apart(pareto: bool) -> None:
    assert going(filled(np.full((9, 2), 0.5), pareto=pareto)) == set(range(9))


def test_an_error_that_is_no_number_is_no_point() -> None:
    made = rungs(pareto=True)
    for number, val_error in enumerate((math.nan, math.inf, 0.5)):
        made.add(number, 1, val_error, (1.0,))
    assert set(made.at[1]) == {2}


@untimed
@given(POINTS)
def test_fronts_are_what_is_left_when_one_after_the_other_is_taken_off(points: np.ndarray) -> None:
    assert front_numbers(points).tolist() == peeled(points)


@untimed
@given(POINTS)
def test_everyone_has_a_position_of_its_own_and_better_fronts_come_first(
    points: np.ndarray,
) -> None:
    fronts = front_numbers(points)
    places = positions(points, fronts)
    assert sorted(places) == list(range(len(points)))
    assert (np.diff(fronts[np.argsort(places)]) >= 0).all()


@untimed
@given(POINTS)
def test_in_a_front_the_farthest_from_all_taken_is_taken_next(points: np.ndarray) -> None:
    order = spread(points)
    assert points[order[0], 0] == points[:, 0].min()
    for taken in range(1, len(order)):
        rows, left = order[:taken], order[taken:]
        away = [min(np.sum((points[i] - points[j]) ** 2) for j in rows) for i in left]
        assert away[0] == max(away)


@untimed
@given(POINTS)
def test_a_non_dominated_newcomer_is_never_stopped(points: np.ndarray) -> None:
    made, earlier = rungs(pareto=True), []
    for number, point in enumerate(points):
        made.add(number, 1, point[0], point[1:].tolist())
        free = not any(dominates(other, point) for other in earlier)
        assert made.goes_on(number, 1) or not free
        earlier.append(point)


@untimed
@given(POINTS)
def test_who_waits_goes_on_as_soon_as_nobody_dominates_it_or_its_place_allows(
    points: np.ndarray,
) -> None:
    fronts = front_numbers(points)
    places = positions(points, fronts)
    allowed = {n for n in range(len(points)) if fronts[n] == 0 or places[n] < len(points) / 3}
    assert going(filled(points, promote=True)) == (allowed if len(points) >= 3 else set())


def test_who_waits_goes_on_when_those_that_come_are_worse() -> None:
    made = filled(np.array([[0.1, 1.0], [0.2, 2.0], [0.3, 3.0]]), promote=True)
    assert not made.goes_on(1, 1)
    made.add(3, 1, 0.4, (4.0,))
    assert made.goes_on(1, 1)  # the second of four: below 4/3
    assert not made.goes_on(2, 1)


@untimed
@given(POINTS, st.data())
def test_no_increasing_transformation_of_an_objective_changes_a_decision(
    points: np.ndarray, data: st.DataObject
) -> None:
    stretched = points.copy()
    for column in range(points.shape[1]):
        steps = data.draw(st.lists(st.integers(1, 10**6), min_size=7, max_size=7))
        stretched[:, column] = np.cumsum(steps)[points[:, column].astype(int)]
    assert going(filled(stretched)) == going(filled(points))


@untimed
@given(POINTS, st.randoms(use_true_random=False))
def test_a_decision_does_not_depend_on_who_came_first(points: np.ndarray, rng: Random) -> None:
    made, numbers = rungs(pareto=True), list(range(len(points)))
    rng.shuffle(numbers)
    for number in numbers:
        made.add(number, 1, points[number, 0], points[number, 1:].tolist())
    assert going(made) == going(filled(points))


@pytest.mark.parametrize("points", [np.array([[0.5, 1.0]]), np.full((7, 2), 3.0)])
def test_one_point_and_identical_points_are_one_front(points: np.ndarray) -> None:
    fronts = front_numbers(points)
    assert set(fronts) == {0}
    assert positions(points, fronts).tolist() == list(range(len(points)))


def test_small_networks_survive_where_error_alone_stops_them() -> None:
    """Nine networks, each larger one better: all are a trade-off. A tenth is large and bad."""
    points = np.array([[0.9 - n / 20, 1000.0 * 2**n] for n in range(9)] + [[0.88, 900_000.0]])
    assert going(filled(points, pareto=False)) == {5, 6, 7, 8}
    assert going(filled(points, pareto=True)) == set(range(9))


def test_a_trial_is_judged_beside_those_below_its_limit_only() -> None:
    made = filled(np.array([[0.9 - n / 10, 1.0] for n in range(7)]), pareto=False)
    assert not made.goes_on(2, 1)
    assert made.goes_on(2, 1, below=2) and made.goes_on(2, 1, below=0)
    assert not made.goes_on(0, 1, below=7)
    made.add(20, 1, 0.95, (1.0,))
    assert not made.goes_on(20, 1, below=3) and made.goes_on(20, 1, below=1)


def test_a_limit_leaves_what_came_later_without_effect() -> None:
    points = np.array([[0.5, 4.0], [0.6, 3.0], [0.7, 5.0], [0.8, 6.0]])
    before = filled(points)
    decided = before.goes_on(3, 1, below=3)
    for number in range(4, 12):
        before.add(number, 1, number / 100, (1.0,))
    assert before.goes_on(3, 1, below=3) == decided


@pytest.mark.parametrize("pareto", [False, True])
def test_a_report_that_is_repeated_changes_nothing(pareto: bool) -> None:
    made = filled(np.array([[n / 10, 1.0 + n] for n in range(5)]), pareto=pareto)
    decided = going(made)
    made.add(2, 1, 0.2, (3.0,))
    assert going(made) == decided == {0, 1}


@pytest.mark.parametrize("pareto", [False, True])
def test_a_decision_takes_everyone_into_account_who_came(pareto: bool) -> None:
    made = filled(np.array([[n / 10, 1.0 + n] for n in range(3)]), pareto=pareto)
    assert made.goes_on(0, 1)
    for number in range(3, 6):
        made.add(number, 1, -1.0 - number, (0.5,))
    assert not made.goes_on(0, 1)


@pytest.mark.parametrize("promote", [False, True])
def test_replaying_a_study_gives_the_same_rungs_and_decisions(promote: bool) -> None:
    """Lived through in another order than that of the numbers, with ties of all kinds."""
    study, curves = optuna.create_study(directions=["minimize"] * 2), {}
    for number in range(14):
        final = 0.1 * (number * 5 % 7)
        curves[number] = {epoch: final + 1 / epoch for epoch in range(1, 2 + number % 4)}
        facts = {"charged": True, "params": 100 * (1 + number * 3 % 5), "macs": 1}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED,
                intermediate_values=curves[number],
                user_attrs=facts,
            )
        )
    lived = rungs(pareto=True, promote=promote)
    for number in sorted(curves, key=lambda n: n * 11 % 14):
        for epoch, val_error in curves[number].items():
            lived.add(number, epoch, val_error, (study.trials[number].user_attrs["params"],))
    loaded = rungs(pareto=True, promote=promote)
    loaded.load(study.trials, ["params"])
    assert loaded.at == lived.at and all(len(rung) >= 3 for rung in loaded.at.values())
    for epoch, rung in lived.at.items():
        decisions = {number: lived.goes_on(number, epoch) for number in rung}
        assert decisions == {number: loaded.goes_on(number, epoch) for number in rung}
        assert set(decisions.values()) == {True, False}


def test_trials_that_were_answered_without_training_are_at_no_rung() -> None:
    study = optuna.create_study(directions=["minimize"] * 2)
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    loaded = rungs(pareto=True)
    loaded.load(study.trials, ["params"])
    assert loaded.at == {1: {}, 3: {}}
