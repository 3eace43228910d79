"""Which training is next, and what became of it, for the executors that studies have.

| found of a network and seed                | becomes                                            |
|--------------------------------------------|----------------------------------------------------|
| told, for as many epochs                   | stays; a diverged one would diverge again          |
| RUNNING, of the same training              | goes on from its checkpoint                        |
| RUNNING, of other epochs                   | FAIL "superseded"; trained anew                    |
| told for other epochs, FAIL, or not at all | trained anew                                       |
"""

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.executors.protocols import NoJob
from skipsearch.studies.pruning.trial_reports import Live, fidelity, write
from skipsearch.studies.results.retrained import newest, retrained_folder
from skipsearch.studies.retraining.systems import System
from skipsearch.studies.storage.store import RETRY, Store
from skipsearch.studies.storage.trial_record import TrialRecord, attempts_at
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.recipe.recipe import total_epochs
from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Job, Report

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class ToTheEnd:
    """A `Scheduler` that stops a training where the training itself says that it is over."""

    def goes_on(self, job: Job, report: Report) -> bool:
        return fidelity(job, report) < 1


@dataclass(frozen=True)
class Task:
    """A network with its seed number `k`. Number 0 is the seed of the search, so that a trial's
    training can be repeated.
    """

    system: System
    k: int

    def seed(self, config: StudyConfig) -> int:
        further = (self.k,) if self.k else ()
        return derived_seed(config.seed, self.system.cost.identity, *further)

    def facts(self, config: StudyConfig) -> dict[str, Any]:
        cost, recipe = self.system.cost, self.system.recipe
        return {
            "system": self.system.name,
            "seed_number": self.k,
            "seed": self.seed(config),
            "epochs_asked": recipe.epochs,
            "arch": encode(self.system.arch),
            "recipe": encode(recipe),
            "identity": cost.identity,
            "params": cost.params,
            "macs": cost.macs,
        }


class Retrainer:
    """A `JobSource`. All knowledge is in the store; this holds the trainings in flight."""

    def __init__(
        self, config: StudyConfig, store: Store, folder: Path, tasks: Sequence[Task], n_train: int
    ) -> None:
        self.config, self.store, self.folder, self.n_train = config, store, folder, n_train
        self.live: dict[int, Live] = {}
        self.begun: dict[int, Task] = {}  # by the number of its training
        self.failing, self.failures = "", 0
        self.sharing = Sharing(config, store)
        for trial in store.interrupted():
            if (verdict := TrialRecord.of(trial).verdict) is not None:
                store.tell(trial, Verdict.from_dict(verdict))
        self.waiting = deque(task for task in tasks if not self._is_done(task))

    def _found(self, task: Task) -> FrozenTrial | None:
        """What is known of it, if that is of the same training."""
        facts = task.facts(self.config)
        for trial in newest(self.store.trials):
            record = TrialRecord.of(trial)
            if (record.system, record.seed_number) == (task.system.name, task.k):
                if all(record.attributes[name] == value for name, value in facts.items()):
                    return trial
                if not trial.state.is_finished():
                    verdict = Verdict(Kind.FAILED, "superseded by another training", [])
                    self.store.conclude(trial, verdict)
        return None

    def _is_done(self, task: Task) -> bool:
        found = self._found(task)
        return found is not None and found.state in ENDED

    def next_job(self) -> Job | NoJob:
        while self.waiting and not self.failing:
            live = self._begun(self.waiting.popleft())
            if live is not None:
                self.live[live.job.number] = live
                return live.job
        return NoJob.LEFT

    def _begun(self, task: Task) -> Live | None:
        """None for one that was attached too often without one more epoch."""
        trial: Any = self._found(task)
        if trial is None or trial.state.is_finished():
            trial = self.store.study.ask()
            facts = task.facts(self.config) | {"attempts": 1, "attached_at": 0}
            self.store.note(trial, **facts, charged=True)
        else:
            attempts = attempts_at(trial)
            if attempts >= RETRY:
                why = TrialRecord.of(trial).why or "its driver died"
                self._judged(trial, Verdict(Kind.FAILED, f"{why} ({attempts} attempts)", []))
                return None
            at = trial.last_step or 0
            self.store.note(trial, attempts=attempts + 1, attached_at=at)
        self.begun[trial.number] = task
        return Live(trial, self._job(task, trial.number), task.system.cost)

    def _job(self, task: Task, number: int) -> Job:
        system = task.system
        folder = retrained_folder(self.folder, system.own, task.k).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        arch = encode(system.arch)
        (folder.parent / "arch.json").write_text(json.dumps(arch, indent=1) + "\n")
        return Job(
            number=number,
            arch=arch,
            recipe=encode(system.recipe),
            seed=task.seed(self.config),
            max_epochs=total_epochs(system.recipe, self.n_train),
            folder=str(folder),
            threads=self.config.cpus_per_trial,
            device="cuda" if self.config.gpus_per_trial else "cpu",
        )

    def reported(self, number: int, report: Report) -> None:
        """Store a report; the curve is that of the training error."""
        error = math.nan if report.train_error is None else report.train_error
        notes = {"seconds": report.seconds, "checkpoint": report.checkpoint}
        write(self.store, self.live[number], report, error, **notes, test_loss=report.test_loss)

    def ended(self, number: int, report: Report) -> None:
        self.reported(number, report)
        live = self.live.pop(number)
        self._judged(live.trial, verdict_of(report))
        if report.test_error is not None:
            Checkpoints.at(live.job.folder).clear(keep=report.epoch)

    def take_back(self, number: int, why: str, *, counted: bool) -> bool:
        trial = self.store.trial(number)
        attempts = TrialRecord.of(trial)[TrialRecord.attempts] - counted
        self.store.note(trial, attempts=attempts, why=why)
        if attempts_at(self.store.trial(number)) >= RETRY:
            return False
        del self.live[number]
        self.waiting.append(self.begun[number])
        return True

    def failed(self, number: int, why: str) -> None:
        self._judged(self.live.pop(number).trial, Verdict(Kind.FAILED, why, []))

    def _judged(self, trial: Any, verdict: Verdict) -> None:
        self.store.conclude(trial, verdict)
        self.failures = self.failures + 1 if verdict.state == TrialState.FAIL else 0
        if self.failures >= self.config.max_failures:
            self.failing = f"{self.failures} trainings in a row failed, the last: {verdict.why}"


def verdict_of(report: Report) -> Verdict:
    """The verdict of a training from its last report. Divergence is a result without a value."""
    if report.diverged:
        return Verdict(Kind.DIVERGED, f"diverged: {report.diverged}", [])
    if report.test_error is None or not math.isfinite(report.test_error):
        return Verdict(Kind.FAILED, "ended without a test error", [])
    return Verdict(Kind.COMPLETE, "", [], [report.test_error])
