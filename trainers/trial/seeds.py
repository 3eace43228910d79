"""Train a trial's network with several seeds side by side: each step trains one epoch per seed.

One report then stands for all seeds, and rungs, curves and resuming need no case for them.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from skipsearch.trainers.trial.job import Begin, Job, Report, Steps


class Repeats:
    """The trainings of a job, one per seed, in folders `seed-0`, `seed-1`, …

    After a crash they may be one epoch apart, as each has its own checkpoint: those behind are then
    trained up to the one ahead, which has its report already. They are never further apart, as the
    next epoch begins only when all seeds have reported.
    """

    def __init__(self, job: Job, begin: Begin) -> None:
        self.reports: list[Report] = []  # the newest report of each seed
        with ExitStack() as begun:
            self.trainings: list[Steps] = []
            for number, seed in enumerate((job.seed, *job.more_seeds)):
                training = begin(_single(job, number, seed))
                begun.callback(training.close)
                self.trainings.append(training)
            self.close = begun.pop_all().close

    def step(self) -> Report:
        """Train every seed up to the same next epoch, and combine their reports."""
        if not self.reports:
            self.reports = [training.step() for training in self.trainings]
            epoch = max(report.epoch for report in self.reports)
        else:
            epoch = 1 + max(report.epoch for report in self.reports)
        for number, training in enumerate(self.trainings):
            while self.reports[number].epoch < epoch and not _over(self.reports[number]):
                self.reports[number] = training.step()
        return together(epoch, self.reports)


def together(epoch: int, reports: Sequence[Report]) -> Report:
    """Combine the seeds' reports: means, and the errors of the weights that each keeps with their
    sample standard deviation. The trial ends when all seeds end; it diverged when one of them did.
    """
    ends = [f"{r.diverged} (seed-{number})" for number, r in enumerate(reports) if r.diverged]
    errors = [report.error for report in reports]
    kept = any(report.kept_error is not None for report in reports)
    sound = all(map(math.isfinite, errors))
    return Report(
        epoch=epoch,
        train_loss=_mean([report.train_loss for report in reports]),
        train_error=_mean([report.train_error for report in reports]),
        val_error=fmean(report.val_error for report in reports),
        val_loss=_mean([report.val_loss for report in reports]),
        kept_error=fmean(errors) if kept else None,
        last=all(report.last for report in reports),
        seconds=_sum([report.seconds for report in reports]),
        diverged=ends[-1] if ends else "",
        checkpoint=reports[0].checkpoint,
        val_errors=errors if sound else None,
        val_error_sd=stdev(errors) if sound else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return sum(known) if known else None


def _known(values: Sequence[float | None]) -> list[float]:
    """Return the values of all seeds, none if one of them is unknown."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _single(job: Job, number: int, seed: int) -> Job:
    """Make the job and the folder of one seed."""
    folder = Path(job.folder) / f"seed-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = f"{job.checkpoints}/seed-{number}" if job.checkpoints else ""
    return replace(job, seed=seed, more_seeds=(), folder=str(folder), checkpoints=checkpoints)


def _over(report: Report) -> bool:
    return report.last or not math.isfinite(report.val_error)
