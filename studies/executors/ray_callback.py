"""What happens beside the trials while Ray Tune runs: signs of life, errors, an early end."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.tune import Callback
from ray.tune.experiment import Trial

from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import Bridge, Observer
from skipsearch.studies.executors.trial_errors import marked, raised_by
from skipsearch.studies.executors.watchdog import Watchdog
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.trainers.trial.checkpoints import CannotSave

LOOK_SECONDS = 1.0


class StudyCallback(Callback):  # type: ignore[misc]
    def __init__(self, searcher: Bridge, observer: Observer, ending: Ending) -> None:
        self.searcher, self.observer, self.ending = searcher, observer, ending
        self.looked = 0.0
        self.watchdog = Watchdog(searcher.config.watchdog)
        self.silenced: dict[str, str] = {}  # why it was killed
        self.recovered = ("", -1)  # the trial, and in which turn of Ray's loop
        self.over: list[Trial] = []

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Many times a second, between two events, when nothing is half-done."""
        if self.ending.due:
            raise KeyboardInterrupt
        while self.over:
            forget(self.over.pop())
        self.searcher.store.beat()
        self._kill_silent(trials)
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            self.observer.changed(self.searcher.store)

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Its actor is there, set up for it."""
        self.silenced.pop(trial.trial_id, None)
        live = self.searcher.live[trial.trial_id]
        done = self.searcher.store.trial(live.trial.number).last_step or 0
        self.watchdog.started(trial.trial_id, done, time.monotonic(), live.cost.macs)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: Mapping[str, Any],
        **info: Any,
    ) -> None:
        self.watchdog.reported(trial.trial_id, result["epoch"], time.monotonic())

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self.watchdog.forget(trial.trial_id)
        self.over.append(trial)

    def _kill_silent(self, trials: list[Trial]) -> None:
        """To Ray a death of the worker like any other, so it is tried again."""
        for trial_id, seconds in self.watchdog.look(time.monotonic()):
            actor = next(t for t in trials if t.trial_id == trial_id).temporary_state.ray_actor
            if actor is not None:
                self.silenced[trial_id] = f"did not report for {seconds:.0f} s"
                ray.kill(actor)

    def _why(self, trial: Trial) -> str:
        self.watchdog.ended(trial.trial_id)
        return self.silenced.pop(trial.trial_id, None) or _reason(trial)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """An error or a death that is tried again."""
        live = self.searcher.live[trial.trial_id]
        record = TrialRecord.of(self.searcher.store.trial(live.job.number))
        attempts = 1 + record[TrialRecord.attempts]
        self.searcher.store.note(live.trial, attempts=attempts, why=self._why(trial))
        self.recovered = trial.trial_id, iteration

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """An error once too often; or the first one of a trial that was about to begin. Ray only
        recovers who trains, and of a worker that dies as it takes over a trial it hears twice: from
        the actor, which is recovered, and from its task, which then is not."""
        error = raised_by(trial)
        if isinstance(error, RayTaskError) and isinstance(error.cause, CannotSave):
            raise error.cause
        folder = Path(self.searcher.live[trial.trial_id].job.folder)
        (folder / "error.txt").write_text(_text(trial))
        why, twice = self._why(trial), self.recovered == (trial.trial_id, iteration)
        may = twice or trial.should_recover()
        if not (may and self.searcher.again(trial.trial_id, why, counted=twice)):
            self.searcher.failed(trial.trial_id, why)


def forget(trial: Trial) -> None:
    """Of every trial Ray keeps statistics of all its metrics, which nobody asks for."""
    trial.run_metadata.metric_analysis = {}
    trial.run_metadata.metric_n_steps = {}


def _reason(trial: Trial) -> str:
    """One line: the cause, not the wrapping that Ray puts around it."""
    error = raised_by(trial)
    if error is None:
        return "error without a message"
    if isinstance(error, RayTaskError):
        error = error.cause
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    if isinstance(error, RayActorError) and "creation task" in lines[0]:
        return marked(error, lines[-1].strip())  # raised in `setup`: the last line of a traceback
    return marked(error, f"{type(error).__name__}: {lines[0].strip()}")


def _text(trial: Trial) -> str:
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else "no message\n"
