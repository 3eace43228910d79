"""The scheduler of a search: stop a trial at a rung, for both executors."""

from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import goes_on
from skipsearch.trainers.trial.job import Job, Report


class StudyScheduler:
    """Apply `trial_reports.goes_on` with the rungs of a study; None for a study without pruner."""

    def __init__(self, rungs: Rungs | None) -> None:
        self.rungs = rungs

    def goes_on(self, job: Job, report: Report) -> bool:
        """Enter a report at its rung; return False where the trial stops."""
        return goes_on(job, report, self.rungs)
