"""When a trial stops, as Ray asks and as `--serial` asks."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import goes_on
from skipsearch.trainers.trial.job import Job, Report, WrongReport
from skipsearch.trainers.trial.ray_trainable import report_in


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """The rule of `goes_on` with the rungs of a study, None without."""

    def __init__(self, rungs: Rungs | None, sharing: Sharing | None = None) -> None:
        super().__init__()
        self.rungs, self.sharing = rungs, sharing

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Also of one that Ray then tries again."""
        if self.sharing is not None:
            self.sharing.failed(trial)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        try:
            going = self.goes_on(trial.config["job"], report_in(result))
        except WrongReport:  # told by the searcher
            going = False
        return str(TrialScheduler.CONTINUE if going else TrialScheduler.STOP)

    def goes_on(self, job: Job, report: Report) -> bool:
        return goes_on(job, report, self.rungs)
