"""Mutation: draw configurations that differ from a given one in a few parameters."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import (
    Domain,
    Floats,
    Integers,
    Scalar,
    size_of,
    uniform,
    values_of,
)

REACH = 0.2  # standard deviation of a change of a number, as a part of its range


@dataclass(frozen=True)
class Chosen:
    """A parameter's value, and the domain that it was chosen from."""

    domain: Domain
    value: Scalar


@dataclass(frozen=True)
class Drawn(Generic[Config]):
    """A configuration and its free parameters, by name."""

    config: Config
    chosen: Mapping[str, Chosen]


def held(asked: Mapping[str, Chosen], there: Mapping[str, Scalar]) -> dict[str, Chosen]:
    """Hold answers to the parameters of the configuration: an answer without effect is dropped, one
    that came to nothing (a gate that stands nowhere) is what it came to.
    """
    return {
        name: one if one.value == there[name] else Chosen(one.domain, there[name])
        for name, one in asked.items()
        if name in there and there[name] in one.domain
    }


def recording(pick: Pick, into: dict[str, Chosen]) -> Pick:
    """Wrap `pick` so that each of its answers is also written into `into`."""

    def answer(name: str, domain: Domain, default: Scalar) -> Scalar:
        value = pick(name, domain, default)
        into[name] = Chosen(domain, value)
        return value

    return answer


def uniformly(rng: random.Random) -> Pick:
    """Return a chooser that draws each parameter uniformly, or log-uniformly if declared so."""
    return lambda _name, domain, _default: uniform(domain, rng)


def neighbour(chosen: Mapping[str, Chosen], rng: random.Random, changes: int) -> Pick:
    """Return a chooser that repeats `chosen`, except for `changes` random parameters.

    Those take another value (`another`); parameters that a change makes active are drawn uniformly.
    """
    names = [name for name, one in chosen.items() if size_of(one.domain) > 1]
    changed = set(rng.sample(names, min(changes, len(names))))

    def pick(name: str, domain: Domain, _default: Scalar) -> Scalar:
        before = chosen.get(name)
        if before is None or not (before.domain is domain or before.value in domain):
            return uniform(domain, rng)
        return another(domain, before.value, rng) if name in changed else before.value

    return pick


def another(domain: Domain, value: Scalar, rng: random.Random) -> Scalar:
    """Draw a different value: any other one of a choice, a nearby one of a range."""
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
    """Reflect at the ends of 0 … 1: clipped instead, a value at an end would often not change."""
    part = abs(part) % 2
    return 2 - part if part > 1 else part


def distance(one: Mapping[str, Chosen], other: Mapping[str, Chosen]) -> int:
    """Count the parameters that differ, those included that only one of the two has."""
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())
