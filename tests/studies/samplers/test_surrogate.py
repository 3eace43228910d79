"""What the sampler `gp` learns: distances of conditional configurations, errors, weights."""

import math

import numpy as np
import pytest

from skipsearch.searchspace.parameters.domains import Choice, Floats, Integers
from skipsearch.searchspace.parameters.neighbours import Chosen
from skipsearch.studies.samplers.gp.gaussian_process import (
    ABSENT,
    Shape,
    apart,
    fit,
    one_weight,
    own_weights,
    place_of,
    rows,
)
from skipsearch.studies.samplers.gp.surrogates import Learn

KIND, HEADS = Choice(("none", "sum", "attention")), Choice((1, 2, 4))
WIDTH, RATE = Integers(8, 32), Floats(0.01, 1.0, log=True)


def test_numbers_are_parts_of_their_ranges_and_choices_are_apart() -> None:
    place = place_of(
        {
            "kind": Chosen(KIND, "attention"),
            "heads": Chosen(HEADS, 2),
            "width": Chosen(WIDTH, 14),
            "rate": Chosen(RATE, 0.1),
            "only": Chosen(Integers(3, 3), 3),
            "flag": Chosen(Choice((False, True)), True),
            "count": Chosen(Choice((0, 1, 4)), 1),
            "bit": Chosen(Choice((0, 1)), 1),
        }
    )
    expected = {"kind": 2, "heads": 0.5, "width": 0.25, "rate": 0.5, "only": 0, "flag": 1}
    expected |= {"count": 0.5, "bit": 1}
    assert place == pytest.approx(expected)


def test_a_distance_counts_choices_numbers_and_what_only_one_has() -> None:
    names = ["heads", "kind", "width"]
    table = rows(names, [{"kind": 2, "heads": 0.5, "width": 0.25}, {"kind": 1, "width": 1.0}, {}])
    assert table[1].tolist() == [ABSENT, 1, 1.0]
    assert apart(table, table).sum(0).tolist() == [
        [0, 2.75, 3],
        [2.75, 0, 2],
        [3, 2, 0],
    ]


def test_an_empty_table_has_its_columns() -> None:
    assert rows(["a", "b"], []).shape == (0, 2)


def points(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((number, 6))


def test_the_process_is_the_textbooks_on_a_dense_kernel() -> None:
    """Rasmussen & Williams 2006, equations 2.25 and 2.26, by plain inversion."""
    known, others = points(12, 0), points(5, 1)
    values = np.sin(4 * known[:, 0]) + 3
    shape = Shape(np.array([1.5, 0.2, 0.0, 0.3, 0.1, 0.4]), 0.05)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        weighted = [[(shape.weights * np.abs(x - y)).sum() for y in b] for x in a]
        return np.exp(-np.array(weighted))

    inverse = np.linalg.inv(kernel(known, known) + 0.05 * np.eye(12))
    scaled = (values - values.mean()) / values.std()
    cross = kernel(others, known)
    mean, sd = fit(known, values, shape)(others)
    assert mean == pytest.approx(values.mean() + values.std() * cross @ inverse @ scaled)
    variance = 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    assert sd == pytest.approx(values.std() * np.sqrt(variance))


def test_what_matters_gets_the_weight() -> None:
    known = points(60, 2)
    values = 3 * known[:, 0] + np.where(known[:, 1] > 0.5, 1.0, 0.0)
    weights = own_weights(known, values).weights
    assert min(weights[0], weights[1]) > 3 * max(weights[2:])
    assert len(set(one_weight(known, values).weights)) == 1


@pytest.mark.parametrize("learn", [one_weight, own_weights])
def test_a_learnt_process_foretells_better_than_the_mean(learn: Learn) -> None:
    known, others = points(60, 3), points(60, 4)
    mean, sd = fit(known, truth(known), learn(known, truth(known)))(others)
    off = mean - truth(others)
    assert np.sqrt((off**2).mean()) < 0.5 * truth(others).std()
    assert (np.abs(off) < 2 * sd).mean() > 0.8


def truth(table: np.ndarray) -> np.ndarray:
    return np.array([math.sin(3 * row[0]) + row[1] * row[2] for row in table])


@pytest.mark.parametrize("learn", [one_weight, own_weights])
@pytest.mark.parametrize("number", [1, 2, 7])
def test_few_and_equal_values_are_no_trouble(number: int, learn: Learn) -> None:
    known = np.repeat(points(1, 5), number, axis=0)
    surrogate = fit(known, np.full(number, 0.25), learn(known, np.full(number, 0.25)))
    mean, sd = surrogate(points(3, 6))
    assert mean == pytest.approx(0.25) and np.isfinite(sd).all()


def test_learning_is_the_same_every_time() -> None:
    known = points(30, 7)
    first, second = (own_weights(known, truth(known)) for _ in range(2))
    assert first.weights.tolist() == second.weights.tolist() and first.noise == second.noise
