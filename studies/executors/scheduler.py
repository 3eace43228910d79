"""When a trial stops, as Ray asks and as `--serial` asks."""

from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import goes_on
from skipsearch.trainers.trial.job import Job, Report


class StudyScheduler:
    """The rule of `goes_on` with the rungs of a study, None without."""

    def __init__(self, rungs: Rungs | None) -> None:
        self.rungs = rungs

    def goes_on(self, job: Job, report: Report) -> bool:
        return goes_on(job, report, self.rungs)
