"""Show a retraining: one live line, and one line per training that has ended."""

import time

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.text import Text

from skipsearch.studies.humanize import duration, percent, rough
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord


class RetrainProgress:
    """Observer of a retraining; reads the store at most four times a second."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._shown = self._begun = time.monotonic()
        self._told: set[int] = set()
        self._before = 0  # trainings that had ended before this run

    def started(self, store: Store) -> None:
        """Print how many trainings are left; begin the live line."""
        ended = [t for t in store.trials if t.state.is_finished()]
        self._told = {t.number for t in ended}
        self._before = len(ended)
        self._begun = time.monotonic()
        asked = StudyRecord.of(store.study)[StudyRecord.asked]
        line = f"{store.study.study_name}: {asked['left']} of {asked['trainings']} trainings to do"
        self.console.print(line, soft_wrap=True, markup=False)
        if self.console.is_terminal:
            self._live = Live(self._line(store), console=self.console, transient=True)
            self._live.start()

    def changed(self, store: Store) -> None:
        """Print each training that has ended and update the live line."""
        if time.monotonic() - self._shown < 0.25:
            return
        self._shown = time.monotonic()
        self._tell(store)
        if self._live is not None:
            self._live.update(self._line(store), refresh=True)

    def finished(self, store: Store) -> None:
        """Print the last trainings and end the live line, also after an interruption."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._tell(store)

    def _tell(self, store: Store) -> None:
        for trial in store.trials:
            if trial.state.is_finished() and trial.number not in self._told:
                self._told.add(trial.number)
                self.console.print(ended_line(trial), soft_wrap=True, markup=False)

    def _line(self, store: Store) -> Text:
        """Return `5 of 10 done · training 17 seed-1 4/9, 3 seed-1 2/9 · 3 min left`."""
        asked = StudyRecord.of(store.study)[StudyRecord.asked]
        running = [t for t in store.trials if t.state == TrialState.RUNNING]
        here = len(self._told) - self._before
        to_do, passed = asked["left"] - here, time.monotonic() - self._begun
        left = f"{rough(passed / here * to_do)} left" if here else ""
        now = ", ".join(f"{name(t)} {t.last_step or 0}/{_epochs(t)}" for t in running[:4])
        done = f"{asked['trainings'] - to_do} of {asked['trainings']} done"
        line = " · ".join(part for part in (done, f"training {now}" * bool(now), left) if part)
        return Text(line, no_wrap=True, overflow="ellipsis")


def name(trial: FrozenTrial) -> str:
    """Return the name of a training, system and seed: `17 seed-1`."""
    record = TrialRecord.of(trial)
    number = "?" if record.seed_number is None else record.seed_number
    return f"{record.system or '?'} seed-{number}"


def ended_line(trial: FrozenTrial) -> str:
    """Return `17 seed-1: test error 3.21 % after 9 epochs, 12 s`, or the reason of a failure."""
    record = TrialRecord.of(trial)
    if trial.state != TrialState.COMPLETE:
        return f"{name(trial)}: {record.why or 'failed'}"
    took = f"after {record[TrialRecord.epochs]} epochs, {duration(record.seconds)}"
    return f"{name(trial)}: test error {percent(trial.values[0])} {took}"


def _epochs(trial: FrozenTrial) -> int:
    return TrialRecord.of(trial).epochs_asked or 0
