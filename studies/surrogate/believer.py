"""Learn a study's outlook from its trials, and keep what need not be learnt anew.

The outlook depends on the trials alone, not on what was asked before: another driver has it too.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic

import numpy as np
from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.neighbours import Drawn, uniformly
from skipsearch.studies.pareto import Point, non_dominated
from skipsearch.studies.surrogate.costs import Predicted
from skipsearch.studies.surrogate.distances import Distances
from skipsearch.studies.surrogate.embedding import Place, place_of_trial
from skipsearch.studies.surrogate.gaussian_process import Known, Process, fit, learnt
from skipsearch.studies.surrogate.observations import Curves, Observed, log_costs, observed
from skipsearch.studies.surrogate.outlook import CostScale, Outlook

RECENT = 400  # newest trials learnt from, besides the front: a fit costs their number³
COUNTED = 100  # random configurations whose costs are counted, once per driver
BEYOND = 0.1  # distance of the corner beyond the worst point, as a part of the range
FEWEST = 2  # trials with an error, from which on there is a belief


@dataclass(frozen=True)
class Counting(Generic[Config]):
    """Costs that are known without training."""

    names: tuple[str, ...]  # costs that are objectives, then costs that are only limited
    objectives: int  # how many of the names are objectives
    limits: Mapping[str, float]
    count: Callable[[Config], Mapping[str, float]] | None  # None: it would be slow, as a latency
    matters: Callable[[str], bool] = lambda _name: True  # does the parameter change a cost?


@dataclass(frozen=True)
class Counted:
    """A configuration's parameters and its log10 costs."""

    place: Place
    costs: tuple[float, ...]


class Believer(Generic[Config]):
    """The belief of a study; `draw` walks its space, `epochs` are those of a whole training.

    Without `running`, the errors of running trials do not count, only those that were told.
    """

    def __init__(
        self,
        draw: Callable[[Pick], Drawn[Config]],
        counting: Counting[Config],
        *,
        epochs: int,
        seed: int,
        running: bool = True,
    ) -> None:
        self.draw, self.counting, self.epochs, self.seed = draw, counting, epochs, seed
        self.running = running
        self._distances = Distances()
        self._predicted = Predicted(len(counting.names), counting.matters)
        self._random: tuple[np.ndarray, np.ndarray] | None = None

    def look(self, trials: Sequence[FrozenTrial], newer: Curves | None = None) -> Outlook | None:
        """Learn from trials; None if fewer than two of them have an error.

        `newer` has curves of running trials that are ahead of the storage.
        """
        names = self.counting.names
        found = observed(trials, names, self.epochs, newer or {}, running=self.running)
        found = self._some(found)
        if sum(one.error is not None for one in found) < FEWEST:
            return None
        for one in found:
            if one.number not in self._distances:
                self._distances.add(one.number, place_of_trial(one.trial))
        return self._outlook(found)

    def random(self) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors (M, columns) and counted log costs (M, C) of random configurations, the
        same ones in every driver of a study; M is 0 where counting is too slow.
        """
        if self._random is None:
            rng, found = random.Random(self.seed), list[Counted]()
            for _ in range(COUNTED if self.counting.count else 0):
                with suppress(ValueError):  # not valid, or does not fit the images
                    found.append(self.counted(self.draw(uniformly(rng))))
            vectors = self._distances.embedding([one.place for one in found])
            costs = np.array([one.costs for one in found])
            self._random = vectors, costs.reshape(len(found), len(self.counting.names))
        return self._random

    def counted(self, drawn: Drawn[Config]) -> Counted:
        """Count the costs of a configuration. Raises ValueError if it cannot be built."""
        assert self.counting.count is not None
        costs = self.counting.count(drawn.config)
        return Counted(drawn.chosen, log_costs(costs[name] for name in self.counting.names))

    def _some(self, found: list[Observed]) -> list[Observed]:
        """Keep the newest observations and the front's."""
        if len(found) <= RECENT:
            return found
        kept = {one.number for one in (*self.members(found), *found[-RECENT:])}
        return [one for one in found if one.number in kept]

    def members(self, found: Sequence[Observed]) -> list[Observed]:
        """Return the observations on the front."""
        full = [one for one in found if one.full]
        points = [self._point(one, one.error or 0.0) for one in full]
        return [one for one, on in zip(full, non_dominated(points), strict=True) if on]

    def _point(self, one: Observed, error: float) -> Point:
        return error, *one.costs[: self.counting.objectives]

    def _outlook(self, found: list[Observed]) -> Outlook:
        numbers = [one.number for one in found]
        apart = self._distances.between(numbers)
        unit = float(apart.mean()) or 1.0
        costs = np.array([one.costs for one in found]).reshape(len(found), -1)
        scale = _scale(costs)
        known = Known(
            apart / unit,
            None if scale is None else scale(costs),
            np.array([math.nan if one.error is None else one.error for one in found]),
            np.array([one.variance for one in found]),
        )
        process, errors = self._fitted(known)
        mean, _ = process(known.apart, known.costs)
        points = [self._point(one, e) for one, e in zip(found, errors, strict=True)]
        members = self.members(found)
        front = [self._point(one, one.error or 0.0) for one in members]
        coming = [
            self._point(one, expected)
            for one, expected in zip(found, mean, strict=True)
            if one.training
        ]
        return Outlook(
            numbers=numbers,
            told=sum(one.error is not None for one in found),
            distances=self._distances,
            unit=unit,
            process=process,
            scale=scale,
            predict=partial(self._predict, numbers, costs),
            members=frozenset(one.number for one in members),
            front=tuple(front),
            expected=_front(front + coming),
            corner=tuple(_beyond(column) for column in zip(*points, strict=True)),
            ends=tuple(
                math.log10(self.counting.limits.get(name, math.inf)) for name in self.counting.names
            ),
        )

    def _fitted(self, known: Known) -> tuple[Process, np.ndarray]:
        """Fit the error; return the values too. Trials without an error are given the predicted
        one, so that their near-duplicates are not proposed (kriging believer).
        """
        told = ~np.isnan(known.values)
        sure = known.some(np.flatnonzero(told))
        kernel = learnt(sure)
        process = fit(sure, kernel)
        if told.all():
            return process, known.values
        both = np.ix_(~told, told)
        costs = None if known.costs is None else known.costs[both]
        values = known.values.copy()
        values[~told] = process(known.apart[both], costs)[0]
        return fit(replace(known, values=values), kernel), values

    def _predict(self, numbers: list[int], costs: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Predict log costs from those of all trials and of the random configurations."""
        (drawn, counted), embedding = self.random(), self._distances.embedding
        columns = len(embedding.names)
        table = np.concatenate(
            [_wide(drawn, columns), _wide(self._distances.table(numbers), columns)]
        )
        self._predicted.fit(table, embedding.names, np.concatenate([counted, costs]))
        return self._predicted(vectors, embedding.names)


def _wide(table: np.ndarray, columns: int) -> np.ndarray:
    """Fill a table up to a number of columns, with zeros."""
    return np.pad(table[:, :columns], ((0, 0), (0, max(0, columns - table.shape[1]))))


def _scale(costs: np.ndarray) -> CostScale | None:
    if not costs.shape[1]:
        return None
    mean, sd = costs.mean(0), np.maximum(costs.std(0), 1e-3)
    return CostScale((costs - mean) / sd, mean, sd)


def _front(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple(point for point, on in zip(points, non_dominated(points), strict=True) if on)


def _beyond(values: Sequence[float]) -> float:
    return max(values) + BEYOND * (max(values) - min(values))
