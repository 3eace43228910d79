"""Expected hypervolume improvement (EHVI) with an uncertain error and known costs.

    EHVI(x) = ∫ P(error(x) < z) · free(z) dz  up to the corner's error

with free(z) the part of the costs' box between x and the corner that no member of the front with
an error below z covers. It is constant between the errors of two members, so the integral is a sum
of differences of E[(z − error)⁺] = (z − μ) Φ((z − μ)/σ) + σ φ((z − μ)/σ); without costs it is the
expected improvement. The definition: Emmerich, Giannakoglou & Naujoks 2006,
doi:10.1109/TEVC.2005.859463.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from skipsearch.studies.pareto import Point, Staircase


def expected_improvement(
    mean: np.ndarray, sd: np.ndarray, costs: np.ndarray, front: Sequence[Point], corner: Point
) -> np.ndarray:
    """Expected hypervolume improvement (N,) of N candidates; everything is minimised.

    Parameters
    ----------
    mean, sd
        Predicted error (N,), and its standard deviation above 0.
    costs
        (N, C), with C from 0 to 2.
    front
        Points (error, *costs); those beyond the corner's error are ignored.
    corner
        The reference point of the hypervolume.
    """
    members = sorted(point for point in front if point[0] < corner[0])
    ends = [*(point[0] for point in members), corner[0]]
    below = np.zeros(len(mean))
    total = np.zeros(len(mean))
    for number, end in enumerate(ends):
        upto = _shortfall(mean, sd, end)
        total += (upto - below) * _free(costs, [p[1:] for p in members[:number]], corner[1:])
        below = upto
    return total


def _shortfall(mean: np.ndarray, sd: np.ndarray, end: float) -> np.ndarray:
    """E[(end − error)⁺]."""
    by = (end - mean) / sd
    density = np.exp(-0.5 * by**2) / math.sqrt(2 * math.pi)
    found: np.ndarray = (end - mean) * ndtr(by) + sd * density
    return found


def _free(costs: np.ndarray, covering: Sequence[Point], corner: Point) -> np.ndarray:
    """Volume between each candidate's costs and the corner that no point covers."""
    match corner:
        case ():
            return np.full(len(costs), float(not covering))
        case (end,):
            least = min((point[0] for point in covering), default=end)
            return np.clip(min(least, end) - costs[:, 0], 0, None)
        case (end, top):
            stairs = Staircase((end, top))
            for x, y in covering:
                stairs.add(x, y)
            lefts, heights = [-np.inf, *stairs.xs], [top, *stairs.ys]
            area = np.zeros(len(costs))
            for left, right, height in zip(lefts, [*stairs.xs, end], heights, strict=True):
                wide = np.clip(right - np.maximum(left, costs[:, 0]), 0, None)
                area += wide * np.clip(height - costs[:, 1], 0, None)
            return area
    raise AssertionError(corner)
