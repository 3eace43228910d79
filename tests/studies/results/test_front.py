"""The Pareto front, its hypervolume and its knee, against slow twins."""

import random
from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from skipsearch.studies.pareto import Point, hypervolume, non_dominated
from skipsearch.studies.results.front import (
    front,
    front_records,
    front_trials,
    hypervolume_history,
    knee,
)
from tests.support.fake_study import EPOCHS, make_study
from tests.support.slow_front import slow_front


def study_of(*values: Sequence[float], **facts: object) -> optuna.Study:
    study = optuna.create_study(directions=["minimize"] * len(values[0]))
    given = {"epochs": EPOCHS, "max_epochs": EPOCHS, "arch": {"shortcut": "sum"}} | facts
    for value in values:
        study.add_trial(create_trial(values=list(value), user_attrs=given))
    return study


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_the_sweep_finds_what_comparing_all_pairs_finds(objectives: int, seed: int) -> None:
    rng = random.Random(seed)
    levels = rng.choice((3, 8, 1000))  # few levels make many ties and equal points
    points = [tuple(float(rng.randrange(levels)) for _ in range(objectives)) for _ in range(60)]
    assert non_dominated(points) == slow_front(points)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_hypervolume_is_the_counted_number_of_cells(objectives: int) -> None:
    rng = random.Random(objectives)
    for _ in range(20):
        points = [tuple(float(rng.randrange(9)) for _ in range(objectives)) for _ in range(7)]
        cells: set[Point] = {()}
        for _axis in range(objectives):
            cells = {(*cell, float(i)) for cell in cells for i in range(7)}
        inside = [c for c in cells if any(all(map(float.__le__, p, c)) for p in points)]
        assert hypervolume(points, (7.0,) * objectives) == len(inside)


def test_the_hypervolume_of_nothing_is_zero() -> None:
    assert hypervolume([], (1.0, 1.0)) == 0
    assert hypervolume([(2.0, 0.0)], (1.0, 1.0)) == 0


def test_only_full_trials_are_on_the_front() -> None:
    study = make_study(60)
    members = front_trials(study)
    assert members
    assert all(t.state == TrialState.COMPLETE for t in members)
    assert all(t.user_attrs["epochs"] == t.user_attrs["max_epochs"] for t in members)
    full = [t for t in study.trials if t.state == TrialState.COMPLETE]
    kept = slow_front([tuple(t.values) for t in full])
    expected = {t.number for t, on_front in zip(full, kept, strict=True) if on_front}
    assert {t.number for t in members} == expected


def test_a_trial_whose_recipe_ended_early_is_on_the_front_with_the_error_that_it_keeps() -> None:
    config = study_of((0.2, 100.0))
    facts = {"epochs": 2, "max_epochs": EPOCHS}
    curve = {1: 0.01, 2: 0.5}
    config.add_trial(create_trial(values=[0.01, 1.0], user_attrs=facts, intermediate_values=curve))
    (member,) = front_records(config)
    assert (member["trial"], member["val_error"], member["epochs"]) == (1, 0.01, 2)
    stopped = create_trial(state=TrialState.PRUNED, user_attrs=facts, intermediate_values=curve)
    config.add_trial(stopped)
    assert [t.number for t in front_trials(config)] == [1]


def test_equal_networks_are_both_shown_and_copies_are_not() -> None:
    config = study_of((0.2, 100.0), (0.2, 100.0), (0.3, 100.0))
    facts = {"epochs": EPOCHS, "max_epochs": EPOCHS, "duplicate_of": 0}
    config.add_trial(create_trial(values=[0.2, 100.0], user_attrs=facts))
    assert [t.number for t in front_trials(config)] == [0, 1]


def test_a_study_without_a_full_trial_has_an_empty_front() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    assert front(study).empty
    assert front_records(study) == []
    assert hypervolume_history(study).empty
    assert knee([]) is None


def test_one_trial_is_its_own_front_without_a_knee() -> None:
    table = front(study_of((0.2, 100.0)))
    assert table["trial"].tolist() == [0]
    assert not table["knee"].any()


def test_the_knee_is_the_sharpest_bend_not_an_end() -> None:
    config = study_of((0.1, 1e6), (0.11, 1e4), (0.4, 1e3), (0.25, 6e3))
    best = knee(front_trials(config))
    assert best is not None
    assert best.number == 1
    table = front(config)
    assert table.loc[table["knee"], "trial"].tolist() == [1]


def test_two_costs_that_rise_together_do_not_pull_the_knee_to_the_small_end() -> None:
    values = [(0.1, 1e6), (0.11, 1e4), (0.4, 1e3)]
    config = study_of(*((error, cost, 100 * cost) for error, cost in values))
    best = knee(front_trials(config))
    assert best is not None
    assert best.number == 1


def test_a_front_that_bends_outwards_has_no_knee() -> None:
    assert knee(front_trials(study_of((0.1, 1e6), (0.39, 9e5), (0.4, 1e3)))) is None


@pytest.mark.parametrize("objectives", [2, 3])
def test_ten_thousand_trials_may_all_be_on_the_front(objectives: int) -> None:
    rng = random.Random(0)
    radius = [[rng.random() + 1e-3 for _ in range(objectives)] for _ in range(10_000)]
    points = [tuple(v / sum(r) for v in r) for r in radius]  # on a plane: all on the front
    assert all(non_dominated(points))


@pytest.mark.parametrize("objectives", [("val_error", "params"), ("val_error", "params", "macs")])
def test_the_hypervolume_never_falls_and_ends_as_that_of_the_front(
    objectives: tuple[str, ...],
) -> None:
    history = hypervolume_history(make_study(60, objectives))
    volumes = history["hypervolume"].tolist()
    assert volumes == sorted(volumes)
    assert 0 < volumes[-1] <= 1
    assert history["ended"].is_monotonic_increasing


def test_records_hold_the_architecture_as_describe_reads_it() -> None:
    study = make_study(40)
    for record in front_records(study):
        assert record["arch"] == study.trials[record["trial"]].user_attrs["arch"]
        assert isinstance(record["params"], int)
