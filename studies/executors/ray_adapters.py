"""Ray Tune's searcher and scheduler over our own `JobSource` and `Scheduler`.

Ray gives each training an id of its own. It pickles searcher and scheduler at the start of a run to
restore them later, which is not needed, as a study resumes from its storage: both pickle as empty.
"""

from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.executors.protocols import JobSource, NoJob, Scheduler
from skipsearch.studies.executors.ray_errors import raised_by
from skipsearch.studies.executors.trial_errors import out_of_memory
from skipsearch.trainers.trial.job import WrongReport
from skipsearch.trainers.trial.ray_trainable import report_in

MAX_FAILURES = 2  # retries of a trial, each from its last checkpoint


class RaySearcher(Searcher):  # type: ignore[misc]
    """Ray's searcher over a `JobSource`; a configuration is `{"job": Job, "gpus": share}`."""

    def __init__(self, source: JobSource) -> None:
        super().__init__()
        self.source = source  # Ray takes an attribute `searcher` for a wrapped one
        self.numbers: dict[str, int] = {}  # of trials, by Ray's ids of those in training

    def __getstate__(self) -> dict[str, object]:
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Hand the next job to Ray: a configuration, None for later, FINISHED for none left."""
        match self.source.next_job():
            case NoJob.YET:
                return None
            case NoJob.LEFT:
                return str(Searcher.FINISHED)
            case job:
                self.numbers[trial_id] = job.number
                return {"job": job, "gpus": self.source.sharing.share}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a report on to the source."""
        self.source.reported(self.numbers[trial_id], report_in(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on the last report. An error is left to `StudyCallback`, which has its text."""
        if error:
            self.numbers.pop(trial_id, None)
            return
        number = self.numbers.pop(trial_id)
        try:
            report = report_in(result or {})
        except WrongReport as wrong:
            self.source.failed(number, str(wrong))
        else:
            self.source.ended(number, report)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the study is in its storage."""


class RayScheduler(FIFOScheduler):  # type: ignore[misc]
    """Ray's scheduler over our own; a retry after running out of memory gets more of a GPU."""

    def __init__(self, scheduler: Scheduler, sharing: Sharing) -> None:
        super().__init__()
        self.scheduler, self.sharing = scheduler, sharing

    def __getstate__(self) -> dict[str, object]:
        return {}

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop a trial by our scheduler, or for a wrong report, which the searcher then records."""
        try:
            going = self.scheduler.goes_on(trial.config["job"], report_in(result))
        except WrongReport:
            going = False
        return str(TrialScheduler.CONTINUE if going else TrialScheduler.STOP)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Called for every failed attempt, including those that Ray will retry: after running out
        of memory the retry gets the new share of a GPU, the last one a whole GPU.
        """
        if self.sharing.number is None or not out_of_memory(raised_by(trial)):
            return
        self.sharing.back_off(trial.placement_group_factory.required_resources.get("GPU", 0.0))
        if trial.status == Trial.ERROR:  # else it has failed for good
            last = trial.num_failures >= MAX_FAILURES
            gpus = 1.0 if last else self.sharing.share
            trial.update_resources(resources(self.sharing.config, gpus))


def resources(config: StudyConfig, gpus: float) -> PlacementGroupFactory:
    """Return the CPU cores and the share of a GPU that one trial takes."""
    bundle = {"CPU": float(config.cpus_per_trial)}
    return PlacementGroupFactory([bundle | ({"GPU": gpus} if gpus else {})])
