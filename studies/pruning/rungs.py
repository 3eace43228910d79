"""Successive halving on several objectives: decide which trials go on at a rung.

After https://arxiv.org/abs/1810.05934 (asynchronous halving). A trial is ranked among all trials
that reached the rung so far: by validation error alone (`asha`), or by its position in
non-dominated order over that error and the costs (`pareto-asha`). Rungs are a pure function of the
study's curves, so they are restored after a crash of the driver.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.pareto import front_numbers, unbeaten_or_first
from skipsearch.studies.storage.trial_record import TrialRecord

Rung = Mapping[int, tuple[float, ...]]  # by trial number: its error at the rung, its costs


class Rungs:
    """The trials that reached each rung, with their errors and costs there.

    `stop`: a trial that does not go on ends, so none is judged before eta trials reached the rung.
    `promote`: a trial that does not go on is paused, and promoted once its rank suffices.
    """

    def __init__(
        self, max_epochs: int, *, eta: int = 3, grace: int = 1, pareto: bool, promote: bool
    ) -> None:
        self.eta, self.pareto, self.promote = eta, pareto, promote
        powers = range(1 + int(math.log(max(1, max_epochs), eta)))
        self.at: dict[int, dict[int, tuple[float, ...]]] = {
            grace * eta**k: {} for k in powers if grace * eta**k < max_epochs
        }
        self.closed = False
        self.waiting: dict[int, int] = {}
        self.reached: dict[int, int] = {}  # by trial number: the last epoch of its curve
        self._known: dict[
            int, frozenset[int]
        ] = {}  # trials that go on; cached until another one comes

    def load(self, trials: Iterable[FrozenTrial], costs: Sequence[str]) -> None:
        """Restore the rungs from the study's curves, imported ones if stopped by the same rule."""
        for trial in trials:
            record = TrialRecord.of(trial)
            if record.charged or record.judged:
                own = record.costs(costs)
                for epoch, val_error in trial.intermediate_values.items():
                    self.add(trial.number, epoch, val_error, own)

    def add(self, number: int, epoch: int, val_error: float, costs: Sequence[float]) -> None:
        """Enter a trial's error after an epoch, if the epoch is a rung and the error finite."""
        self.reached[number] = max(epoch, self.reached.get(number, 0))
        if epoch in self.at and math.isfinite(val_error):
            self.at[epoch][number] = (val_error, *costs)
            self._known.pop(epoch, None)

    def passed(self, number: int, epoch: int) -> bool:
        """Return True if a trial was judged here before. After a broken checkpoint it trains epochs
        again, which change neither its curve nor its rank at a rung.
        """
        return epoch < self.reached.get(number, 0)

    def close(self) -> None:
        """Rank paused trials also at rungs that fewer than eta reached, as no other trial comes."""
        self.closed = True
        self._known.clear()

    def goes_on(self, number: int, epoch: int, below: int | None = None) -> bool:
        """Return True for a trial in the best 1/eta of the rung, or, with `pareto-asha`, dominated
        by none there; it is compared with trials numbered `below` only, if that is given.
        """
        rung = self.at.get(epoch, {})
        if number not in rung:
            return True
        if below is not None:
            return number in self._best({n: rung[n] for n in rung if n < below or n == number})
        if epoch not in self._known:
            self._known[epoch] = self._best(rung)
        return number in self._known[epoch]

    def next_paused(self) -> int | None:
        """Return the paused trial at the highest rung of those whose rank suffices, if any."""
        for number, epoch in sorted(self.waiting.items(), key=lambda pair: -pair[1]):
            if self.goes_on(number, epoch):
                return number
        return None

    def _best(self, rung: Rung) -> frozenset[int]:
        """Return the trials that go on."""
        if len(rung) >= self.eta or (self.promote and self.closed):
            return self._in_place(rung)
        return frozenset() if self.promote else frozenset(rung)

    def _in_place(self, rung: Rung) -> frozenset[int]:
        numbers = sorted(rung)  # ties are broken by number, never by arrival
        points, room = np.array([rung[n] for n in numbers]), len(numbers) / self.eta
        if self.pareto:
            chosen = unbeaten_or_first(points, front_numbers(points), room)
        else:  # equal errors stay tied
            chosen = np.searchsorted(np.sort(points[:, 0]), points[:, 0]) < room
        return frozenset(n for n, going in zip(numbers, chosen, strict=True) if going)


def rungs_of(config: StudyConfig) -> Rungs:
    """Return the rungs of a study that halves, still empty."""
    return Rungs(
        config.epochs,
        eta=config.eta,
        grace=config.grace,
        pareto=config.pruner == "pareto-asha",
        promote=config.halving == "promote",
    )
