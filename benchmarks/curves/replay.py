"""Replay a study on a table of learning curves, with simulated asynchronous workers.

Nothing is trained; the duration of an epoch is the network's multiply-accumulates, or one unit. The
code that runs studies decides which trials go on. No network is proposed twice.
"""

import heapq
import math
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import optuna

from curves.learning_curves import Curves, Row
from skipsearch.searchspace.parameters.neighbours import Chosen, recording
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.pareto import Staircase, non_dominated
from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.studies.pruning.trial_reports import fidelity, stopped
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.optuna_walk import Draft, asking
from skipsearch.studies.samplers.proposer import proposer
from skipsearch.studies.storage import store
from skipsearch.studies.storage.connect import storage_of
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.trial.job import Job, Report

CLASSES, SHAPE = 10, (1, 16, 16)  # of the table's images


class Shuffled:
    """Proposes all rows in random order; ignores their results."""

    def __init__(self, curves: Curves, seed: int) -> None:
        self.left = list(range(len(curves.rows)))
        random.Random(seed).shuffle(self.left)

    def propose(self) -> int | None:
        return self.left.pop() if self.left else None

    def point(self, number: int, epoch: int, val_error: float) -> None: ...

    def tell(self, number: int, verdict: Verdict) -> None: ...


class Proposed:
    """Proposes, of the rows that are left, the one nearest to a sampler's proposal. Its trials have
    the numbers of the replayed study.
    """

    def __init__(self, curves: Curves, seed: int, sampler: str) -> None:
        self.curves, self.left, self.seed = curves, np.arange(len(curves.rows)), seed
        study = optuna.create_study(
            directions=["minimize"] * 2,
            sampler=optuna_samplers.sampler(sampler, seed, study_seed=seed),
        )
        self.store = store.Store(study, storage_of(study), "")
        config = replace(curves.config, sampler=sampler, seed=seed)
        self.seek = proposer(config, Networks(config, CLASSES, SHAPE), {}).seek

    def propose(self) -> int | None:
        if not len(self.left):
            return None
        trial, said = self.store.study.ask(), dict[str, Chosen]()
        draft = Draft(trial)
        if sought := self.seek(trial, joint_space.derived_seed(self.seed, trial.number)):
            said |= sought.chosen
        else:
            with suppress(ValueError):  # an invalid combination: take the nearest valid network
                self.curves.config.arch_space.draw(recording(asking(trial), said))
        nearest = int(self.curves.distances(said)[self.left].argmin())
        row = int(self.left[nearest])
        self.left = np.delete(self.left, nearest)
        draft.write(self.curves.chosen[row])
        self.store.note(trial, params=self.curves.rows[row].params, macs=self.curves.rows[row].macs)
        return row

    def point(self, number: int, epoch: int, val_error: float) -> None:
        self.store.point(self.store.trials[number], epoch, val_error)

    def tell(self, number: int, verdict: Verdict) -> None:
        self.store.tell(self.store.trials[number], verdict)


@dataclass
class Live:
    """A trial in training, or paused at a rung."""

    row: Row
    job: Job
    epoch: int = 0


class Replay:
    """One study on the table; `volumes[r, k]` is its hypervolume after k epochs for the r-th
    reference.
    """

    def __init__(
        self,
        curves: Curves,
        candidates: Shuffled | Proposed,
        rungs: Rungs | None,
        *,
        trials: int,
        epochs: int,
        references: Sequence[float],
        uniform: bool,
    ) -> None:
        self.curves, self.candidates, self.rungs = curves, candidates, rungs
        self.scheduler, self.trials, self.uniform = StudyScheduler(rungs), trials, uniform
        self.boundaries = [Staircase(corner(curves, reference)) for reference in references]
        self.volumes = np.zeros((len(references), epochs + 1))
        self.training: list[tuple[float, int]] = []  # (end of the current epoch, trial)
        self.live: dict[int, Live] = {}
        self.parked: dict[int, Live] = {}
        self.begun = 0

    def run(self, workers: int) -> np.ndarray:
        now = 0.0
        for spent in range(1, self.volumes.shape[1]):
            while len(self.training) < workers and self._begin(now):
                pass
            if not self.training:  # nothing is left to train
                break
            now, number = heapq.heappop(self.training)
            self.volumes[:, spent:] += self._epoch(now, number)[:, None]
        return self.volumes

    def _begin(self, now: float) -> bool:
        number = self._promoted()
        if number is None:
            number = self._proposed()
        if number is None and self.parked and not self.training and self.rungs is not None:
            self.rungs.close()
            number = self._promoted()
        if number is not None:
            self._schedule(now, number)
        return number is not None

    def _promoted(self) -> int | None:
        """Resume the promotable paused trial with the most epochs; None if there is none."""
        for number in sorted(self.parked, key=lambda n: -self.parked[n].epoch):
            if self.rungs is not None and self.rungs.goes_on(number, self.parked[number].epoch):
                self.live[number] = self.parked.pop(number)
                return number
        return None

    def _proposed(self) -> int | None:
        row = self.candidates.propose() if self.begun < self.trials else None
        if row is None:
            return None
        network, number = self.curves.rows[row], self.begun
        self.live[number] = Live(network, job_of(network, number, self.curves.config.epochs))
        self.begun += 1
        return number

    def _schedule(self, now: float, number: int) -> None:
        took = 1.0 if self.uniform else float(self.live[number].row.macs)
        heapq.heappush(self.training, (now + took, number))

    def _epoch(self, now: float, number: int) -> np.ndarray:
        """End an epoch of a trial; return the growth of each hypervolume."""
        live = self.live[number]
        val_error = live.row.curve[live.epoch]
        live.epoch += 1
        last = live.epoch == len(live.row.curve)
        report = Report(epoch=live.epoch, val_error=val_error, last=last)
        self.candidates.point(number, live.epoch, val_error)
        if self.scheduler.goes_on(live.job, report):
            self._schedule(now, number)
            return np.zeros(len(self.boundaries))
        del self.live[number]
        lacking = 1 - fidelity(live.job, report)
        if lacking == 0:
            values = [val_error, float(live.row.params)]
            self.candidates.tell(number, Verdict(Kind.COMPLETE, "", [0.0], values))
            point = val_error, math.log(live.row.params)
            return np.array([boundary.add(*point) for boundary in self.boundaries])
        if self.rungs is not None and self.rungs.promote:
            self.parked[number] = live
        else:
            self.candidates.tell(number, stopped(live.epoch, lacking, []))
        return np.zeros(len(self.boundaries))


def job_of(row: Row, number: int, epochs: int) -> Job:
    return Job(
        number=number,
        arch=row.flat,
        recipe={},
        seed=0,
        max_epochs=epochs,
        folder="",
        threads=1,
        device="cpu",
        costs=(float(row.params),),
    )


def front(curves: Curves) -> list[Row]:
    """Return the front of the whole table, at full fidelity."""
    kept = non_dominated([(row.curve[-1], float(row.params)) for row in curves.rows])
    return [row for row, on_front in zip(curves.rows, kept, strict=True) if on_front]


def corner(curves: Curves, reference: float) -> tuple[float, float]:
    """Return the reference point of the hypervolume: (error, log of parameters)."""
    return reference, math.log(1.1 * max(row.params for row in front(curves)))
