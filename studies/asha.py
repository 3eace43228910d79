"""Asynchronous successive halving (https://arxiv.org/abs/1810.05934) on the validation error.

A trial that reports at a rung goes on if it is in the best 1/eta of those that came there so far.
Differs from Ray's: rungs are read from the study's curves, so that they survive the driver; nobody
is stopped before eta trials came; equal errors (small validation sets) are not told apart by their
order of arrival.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from trainers.trainable import Job

ETA = 3
GRACE = 1


class Rungs:
    """Who reported what at which rung: a pure function of the study's curves."""

    def __init__(self, max_epochs: int, eta: int = ETA, grace: int = GRACE) -> None:
        self.eta = eta
        powers = range(1 + int(math.log(max(1, max_epochs), eta)))
        self.at: dict[int, dict[int, float]] = {
            grace * eta**k: {} for k in powers if grace * eta**k < max_epochs
        }

    def load(self, trials: Iterable[FrozenTrial]) -> None:
        for trial in trials:
            for epoch, val_error in trial.intermediate_values.items():
                self.add(trial.number, epoch, val_error)

    def add(self, number: int, epoch: int, val_error: float) -> None:
        if epoch in self.at and math.isfinite(val_error):
            self.at[epoch][number] = val_error

    def goes_on(self, number: int, epoch: int) -> bool:
        rung = self.at.get(epoch, {})
        if number not in rung or len(rung) < self.eta:
            return True
        better = sum(error < rung[number] for error in rung.values())
        return better < len(rung) / self.eta


def fidelity(job: Job, result: Mapping[str, Any]) -> float:
    """The part of its training that a trial has had at a report: 1, full fidelity, also where its
    recipe ended before all epochs (`last`)."""
    return 1.0 if result.get("last", False) else min(1.0, int(result["epoch"]) / job.max_epochs)


class FullFidelity(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial at full fidelity, or at an error that is no number; nobody else."""

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        job: Job = trial.config["job"]
        val_error = result.get("val_error", math.nan)
        if not math.isfinite(val_error):
            return str(TrialScheduler.STOP)
        going = self.goes_on(job, result["epoch"], val_error) and fidelity(job, result) < 1
        return str(TrialScheduler.CONTINUE if going else TrialScheduler.STOP)

    def goes_on(self, job: Job, epoch: int, val_error: float) -> bool:
        return True


class Asha(FullFidelity):
    """Also stops who is not in the best 1/eta of a rung; baselines are references and go on."""

    def __init__(self, rungs: Rungs) -> None:
        super().__init__()
        self.rungs = rungs

    def goes_on(self, job: Job, epoch: int, val_error: float) -> bool:
        self.rungs.add(job.number, epoch, val_error)
        return job.baseline or self.rungs.goes_on(job.number, epoch)
