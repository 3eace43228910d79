"""Whether gradients reach every layer: GradAttn's gradient health (arXiv 2603.26756).

What differs: the paper counts layers whose hook never fired as unhealthy, so that its score cannot
reach 1; here only layers that produced a gradient are counted, and those whose gradient is exactly
zero are dead, apart from those where it is small.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

State = Literal["healthy", "vanishing", "exploding", "dead", "not finite", "silent"]
BANDS = ((0.8, "excellent"), (0.6, "good"), (0.4, "moderate"), (-math.inf, "poor"))
DECAY = 10.0  # from layer to layer: more than this, or less than 1/this, is worth a warning


@dataclass(frozen=True)
class Thresholds:
    """Of a layer's mean gradient norm: healthy is strictly between. A hundredth of `vanishing`, or
    ten times `exploding`, is severe.
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
        """Of a layer by its mean norm; None is a layer that no gradient came to."""
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
        return norm < self.vanishing / 100 or norm > self.exploding * 10


PAPER = Thresholds()


class Layer(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def norm(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class Health:
    """`score` is the healthy part of the layers that produced data; `decay` the mean of
    norm_i / norm_{i+1} over consecutive layers, in the order of the modules; a bottleneck's norm is
    more than two standard deviations below the mean of all.
    """

    score: float
    band: str
    states: dict[State, tuple[str, ...]]
    decay: float
    bottlenecks: tuple[str, ...]

    def count(self, state: State) -> int:
        return len(self.states[state])

    @property
    def steep(self) -> bool:
        """Whether norms grow or fall more than `DECAY` times from layer to layer."""
        return self.decay > DECAY or self.decay < 1 / DECAY


def health(layers: Sequence[Layer], thresholds: Thresholds = PAPER) -> Health:
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
    """Without dead layers: nothing can be divided by them."""
    ratios = [a / b for a, b in pairwise(norms) if a and b]
    return statistics.fmean(ratios) if ratios else math.nan


def sensitivity(
    layers: Sequence[Layer], chosen: Thresholds = PAPER
) -> list[tuple[Thresholds, float]]:
    """The score by thresholds a tenth, a hundredth, ten and a hundred times those chosen."""
    factors = (1e-2, 1e-1, 1.0, 1e1, 1e2)
    pairs = ((chosen.vanishing * a, chosen.exploding * b) for a in factors for b in factors)
    others = [Thresholds(low, high) for low, high in pairs if low < high]
    return [(one, health(layers, one).score) for one in others]
