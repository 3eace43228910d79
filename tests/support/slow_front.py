"""The Pareto front by its definition, pair by pair: the slow twin of `studies/pareto.py`."""

from collections.abc import Sequence

from skipsearch.studies.pareto import Point


def slow_front(points: Sequence[Point]) -> list[bool]:
    def beats(a: Point, b: Point) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    return [not any(beats(other, point) for other in points) for point in points]
