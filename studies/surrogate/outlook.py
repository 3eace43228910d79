"""The gains that a study can still expect, from new networks and from trials that it began.

One belief decides what is proposed and what goes on training: the process of the error, which knows
each trial as far as it was trained, and the front of whole trainings. A gain is the expected
improvement of the front's hypervolume in (log error, log costs).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skipsearch.studies.pareto import Point, hypervolume
from skipsearch.studies.surrogate.acquisition import expected_improvement
from skipsearch.studies.surrogate.distances import Distances
from skipsearch.studies.surrogate.embedding import Place
from skipsearch.studies.surrogate.gaussian_process import Process

MARGIN = 0.0414  # log10 of 1.1: a predicted cost may exceed its limit by 10 %


@dataclass(frozen=True)
class CostScale:
    """Log costs of the trials that a process knows, and what makes them comparable."""

    known: np.ndarray  # (N, C), standardised
    mean: np.ndarray
    sd: np.ndarray

    def __call__(self, costs: np.ndarray) -> np.ndarray:
        """Return the differences (M, N) of log costs (M, C) to those known."""
        own = (costs - self.mean) / self.sd
        found: np.ndarray = np.abs(own[:, None] - self.known).sum(2)
        return found


@dataclass(frozen=True)
class Outlook:
    """The belief at one moment; all values are log10.

    Costs are those of the objectives, then those that are only limited. `expected` is the front
    with the trials in training, each at its expected error, so that proposals keep away from them.
    """

    numbers: list[int]  # of the trials that the process knows
    told: int  # how many of them have an error
    distances: Distances
    unit: float  # mean distance of the known trials
    process: Process
    scale: CostScale | None  # None without costs
    predict: Callable[[np.ndarray], np.ndarray]  # log costs (M, C) of vectors
    members: frozenset[int]  # numbers of the trials on the front
    front: tuple[Point, ...]  # error and costs of the objectives, of whole trainings
    expected: tuple[Point, ...]
    corner: Point
    ends: tuple[float, ...]  # limits of the costs, infinite where there is none

    def gains(self, places: Sequence[Place]) -> np.ndarray:
        """Return the gains (M,) of configurations whose costs are predicted."""
        vectors = self.distances.embedding(places)
        return self._gains(vectors, self.predict(vectors), self.expected)

    def gains_at(self, vectors: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """Return the gains (M,) of vectors (M, columns) with counted log costs (M, C)."""
        return self._gains(vectors, costs, self.expected)

    def gains_of(self, numbers: list[int], costs: np.ndarray) -> np.ndarray:
        """Return the gains (M,) of trials, if they are trained to their end."""
        return self._gains(self.distances.table(numbers), costs, self.front)

    def errors_of(self, numbers: list[int], costs: np.ndarray) -> np.ndarray:
        """Return the expected log errors (M,) of trials, if they are trained to their end."""
        return self._error(self.distances.table(numbers), costs)[0]

    @property
    def volume(self) -> float:
        """Hypervolume of the front."""
        return hypervolume(self.front, self.corner)

    def _gains(self, vectors: np.ndarray, costs: np.ndarray, front: Sequence[Point]) -> np.ndarray:
        mean, sd = self._error(vectors, costs)
        sd = np.sqrt(sd**2 + self.process.noise)  # the front is of errors as they are measured
        own = costs[:, : len(self.corner) - 1]
        found = expected_improvement(mean, sd, own, front, self.corner)
        return np.where((costs <= np.array(self.ends) + MARGIN).all(1), found, 0.0)

    def _error(self, vectors: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        apart = self.distances.to(vectors, self.numbers) / self.unit
        return self.process(apart, None if self.scale is None else self.scale(costs))
