"""Trials that wait at a rung until their place allows them to go on (`halving = "promote"`)."""

import math
from collections.abc import Iterator

from optuna.trial import FrozenTrial

from skipsearch.studies.config.limits import Networks
from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import Live, fidelity, stopped, too_long
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.studies.storage.verdict import Verdict
from skipsearch.trainers.trial.job import Report


class Parking:
    """A trial waits with the note `parked`, the epoch of its rung; 0 once it went on."""

    def __init__(self, store: Store, rungs: Rungs | None) -> None:
        self.store, self.rungs = store, rungs
        self.waiting: dict[int, int] = {}  # number → epoch

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def found(self, trial: FrozenTrial) -> bool:
        """Whether a trial of a dead driver was waiting; it then waits on."""
        epoch = TrialRecord.of(trial).parked
        if not epoch or epoch != trial.last_step:
            return False
        self.waiting[trial.number] = epoch
        return True

    def takes(self, live: Live, report: Report) -> bool:
        """Whether a trial that was stopped waits; it does where it was stopped at a rung."""
        if not self.open:
            return False
        sound = math.isfinite(report.val_error)
        if not sound or fidelity(live.job, report) == 1 or too_long(live.job, report):
            return False
        self.store.note(live.trial, parked=report.epoch)
        self.waiting[live.trial.number] = report.epoch
        return True

    def promoted(self) -> FrozenTrial | None:
        """The farthest of those whose place allows them to go on."""
        for number, epoch in sorted(self.waiting.items(), key=lambda pair: -pair[1]):
            if self.rungs is None or self.rungs.goes_on(number, epoch):
                del self.waiting[number]
                trial = self.store.trial(number)
                self.store.note(trial, parked=0)
                return trial
        return None

    @property
    def open(self) -> bool:
        """Whether trials that are stopped wait here at all."""
        return self.rungs is not None and self.rungs.promote

    def last(self) -> FrozenTrial | None:
        """Who goes on though too few came to its rung to compare: nobody else will come."""
        if self.rungs is None or not self.waiting:
            return None
        self.rungs.close()
        return self.promoted()

    def ended(self, networks: Networks) -> Iterator[tuple[FrozenTrial, Verdict]]:
        """The budget is spent: who still waits was not among the best."""
        while self.waiting:
            number, epoch = self.waiting.popitem()
            trial = self.store.trial(number)
            record = TrialRecord.of(trial)
            limits = networks.violations(record.cost)
            yield trial, stopped(epoch, 1 - record[TrialRecord.fidelity], limits)
