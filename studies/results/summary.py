"""Progress of a study, counted in one place for the live line, `status` and the page."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.results.front import front_trials
from skipsearch.studies.storage.lease import driver
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord, is_imported, state_of


@dataclass(frozen=True)
class Summary:
    """Trial counts by state, the best error and the front of a study at one moment."""

    name: str
    given: Mapping[str, Any]  # the study file's [study]
    counts: Counter[str]  # by `trial_record.state_of`
    charged: int  # ended trials that count against the budget
    front: tuple[FrozenTrial, ...]
    train_seconds: float  # summed over trials, not the time that passed
    imported: int = 0

    @property
    def budget(self) -> int | None:
        """Number of trials that the study file allows."""
        return self.given.get("trials")

    @property
    def ended(self) -> int:
        """Number of trials that are neither running nor waiting."""
        return sum(self.counts.values()) - self.counts["running"] - self.counts["waiting"]

    @property
    def best_error(self) -> float | None:
        """Lowest validation error on the front; None while it is empty."""
        return min((t.values[0] for t in self.front), default=None)


def summarize(study: optuna.Study) -> Summary:
    """Count a study's trials and compute its front."""
    trials = study.get_trials(deepcopy=False)
    return Summary(
        name=study.study_name,
        given=given(study),
        counts=Counter(map(state_of, trials)),
        charged=sum(t.state.is_finished() and is_charged(t) for t in trials),
        front=tuple(front_trials(study)),
        train_seconds=sum(TrialRecord.of(t).seconds or 0.0 for t in trials if not is_imported(t)),
        imported=sum(map(is_imported, trials)),
    )


def status_record(study: optuna.Study) -> dict[str, Any]:
    """Return the record that `status --json` prints."""
    summary = summarize(study)
    return {
        "study": summary.name,
        "trials": dict(summary.counts),
        "charged": summary.charged,
        "budget": summary.budget,
        "best_error": summary.best_error,
        "front": len(summary.front),
        "train_seconds": summary.train_seconds,
        "driver": driver(study) or None,
    }


def given(study: optuna.Study) -> dict[str, Any]:
    """Return the resolved [study] table that the study was begun with: dataset, epochs, …"""
    return StudyRecord.of(study).settings


def passed_seconds(study: optuna.Study) -> float:
    """Return the seconds during which at least one trial was running, without pauses."""
    return sum(end - start for start, end in busy(study.get_trials(deepcopy=False)))


def busy(trials: Iterable[FrozenTrial]) -> list[tuple[float, float]]:
    """Return the intervals (start, end) during which at least one of the trials was running, as
    Unix times in seconds.
    """
    spans = sorted(
        (t.datetime_start.timestamp(), t.datetime_complete.timestamp())
        for t in trials
        if t.datetime_start and t.datetime_complete
    )
    found: list[tuple[float, float]] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def is_charged(trial: FrozenTrial) -> bool:
    """Return True if a trial counts against the budget: it was neither imported, nor refused before
    training, nor answered with the result of an equal one.
    """
    if is_imported(trial):
        return False
    charged = TrialRecord.of(trial).charged
    if charged is not None:
        return charged
    return trial.state == TrialState.COMPLETE or bool(trial.intermediate_values)
