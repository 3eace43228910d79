"""Where retrained networks are: their figures beside the study in its storage, their weights in
its folder.

The study `digits` has a second one, `digits/retrain`, in the same storage: a trial for each network
and seed, whose value is its test error and whose curve is its training error. So it shows in
optuna-dashboard like any other. Its attributes, in the order in which they are written:

    system, seed_number, seed, epochs_asked, arch, recipe, identity, params, macs, charged
        → per epoch: curve point, epochs, seconds, checkpoint → verdict → tell

`system` is the number of a trial of the search, as a text, or the name of a preset or an arch file.
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

SUFFIX = "/retrain"  # no study file can name a study so


@dataclass(frozen=True)
class Retrained:
    """The finished trainings of one trial's network. Errors are parts of the test images."""

    number: int  # of the trial
    seeds: tuple[int, ...]
    test_errors: tuple[float, ...]  # in the order of the seeds
    epochs: int

    @property
    def n(self) -> int:
        return len(self.test_errors)

    @property
    def mean(self) -> float:
        return fmean(self.test_errors)

    @property
    def sd(self) -> float:
        """The sample standard deviation; nan for n = 1."""
        return spread(self.test_errors)


def spread(errors: Iterable[float]) -> float:
    """The sample standard deviation; nan for less than two."""
    errors = list(errors)
    return stdev(errors) if len(errors) > 1 else math.nan


def retrained_folder(folder: Path, number: int | str, k: int) -> Path:
    """Of a trial's network with its seed `k`, under the study's `folder`; a network that is no
    trial's has its identity in place of a number. Its checkpoints are as those of a trial.
    """
    return folder / "retrained" / str(number) / f"seed-{k}"


def results(study: optuna.Study) -> dict[int, Retrained]:
    """What was retrained of the study's trials, by number; those without a finished training are
    not in it.
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
    """The finished trainings of each system, in the order of their seeds, as many epochs as its
    newest one.
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
    """Epochs of the recipe that a training was begun with."""
    return TrialRecord.of(training)[TrialRecord.epochs_asked]


def seed_number(training: FrozenTrial) -> int:
    """The `k` of `retrained_folder`."""
    return TrialRecord.of(training)[TrialRecord.seed_number]


def newest(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The last training of each network and seed: its folder holds what that one left."""
    last = {}
    for trial in trials:
        record = TrialRecord.of(trial)
        if record.charged:
            last[record.system, record.seed_number] = trial
    return list(last.values())


def retrain_trials(study: optuna.Study) -> list[FrozenTrial]:
    """All trainings, none where nothing was retrained."""
    storage = fresh(study)  # a retraining is another process than the driver of the search
    try:
        found = storage.get_study_id_from_name(study.study_name + SUFFIX)
    except KeyError:
        return []
    return storage.get_all_trials(found, deepcopy=False)
