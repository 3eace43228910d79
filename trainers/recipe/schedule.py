"""Schedules of the learning rate, and progress as validation errors show it.

Schedules are given as fractions of the whole training, so that one recipe means the same at any
length, and a search may change `epochs` alone. Only `Plateau` depends on the validation errors.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, assert_never

from skipsearch.searchspace.parameters.domains import Floats, Integers, integer, real

THRESHOLD = 1e-4  # relative gain in accuracy that ends a plateau: torch's default


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """A linear rise to `lr` and a linear fall to 0.

    Source: https://arxiv.org/abs/1708.07120, which also cycles the momentum; here it is constant.
    """

    label: ClassVar[str] = "one-cycle"
    peak: float = real(0.25, 0.0, 0.9, doc="part of all steps after which lr is at its peak")


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from `lr` to 0 after a linear warm-up (https://arxiv.org/abs/1608.03983)."""

    label: ClassVar[str] = "cosine"
    warmup: float = real(0.1, 0.0, 0.9, doc="part of all steps over which lr rises from 0")


@dataclass(frozen=True, kw_only=True)
class Step:
    """`lr` multiplied by `factor` at up to three points, given in any order.

    A point of m/n in a training of n epochs is exactly the boundary before epoch m + 1: epochs 1 to
    m have the higher rate. This is torch's MultiStepLR with the milestone m.
    """

    label: ClassVar[str] = "step"
    warmup: float = real(0.0, 0.0, 0.1, doc="part of all steps over which lr rises from 0")
    first: float = real(
        0.5, 0.05, 1.0, search=Floats(0.2, 0.6), doc="part of all steps after which lr falls"
    )
    second: float = real(
        0.75, 0.05, 1.0, search=Floats(0.6, 0.85), doc="the same, a second time; 1: never"
    )
    third: float = real(
        1.0, 0.05, 1.0, search=Floats(0.85, 1.0), doc="the same, a third time; 1: never"
    )
    factor: float = real(0.1, 0.01, 1.0, doc="what lr is multiplied by when it falls")


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """`lr` multiplied by `factor` when more than `patience` epochs in a row did not improve.

    torch's ReduceLROnPlateau(mode="max") on the validation accuracy, with its defaults: an epoch
    improves if its accuracy is above best · (1 + 1e-4), best being that of the last epoch that
    improved; after a fall the count begins anew. What differs: torch skips a fall below 1e-8.
    """

    label: ClassVar[str] = "plateau"
    patience: int = integer(
        3, 0, 100, search=Integers(1, 10), doc="epochs in a row without improvement that lr bears"
    )
    factor: float = real(
        0.2, 0.01, 1.0, search=Floats(0.1, 0.5), doc="what lr is multiplied by when it falls"
    )
    lowest: float = real(
        1e-7, 0.0, 1.0, search=Floats(1e-8, 1e-4, log=True), doc="lr falls no further than this"
    )


Schedule = OneCycle | Cosine | Step | Plateau


def rate(schedule: Schedule, lr: float, done: float, errors: Sequence[float]) -> float:
    """Return the learning rate once the fraction `done` (above 0, below 1) of all steps is done.

    `errors` are the validation errors of the epochs so far.
    """
    match schedule:
        case OneCycle(peak=peak):
            return lr * (done / peak if done < peak else (1 - done) / (1 - peak))
        case Cosine(warmup=warmup):
            if done < warmup:
                return lr * (done / warmup)
            return lr * (0.5 + 0.5 * math.cos(math.pi * (done - warmup) / (1 - warmup)))
        case Step(warmup=warmup, factor=factor):
            rise = done / warmup if done < warmup else 1.0
            points = (schedule.first, schedule.second, schedule.third)
            return lr * (rise * factor ** sum(done >= point for point in points))
        case Plateau(factor=factor, lowest=lowest):
            return min(lr, max(lowest, lr * factor ** falls(schedule, errors)))
        case _:
            assert_never(schedule)


def falls(plateau: Plateau, errors: Sequence[float]) -> int:
    """Count the falls of lr after epochs with these validation errors."""
    waited = waits(errors, lambda error, best: 1 - error > (1 - best) * (1 + THRESHOLD))
    return sum(n > 0 and n % (plateau.patience + 1) == 0 for n in waited)


def waits(errors: Sequence[float], better: Callable[[float, float], bool]) -> list[int]:
    """Count, for each epoch, how many in a row up to it did not improve: 0 for one that did.

    `better(error, best)` compares with the last epoch that improved, not with the lowest error.
    """
    counts, best, waited = [], math.inf, 0
    for error in errors:
        best, waited = (error, 0) if better(error, best) else (best, waited + 1)
        counts.append(waited)
    return counts
