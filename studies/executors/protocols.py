"""What an executor needs of who hands out jobs: the searcher of a study, or a retraining."""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.pruning.trial_reports import Live
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.trial.job import Begin, Report


class Observer(Protocol):
    """Who shows a study while it runs; called from the driver, never at the same time."""

    def started(self, store: Store) -> None: ...
    def changed(self, store: Store) -> None: ...
    def finished(self, store: Store) -> None: ...


@dataclass
class Work:
    """The training of trials. `begin` and `measure` hold the images; an executor that has them
    elsewhere deletes both, so whoever hands this on keeps no images of his own."""

    begin: Begin
    size: int  # of the images, in bytes
    measure: Callable[[Sharing], None] | None = None  # finds out how many trials share a GPU


class Bridge(Protocol):
    """Jobs by the executor's own names of them. Called from the driver, never at the same time."""

    config: StudyConfig
    store: Store
    folder: Path
    sharing: Sharing
    live: dict[str, Live]
    failing: str  # why nothing more is handed out, "" while all is well

    @property
    def waiting(self) -> Sized:
        """Who was lost at the very end, and is still to be trained."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next job; None for "not yet"; FINISHED when nothing is left."""

    def on_trial_result(self, trial_id: str, report: Report) -> None:
        """A report of a trial that goes on."""

    def on_trial_complete(self, trial_id: str, report: Report) -> None:
        """The last report of a trial."""

    def again(self, trial_id: str, why: str, *, counted: bool) -> bool: ...

    def failed(self, trial_id: str, why: str) -> None: ...
