"""Ray Tune's callback: heartbeat, watchdog, errors of trials, and the early end of a run."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayTaskError
from ray.tune import Callback
from ray.tune.experiment import Trial

from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import JobSource, Observer
from skipsearch.studies.executors.ray_errors import raised_by, reason, text
from skipsearch.studies.executors.watchdog import Watchdog
from skipsearch.studies.pruning.trial_reports import Live
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.trainers.trial.checkpoints import CannotSave

LOOK_SECONDS = 1.0


class StudyCallback(Callback):  # type: ignore[misc]
    """Ray's callback for one study, in the driver's process."""

    def __init__(self, source: JobSource, observer: Observer, ending: Ending) -> None:
        self.source, self.observer, self.ending = source, observer, ending
        self.looked = 0.0
        self.watchdog = Watchdog(source.config.watchdog)
        self.silenced: dict[str, str] = {}  # why the watchdog killed a trial's worker
        self.recovered = ("", -1)  # trial id, and iteration of Ray's loop
        self.over: list[Trial] = []

    def __getstate__(self) -> dict[str, object]:
        """Return nothing: Ray pickles its callbacks to no use, and a terminal cannot be pickled."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called many times a second between two events, when nothing is half-done."""
        if self.ending.due:
            raise KeyboardInterrupt
        while self.over:
            forget(self.over.pop())
        self.source.store.beat()
        self._kill_silent(trials)
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            self.observer.changed(self.source.store)

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Start the watchdog's clock: the trial's actor is set up."""
        self.silenced.pop(trial.trial_id, None)
        live = self._live(trial)
        done = self.source.store.trial(live.trial.number).last_step or 0
        self.watchdog.started(trial.trial_id, done, time.monotonic(), live.cost.macs)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: Mapping[str, Any],
        **info: Any,
    ) -> None:
        """Restart the watchdog's clock of a trial."""
        self.watchdog.reported(trial.trial_id, result["epoch"], time.monotonic())

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Forget the watchdog's record of a trial at once, Ray's after the present step."""
        self.watchdog.forget(trial.trial_id)
        self.over.append(trial)

    def _kill_silent(self, trials: list[Trial]) -> None:
        """Kill the workers of silent trials; Ray retries these like after any death of a worker."""
        for trial_id, seconds in self.watchdog.look(time.monotonic()):
            actor = next(t for t in trials if t.trial_id == trial_id).temporary_state.ray_actor
            if actor is not None:
                self.silenced[trial_id] = f"did not report for {seconds:.0f} s"
                ray.kill(actor)

    def _live(self, trial: Trial) -> Live:
        return self.source.live[trial.config["job"].number]

    def _why(self, trial: Trial) -> str:
        self.watchdog.ended(trial.trial_id)
        return self.silenced.pop(trial.trial_id, None) or reason(trial)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Record an attempt that failed and that Ray retries."""
        live = self._live(trial)
        record = TrialRecord.of(self.source.store.trial(live.job.number))
        attempts = 1 + record[TrialRecord.attempts]
        self.source.store.note(live.trial, attempts=attempts, why=self._why(trial))
        self.recovered = trial.trial_id, iteration

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Conclude a trial that Ray gives up, or hand it out again if it had yet to begin.

        Ray recovers only trials in training. It reports a worker that dies as it takes over a trial
        twice: once for the actor, which is recovered, once for its task, which is not.
        """
        error = raised_by(trial)
        if isinstance(error, RayTaskError) and isinstance(error.cause, CannotSave):
            raise error.cause
        folder = Path(self._live(trial).job.folder)
        (folder / "error.txt").write_text(text(trial))
        why, twice = self._why(trial), self.recovered == (trial.trial_id, iteration)
        may = twice or trial.should_recover()
        number = trial.config["job"].number
        if not (may and self.source.take_back(number, why, counted=twice)):
            self.source.failed(number, why)


def forget(trial: Trial) -> None:
    """Drop the statistics that Ray keeps of every metric of every trial, which are never read."""
    trial.run_metadata.metric_analysis = {}
    trial.run_metadata.metric_n_steps = {}
