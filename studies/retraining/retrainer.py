"""Hand out retrainings to a study's executors, and store their results.

| stored for a network and seed              | action                                             |
|--------------------------------------------|----------------------------------------------------|
| told, with as many epochs                  | kept; a diverged training would diverge again      |
| RUNNING, the same training                 | resumed from its checkpoint                        |
| RUNNING, with other epochs                 | FAIL "superseded"; trained again                   |
| told with other epochs, FAIL, or nothing   | trained again                                      |
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
    """A `Scheduler` that prunes nothing: each training reaches full fidelity."""

    def goes_on(self, job: Job, report: Report) -> bool:
        """Return True below full fidelity."""
        return fidelity(job, report) < 1


@dataclass(frozen=True)
class Task:
    """A network to retrain with seed number `k`. Number 0 is the seed of the search, so that a
    trial's training can be repeated.
    """

    system: System
    k: int

    def seed(self, config: StudyConfig) -> int:
        """Derive the seed from the study's seed, the network and `k`."""
        further = (self.k,) if self.k else ()
        return derived_seed(config.seed, self.system.cost.identity, *further)

    def facts(self, config: StudyConfig) -> dict[str, Any]:
        """Return the stored attributes that say which training this is."""
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
    """A `JobSource` of retrainings. All state is in the store, but for the trainings in flight."""

    def __init__(
        self, config: StudyConfig, store: Store, folder: Path, tasks: Sequence[Task], n_train: int
    ) -> None:
        self.config, self.store, self.folder, self.n_train = config, store, folder, n_train
        self.live: dict[int, Live] = {}
        self.begun: dict[int, Task] = {}  # by trial number of the training
        self.failing, self.failures = "", 0
        self.sharing = Sharing(config, store)
        for trial in store.interrupted():
            if (verdict := TrialRecord.of(trial).verdict) is not None:
                store.tell(trial, Verdict.from_dict(verdict))
        self.waiting = deque(task for task in tasks if not self._is_done(task))

    def _found(self, task: Task) -> FrozenTrial | None:
        """Return the stored training of a task; conclude a running one that has other settings."""
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
        """Begin or resume the next training; none is left after too many failures in a row."""
        while self.waiting and not self.failing:
            live = self._begun(self.waiting.popleft())
            if live is not None:
                self.live[live.job.number] = live
                return live.job
        return NoJob.LEFT

    def _begun(self, task: Task) -> Live | None:
        """Begin or resume a training; None if it failed `RETRY` attempts without another epoch."""
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
        """Store a report; the curve shows the training error."""
        error = math.nan if report.train_error is None else report.train_error
        notes = {"seconds": report.seconds, "checkpoint": report.checkpoint}
        write(self.store, self.live[number], report, error, **notes, test_loss=report.test_loss)

    def ended(self, number: int, report: Report) -> None:
        """Store the last report, conclude the training and keep its last checkpoint only."""
        self.reported(number, report)
        live = self.live.pop(number)
        self._judged(live.trial, verdict_of(report))
        if report.test_error is not None:
            Checkpoints.at(live.job.folder).clear(keep=report.epoch)

    def take_back(self, number: int, why: str, *, counted: bool) -> bool:
        """Queue a training whose worker died; return False if it has no attempt left.

        `counted`: the next attempt is noted already.
        """
        trial = self.store.trial(number)
        attempts = TrialRecord.of(trial)[TrialRecord.attempts] - counted
        self.store.note(trial, attempts=attempts, why=why)
        if attempts_at(self.store.trial(number)) >= RETRY:
            return False
        del self.live[number]
        self.waiting.append(self.begun[number])
        return True

    def failed(self, number: int, why: str) -> None:
        """Conclude a training that is not tried again."""
        self._judged(self.live.pop(number).trial, Verdict(Kind.FAILED, why, []))

    def _judged(self, trial: Any, verdict: Verdict) -> None:
        self.store.conclude(trial, verdict)
        self.failures = self.failures + 1 if verdict.state == TrialState.FAIL else 0
        if self.failures >= self.config.max_failures:
            self.failing = f"{self.failures} trainings in a row failed, the last: {verdict.why}"


def verdict_of(report: Report) -> Verdict:
    """Return the verdict of a training's last report. Divergence is a result without a value."""
    if report.diverged:
        return Verdict(Kind.DIVERGED, f"diverged: {report.diverged}", [])
    if report.test_error is None or not math.isfinite(report.test_error):
        return Verdict(Kind.FAILED, "ended without a test error", [])
    return Verdict(Kind.COMPLETE, "", [], [report.test_error])
