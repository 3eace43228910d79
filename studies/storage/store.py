"""Optuna's storage, the only durable state of a study: opened, checked, led by one driver.

Written per trial, in this order, so that a driver killed anywhere loses nothing:

    ask → arch, recipe, baseline → identity, params, macs, latency_ms → seed, max_epochs, charged
        → per epoch: curve point, epochs, seconds, checkpoint → why, fidelity, verdict
        → constraints → tell

A trial of an earlier study (`imported`) is written whole, in one transaction: importing.py.

| found RUNNING at a start | means                         | becomes                         |
|--------------------------|-------------------------------|---------------------------------|
| `verdict`                | killed while telling          | told                            |
| no `charged`             | killed while being asked for  | FAIL "abandoned", not charged   |
| `charged`                | killed in training            | attached again from checkpoint  |
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.storage.bulk_writes import write_user_attrs
from skipsearch.studies.storage.connect import connect, study_id, trial_id
from skipsearch.studies.storage.lease import BEAT_SECONDS, alive, is_own, lease_of
from skipsearch.studies.storage.trial_record import TrialRecord, kind_of
from skipsearch.studies.storage.verdict import ABANDONED, Kind, Verdict

RETRY = 3  # a trial that was attached so often without one more epoch has failed


class Store:
    """One study in its storage. All writing goes through here."""

    def __init__(self, study: optuna.Study, storage: BaseStorage, url: str) -> None:
        self.study, self.storage, self.url = study, storage, url
        self.run = uuid.uuid4().hex[:8]
        self._beaten = 0.0
        self._abandoned: int | None = None  # not counted yet

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def trial(self, number: int) -> FrozenTrial:
        own = study_id(self.study)
        found = self.storage.get_trial_id_from_study_id_trial_number(own, number)
        return self.storage.get_trial(found)

    def note(self, trial: FrozenTrial | optuna.Trial, **facts: Any) -> None:
        """Write attributes of a trial that has not been told; `TrialRecord` declares them."""
        TrialRecord.require_declared(facts)
        write_user_attrs(self.storage, trial_id(trial), facts)

    def enqueue(self, facts: Mapping[str, Any]) -> None:
        """Add a trial with these attributes that waits to be asked for before anything is
        proposed."""
        TrialRecord.require_declared(facts)
        self.study.enqueue_trial({}, user_attrs=dict(facts))

    def point(self, trial: FrozenTrial | optuna.Trial, epoch: int, val_error: float) -> None:
        self.storage.set_trial_intermediate_value(trial_id(trial), epoch, val_error)

    def curve(self, trial: FrozenTrial | optuna.Trial) -> Mapping[int, float]:
        """The points so far, by epoch."""
        points: dict[int, float] = self.storage.get_trial(trial_id(trial)).intermediate_values
        return points

    def conclude(self, trial: FrozenTrial | optuna.Trial, verdict: Verdict) -> None:
        """First the verdict, so that a crash repeats only the rest."""
        self.decide(trial, verdict)
        self.tell(trial, verdict)

    def decide(self, trial: FrozenTrial | optuna.Trial, verdict: Verdict) -> None:
        self.note(trial, why=verdict.why, verdict=verdict.to_dict())

    @property
    def answered(self) -> int:
        """Proposals so far, without those that a dead driver left half-asked."""
        if self._abandoned is None:
            self._abandoned = sum(kind_of(t) == Kind.ABANDONED for t in self.trials)
        return int(self.storage.get_n_trials(study_id(self.study))) - self._abandoned

    def tell(self, trial: FrozenTrial | optuna.Trial, verdict: Verdict) -> None:
        # The list form, because optuna-dashboard 0.21 does not see `Trial.set_constraint`.
        constraints = list(verdict.constraints)
        self.storage.set_trial_system_attr(trial_id(trial), "constraints", constraints)
        self.study.tell(trial.number, verdict.values, verdict.state)

    def fidelity_violation(self, number: int) -> float:
        """Which part of its epochs a trial lacks; 0 for a finished one or one in training."""
        trial = self.trial(number)
        if trial.state != TrialState.PRUNED:
            return 0.0
        verdict = TrialRecord.of(trial)[TrialRecord.verdict]
        return float(Verdict.from_dict(verdict).constraints[-1])

    def interrupted(self) -> list[FrozenTrial]:
        """Charged trials of a dead driver that are not told; others that run are told here."""
        charged = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            record = TrialRecord.of(trial)
            if record.charged:
                charged.append(trial)
            elif record.verdict is not None:
                self.tell(trial, Verdict.from_dict(record.verdict))
            else:
                self.conclude(trial, Verdict(Kind.ABANDONED, ABANDONED, []))
                self._abandoned = None
        return charged

    def take_lease(self) -> None:
        """Raise ValueError while another driver leads this study."""
        lease = self.study.user_attrs.get("lease")
        if lease and alive(lease) and not is_own(lease):
            who = f"process {lease['pid']} of {lease['user']} on {lease['host']}"
            raise ValueError(
                f"study {self.study.study_name} is being run by {who} since {lease['since']}: "
                "wait for it or stop it"
            )
        self.beat(force=True)

    def beat(self, *, force: bool = False) -> None:
        """A sign of life, every few seconds. Raises ValueError when another driver took over."""
        now = time.monotonic()  # the wall clock may be set back, and the sign would not be given
        if not force and now - self._beaten < BEAT_SECONDS:
            return
        lease = self.study.user_attrs.get("lease", {})
        if self._beaten and lease.get("run") != self.run:
            raise ValueError(f"study {self.study.study_name} was taken over by {lease}")
        self._beaten = now
        self.study.set_user_attr("lease", lease_of(self.run, time.time()))

    def release(self) -> None:
        """The end of this driver; a lease that another one took is left to it."""
        if self.study.user_attrs.get("lease", {}).get("run") != self.run:
            return
        self.study.set_user_attr("lease", {**lease_of(self.run, time.time()), "closed": True})


def load(name: str, *, storage: str) -> optuna.Study:
    """A study that ran before, for reading."""
    try:
        return optuna.load_study(study_name=name, storage=connect(storage))
    except KeyError:
        raise ValueError(f"storage {storage} holds no study {name}") from None
