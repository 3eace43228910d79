"""How a trial ended: a pure function of its last report, whoever stopped it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.trial.job import Job

Asked = optuna.Trial | FrozenTrial


@dataclass
class Live:
    """A trial in training."""

    trial: Asked
    job: Job
    cost: Cost
    worker: tuple[Any, Any] | None = None


def verdict_of(
    live: Live, result: Mapping[str, Any], networks: Networks, costs: Sequence[str]
) -> Verdict:
    """The value of a complete trial is the error of the weights that it keeps (`kept_error`)."""
    limits = networks.violations(live.cost)
    if "val_error" not in result:
        return Verdict(Kind.FAILED, "ended without reporting val_error", [])
    for name in ("val_error", "kept_error"):
        if not isinstance(given := result.get(name, 0.0), SupportsFloat):
            why = f"reported {name} {given!r}, which is no number"
            return Verdict(Kind.FAILED, why, [])
    epoch, val_error = int(result["epoch"]), number_in(result, "val_error")
    kept_error = number_in({"kept_error": val_error, **result}, "kept_error")
    for name, value in (("val_error", val_error), ("kept_error", kept_error)):
        if not math.isfinite(value):
            why = result.get("diverged") or f"{name} is {value} after epoch {epoch}"
            return Verdict(Kind.DIVERGED, f"diverged: {why}", [*limits, 1.0])
    lacking = 1 - fidelity(live.job, result)
    if lacking > 0 and too_long(live.job, result):
        why = f"took more than {live.job.max_seconds / 60:g} minutes"  # type: ignore[operator]
        return Verdict(Kind.TOO_LONG, why, [*limits, lacking])
    if lacking > 0:
        return stopped(epoch, lacking, limits)
    values = [kept_error, *(float(live.cost.of(name)) for name in costs)]
    return Verdict(Kind.COMPLETE, "", [*limits, 0.0], values)


def stopped(epoch: int, lacking: float, limits: list[float]) -> Verdict:
    """Of a trial that was not among the best at a rung."""
    return Verdict(Kind.PRUNED, f"not among the best after epoch {epoch}", [*limits, lacking])


NOTED = ("seconds", "checkpoint", "val_errors", "val_error_sd")


def record(store: Store, live: Live, result: Mapping[str, Any]) -> None:
    """A point that is there stays as it is: epochs that are trained again, because a checkpoint is
    broken, are not written again."""
    worker = result.get("hostname"), result.get("pid")
    if worker != live.worker:
        live.worker = worker
        store.note(live.trial, node=worker[0], pid=worker[1])
    if not math.isfinite(number_in(result, "val_error")):
        return
    epoch, there = int(result["epoch"]), store.curve(live.trial)
    if epoch < max(there, default=0):
        return
    if epoch not in there:
        store.point(live.trial, epoch, float(result["val_error"]))
    noted = {name: result[name] for name in NOTED if name in result}
    store.note(live.trial, epochs=epoch, fidelity=fidelity(live.job, result), **noted)


def number_in(result: Mapping[str, Any], name: str) -> float:
    """What a report says under a name; nan where that is missing or no number."""
    value = result.get(name)
    return float(value) if isinstance(value, SupportsFloat) else math.nan


def fidelity(job: Job, result: Mapping[str, Any]) -> float:
    """The part of its training that a trial has had at a report: 1, full fidelity, also where its
    recipe ended before all epochs (`last`)."""
    return 1.0 if result.get("last", False) else min(1.0, int(result["epoch"]) / job.max_epochs)


def too_long(job: Job, result: Mapping[str, Any]) -> bool:
    return job.max_seconds is not None and result.get("seconds", 0.0) > job.max_seconds
