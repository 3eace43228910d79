"""Protocols between an executor (serial, Ray) and its source of jobs (`StudySearcher`,
`Retrainer`), the scheduler that stops them, and the observer that shows them.
"""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import RunProbe, Sharing
from skipsearch.studies.pruning.trial_reports import Live
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.trial.job import Begin, Job, Report


class Observer(Protocol):
    """Shows a study while it runs; called from the driver, never at the same time."""

    def started(self, store: Store) -> None:
        """Show a study that was opened, before its first trial."""

    def changed(self, store: Store) -> None:
        """Show what changed; called about once a second on Ray, else after each trial."""

    def finished(self, store: Store) -> None:
        """Show the study at the end of a run, also after an error or an interrupt."""


@dataclass
class Work:
    """The training of trials. `begin` and `measure` hold the images; an executor that copies them
    elsewhere deletes both, so the caller must keep no other reference to the images.
    """

    begin: Begin
    size: int  # of the images, in bytes
    measure: Callable[[Sharing, RunProbe], None] | None = None  # set how many trials share a GPU


class NoJob(Enum):
    """No job yet, as trials in training decide about the next; or no job left."""

    YET = auto()
    LEFT = auto()


class JobSource(Protocol):
    """Hands out jobs and takes their reports, by the numbers of their trials. Called from the
    driver, never at the same time.
    """

    config: StudyConfig
    store: Store
    folder: Path
    sharing: Sharing
    live: dict[int, Live]  # the trials in training
    failing: str  # why no more jobs are handed out, "" while they are

    @property
    def waiting(self) -> Sized:
        """Trials whose worker died after the last proposal and that need another round."""

    def next_job(self) -> Job | NoJob:
        """Return the next job, or whether one may still come."""

    def reported(self, number: int, report: Report) -> None:
        """Take a report of a trial that goes on."""

    def ended(self, number: int, report: Report) -> None:
        """Take the last report of a trial."""

    def take_back(self, number: int, why: str, *, counted: bool) -> bool:
        """Hand out a trial once more whose worker died as it began; return False if it has no
        attempt left. `counted`: the next attempt is noted already.
        """

    def failed(self, number: int, why: str) -> None:
        """Conclude a trial that is not tried again."""


class Scheduler(Protocol):
    """Decides after each report whether a trial goes on."""

    def goes_on(self, job: Job, report: Report) -> bool:
        """Return False where a trial stops after this report."""
