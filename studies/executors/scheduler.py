"""The scheduler of a search: stop or pause a trial, for both executors."""

from skipsearch.studies.pruning.pruner import Pruner
from skipsearch.studies.pruning.trial_reports import goes_on
from skipsearch.trainers.trial.job import Job, Report


class StudyScheduler:
    """Apply `trial_reports.goes_on` with the pruner of a study, if it has one."""

    def __init__(self, pruner: Pruner | None) -> None:
        self.pruner = pruner

    def goes_on(self, job: Job, report: Report) -> bool:
        """Enter a report; return False where the trial stops."""
        return goes_on(job, report, self.pruner)
