"""Distances of conditional configurations."""

import itertools

import numpy as np
import pytest

from skipsearch.searchspace.parameters.domains import Choice, Floats, Integers
from skipsearch.searchspace.parameters.neighbours import Chosen
from skipsearch.studies.surrogate.distances import ROOM, Distances
from skipsearch.studies.surrogate.embedding import (
    LEVELS,
    NESTED,
    Embedding,
    Place,
    apart,
    coordinate,
    weight,
)

KIND, HEADS = Choice(("none", "sum", "attention")), Choice((1, 2, 4))
WIDTH, RATE = Integers(8, 32), Floats(0.01, 1.0, log=True)
FLAG = Choice((False, True))


def place(**chosen: tuple[object, object]) -> Place:
    return {name: Chosen(domain, value) for name, (domain, value) in chosen.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("domain", "value", "expected"),
    [
        (KIND, "attention", None),
        (HEADS, 2, 0.5),
        (WIDTH, 14, 0.25),
        (RATE, 0.1, 0.5),
        (Integers(3, 3), 3, 0.0),
        (FLAG, True, None),
        (Choice((0, 1, 4)), 1, 0.5),
        (Choice((0, 1)), 1, 1.0),
    ],
)
def test_numbers_are_parts_of_their_ranges(
    domain: Choice | Integers | Floats, value: float | str, expected: float | None
) -> None:
    found = coordinate(domain, value)
    assert found is None if expected is None else found == pytest.approx(expected)


PLACES = [
    place(kind=(KIND, "attention"), heads=(HEADS, 2), width=(WIDTH, 14)),
    place(kind=(KIND, "sum"), width=(WIDTH, 32)),
    place(),
    place(kind=(KIND, "none"), flag=(FLAG, True), rate=(RATE, 0.01)),
    place(kind=(KIND, "none"), flag=(FLAG, False), rate=(RATE, 1.0)),
]


def slow(one: Place, other: Place) -> float:
    """Sum the distances parameter by parameter."""
    total = 0.0
    for name in one.keys() | other.keys():
        if name not in one or name not in other:
            total += 1
            continue
        a, b = (coordinate(p[name].domain, p[name].value) for p in (one, other))
        if a is None or b is None:
            total += one[name].value != other[name].value
        else:
            total += abs(round(a * LEVELS) - round(b * LEVELS)) / LEVELS
    return total


def test_a_distance_counts_choices_numbers_and_what_only_one_has() -> None:
    embedding = Embedding()
    embedding(PLACES)
    found = apart(embedding(PLACES), embedding(PLACES))
    for (i, one), (j, other) in itertools.product(enumerate(PLACES), repeat=2):
        assert found[i, j] == pytest.approx(slow(one, other), abs=1e-5)


def test_nested_parameters_weigh_less_and_those_of_the_recipe_like_the_others() -> None:
    assert weight("shortcut") == weight("recipe.lr") == 1
    assert weight("shortcut.attention.heads") == NESTED**2
    embedding, name = Embedding(), "shortcut.attention.heads"
    one, other = ({name: Chosen(HEADS, heads)} for heads in (1, 4))
    embedding([one, other])
    found = apart(embedding([one, other]), embedding([one, other]))
    assert found[0, 1] == pytest.approx(NESTED**2, abs=1e-6)


def test_distances_do_not_depend_on_the_order_in_which_parameters_are_met() -> None:
    distances = Distances()
    for number in range(2 * ROOM):
        distances.add(number, PLACES[number % 5])
        assert number in distances
    numbers = list(range(2 * ROOM - 5, 2 * ROOM))
    expected = [[slow(PLACES[i % 5], PLACES[j % 5]) for j in numbers] for i in numbers]
    assert distances.between(numbers) == pytest.approx(np.array(expected), abs=1e-5)
    first = Embedding()([PLACES[1]])  # knows fewer columns than the table
    vectors = distances.embedding([PLACES[1]])
    assert first.shape[1] < vectors.shape[1]
    assert distances.to(vectors, numbers)[0] == pytest.approx(
        [slow(PLACES[1], PLACES[j % 5]) for j in numbers], abs=1e-5
    )
