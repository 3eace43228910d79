"""When a trial stops: at full fidelity, at an error that is no number, or at a rung."""

import math
from collections.abc import Mapping
from typing import Any

from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import fidelity, number_in, too_long
from skipsearch.trainers.trial.job import Job


class StudyScheduler:
    """Without rungs everyone gets all epochs. Baselines are references and always go on."""

    def __init__(self, rungs: Rungs | None) -> None:
        self.rungs = rungs

    def goes_on(self, job: Job, result: Mapping[str, Any]) -> bool:
        epoch, val_error = result["epoch"], number_in(result, "val_error")
        if not math.isfinite(val_error):
            return False
        if self.rungs is not None:
            if self.rungs.passed(job.number, epoch):
                return True
            self.rungs.add(job.number, epoch, val_error, job.costs)
        if fidelity(job, result) == 1 or too_long(job, result):
            return False
        return (
            self.rungs is None or job.baseline or self.rungs.goes_on(job.number, epoch, job.below)
        )
