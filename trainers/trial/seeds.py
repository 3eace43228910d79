"""A trial that trains its network with several seeds, side by side: an epoch of each a step.

So a report stands for all of them, and rungs, curves and resuming know nothing of it.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from skipsearch.trainers.trial.job import Begin, Job, Record, Steps

MEANS = ("val_error", "kept_error", "train_loss", "train_error", "val_loss")


class Repeats:
    """The trainings of a job, one for each of its seeds, in folders `seed-0`, `seed-1`, …

    After a crash they may be an epoch apart, as each has its own checkpoint: those behind are then
    trained up to the one ahead, which has its report already. The epoch before it was reported by
    all, or none would have begun the next.
    """

    def __init__(self, job: Job, begin: Begin) -> None:
        self.reports: list[Record] = []  # the newest of each
        with ExitStack() as begun:
            self.trainings: list[Steps] = []
            for number, seed in enumerate((job.seed, *job.more_seeds)):
                training = begin(_single(job, number, seed))
                begun.callback(training.close)
                self.trainings.append(training)
            self.close = begun.pop_all().close

    def step(self) -> Record:
        if not self.reports:
            self.reports = [training.step() for training in self.trainings]
            epoch = max(report["epoch"] for report in self.reports)
        else:
            epoch = 1 + max(report["epoch"] for report in self.reports)
        for number, training in enumerate(self.trainings):
            while self.reports[number]["epoch"] < epoch and not _over(self.reports[number]):
                self.reports[number] = training.step()
        return together(epoch, self.reports)


def together(epoch: int, reports: Sequence[Record]) -> Record:
    """One report of all: means, and the errors of the weights that each keeps with their sample
    standard deviation. The trial is over when all are, and diverged when one is."""
    result: Record = {"epoch": epoch, "last": all(r.get("last", False) for r in reports)}
    for name in MEANS:
        if all(name in report for report in reports):
            result[name] = fmean(report[name] for report in reports)
    for number, report in enumerate(reports):
        if report.get("diverged"):
            result["diverged"] = f"{report['diverged']} (seed-{number})"
    if all("seconds" in report for report in reports):
        result["seconds"] = sum(report["seconds"] for report in reports)
    if "checkpoint" in reports[0]:
        result["checkpoint"] = reports[0]["checkpoint"]
    if all("val_error" in report for report in reports):
        name = "kept_error" if "kept_error" in result else "val_error"
        errors = [float(report[name]) for report in reports]
        result |= spread(errors)
    return result


def spread(errors: list[float]) -> dict[str, Any]:
    if not all(map(math.isfinite, errors)):
        return {}
    return {"val_errors": errors, "val_error_sd": stdev(errors)}


def _single(job: Job, number: int, seed: int) -> Job:
    """The job of one training."""
    folder = Path(job.folder) / f"seed-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = f"{job.checkpoints}/seed-{number}" if job.checkpoints else ""
    return replace(job, seed=seed, more_seeds=(), folder=str(folder), checkpoints=checkpoints)


def _over(report: Record) -> bool:
    return bool(report.get("last")) or not math.isfinite(report.get("val_error", math.nan))
