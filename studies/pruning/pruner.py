"""The protocol of a pruner: the answers that the scheduler and the paused trials ask for."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from optuna.trial import FrozenTrial


class Pruner(Protocol):
    """Decides after a report whether a trial goes on, and which paused trial goes on again."""

    promote: bool  # a trial that does not go on is paused, else it ends
    waiting: dict[int, int]  # the paused trials by number: the epoch of each

    def load(self, trials: Iterable[FrozenTrial], costs: Sequence[str]) -> None:
        """Restore what is known from the study's trials."""

    def add(self, number: int, epoch: int, val_error: float, costs: Sequence[float]) -> None:
        """Enter a trial's error after an epoch, and its costs."""

    def passed(self, number: int, epoch: int) -> bool:
        """Return True if a trial was judged here before. After a broken checkpoint it trains epochs
        again, which change neither its curve nor any judgement.
        """

    def goes_on(self, number: int, epoch: int, below: int | None = None) -> bool:
        """Return False for a trial that ends or pauses here; `below` limits the trials that it is
        compared with to those of lower numbers.
        """

    def next_paused(self) -> int | None:
        """Return the number of the paused trial that goes on, or None."""

    def close(self) -> None:
        """Judge paused trials as those of a study that starts no other trial."""
