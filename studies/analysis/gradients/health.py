"""Gradient health after GradAttn (arXiv 2603.26756): the share of layers with sound gradients.

What differs: the paper counts layers whose hook never fired as unhealthy, so that its score cannot
reach 1. Here only layers that received a gradient are counted, and a gradient that is exactly zero
makes a layer dead, which is not the same as vanishing.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

State = Literal["healthy", "vanishing", "exploding", "dead", "not finite", "silent"]
BANDS = ((0.8, "excellent"), (0.6, "good"), (0.4, "moderate"), (-math.inf, "poor"))
DECAY = 10.0  # a mean ratio of consecutive norms above this, or below its inverse, is reported


@dataclass(frozen=True)
class Thresholds:
    """Bounds of a layer's mean gradient norm: healthy is strictly between them. Below a hundredth
    of `vanishing` or above ten times `exploding` is severe.
    """

    vanishing: float = 1e-6
    exploding: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.vanishing < self.exploding:
            raise ValueError(
                "--vanishing must be at least 0 and less than --exploding, got "
                f"{self.vanishing:g} and {self.exploding:g}"
            )

    def state(self, norm: float | None) -> State:
        """Classify a layer by its mean norm; None means that no gradient reached it."""
        if norm is None:
            return "silent"
        if not math.isfinite(norm):
            return "not finite"
        if norm == 0:
            return "dead"
        if norm <= self.vanishing:
            return "vanishing"
        return "exploding" if norm >= self.exploding else "healthy"

    def severe(self, norm: float) -> bool:
        """True if the norm is far outside of the bounds."""
        return norm < self.vanishing / 100 or norm > self.exploding * 10


PAPER = Thresholds()


class Layer(Protocol):
    """The view of a layer that `health` needs, such as a `LayerGradient`."""

    @property
    def name(self) -> str:
        """The module's name in the network."""
        ...

    @property
    def norm(self) -> float | None:
        """The mean gradient norm; None if no gradient reached the layer."""
        ...


@dataclass(frozen=True, kw_only=True)
class Health:
    """The health of a network.

    `score` is the healthy share of the layers that received a gradient, `decay` the mean of
    norm_i / norm_{i+1} over consecutive layers in the order of the modules. A bottleneck's norm is
    more than two standard deviations below the mean of all layers.
    """

    score: float
    band: str
    states: dict[State, tuple[str, ...]]
    decay: float
    bottlenecks: tuple[str, ...]

    def count(self, state: State) -> int:
        """Return the number of layers in a state."""
        return len(self.states[state])

    @property
    def steep(self) -> bool:
        """True if norms grow or fall by more than a factor of `DECAY` from layer to layer."""
        return self.decay > DECAY or self.decay < 1 / DECAY


def health(layers: Sequence[Layer], thresholds: Thresholds = PAPER) -> Health:
    """Classify all layers and compute score, decay and bottlenecks; nan if there is no gradient."""
    order: tuple[State, ...] = (
        *("healthy", "vanishing", "exploding", "dead"),
        *("not finite", "silent"),
    )
    states = {
        state: tuple(one.name for one in layers if thresholds.state(one.norm) == state)
        for state in order
    }
    norms = [(one.name, one.norm) for one in layers if one.norm is not None]
    finite = [norm for _, norm in norms if math.isfinite(norm)]
    score = len(states["healthy"]) / len(norms) if norms else math.nan
    low = statistics.fmean(finite) - 2 * statistics.pstdev(finite) if finite else -math.inf
    return Health(
        score=score,
        band=next((name for least, name in BANDS if score > least), "unknown"),
        states=states,
        decay=_decay(finite),
        bottlenecks=tuple(name for name, norm in norms if norm < low),
    )


def _decay(norms: Sequence[float]) -> float:
    """Return the mean ratio of consecutive norms, leaving out dead layers (norm 0)."""
    ratios = [a / b for a, b in pairwise(norms) if a and b]
    return statistics.fmean(ratios) if ratios else math.nan


def sensitivity(
    layers: Sequence[Layer], chosen: Thresholds = PAPER
) -> list[tuple[Thresholds, float]]:
    """Return the score at thresholds of 1/100, 1/10, 1, 10 and 100 times those chosen, paired in
    every way in which `vanishing` stays below `exploding`.
    """
    factors = (1e-2, 1e-1, 1.0, 1e1, 1e2)
    pairs = ((chosen.vanishing * a, chosen.exploding * b) for a in factors for b in factors)
    others = [Thresholds(low, high) for low, high in pairs if low < high]
    return [(one, health(layers, one).score) for one in others]
