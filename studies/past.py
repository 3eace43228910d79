"""What a sampler has to know of earlier trials, each read once.

Optuna's samplers read all trials again for every proposal. What is kept here follows from the
trials alone, whenever and in whichever order they were read.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)
ROOM = 1024  # trials, at first


class Past:
    """The parameters of trials as columns of numbers, and which of them come together.

    A trial is read once its parameters are written, which is before the next proposal is asked for.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, BaseDistribution] = {}  # as the newest trial that has it says
        self._newest: dict[str, int] = {}
        self._columns: dict[str, np.ndarray] = {}  # by number; nan where the trial has it not
        self._where: dict[str, int] = {}  # bit n: the learnt trial n has it
        self._read: set[int] = set()
        self._learnt: set[int] = set()
        self._groups: list[list[str]] | None = None

    def look(self, trials: Iterable[FrozenTrial]) -> None:
        """Read those that are new."""
        for trial in trials:
            if trial.number not in self._read:
                self._read.add(trial.number)
                self._keep(trial)
            if trial.number not in self._learnt and trial.state in LEARNT:
                self._learnt.add(trial.number)
                self._groups = None
                for name in trial.distributions:
                    self._where[name] = self._where.get(name, 0) | 1 << trial.number

    def _keep(self, trial: FrozenTrial) -> None:
        for name, kind in trial.distributions.items():
            if self._newest.get(name, -1) < trial.number:
                self._newest[name], self.kinds[name] = trial.number, kind
            column = self._columns.setdefault(name, np.full(ROOM, np.nan))
            if trial.number >= len(column):
                more = np.full(max(len(column), trial.number + 1 - len(column)), np.nan)
                column = self._columns[name] = np.concatenate([column, more])
            column[trial.number] = kind.to_internal_repr(trial.params[name])

    def group(self, name: str) -> list[str]:
        """The group of a parameter; it alone where no learnt trial has it."""
        return next((group for group in self.groups if name in group), [name])

    @property
    def groups(self) -> list[list[str]]:
        """Parameters that no trial has one without the other, by name: what is sampled jointly.

        As Optuna's `_GroupDecomposedSearchSpace`, which refines its groups trial by trial.
        """
        if self._groups is None:
            together: dict[int, list[str]] = {}
            for name in sorted(self._where):
                together.setdefault(self._where[name], []).append(name)
            self._groups = list(together.values())
        return self._groups

    def values(self, names: Sequence[str], trials: Sequence[FrozenTrial]) -> dict[str, np.ndarray]:
        """Of those of the trials that have all of the parameters."""
        numbers = np.array([t.number for t in trials], dtype=int)
        columns = [self._column(name, numbers) for name in names]
        complete = ~np.isnan(columns).any(0)
        return {name: column[complete] for name, column in zip(names, columns, strict=True)}

    def _column(self, name: str, numbers: np.ndarray) -> np.ndarray:
        column = self._columns.get(name, np.empty(0))
        found = np.full(len(numbers), np.nan)
        there = numbers < len(column)
        found[there] = column[numbers[there]]
        return found
