"""Successive halving on several objectives: who goes on at a rung.

After https://arxiv.org/abs/1810.05934 (asynchronous halving), with a trial's place among all that
came to the rung so far: by validation error alone (`asha`), or its own position in non-dominated
order over that error and the costs (`pareto-asha`). Rungs are a pure function of the study's
curves, so they survive whatever the driver does not.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.pareto import front_numbers, unbeaten_or_first
from skipsearch.studies.storage.trial_record import TrialRecord

Rung = Mapping[int, tuple[float, ...]]  # by the number of the trial: its error there, its costs


class Rungs:
    """Who reported what at which rung.

    `stop`: who does not go on at once never does, so nobody is judged before eta trials came.
    `promote`: who does not go on waits, and goes on when its place allows.
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
        self.reached: dict[int, int] = {}  # by number: the last epoch of its curve
        self._known: dict[int, frozenset[int]] = {}  # who goes on, until somebody else comes

    def load(self, trials: Iterable[FrozenTrial], costs: Sequence[str]) -> None:
        """From the curves of a study, and those of an earlier one that stopped by the same rule."""
        for trial in trials:
            record = TrialRecord.of(trial)
            if record.charged or record.judged:
                own = record.costs(costs)
                for epoch, val_error in trial.intermediate_values.items():
                    self.add(trial.number, epoch, val_error, own)

    def add(self, number: int, epoch: int, val_error: float, costs: Sequence[float]) -> None:
        self.reached[number] = max(epoch, self.reached.get(number, 0))
        if epoch in self.at and math.isfinite(val_error):
            self.at[epoch][number] = (val_error, *costs)
            self._known.pop(epoch, None)

    def passed(self, number: int, epoch: int) -> bool:
        """Whether a trial was judged here before: whose checkpoint is broken trains epochs again,
        and neither its curve nor its place at a rung changes by that.
        """
        return epoch < self.reached.get(number, 0)

    def close(self) -> None:
        """Nobody else comes: where fewer than eta came, who waits is judged beside these."""
        self.closed = True
        self._known.clear()

    def goes_on(self, number: int, epoch: int, below: int | None = None) -> bool:
        """Whether a trial is in the best 1/eta of the rung, or, by `pareto-asha`, beaten by nobody
        there; beside trials of numbers `below` a limit only, where there is one.
        """
        rung = self.at.get(epoch, {})
        if number not in rung:
            return True
        if below is not None:
            return number in self._best({n: rung[n] for n in rung if n < below or n == number})
        if epoch not in self._known:
            self._known[epoch] = self._best(rung)
        return number in self._known[epoch]

    def _best(self, rung: Rung) -> frozenset[int]:
        """Who goes on."""
        if len(rung) >= self.eta or (self.promote and self.closed):
            return self._in_place(rung)
        return frozenset() if self.promote else frozenset(rung)

    def _in_place(self, rung: Rung) -> frozenset[int]:
        numbers = sorted(rung)  # ties are told apart by number, never by who came first
        points, room = np.array([rung[n] for n in numbers]), len(numbers) / self.eta
        if self.pareto:
            chosen = unbeaten_or_first(points, front_numbers(points), room)
        else:  # equal errors are not told apart at all
            chosen = np.searchsorted(np.sort(points[:, 0]), points[:, 0]) < room
        return frozenset(n for n, going in zip(numbers, chosen, strict=True) if going)


def rungs_of(config: StudyConfig) -> Rungs | None:
    """The rungs of a study, still empty; None where nobody is stopped."""
    if config.pruner == "none":
        return None
    return Rungs(
        config.epochs,
        eta=config.eta,
        grace=config.grace,
        pareto=config.pruner == "pareto-asha",
        promote=config.halving == "promote",
    )
