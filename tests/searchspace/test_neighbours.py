"""Neighbours of a configuration, and the lists of small spaces."""

import random
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies

from skipsearch.searchspace import Arch, decode, encode, parse_space
from skipsearch.searchspace.parameters.domains import (
    Choice,
    Domain,
    Floats,
    Integers,
    choice,
    integer,
    one_of,
    real,
    uniform,
)
from skipsearch.searchspace.parameters.neighbours import Chosen, another, distance, neighbour
from skipsearch.searchspace.parameters.odometer import every
from skipsearch.searchspace.parameters.space import Space
from tests.support.random_archs import CONDITIONAL, small_space
from tests.support.recorded import recorded


@dataclass(frozen=True)
class Flat:
    label: ClassVar[str] = "flat"


@dataclass(frozen=True)
class Steep:
    label: ClassVar[str] = "steep"
    by: int = integer(2, 1, 3, doc="how much")
    far: bool = choice(False, True, doc="how far")


@dataclass(frozen=True)
class Slope:
    """Two variants, one with parameters of its own; one combination is refused."""

    kind: Flat | Steep = one_of(Flat, Steep, doc="what")
    wide: int = choice(1, 2, 4, doc="how wide")

    def __post_init__(self) -> None:
        if self.wide == 4 and isinstance(self.kind, Steep) and self.kind.far:
            raise ValueError("too wide")


@dataclass(frozen=True)
class Numbers:
    rate: float = real(0.1, 1e-4, 1.0, log=True, doc="even on the logarithm")
    share: float = real(0.5, 0.0, 1.0, doc="even")
    count: int = integer(8, 8, 64, step=8, doc="in steps")
    word: str = choice("a", "b", "c", doc="any")


SLOPES = parse_space(Slope, {})


def start(space: Space[Any], seed: int) -> dict[str, Chosen]:
    rng = random.Random(seed)
    drawn = recorded(space.draw, neighbour({}, rng, 0))  # of nothing: everything is drawn
    return dict(drawn.chosen)


def differing(one: dict[str, Chosen], other: dict[str, Chosen]) -> set[str]:
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}


@given(strategies.integers(0, 10**6), strategies.integers(0, 6))
def test_a_neighbour_differs_in_the_given_number_of_parameters(seed: int, changes: int) -> None:
    before = start(parse_space(Numbers, {}), seed)
    pick = neighbour(before, random.Random(seed), changes)
    after = recorded(parse_space(Numbers, {}).draw, pick).chosen
    assert len(differing(before, dict(after))) == min(changes, 4)
    assert distance(before, after) == min(changes, 4)


WHOLE, NARROW = (
    parse_space(Arch, {}),
    parse_space(
        Arch,
        {  # where answers come to something else, or turn out to be asked for in vain
            "blocks": [1, 2],
            "shortcut": ["sum", "none"],
            "activation": "pre",
            "downsampling": ["average_pool", "stride"],
            "gate": ["none", "se", "sge"],
        },
    ),
)


@given(strategies.integers(0, 10**6), strategies.integers(0, 5))
@pytest.mark.parametrize("space", [WHOLE, NARROW, small_space()])
def test_answers_that_are_kept_on_the_way_are_those_held_to_the_encoded_result(
    space: Space[Arch], seed: int, changes: int
) -> None:
    before = start(space, seed)
    picks = [neighbour(before, random.Random(seed), changes) for _ in range(2)]
    drawn, twin = space.drawn(picks[0]), recorded(space.draw, picks[1])
    assert drawn == twin and list(drawn.chosen) == list(twin.chosen)
    assert repr(drawn.chosen) == repr(twin.chosen)


@given(strategies.integers(0, 10**6))
@pytest.mark.parametrize("space", [WHOLE, NARROW, parse_space(Numbers, {})])
def test_a_sample_is_a_draw_with_uniform_answers(space: Space[Any], seed: int) -> None:
    one, other = random.Random(seed), random.Random(seed)
    drawn = space.draw(lambda _name, domain, _default: uniform(domain, other))
    assert space.sample(one) == drawn and one.getstate() == other.getstate()


@given(strategies.integers(0, 10**6), strategies.integers(1, 5))
def test_a_neighbour_of_an_architecture_is_one_of_its_space(seed: int, changes: int) -> None:
    space = small_space()
    before = start(space, seed)
    after = recorded(space.draw, neighbour(before, random.Random(seed), changes))
    assert decode(Arch, encode(after.config)) == after.config
    assert all(one.value in one.domain for one in after.chosen.values())
    assert {name: one.domain for name, one in after.chosen.items()} == {
        name: space.domain(name) for name in after.chosen
    }
    changed = differing(before, dict(after.chosen))
    vanished = before.keys() - after.chosen.keys()
    came_to = {n for n in changed if after.chosen[n].value in ("none", "all")}  # a gate nowhere
    assert len(changed - came_to) <= changes
    if len(changed) < changes:  # one went with its variant, or all stages are gated again
        assert vanished or any(n.endswith(".stages") for n in before.keys() - changed)


def test_a_switch_of_variant_draws_what_becomes_active_and_drops_what_does_not() -> None:
    flat = {
        "kind": Chosen(Choice(("flat", "steep")), "flat"),
        "wide": Chosen(Choice((1, 2, 4)), 2),
    }
    seen = set()
    for seed in range(200):
        after = recorded(SLOPES.draw, neighbour(flat, random.Random(seed), 1))
        if after.config.kind == Flat():
            assert after.config.wide != 2 and after.chosen.keys() == {"kind", "wide"}
            continue
        assert after.config.wide == 2
        back = recorded(SLOPES.draw, neighbour(after.chosen, random.Random(seed), 4))
        if isinstance(back.config.kind, Flat):
            assert back.chosen.keys() == {"kind", "wide"}
        seen.add((after.config.kind.by, after.config.kind.far))
    assert seen == {(by, far) for by in (1, 2, 3) for far in (False, True)}


def test_pinned_parameters_stay_and_a_space_of_one_has_itself_as_neighbour() -> None:
    space = parse_space(Slope, {"kind": "flat", "wide": [2, 4]})
    before = start(space, 0)
    assert before.keys() == {"wide"}
    after = recorded(space.draw, neighbour(before, random.Random(0), 5)).config
    assert after.wide != before["wide"].value
    pinned = parse_space(Slope, {"kind": "flat", "wide": 2})
    assert recorded(pinned.draw, neighbour({}, random.Random(0), 1)).config == Slope(wide=2)


DOMAINS = [
    Choice((1, True, "1")),
    Integers(1, 2),
    Integers(8, 64, 8),
    Floats(0.0, 1.0),
    Floats(1e-5, 10.0, log=True),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@pytest.mark.parametrize("end", [0.0, 0.5, 1.0])
def test_another_value_lies_in_the_domain_and_is_another_at_its_ends_too(
    domain: Domain, end: float
) -> None:
    match domain:
        case Choice(values):
            value = values[round(end * (len(values) - 1))]
        case Integers(low, high, step):
            value = low + round(end * ((high - low) // step)) * step
        case Floats():
            value = domain.at(end)
    rng, others = random.Random(0), set()
    for _ in range(300):
        other = another(domain, value, rng)
        assert other in domain and (type(other), other) != (type(value), value)
        others.add((type(other), other))
    assert len(others) > 1 or domain == Integers(1, 2)


def test_a_real_number_moves_evenly_on_the_logarithm_where_so_said() -> None:
    rng, domain = random.Random(0), Floats(1e-4, 1.0, log=True)
    lower = sum(float(another(domain, 1e-2, rng)) < 1e-2 for _ in range(2000))
    assert 900 < lower < 1100


def test_a_range_of_one_value_is_pinned() -> None:
    given = {"rate": {"low": 0.1, "high": 0.1}, "share": 0.5, "count": 8}
    space = parse_space(Numbers, given)
    assert space.size() == 3 and start(space, 0).keys() == {"word"}


def test_every_configuration_of_a_conditional_space_is_listed_once() -> None:
    space = parse_space(Arch, CONDITIONAL)
    listed = list(space.every())
    assert len(listed) == len(set(listed)) == space.size() == 1344


def test_a_list_goes_on_behind_what_the_classes_refuse() -> None:
    listed = list(SLOPES.every())
    assert len(set(listed)) == len(listed) == SLOPES.size() - 3


def test_what_is_listed_is_recorded_like_what_is_drawn() -> None:
    for drawn in every(partial(recorded, SLOPES.draw)):
        assert {name: one.value for name, one in drawn.chosen.items()} == encode(drawn.config)
