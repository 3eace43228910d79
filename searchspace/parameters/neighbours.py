"""Neighbours of a configuration: the same but for a few parameters, drawn through the one walk."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic

from skipsearch.searchspace.parameters.domains import (
    Domain,
    Floats,
    Integers,
    Scalar,
    size_of,
    uniform,
    values_of,
)
from skipsearch.searchspace.parameters.walk import Config, Pick

REACH = 0.2  # standard deviation of a change of a number, as a part of its range


@dataclass(frozen=True)
class Chosen:
    """What a parameter was set to, and from where."""

    domain: Domain
    value: Scalar


@dataclass(frozen=True)
class Drawn(Generic[Config]):
    """A configuration and what was asked on the way to it."""

    config: Config
    chosen: Mapping[str, Chosen]


def recorded(draw: Callable[[Pick], Config], pick: Pick) -> Drawn[Config]:
    """What `draw` makes of the answers of `pick`."""
    chosen: dict[str, Chosen] = {}
    return Drawn(draw(recording(pick, chosen)), chosen)


def recording(pick: Pick, into: dict[str, Chosen]) -> Pick:
    """`pick`, whose answers are written down."""

    def answer(name: str, domain: Domain, default: Scalar) -> Scalar:
        value = pick(name, domain, default)
        into[name] = Chosen(domain, value)
        return value

    return answer


def neighbour(chosen: Mapping[str, Chosen], rng: random.Random, changes: int) -> Pick:
    """Who answers a walk as `chosen` did, but for `changes` parameters, which become something
    else; what that makes active is drawn uniformly."""
    names = [name for name, one in chosen.items() if size_of(one.domain) > 1]
    changed = set(rng.sample(names, min(changes, len(names))))

    def pick(name: str, domain: Domain, _default: Scalar) -> Scalar:
        before = chosen.get(name)
        if before is None or before.value not in domain:
            return uniform(domain, rng)
        return another(domain, before.value, rng) if name in changed else before.value

    return pick


def another(domain: Domain, value: Scalar, rng: random.Random) -> Scalar:
    """Another value: any other of a choice, a number nearby of a range."""
    match domain:
        case Integers(low, high, step):
            assert isinstance(value, int)
            at, last = (value - low) // step, (high - low) // step
            away = max(1, min(round(abs(rng.gauss(0, REACH * last))), max(at, last - at)))
            near = [place for place in (at - away, at + away) if 0 <= place <= last]
            return low + rng.choice(near) * step
        case Floats():
            return domain.at(_reflected(domain.part(float(value)) + rng.gauss(0, REACH)))
        case _:
            others = [
                v for v in values_of(domain) or () if v != value or type(v) is not type(value)
            ]
            return rng.choice(others)


def _reflected(part: float) -> float:
    """Back from the ends of 0 to 1: clipped there, a value at an end would often stay as it is."""
    part = abs(part) % 2
    return 2 - part if part > 1 else part


def distance(one: Mapping[str, Chosen], other: Mapping[str, Chosen]) -> int:
    """How many parameters differ; one that only one of them has does."""
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())
