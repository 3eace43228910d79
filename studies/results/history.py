"""The front as it stood earlier: when so much had been spent.

| `--at`                   | what had been spent by then                                           |
|--------------------------|-----------------------------------------------------------------------|
| `500epochs`              | epochs of all trials and seeds together, stopped ones included        |
| `40trials`               | trials that were trained, whatever became of them                     |
| `90s` `30min` `2h` `1d`  | time that passed while any trial was being worked on: no pauses       |
| `3worker-h`              | hours of training, summed over the workers: what a cluster charges    |

A trial counts when it has ended. What a trial of an earlier study cost was paid there.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.humanize import duration, with_unit
from skipsearch.studies.results.front import members
from skipsearch.studies.results.summary import busy, is_charged
from skipsearch.studies.storage.trial_record import TrialRecord, is_imported

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


UNITS = {  # the field of `Spent`, and how much of it a unit is
    "epochs": ("epochs", 1),
    "trials": ("trials", 1),
    **{unit: ("seconds", size) for unit, size in SECONDS.items()},
    "worker-h": ("worker_seconds", 3600),
}


@dataclass(frozen=True)
class Spent:
    """By the trials that have ended, at some moment."""

    epochs: int = 0
    trials: int = 0
    seconds: float = 0.0
    worker_seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.trials} trials, {self.epochs:,} epochs, {duration(self.seconds)} passed, "
            f"{duration(self.worker_seconds)} of training"
        )


@dataclass(frozen=True)
class Then:
    """A front of earlier: its members, what had been spent by then and what has been since."""

    front: list[FrozenTrial]
    spent: Spent
    all: Spent

    def document(self, asked: str) -> dict[str, Any]:
        return {"asked": asked, "spent": asdict(self.spent), "spent_by_now": asdict(self.all)}


def front_at(study: optuna.Study, at: str) -> Then:
    """The front when `at` (`500epochs`, `2h`, …) had been spent. Raises ValueError for what is no
    such amount.
    """
    amount, unit = with_unit(at, UNITS, "--at")
    name, size = UNITS[unit]
    ended = list(history(study))
    before = [(t, spent) for t, spent in ended if getattr(spent, name) <= amount * size]
    nothing = Spent()
    return Then(
        members([trial for trial, _ in before]),
        before[-1][1] if before else nothing,
        ended[-1][1] if ended else nothing,
    )


def history(study: optuna.Study) -> Iterator[tuple[FrozenTrial, Spent]]:
    """The ended trials in the order in which they ended, each with what had been spent by then."""
    trials = study.get_trials(deepcopy=False)
    ended = [t for t in trials if t.state.is_finished()]
    ended.sort(key=lambda t: (not is_imported(t), t.datetime_complete, t.number))
    passed = _passed(ended)
    spent = Spent()
    for trial in ended:
        if not is_imported(trial):
            record = TrialRecord.of(trial)
            seeds = len(record.val_errors or ()) or 1
            spent = Spent(
                spent.epochs + seeds * (trial.last_step or 0),
                spent.trials + is_charged(trial),
                passed[trial.number],
                spent.worker_seconds + (record.seconds or 0.0),
            )
        yield trial, spent


def _passed(ended: list[FrozenTrial]) -> dict[int, float]:
    """For each trial the seconds until it ended in which any of these was being worked on."""
    own = [t for t in ended if not is_imported(t)]
    stretches, found = busy(own), {}
    for trial in own:
        assert trial.datetime_complete is not None
        until = trial.datetime_complete.timestamp()
        found[trial.number] = sum(max(0.0, min(until, end) - start) for start, end in stretches)
    return found
