"""Turn reports of a trial into points of its curve, decisions to go on, and its verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.pruning.pruner import Pruner
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.trial.job import Job, Report

Asked = optuna.Trial | FrozenTrial


@dataclass
class Live:
    """A trial in training."""

    trial: Asked
    job: Job
    cost: Cost
    worker: tuple[str | None, int | None] | None = None  # node and process of its last report


def goes_on(job: Job, report: Report, pruner: Pruner | None) -> bool:
    """Enter a report, and return False if the trial stops: it diverged, is at full fidelity, took
    too long, or the pruner says so. Without pruner all trials get all epochs. Baselines are
    references: no pruner stops them.
    """
    if not math.isfinite(report.val_error):
        return False
    if pruner is not None:
        if pruner.passed(job.number, report.epoch):
            return True
        pruner.add(job.number, report.epoch, report.val_error, job.costs)
    if fidelity(job, report) == 1 or too_long(job, report):
        return False
    return pruner is None or job.baseline or pruner.goes_on(job.number, report.epoch, job.below)


def verdict_of(live: Live, report: Report, networks: Networks, costs: Sequence[str]) -> Verdict:
    """Judge a trial that ended, by its last report alone. The value of a complete trial is the
    error of the weights that it keeps.
    """
    limits, epoch = networks.violations(live.cost), report.epoch
    for name, value in (("val_error", report.val_error), ("kept_error", report.error)):
        if not math.isfinite(value):
            why = report.diverged or f"{name} is {value} after epoch {epoch}"
            return Verdict(Kind.DIVERGED, f"diverged: {why}", [*limits, 1.0])
    lacking = 1 - fidelity(live.job, report)
    if lacking > 0 and too_long(live.job, report):
        why = f"took more than {live.job.max_seconds / 60:g} minutes"  # type: ignore[operator]
        return Verdict(Kind.TOO_LONG, why, [*limits, lacking])
    if lacking > 0:
        return stopped(epoch, lacking, limits)
    values = [report.error, *(float(live.cost.of(name)) for name in costs)]
    return Verdict(Kind.COMPLETE, "", [*limits, 0.0], values)


def stopped(epoch: int, lacking: float, limits: list[float]) -> Verdict:
    """Return the verdict of a trial pruned at a rung."""
    return Verdict(Kind.PRUNED, f"not among the best after epoch {epoch}", [*limits, lacking])


def record(store: Store, live: Live, report: Report) -> None:
    """Store a report of a search: its validation error as a point, the rest as attributes."""
    write(
        store,
        live,
        report,
        report.val_error,
        fidelity=fidelity(live.job, report),
        seconds=report.seconds,
        checkpoint=report.checkpoint,
        val_errors=report.val_errors,
        val_error_sd=report.val_error_sd,
    )


def write(store: Store, live: Live, report: Report, error: float, **notes: Any) -> None:
    """Store `error` as the curve's point of this epoch, and the notes that are not None.

    An existing point stays: epochs that are trained again after a broken checkpoint are not written
    again.
    """
    worker = report.node, report.pid
    if worker != live.worker:
        live.worker = worker
        store.note(live.trial, node=report.node, pid=report.pid)
    if not math.isfinite(error):
        return
    there = store.curve(live.trial)
    if report.epoch < max(there, default=0):
        return
    if report.epoch not in there:
        store.point(live.trial, report.epoch, error)
    known = {name: value for name, value in notes.items() if value is not None}
    store.note(live.trial, epochs=report.epoch, **known)


def fidelity(job: Job, report: Report) -> float:
    """Return `min(1, epoch / max_epochs)`; 1, full fidelity, also where the recipe ended training
    before all epochs (`last`).
    """
    return 1.0 if report.last else min(1.0, report.epoch / job.max_epochs)


def too_long(job: Job, report: Report) -> bool:
    """Return True after more than the job's `max_seconds`; False without such a limit."""
    return job.max_seconds is not None and (report.seconds or 0.0) > job.max_seconds
