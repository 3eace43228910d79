"""The process of the error, the forecast of curves, the prediction of costs."""

import math

import numpy as np
import pytest

from skipsearch.searchspace.parameters.domains import Floats
from skipsearch.searchspace.parameters.neighbours import Chosen
from skipsearch.studies.surrogate.costs import Predicted
from skipsearch.studies.surrogate.embedding import Embedding
from skipsearch.studies.surrogate.forecast import FALL, Forecast
from skipsearch.studies.surrogate.gaussian_process import Kernel, Known, fit, learnt

UNIT = Floats(0.0, 1.0)


def points(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((number, 4))


def far(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.abs(a[:, None] - b[None]).sum(2)
    return found


def truth(table: np.ndarray) -> np.ndarray:
    return np.array([math.sin(3 * row[0]) + row[1] * row[2] for row in table])


@pytest.mark.parametrize("costs", [False, True])
def test_the_process_is_the_textbooks_with_the_variance_of_each_value(costs: bool) -> None:
    """Rasmussen & Williams 2006, equations 2.25 and 2.26, by plain inversion."""
    known, others = points(12, 0), points(5, 1)
    values, variances = np.sin(4 * known[:, 0]) + 3, np.linspace(0, 0.3, 12)
    kernel = Kernel(near=0.7, size=2.0, cost=0.5, noise=0.05)

    def own(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        first = 2 * np.exp(-0.7 * far(a, b))
        return first + np.exp(-0.5 * far(a[:, :1], b[:, :1])) if costs else first

    here = Known(
        far(known, known), far(known[:, :1], known[:, :1]) if costs else None, values, variances
    )
    mean, scale = here.scale
    inverse = np.linalg.inv(own(known, known) + np.diag(0.05 + variances / scale**2))
    cross = own(others, known)
    there = far(others[:, :1], known[:, :1]) if costs else None
    found, sd = fit(here, kernel)(far(others, known), there)
    assert found == pytest.approx(mean + scale * cross @ inverse @ ((values - mean) / scale))
    variance = 2 + costs - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    assert sd == pytest.approx(scale * np.sqrt(variance))


def test_a_learnt_process_foretells_better_than_the_mean() -> None:
    known, others = points(80, 3), points(60, 4)
    here = Known(far(known, known), None, truth(known), np.zeros(80))
    mean, sd = fit(here, learnt(here))(far(others, known), None)
    off = mean - truth(others)
    assert np.sqrt((off**2).mean()) < 0.5 * truth(others).std()
    assert (np.abs(off) < 2 * sd).mean() > 0.8


def test_an_uncertain_value_moves_the_belief_less() -> None:
    known, values = points(10, 5), np.zeros(10)
    values[0] = 1.0
    found = []
    for variance in (0.0, 1.0):
        variances = np.zeros(10)
        variances[0] = variance
        here = Known(far(known, known), None, values, variances)
        found.append(fit(here, Kernel())(far(known[:1], known), None)[0][0])
    assert found[0] > 0.8 and found[1] < 0.5 * found[0]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_few_and_equal_values_are_no_trouble(number: int) -> None:
    known = np.repeat(points(1, 5), number, axis=0)
    here = Known(far(known, known), far(known, known), np.full(number, 0.25), np.zeros(number))
    others = points(3, 6)
    mean, sd = fit(here, learnt(here))(far(others, known), far(others, known))
    assert mean == pytest.approx(0.25) and np.isfinite(sd).all()


def test_before_any_curve_a_forecast_falls_as_curves_do() -> None:
    mean, sd = Forecast([], 10)(5, -0.4)
    assert mean == pytest.approx(-0.4 - FALL / 2) and sd > 0.1
    assert Forecast([], 10)(10, -1.0) == (-1.0, 0.0)
    assert Forecast([], 10)(1, 0.0)[1] > Forecast([], 10)(9, 0.0)[1]


def test_a_forecast_learns_how_curves_end() -> None:
    rng = np.random.default_rng(0)
    curves = []
    for start in rng.uniform(-0.5, 0.0, 40):
        end = 1.5 * start - 0.6 + rng.normal(0, 0.01)
        curves.append({1: start, 3: (start + end) / 2, 9: end})
    forecast = Forecast(curves, 9)
    for start in (-0.4, -0.1):
        mean, sd = forecast(1, start)
        assert mean == pytest.approx(1.5 * start - 0.6, abs=0.03) and sd < 0.06
    assert forecast(2, -0.3)[1] > forecast(1, -0.3)[1], "no curve has that epoch"


def test_costs_are_predicted_by_the_parameters_that_matter() -> None:
    embedding, table = Embedding(), points(80, 2)
    places = [{f"p{k}": Chosen(UNIT, float(v)) for k, v in enumerate(row)} for row in table]
    vectors = embedding(places)
    costs = np.stack([3 * table[:, 0] + (table[:, 1] > 0.5), table[:, 2]], 1)
    predicted = Predicted(2, lambda name: name != "p2")
    predicted.fit(vectors[:60], embedding.names, costs[:60])
    found = predicted(vectors[60:], embedding.names)
    assert np.abs(found[:, 0] - costs[60:, 0]).mean() < 0.4 * costs[:, 0].std()
    assert np.abs(found[:, 1] - costs[60:, 1]).mean() > 0.5 * costs[:, 1].std(), "p2 is left out"


def test_what_is_predicted_does_not_depend_on_what_was_asked_before() -> None:
    embedding, table = Embedding(), points(90, 7)
    places = [{f"p{k}": Chosen(UNIT, float(v)) for k, v in enumerate(row)} for row in table]
    vectors, costs = embedding(places), truth(table)[:, None]
    one, other = (Predicted(1, lambda _name: True) for _ in range(2))
    for points_ in (20, 33, 58, 81):
        one.fit(vectors[:points_], embedding.names, costs[:points_])
    other.fit(vectors[:83], embedding.names, costs[:83])
    names = embedding.names
    assert one(vectors, names).tolist() == other(vectors, names).tolist()
