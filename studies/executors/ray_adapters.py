"""Ray Tune's searcher and scheduler over our own `JobSource` and `Scheduler`.

Ray names a training by an id of its own, and pickles both at the start of a run for a restoration
that nobody asks for: a study goes on from its storage.
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

MAX_FAILURES = 2  # of a trial, each from its last checkpoint; then it has failed


class RaySearcher(Searcher):  # type: ignore[misc]
    """A configuration of Ray is `{"job": Job, "gpus": share}`."""

    def __init__(self, source: JobSource) -> None:
        super().__init__()
        self.source = source  # a `searcher` would be taken for one that this one wraps
        self.numbers: dict[str, int] = {}  # of trials, by Ray's ids of those in training

    def __getstate__(self) -> dict[str, object]:
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        match self.source.next_job():
            case NoJob.YET:
                return None
            case NoJob.LEFT:
                return str(Searcher.FINISHED)
            case job:
                self.numbers[trial_id] = job.number
                return {"job": job, "gpus": self.source.sharing.share}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.source.reported(self.numbers[trial_id], report_in(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """An error is told by `StudyCallback`, which knows its text."""
        number = self.numbers.pop(trial_id)
        if error:
            return
        try:
            report = report_in(result or {})
        except WrongReport as wrong:
            self.source.failed(number, str(wrong))
        else:
            self.source.ended(number, report)

    def save(self, checkpoint_path: str) -> None: ...


class RayScheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial where `scheduler` does, and gives it more of a GPU once memory ran out."""

    def __init__(self, scheduler: Scheduler, sharing: Sharing) -> None:
        super().__init__()
        self.scheduler, self.sharing = scheduler, sharing

    def __getstate__(self) -> dict[str, object]:
        return {}

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """A report that is wrong ends its trial; the searcher then says so."""
        try:
            going = self.scheduler.goes_on(trial.config["job"], report_in(result))
        except WrongReport:
            going = False
        return str(TrialScheduler.CONTINUE if going else TrialScheduler.STOP)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Called for every failed attempt, before Ray tries a trial again: with its new share, the
        last time with a whole GPU.
        """
        if self.sharing.number is None or not out_of_memory(raised_by(trial)):
            return
        self.sharing.back_off(trial.placement_group_factory.required_resources.get("GPU", 0.0))
        if trial.status == Trial.ERROR:  # else it has failed for good
            last = trial.num_failures >= MAX_FAILURES
            gpus = 1.0 if last else self.sharing.share
            trial.update_resources(resources(self.sharing.config, gpus))


def resources(config: StudyConfig, gpus: float) -> PlacementGroupFactory:
    """CPU cores and the share of a GPU that one trial takes."""
    bundle = {"CPU": float(config.cpus_per_trial)}
    return PlacementGroupFactory([bundle | ({"GPU": gpus} if gpus else {})])
