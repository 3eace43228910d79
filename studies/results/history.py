"""Reconstruct the front as it was when a given amount had been spent.

| `--at`                   | the amount                                                            |
|--------------------------|-----------------------------------------------------------------------|
| `500epochs`              | epochs of all trials and seeds together, pruned ones included         |
| `40trials`               | trials that were trained, however they ended                          |
| `90s` `30min` `2h` `1d`  | time during which any trial was running: pauses do not count          |
| `3worker-h`              | hours of training, summed over the workers: what a cluster charges    |

A trial counts once it has ended. An imported trial costs nothing: the earlier study paid for it.
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
UNITS = {  # by unit: the field of `Spent`, and the size of one unit in it
    "epochs": ("epochs", 1),
    "trials": ("trials", 1),
    **{unit: ("seconds", size) for unit, size in SECONDS.items()},
    "worker-h": ("worker_seconds", 3600),
}


@dataclass(frozen=True)
class Spent:
    """The cost so far of the trials that had ended at some moment."""

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
    """An earlier front: its members, the amount spent by then and the amount spent by now."""

    front: list[FrozenTrial]
    spent: Spent
    all: Spent

    def document(self, asked: str) -> dict[str, Any]:
        """Return both amounts as JSON, with the user's `--at`."""
        return {"asked": asked, "spent": asdict(self.spent), "spent_by_now": asdict(self.all)}


def front_at(study: optuna.Study, at: str) -> Then:
    """Return the front when `at` (`500epochs`, `2h`, …) had been spent.

    Raises ValueError if `at` is no such amount.
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
    """Yield the ended trials in the order in which they ended, each with the cost up to its end."""
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
    """Return for each trial the seconds until its end during which any trial was running."""
    own = [t for t in ended if not is_imported(t)]
    stretches, found = busy(own), {}
    for trial in own:
        assert trial.datetime_complete is not None
        until = trial.datetime_complete.timestamp()
        found[trial.number] = sum(max(0.0, min(until, end) - start) for start, end in stretches)
    return found
