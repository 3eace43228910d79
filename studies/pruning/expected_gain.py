"""Decide which trials go on by what they may still add to the front (`pruner = "expected-gain"`).

After each third of a training (from `grace` epochs on) a trial goes on while its gain for an epoch
that it has left is at least that of the alternatives: a new network that is trained to its end, and
the trials that are paused. Else it pauses, and goes on once it is the best alternative. Gains are
those of `surrogate.outlook`, the belief that proposals follow too.

These rules, without those of the next paragraph and in a prototype that chose among 1,000 networks
of digits: part of their hypervolume at a sixth, a half and all of the epochs that 100 of them take,
0.957, 0.990, 0.997; unpruned 0.829, 0.990, 0.997; judged after epochs 1, 2, 3, 5 and 7 of 9
instead, 0.954, 0.983, 0.996 (means of 4 seeds). This module itself is to be measured yet.

So that a study says something of each kind of shortcut, and its belief of them stays honest, the
best of each kind are trained to their end: one from five trials for each kind on, later `WHOLE`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.domains import values_of
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import TrialRecord, is_full
from skipsearch.studies.surrogate.believer import Believer
from skipsearch.studies.surrogate.observations import log_costs
from skipsearch.studies.surrogate.outlook import Outlook

KIND = "shortcut"  # the choice that this project is about
FEWEST = 4  # trials with an error before any is paused
LED = 10  # trials with an error from which on the sampler knows better than chance
PARTS = (1 / 3, 2 / 3)  # of a training, after which a trial is judged
CURSE = 2.0  # by so much the gain of the best of many new networks is taken to be overestimated
WHOLE, EACH = 3, 5  # trials of a kind that are trained to their end: one more with so many a kind
WORTH = 0.1  # of what an epoch brought so far: the least that a paused trial must promise at last


class ExpectedGain:
    """A `Pruner` whose trials pause; the state is in the store, but for the newest reports."""

    promote = True

    def __init__(self, config: StudyConfig, store: Store, believer: Believer[Any]) -> None:
        self.config, self.store, self.believer = config, store, believer
        self.waiting: dict[int, int] = {}
        self.closed = False
        self._curves: dict[int, dict[int, float]] = {}  # of trials in training
        self._judged = judgements(config.grace, config.epochs)

    def load(self, trials: Iterable[FrozenTrial], _costs: Sequence[str]) -> None:
        """Restore the curves of trials that a dead driver left."""
        for trial in trials:
            if not trial.state.is_finished():
                self._curves[trial.number] = dict(trial.intermediate_values)

    def add(self, number: int, epoch: int, val_error: float, _costs: Sequence[float]) -> None:
        """Enter a trial's error after an epoch."""
        self._curves.setdefault(number, {})[epoch] = val_error

    def passed(self, number: int, epoch: int) -> bool:
        """Return True if a trial was judged here before."""
        return epoch < max(self._curves.get(number, {}), default=0)

    def goes_on(self, number: int, epoch: int, below: int | None = None) -> bool:
        """Return True while the trial is the best use of its next epochs."""
        if epoch not in self._judged:
            return True
        outlook = self._look()
        if outlook is None or outlook.told < FEWEST:
            return True
        rates = self._rates(outlook, {**self.waiting, number: epoch})
        if rates[number] >= max(self._new(outlook), *rates.values()):
            return True
        return number in self._owed(outlook)

    def next_paused(self) -> int | None:
        """Return the paused trial that is worth more than a new network, if any is; once no new
        network comes, the best that is worth its epochs.
        """
        outlook = self._look() if self.waiting else None
        if outlook is None:
            return None
        if owed := sorted(self._owed(outlook) & self.waiting.keys()):
            return owed[0]
        rates = self._rates(outlook, self.waiting)
        best = max(rates, key=rates.__getitem__)
        least = self._worth(outlook) if self.closed else self._new(outlook)
        return best if rates[best] > least else None

    def close(self) -> None:
        """Compare with what epochs brought so far, as no new network comes."""
        self.closed = True

    def _look(self) -> Outlook | None:
        trials = self.store.trials
        ended = [n for n in self._curves if trials[n].state.is_finished()]
        for number in ended:
            del self._curves[number]
        return self.believer.look(trials, self._curves)

    def _rates(self, outlook: Outlook, at: Mapping[int, int]) -> dict[int, float]:
        """Return the gains of trials, by number, for each epoch that they have left."""
        left = self.config.epochs - np.array([*at.values()])
        rates = outlook.gains_of([*at], self._costs(at)) / np.maximum(left, 1)
        return dict(zip(at, map(float, rates), strict=True))

    def _owed(self, outlook: Outlook) -> set[int]:
        """Return the trials that are trained to their end for the sake of their kind."""
        kinds = values_of(self.config.arch_space.domain(KIND)) or ()
        trials = [t for t in self.store.trials if TrialRecord.of(t).charged]
        due, known = min(WHOLE, len(trials) // (EACH * len(kinds))), {*outlook.numbers}
        owed: set[int] = set()
        for kind in kinds if len(kinds) > 1 and due else ():
            own = [t for t in trials if TrialRecord.of(t)[TrialRecord.arch].get(KIND) == kind]
            left = due - sum(map(is_full, own))
            begun = [t.number for t in own if t.number in known and not t.state.is_finished()]
            if left > 0 and begun:
                errors = outlook.errors_of(begun, self._costs(begun))
                owed |= {begun[at] for at in np.argsort(errors, kind="stable")[:left]}
        return owed

    def _costs(self, numbers: Iterable[int]) -> np.ndarray:
        """Return the log costs (M, C) of trials."""
        names = self.believer.counting.names
        records = [TrialRecord.of(self.store.trials[number]) for number in numbers]
        return np.array([log_costs(one.costs(names)) for one in records]).reshape(len(records), -1)

    def _new(self, outlook: Outlook) -> float:
        """Return the gain of a new network for each of its epochs: of the best among random ones,
        or, without a sampler that leads, of their mean.
        """
        vectors, costs = self.believer.random()
        if not len(vectors):
            return 0.0
        gains = outlook.gains_at(vectors, costs)
        leads = self.config.sampler == "gp" and outlook.told >= LED
        return float(gains.max() / CURSE if leads else gains.mean()) / self.config.epochs

    def _worth(self, outlook: Outlook) -> float:
        """Return what a paused trial must promise for each epoch at the end of a study."""
        spent = sum(t.last_step or 0 for t in self.store.trials)
        return WORTH * outlook.volume / max(1, spent)


def judgements(grace: int, epochs: int) -> frozenset[int]:
    """Return the epochs after which a trial is judged: none before `grace`."""
    found = {max(grace, math.ceil(part * epochs)) for part in PARTS}
    return frozenset(epoch for epoch in found if epoch < epochs)
