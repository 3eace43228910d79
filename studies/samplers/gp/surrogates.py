"""Predict error and costs of untried configurations from past trials (Gaussian processes)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skipsearch.studies.pareto import Point, non_dominated
from skipsearch.studies.samplers.gp.acquisition import expected_improvement
from skipsearch.studies.samplers.gp.gaussian_process import (
    Place,
    Rows,
    Shape,
    Surrogate,
    fit,
    one_weight,
    own_weights,
    rows,
)
from skipsearch.studies.samplers.gp.observations import Observed

EVERY = 5  # trials after which kernels are learnt again
MARGIN = math.log10(1.1)  # a predicted cost may exceed its limit by 10 %
BEYOND = 0.1  # distance of the corner beyond the worst point, as a part of the range
Learn = Callable[[Rows, np.ndarray], Shape]


@dataclass(frozen=True)
class Counted:
    """A configuration's coordinates and its log10 costs."""

    place: Place
    costs: tuple[float, ...]


@dataclass(frozen=True)
class Outlook:
    """Surrogates of the error and of each cost, and the front to improve; values are log10.

    Costs are those of the objectives, then those that are only limited.
    """

    names: tuple[str, ...]  # of parameters: the columns of `error`
    cost_names: tuple[str, ...]  # of parameters: the columns of `costs`
    error: Surrogate
    costs: tuple[Surrogate, ...]
    front: tuple[Point, ...]  # error and costs of the objectives
    corner: Point
    ends: tuple[float, ...]  # limits of the costs, infinite where there is none

    def gains(self, places: Sequence[Place]) -> np.ndarray:
        """Expected improvements with predicted costs; 0 where one is over its limit."""
        table = rows(self.cost_names, places)
        costs = [cost(table)[0] for cost in self.costs]
        return self._gains(places, np.array(costs).T)

    def gains_at(self, counted: Sequence[Counted]) -> np.ndarray:
        """Expected improvements with counted costs; 0 where one is over its limit."""
        return self._gains([one.place for one in counted], np.array([o.costs for o in counted]))

    def _gains(self, places: Sequence[Place], costs: np.ndarray) -> np.ndarray:
        costs = costs.reshape(len(places), len(self.ends))
        mean, sd = self.error(rows(self.names, places))
        own = costs[:, : len(self.corner) - 1]
        found = expected_improvement(mean, sd, own, self.front, self.corner)
        return np.where((costs <= np.array(self.ends) + MARGIN).all(1), found, 0.0)


class Shapes:
    """Cache of learnt kernels: not every proposal learns them again, yet the points that they are
    learnt from depend on the trials alone.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[object, Shape]] = {}

    def of(self, what: str, table: Rows, values: np.ndarray, learn: Learn) -> Shape:
        """Cached: the same training points return the same kernel."""
        key = table.shape, tuple(values)
        if what not in self._newest or self._newest[what][0] != key:
            self._newest[what] = key, learn(table, values)
        return self._newest[what][1]


def outlook(
    found: Sequence[Observed],
    places: Sequence[Place],
    counted: Sequence[Counted],
    shapes: Shapes,
    *,
    objectives: int,
    ends: tuple[float, ...],
    matters: Callable[[str], bool],
) -> Outlook:
    """Fit the surrogates; at least one trial must have an error, and one be trained to its end.

    Parameters
    ----------
    found, places
        Observed trials, and the coordinates of each.
    counted
        Further configurations with counted costs; none where counting is too slow.
    shapes
        The cache of learnt kernels.
    objectives
        How many of the costs are objectives: the first ones.
    ends
        log10 of each cost's limit, infinite without one.
    matters
        Returns True for a parameter that changes a cost.
    """
    names = tuple(sorted({name for place in places for name in place}))
    errors, surrogate = _errors(found, rows(names, places), shapes)
    own = [Counted(place, one.costs) for place, one in zip(places, found, strict=True)]
    known = [*(counted or own[: _whole(len(own))]), *own]
    cost_names = tuple(sorted({n for one in known for n in one.place if matters(n)}))
    points = [(e, *one.costs[:objectives]) for e, one in zip(errors, found, strict=True)]
    aims = [p for p, o in zip(points, found, strict=True) if o.full or o.error is None]
    on_front = non_dominated(aims)
    return Outlook(
        names,
        cost_names,
        surrogate,
        _costs(cost_names, known, len(known) - len(own), shapes),
        tuple(point for point, on in zip(aims, on_front, strict=True) if on),
        tuple(_beyond(column) for column in zip(*points, strict=True)),
        ends,
    )


def _errors(
    found: Sequence[Observed], table: Rows, shapes: Shapes
) -> tuple[list[float], Surrogate]:
    """Fit the error. Running trials are imputed with their predicted error, so that near-duplicates
    of them are not proposed (kriging believer).
    """
    errors = np.array([math.nan if one.error is None else one.error for one in found])
    pending = np.isnan(errors)
    known, values = table[~pending], errors[~pending]
    first = _whole(len(known))
    shape = shapes.of("error", known[:first], values[:first], one_weight)
    surrogate = fit(known, values, shape)
    if pending.any():
        errors[pending] = surrogate(table[pending])[0]
        surrogate = fit(table, errors, shape)
    return errors.tolist(), surrogate


def _costs(
    names: tuple[str, ...], known: Sequence[Counted], first: int, shapes: Shapes
) -> tuple[Surrogate, ...]:
    """Fit each cost to all known configurations, with kernels learnt from the `first` ones."""
    table = rows(names, [one.place for one in known])
    made = []
    for k in range(len(known[0].costs)):
        values = np.array([one.costs[k] for one in known])
        shape = shapes.of(f"cost {k}", table[:first], values[:first], own_weights)
        made.append(fit(table, values, shape))
    return tuple(made)


def _whole(number: int) -> int:
    """Round down to a multiple of `EVERY`; a number up to `EVERY` stays."""
    return max(number - number % EVERY, min(number, EVERY))


def _beyond(values: Sequence[float]) -> float:
    return max(values) + BEYOND * (max(values) - min(values))
