"""Expected hypervolume improvement, held against drawing errors and measuring hypervolumes."""

import numpy as np
import pytest

from skipsearch.studies.pareto import Point, hypervolume
from skipsearch.studies.surrogate.acquisition import expected_improvement

DRAWS = 4000
CASES: dict[str, tuple[list[Point], list[Point], Point]] = {
    "one objective": ([(0.5,), (0.7,)], [()], (1.0,)),
    "one cost": ([(0.2, 0.9), (0.5, 0.4), (0.8, 0.1)], [(0.05,), (0.5,), (0.95,)], (1.0, 1.0)),
    "two costs": (
        [(0.2, 0.9, 0.3), (0.5, 0.4, 0.6), (0.6, 0.5, 0.2), (0.9, 0.1, 0.1)],
        [(0.3, 0.3), (0.05, 0.8), (0.7, 0.05), (0.95, 0.95)],
        (1.0, 1.0, 1.0),
    ),
    "a front beyond the corner": ([(1.2, 0.1), (0.4, 1.3)], [(0.2,), (0.9,)], (1.0, 1.0)),
    "no front": ([], [(0.2,)], (1.0, 1.0)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("mean", "sd"), [(0.4, 0.2), (0.15, 0.05), (0.9, 0.3)])
def test_it_is_the_mean_growth_of_the_hypervolume(case: str, mean: float, sd: float) -> None:
    front, costs, corner = CASES[case]
    count = len(costs)
    found = expected_improvement(
        np.full(count, mean), np.full(count, sd), np.array(costs).reshape(count, -1), front, corner
    )
    errors = np.random.default_rng(0).normal(mean, sd, DRAWS)
    before = hypervolume(front, corner)
    for gain, cost in zip(found, costs, strict=True):
        grown = [hypervolume([*front, (e, *cost)], corner) - before for e in errors]
        margin = 5 * np.std(grown) / DRAWS**0.5 + 1e-9
        assert gain == pytest.approx(np.mean(grown), abs=margin)


def test_what_the_front_covers_can_only_gain_by_a_lower_error() -> None:
    mean, sd = np.array([0.5, 0.5]), np.array([1e-6, 1e-6])
    gains = expected_improvement(mean, sd, np.array([[0.6], [0.3]]), [(0.4, 0.5)], (1.0, 1.0))
    assert gains[0] == pytest.approx(0, abs=1e-12) and gains[1] == pytest.approx(0.5 * 0.2)
