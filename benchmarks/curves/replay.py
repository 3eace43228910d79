"""Replay a study on a table of learning curves, with simulated asynchronous workers.

Nothing is trained; the duration of an epoch is the network's multiply-accumulates, or one unit. The
code that runs studies decides which trials go on. No network is proposed twice.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna

from curves.learning_curves import Curves, Row
from skipsearch.searchspace.parameters.neighbours import Chosen, recording
from skipsearch.studies.config import joint_space
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.pareto import Staircase, non_dominated
from skipsearch.studies.pruning.pruners import pruner_of
from skipsearch.studies.pruning.trial_reports import fidelity, stopped
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.optuna_walk import Draft, asking
from skipsearch.studies.samplers.proposer import believer, proposer
from skipsearch.studies.storage import store
from skipsearch.studies.storage.connect import storage_of
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.trial.job import Job, Report


class Candidates:
    """The rows that are left to propose, and the study that is told of them. Its trials have the
    numbers of the replayed study.

    `random` proposes the rows in random order; any other sampler the row nearest to its proposal.
    """

    def __init__(self, curves: Curves, seed: int, sampler: str, **settings: Any) -> None:
        self.curves, self.seed, self.sampler = curves, seed, sampler
        self.left = np.random.default_rng(seed).permutation(len(curves.rows))
        study = optuna.create_study(
            directions=["minimize"] * 2,
            sampler=optuna_samplers.sampler(sampler, seed, study_seed=seed),
        )
        self.store = store.Store(study, storage_of(study), "")
        config = replace(curves.config, sampler=sampler, seed=seed, **settings)
        networks = replace(curves.networks, config=config)
        self.believer = believer(config, networks)
        self.pruner = pruner_of(config, self.store, self.believer)
        self.seek = proposer(config, networks, self.believer, {}).seek

    def propose(self) -> int | None:
        if not len(self.left):
            return None
        trial = self.store.study.ask()
        draft, place = Draft(trial), 0
        if self.sampler != "random":
            said = self._said(trial)
            place = int(self.curves.distances(said)[self.left].argmin())
        row = int(self.left[place])
        self.left = np.delete(self.left, place)
        draft.write(self.curves.chosen[row])
        self.store.note(trial, params=self.curves.rows[row].params, macs=self.curves.rows[row].macs)
        return row

    def _said(self, trial: optuna.Trial) -> Mapping[str, Chosen]:
        if sought := self.seek(trial, joint_space.derived_seed(self.seed, trial.number)):
            return sought.chosen
        said: dict[str, Chosen] = {}
        with suppress(ValueError):  # an invalid combination: take the nearest valid network
            joint_space.drawn(self.curves.config, recording(asking(trial), said))
        return said

    def point(self, number: int, epoch: int, val_error: float) -> None:
        self.store.point(self.store.trials[number], epoch, val_error)

    def pause(self, number: int, epoch: int) -> None:
        self.store.note(self.store.trials[number], parked=epoch)

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
        candidates: Candidates,
        *,
        trials: int,
        epochs: int,
        references: Sequence[float],
        uniform: bool,
    ) -> None:
        self.curves, self.candidates, self.pruner = curves, candidates, candidates.pruner
        self.scheduler, self.trials, self.uniform = StudyScheduler(self.pruner), trials, uniform
        self.boundaries = [Staircase(corner(curves, reference)) for reference in references]
        self.volumes = np.zeros((len(references), epochs + 1))
        self.training: list[tuple[float, int]] = []  # (end of the current epoch, trial)
        self.live: dict[int, Live] = {}
        self.paused: dict[int, Live] = {}
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
        if number is None and self.paused and not self.training and self.pruner is not None:
            self.pruner.close()
            number = self._promoted()
        if number is not None:
            self._schedule(now, number)
        return number is not None

    def _promoted(self) -> int | None:
        """Resume the paused trial that the pruner chooses; None if there is none."""
        number = None if self.pruner is None else self.pruner.next_paused()
        if number is not None:
            assert self.pruner is not None
            del self.pruner.waiting[number]
            self.candidates.pause(number, 0)
            self.live[number] = self.paused.pop(number)
        return number

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
        if self.pruner is not None and self.pruner.promote:
            self.paused[number] = live
            self.pruner.waiting[number] = live.epoch
            self.candidates.pause(number, live.epoch)
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
