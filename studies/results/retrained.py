"""Read retrained networks: figures from a second study in the storage, weights from the folder.

Beside the study `digits`, `digits/retrain` is in the same storage, with one trial per network and
seed: its value is the test error, its curve the training error. optuna-dashboard shows it like any
other study. Attributes of its trials, in the order in which they are written:

    system, seed_number, seed, epochs_asked, arch, recipe, identity, params, macs, charged
        → per epoch: curve point, epochs, seconds, checkpoint → verdict → tell

`system` is the number of a trial of the search, as text, or the name of a preset or an arch file.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.studies.storage.write_through import fresh

SUFFIX = "/retrain"  # a study file cannot use it: names have no slash


@dataclass(frozen=True)
class Retrained:
    """Finished retrainings of one trial's network. Errors are fractions of the test images."""

    number: int  # of the trial
    seeds: tuple[int, ...]
    test_errors: tuple[float, ...]  # in the order of the seeds
    epochs: int

    @property
    def n(self) -> int:
        """Number of finished seeds."""
        return len(self.test_errors)

    @property
    def mean(self) -> float:
        """Mean test error over the seeds."""
        return fmean(self.test_errors)

    @property
    def sd(self) -> float:
        """Sample standard deviation of the test errors; nan for n = 1."""
        return spread(self.test_errors)


def spread(errors: Iterable[float]) -> float:
    """Sample standard deviation; nan for fewer than two errors."""
    errors = list(errors)
    return stdev(errors) if len(errors) > 1 else math.nan


def retrained_folder(folder: Path, number: int | str, k: int) -> Path:
    """Return the folder of a retraining with seed number `k`, under the study's `folder`.

    `number` is the trial's, or the identity of a network that is no trial's. Checkpoints lie in
    the folder as in a trial's.
    """
    return folder / "retrained" / str(number) / f"seed-{k}"


def results(study: optuna.Study) -> dict[int, Retrained]:
    """Return the retraining results of the study's trials, by trial number; trials without a
    finished retraining are left out.
    """
    numbered = {s: own for s, own in finished(study).items() if s.isdecimal()}
    return {
        int(system): Retrained(
            number=int(system),
            seeds=tuple(TrialRecord.of(t)[TrialRecord.seed] for t in own),
            test_errors=tuple(float(t.values[0]) for t in own),
            epochs=epochs_asked(own[0]),
        )
        for system, own in numbered.items()
    }


def finished(study: optuna.Study) -> dict[str, list[FrozenTrial]]:
    """Return the finished retrainings of each system in the order of their seeds; only those with
    as many epochs as the system's newest.
    """
    by_system: dict[str, list[FrozenTrial]] = {}
    for trial in newest(retrain_trials(study)):
        by_system.setdefault(TrialRecord.of(trial)[TrialRecord.system], []).append(trial)
    found = {}
    for system, own in by_system.items():
        epochs = epochs_asked(max(own, key=lambda t: t.number))
        done = [t for t in own if t.state == TrialState.COMPLETE]
        same = [t for t in done if epochs_asked(t) == epochs]
        if same:
            found[system] = sorted(same, key=seed_number)
    return found


def epochs_asked(training: FrozenTrial) -> int:
    """Return the epochs of the recipe that a retraining was begun with."""
    return TrialRecord.of(training)[TrialRecord.epochs_asked]


def seed_number(training: FrozenTrial) -> int:
    """Return a retraining's seed number, the `k` of `retrained_folder`."""
    return TrialRecord.of(training)[TrialRecord.seed_number]


def newest(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the last retraining of each network and seed, the one whose files its folder holds."""
    last = {}
    for trial in trials:
        record = TrialRecord.of(trial)
        if record.charged:
            last[record.system, record.seed_number] = trial
    return list(last.values())


def retrain_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return all retrainings of a study, an empty list if there are none."""
    storage = fresh(study)  # another process may be retraining: read past the cache
    try:
        found = storage.get_study_id_from_name(study.study_name + SUFFIX)
    except KeyError:
        return []
    return storage.get_all_trials(found, deepcopy=False)
