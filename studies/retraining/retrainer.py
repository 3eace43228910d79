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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.executors.protocols import NoJob
from skipsearch.studies.pruning.trial_reports import Live, number_in
from skipsearch.studies.results.retrained import newest, retrained_folder
from skipsearch.studies.retraining.systems import System
from skipsearch.studies.storage.store import RETRY, Store
from skipsearch.studies.storage.trial_record import Verdict, attempts_at
from skipsearch.trainers.recipe.recipe import total_epochs
from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Job

NOTED = ("seconds", "checkpoint", "test_loss")
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class ToTheEnd:
    """A `Scheduler` that stops a training where the training itself says that it is over."""

    def goes_on(self, job: Job, result: Mapping[str, Any]) -> bool:
        return not result["last"]


@dataclass(frozen=True)
class Task:
    """A network with its seed number `k`. Number 0 is the seed of the search, so that a trial's
    training can be repeated."""

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
            if "verdict" in trial.user_attrs:
                store.tell(trial, Verdict.from_dict(trial.user_attrs["verdict"]))
        self.waiting = deque(task for task in tasks if not self._is_done(task))

    def _found(self, task: Task) -> FrozenTrial | None:
        """What is known of it, if that is of the same training."""
        facts = task.facts(self.config)
        for trial in newest(self.store.trials):
            if all(trial.user_attrs.get(name) == facts[name] for name in ("system", "seed_number")):
                if all(trial.user_attrs[name] == value for name, value in facts.items()):
                    return trial
                if not trial.state.is_finished():
                    verdict = Verdict(TrialState.FAIL, "superseded by another training", [])
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
                why = trial.user_attrs.get("why") or "its driver died"
                self._judged(trial, Verdict(TrialState.FAIL, f"{why} ({attempts} attempts)", []))
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

    def reported(self, number: int, result: Mapping[str, Any]) -> None:
        """A point that is there stays as it is."""
        live, store = self.live[number], self.store
        worker = result.get("hostname"), result.get("pid")
        if worker != live.worker:
            live.worker = worker
            store.note(live.trial, node=worker[0], pid=worker[1])
        error = number_in(result, "train_error")
        if not math.isfinite(error):
            return
        epoch = int(result["epoch"])
        if epoch not in store.curve(live.trial):
            store.point(live.trial, epoch, error)
        noted = {name: result[name] for name in NOTED if name in result}
        store.note(live.trial, epochs=epoch, **noted)

    def ended(self, number: int, result: Mapping[str, Any]) -> None:
        self.reported(number, result)
        live = self.live.pop(number)
        self._judged(live.trial, verdict_of(result))
        if result.get("test_error") is not None:
            Checkpoints.at(live.job.folder).clear(keep=int(result["epoch"]))

    def take_back(self, number: int, why: str, *, counted: bool) -> bool:
        trial = self.store.trial(number)
        self.store.note(trial, attempts=trial.user_attrs["attempts"] - counted, why=why)
        if attempts_at(self.store.trial(number)) >= RETRY:
            return False
        del self.live[number]
        self.waiting.append(self.begun[number])
        return True

    def failed(self, number: int, why: str) -> None:
        self._judged(self.live.pop(number).trial, Verdict(TrialState.FAIL, why, []))

    def _judged(self, trial: Any, verdict: Verdict) -> None:
        self.store.conclude(trial, verdict)
        self.failures = self.failures + 1 if verdict.state == TrialState.FAIL else 0
        if self.failures >= self.config.max_failures:
            self.failing = f"{self.failures} trainings in a row failed, the last: {verdict.why}"


def verdict_of(result: Mapping[str, Any]) -> Verdict:
    """Of a last report. Divergence is a result without a value."""
    if result.get("diverged"):
        return Verdict(TrialState.PRUNED, f"diverged: {result['diverged']}", [])
    test_error = number_in(result, "test_error")
    if not math.isfinite(test_error):
        return Verdict(TrialState.FAIL, "ended without a test error", [])
    return Verdict(TrialState.COMPLETE, "", [], [test_error])
