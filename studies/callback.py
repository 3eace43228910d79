"""What happens beside the trials while Ray Tune runs: signs of life, errors, an early end."""

import time
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune import Callback
from ray.tune.experiment import Trial

from studies.ending import Ending
from studies.observer import Observer
from studies.searcher import StudySearcher

LOOK_SECONDS = 1.0


class StudyCallback(Callback):  # type: ignore[misc]
    def __init__(self, searcher: StudySearcher, observer: Observer, ending: Ending) -> None:
        self.searcher, self.observer, self.ending = searcher, observer, ending
        self.looked = 0.0
        self.recovered = ("", -1)  # the trial, and in which turn of Ray's loop

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Many times a second, between two events, when nothing is half-done."""
        if self.ending.due:
            raise KeyboardInterrupt
        self.searcher.store.beat()
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            self.observer.changed(self.searcher.store)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """An error or a death that is tried again."""
        live = self.searcher.live[trial.trial_id]
        attempts = 1 + self.searcher.store.trials[live.job.number].user_attrs["attempts"]
        self.searcher.store.note(live.trial, attempts=attempts, why=_reason(trial))
        self.recovered = trial.trial_id, iteration

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """An error once too often; or the first one of a trial that was about to begin. Ray only
        recovers who trains, and of a worker that dies as it takes over a trial it hears twice: from
        the actor, which is recovered, and from its task, which then is not."""
        folder = Path(self.searcher.live[trial.trial_id].job.folder)
        (folder / "error.txt").write_text(_text(trial))
        twice = self.recovered == (trial.trial_id, iteration)
        may = twice or trial.should_recover()
        if not (may and self.searcher.again(trial.trial_id, _reason(trial), counted=twice)):
            self.searcher.failed(trial.trial_id, _reason(trial))


def _reason(trial: Trial) -> str:
    """One line: the cause, not the wrapping that Ray puts around it."""
    error = _error(trial)
    if error is None:
        return "error without a message"
    if isinstance(error, RayTaskError):
        error = error.cause
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    if isinstance(error, RayActorError) and "creation task" in lines[0]:
        return lines[-1].strip()  # raised in `setup`: the last line of a traceback
    return f"{type(error).__name__}: {lines[0].strip()}"


def _error(trial: Trial) -> Any:
    """`Trial.get_pickled_error` looks in the storage, where the file comes later."""
    path = Path(trial.pickled_error_file or "")
    return cloudpickle.loads(path.read_bytes()) if path.is_file() else None


def _text(trial: Trial) -> str:
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else "no message\n"
