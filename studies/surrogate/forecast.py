"""Forecast the error after a whole training from a curve that ends before.

    log final error = log error + a + b · (log error − c) ± s    for each number of epochs

c is the mean of log error among trained curves, a and b are learnt from them by Bayesian linear
regression: before any curve is known, the error falls by `FALL` over a training, whatever it is.
The uncertainty s is that of the residuals and of a.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FALL, FALL_SD = 0.3, 0.2  # expected fall of log10 error over a training, and its deviation
SLOPE_SD = 0.3  # prior deviation of b, which is 0 before any curve is known
RESIDUAL, DEGREES = 0.15, 4  # prior residual of a whole training, worth so many curves
ROUNDS = 3  # of alternating between the line and its residual
Curve = Mapping[int, float]  # log10 error by epoch


@dataclass(frozen=True)
class Line:
    """The forecast from one number of epochs."""

    fall: float
    slope: float
    centre: float
    sd: float

    def __call__(self, error: float) -> tuple[float, float]:
        """Return mean and standard deviation of the log final error."""
        return error + self.fall + self.slope * (error - self.centre), self.sd


class Forecast:
    """Learnt from the curves of whole trainings (`full`), for trainings of `epochs` epochs."""

    def __init__(self, full: Sequence[Curve], epochs: int) -> None:
        self.full, self.epochs = full, epochs
        self._lines: dict[int, Line] = {}

    def __call__(self, epoch: int, error: float) -> tuple[float, float]:
        """Return mean and standard deviation of the log final error, given that after `epoch`."""
        if epoch >= self.epochs:
            return error, 0.0
        if epoch not in self._lines:
            self._lines[epoch] = self._learnt(epoch)
        return self._lines[epoch](error)

    def _learnt(self, epoch: int) -> Line:
        left = 1 - epoch / self.epochs
        expected, prior = -FALL * left, RESIDUAL * math.sqrt(left) + 0.02
        pairs = [(c[epoch], c[max(c)]) for c in self.full if epoch in c]
        if not pairs:
            return Line(expected, 0.0, 0.0, math.hypot(prior, FALL_SD * left))
        then, final = np.array(pairs).T
        centre, falls = float(then.mean()), final - then
        rows = np.stack([np.ones(len(then)), then - centre], 1)
        belief = np.diag([FALL_SD**-2, SLOPE_SD**-2])
        start, variance = belief @ np.array([expected, 0.0]), prior**2
        for _ in range(ROUNDS):
            precision = belief + rows.T @ rows / variance
            line = np.linalg.solve(precision, start + rows.T @ falls / variance)
            off = falls - rows @ line
            variance = (DEGREES * prior**2 + float(off @ off)) / (DEGREES + len(off))
        sd = math.sqrt(variance + float(np.linalg.inv(precision)[0, 0]))
        return Line(float(line[0]), float(line[1]), centre, sd)
