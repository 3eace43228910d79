"""Enumerate all configurations that a walk can come to."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from skipsearch.searchspace.parameters.course import Pick
from skipsearch.searchspace.parameters.domains import Domain, Scalar, values_of

Found = TypeVar("Found")


def every(draw: Callable[[Pick], Found]) -> Iterator[Found]:
    """Enumerate all results of `draw`; combinations that the classes refuse are skipped."""
    count: Odometer | None = Odometer([])
    while count is not None:
        with suppress(ValueError):  # may come before all was asked: then nothing of it can be
            yield draw(count.pick)
        count = count.next()


@dataclass
class Odometer:
    """A chooser that answers with the values at `places`, then with the first of each domain."""

    places: list[int]
    sizes: list[int] = field(default_factory=list)

    def pick(self, _name: str, domain: Domain, _default: Scalar) -> Scalar:
        """Return the value at the next place, and note how many the domain has."""
        values = values_of(domain) or ()
        if len(self.sizes) == len(self.places):
            self.places.append(0)
        self.sizes.append(len(values))
        return values[self.places[len(self.sizes) - 1]]

    def next(self) -> "Odometer | None":
        """Return the odometer of the next configuration, or None after the last one."""
        pairs = zip(self.places, self.sizes, strict=True)
        movable = [at for at, (place, size) in enumerate(pairs) if place + 1 < size]
        if not movable:
            return None
        return Odometer([*self.places[: movable[-1]], self.places[movable[-1]] + 1])
