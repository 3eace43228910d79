"""Pareto dominance, hypervolume and crowding of points that are minimised."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Point = tuple[float, ...]


@dataclass
class Staircase:
    """The lower-left boundary of points in a plane, within a `reference` corner."""

    reference: tuple[float, float] = (math.inf, math.inf)
    xs: list[float] = field(default_factory=list)  # ascending
    ys: list[float] = field(default_factory=list)  # descending

    def covers(self, x: float, y: float) -> bool:
        """Return True if some point is at or below (x, y) in both coordinates."""
        i = bisect_right(self.xs, x)
        return i > 0 and self.ys[i - 1] <= y

    def add(self, x: float, y: float) -> float:
        """Add a point; return the area that it adds, 0 if it is covered."""
        if self.covers(x, y) or x >= self.reference[0] or y >= self.reference[1]:
            return 0.0
        first = last = bisect_left(self.xs, x)
        top = self.ys[first - 1] if first else self.reference[1]
        left, gain = x, 0.0
        while last < len(self.xs) and self.ys[last] >= y:
            gain += (self.xs[last] - left) * (top - y)
            left, top = self.xs[last], self.ys[last]
            last += 1
        right = self.xs[last] if last < len(self.xs) else self.reference[0]
        gain += (right - left) * (top - y)
        self.xs[first:last], self.ys[first:last] = [x], [y]
        return gain


def non_dominated(points: Sequence[Point]) -> list[bool]:
    """Return for each point (1 to 3 objectives) whether none dominates it; equal points do not.

    In lexicographic order nothing is dominated by a later point, so one pass is enough.
    """
    staircase, on_front = Staircase(), set()
    for point in sorted(set(points)):
        _, y, z = _three(point)
        if not staircase.covers(y, z):
            staircase.add(y, z)
            on_front.add(point)
    return [point in on_front for point in points]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Compute the volume that the points dominate inside `reference`, exact for 1 to 3 objectives.

    Optuna computes the same, but in a private module only.

    Examples
    --------
    >>> hypervolume([(1.0, 2.0), (2.0, 1.0)], reference=(3.0, 3.0))
    3.0
    """
    x_end, y_end, z_end = _three(reference, fill=1.0)
    staircase = Staircase((y_end, z_end))
    volume = area = 0.0
    previous = -math.inf
    for x, y, z in sorted(_three(point) for point in points):
        if x >= x_end:
            break
        if area:
            volume += area * (x - previous)
        area += staircase.add(y, z)
        previous = x
    return volume + (area * (x_end - previous) if area else 0.0)


@dataclass(frozen=True)
class Scale:
    """Scale objectives to 0 (best) … 1 (worst) of given points, by their logarithms.

    Halving the error or the parameters then weighs the same everywhere, as on the page's axes.
    Errors below 0.1 % count as 0.1 %.
    """

    low: Point
    high: Point

    @classmethod
    def over(cls, points: Sequence[Point]) -> "Scale":
        """Return the scale on which these points span 0 to 1."""
        columns = list(zip(*(_logged(p) for p in points), strict=True))
        return cls(tuple(map(min, columns)), tuple(map(max, columns)))

    def __call__(self, point: Point) -> Point:
        """Scale a point; an objective in which all given points agree becomes 0."""
        ends = zip(_logged(point), self.low, self.high, strict=True)
        return tuple((v - low) / (high - low) if high > low else 0.0 for v, low, high in ends)


def _three(point: Point, fill: float = 0.0) -> tuple[float, float, float]:
    x, y, z = (*point, fill, fill)[:3]
    return x, y, z


def _logged(point: Point) -> Point:
    return log_error(point[0]), *map(log_cost, point[1:])


def log_error(error: float) -> float:
    """Return `log10(max(error, 0.001))`: errors below 0.1 % count as 0.1 %."""
    return math.log10(max(error, 1e-3))


def log_cost(cost: float) -> float:
    """Return `log10(max(cost, 1e-9))`, which is finite for a cost of 0."""
    return math.log10(max(cost, 1e-9))


Points = np.ndarray  # (trials, objectives), all minimised


def front_numbers(points: Points) -> np.ndarray:
    """Return for each point the number of its front: 0 if no point dominates it, 1 if only points
    of front 0 do, and so on.

    In lexicographic order no later point dominates an earlier one, so one pass is enough; all
    earlier points are as good or better in the first objective.
    """
    unique, where = np.unique(points, axis=0, return_inverse=True)
    columns = unique.T[1:].copy()
    fronts = np.zeros(len(unique), dtype=int)
    if len(columns) == 1:
        return _of_two(columns[0].tolist())[where.ravel()]
    for row in range(1, len(unique)):
        better = np.ones(row, dtype=bool)
        for column in columns:
            better &= column[:row] <= column[row]
        fronts[row] = 1 + fronts[:row].max(where=better, initial=-1)
    return fronts[where.ravel()]


def _of_two(seconds: list[float]) -> np.ndarray:
    """Number the fronts of two objectives from the second one, points in lexicographic order.

    A front dominates a point if its least second objective is no greater. n·log n, as a study of
    10,000 trials calls this at every report.
    """
    least: list[float] = []  # of each front, ascending by its number
    fronts = []
    for second in seconds:
        front = bisect_right(least, second)
        least[front : front + 1] = [second]
        fronts.append(front)
    return np.array(fronts, dtype=int)


def unbeaten_or_first(points: Points, fronts: np.ndarray, room: float) -> np.ndarray:
    """Mark the points of the first front and those ranked below `room`.

    A point ranks after all of better fronts, and within its front by `spread`, which is computed
    only for the front that `room` cuts.
    """
    chosen: np.ndarray = fronts == 0
    ranks = ranked(points)
    before = int(chosen.sum())
    for number in range(1, fronts.max(initial=-1) + 1):
        own = np.flatnonzero(fronts == number)
        left = math.ceil(room) - before
        if left <= 0:
            break
        chosen[own if left >= len(own) else own[spread(ranks[own])[:left]]] = True
        before += len(own)
    return chosen


def ranked(points: Points) -> Points:
    """Replace each objective by ranks from 0 to 1, so that parameters do not outweigh errors."""
    order = np.stack([np.unique(column, return_inverse=True)[1] for column in points.T], 1)
    ranks: Points = order / np.maximum(1, order.max(0))
    return ranks


def spread(points: Points) -> list[int]:
    """Order the rows by farthest-point sampling: the least first objective first, then always the
    row farthest from all before it.
    """
    columns = points.T.copy()
    order = [int(np.lexsort(columns[::-1])[0])]
    nearest = np.full(len(points), np.inf)
    while len(order) < len(points):
        last = order[-1]
        squared = sum((column - column[last]) ** 2 for column in columns)
        np.minimum(nearest, squared, out=nearest)
        nearest[last] = -1.0  # taken: below any distance, also an identical point's
        order.append(int(nearest.argmax()))
    return order
