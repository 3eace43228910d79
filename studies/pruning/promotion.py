"""Pause trials that do not go on, and promote those that come to be worth it."""

import math
from collections.abc import Iterator

from optuna.trial import FrozenTrial

from skipsearch.studies.config.limits import Networks
from skipsearch.studies.pruning.pruner import Pruner
from skipsearch.studies.pruning.trial_reports import Live, fidelity, stopped, too_long
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.studies.storage.verdict import Verdict
from skipsearch.trainers.trial.job import Report


class Parking:
    """The paused trials; attribute `parked` of each is the epoch of its rung, 0 once promoted."""

    def __init__(self, store: Store, pruner: Pruner | None) -> None:
        self.store, self.pruner = store, pruner
        self.waiting: dict[int, int] = {} if pruner is None else pruner.waiting  # number → epoch

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def found(self, trial: FrozenTrial) -> bool:
        """Pause a dead driver's trial again; return False if it was not paused."""
        epoch = TrialRecord.of(trial).parked
        if not epoch or epoch != trial.last_step:
            return False
        self.waiting[trial.number] = epoch
        return True

    def takes(self, live: Live, report: Report) -> bool:
        """Pause a stopped trial; return False if it ended, diverged or took too long instead."""
        if not self.open:
            return False
        sound = math.isfinite(report.val_error)
        if not sound or fidelity(live.job, report) == 1 or too_long(live.job, report):
            return False
        self.store.note(live.trial, parked=report.epoch)
        self.waiting[live.trial.number] = report.epoch
        return True

    def promoted(self) -> FrozenTrial | None:
        """Promote the paused trial that the pruner chooses, if any."""
        number = None if self.pruner is None else self.pruner.next_paused()
        if number is None:
            return None
        del self.waiting[number]
        trial = self.store.trial(number)
        self.store.note(trial, parked=0)
        return trial

    @property
    def open(self) -> bool:
        """True if the study pauses trials at all."""
        return self.pruner is not None and self.pruner.promote

    def last(self) -> FrozenTrial | None:
        """Resume a paused trial when no other trial will begin, if it is worth it then."""
        if self.pruner is None or not self.waiting:
            return None
        self.pruner.close()
        return self.promoted()

    def ended(self, networks: Networks) -> Iterator[tuple[FrozenTrial, Verdict]]:
        """Prune every trial still paused, as the budget is spent."""
        while self.waiting:
            number, epoch = self.waiting.popitem()
            trial = self.store.trial(number)
            record = TrialRecord.of(trial)
            limits = networks.violations(record.cost)
            yield trial, stopped(epoch, 1 - record[TrialRecord.fidelity], limits)
