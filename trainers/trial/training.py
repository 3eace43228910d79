"""Train one trial, one epoch per step, from its last checkpoint; without Ray.

A checkpoint is written before its epoch is reported, and its epoch is reported again when a worker
resumes from it: whichever process dies in between, no epoch is missing from the curve and none is
trained twice. Every epoch's whole report is in the trial's `curve.csv`.
"""

import csv
import gc
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.loop.memory import give_back, keep_freed
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.checkpoints import KEPT, Checkpoints, is_whole, seal
from skipsearch.trainers.trial.job import Job, Report

if TYPE_CHECKING:
    from skipsearch.trainers.loop.fit import Fit


class Training:
    """The training of a job's network, resumed from its last checkpoint if there is one."""

    def __init__(self, job: Job, data: Data) -> None:
        import torch

        from skipsearch.searchspace import build
        from skipsearch.trainers.loop.fit import fit, seeded

        keep_freed()
        torch.set_num_threads(job.threads)
        with seeded(job.seed):
            arch = decode(Arch, job.arch)
            model = build(arch, classes=data.num_classes, shape=data.shape)
        recipe = decode(Recipe, job.recipe)
        self.job = job
        self.fit: Fit | None = fit(model, data, recipe, seed=job.seed, device=job.device)
        self.checkpoints = Checkpoints.at(job.checkpoints or job.folder)
        self.curve = load(self.checkpoints, job, self.fit)
        self.again = self.curve[-1] if self.curve else None
        self.seconds = (self.again.seconds or 0.0) if self.again else 0.0

    def step(self) -> Report:
        """Train and save one epoch; the first step after resuming repeats the last report."""
        if self.again is not None:
            report, self.again = self.again, None
            return report
        assert self.fit is not None
        epoch = next(self.fit)
        self.seconds += epoch.seconds
        name = None if epoch.diverged else self.checkpoints.name(epoch.epoch)
        report = Report(**vars(epoch) | {"seconds": self.seconds, "checkpoint": name})
        with self.checkpoints.saving():
            if not epoch.diverged:
                save(self.checkpoints, self.job, self.fit, [*self.curve, report])
            self.curve.append(report)
            write_curve(Path(self.job.folder), self.curve)
        return report

    def close(self) -> None:
        """Return a finished trial's memory to the system before the next trial begins."""
        import torch

        self.fit = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        give_back()


def write_curve(folder: Path, curve: list[Report]) -> None:
    """Write `curve.csv`, one row per epoch, whole or not at all."""
    text = io.StringIO()
    flat = [report.to_dict() for report in curve]
    columns = [name for name in flat[0] if name != "checkpoint"]
    rows = csv.DictWriter(text, columns, extrasaction="ignore")
    rows.writeheader()
    rows.writerows(flat)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"curve.{os.getpid()}.part"
    part.write_text(text.getvalue())
    part.replace(folder / "curve.csv")


def save(checkpoints: Checkpoints, job: Job, fit: "Fit", curve: list[Report]) -> None:
    """Write a checkpoint of the newest epoch, and delete all but the last two.

    `curve` has the reports up to that epoch; the file stores them as plain dictionaries, which
    `torch.load(weights_only=True)` and older versions read.
    """
    import torch

    content, epoch, flat = io.BytesIO(), curve[-1].epoch, [report.to_dict() for report in curve]
    torch.save({"fit": fit.state_dict(), "curve": flat, "arch": dict(job.arch)}, content)
    checkpoints.save(epoch, seal(content.getvalue()))
    there = checkpoints.epochs()
    kept = [own for own in there if own <= epoch][:KEPT]  # later ones are broken
    for old in {*there} - {*kept}:
        checkpoints.delete(old)


def load(checkpoints: Checkpoints, job: Job, fit: "Fit") -> list[Report]:
    """Load the newest intact checkpoint of this network into `fit`; return the reports up to it.

    Without one the list is empty: the training starts anew and gives the same result.
    """
    import torch

    for epoch in checkpoints.epochs():
        try:
            content = checkpoints.load(epoch)
        except OSError:  # deleted meanwhile
            continue
        if not is_whole(content):
            continue
        state = torch.load(io.BytesIO(content), weights_only=True, map_location=fit.device)
        if state["arch"] == job.arch and fit.is_own(state["fit"]):
            fit.load_state_dict(state["fit"])
            return [Report.from_dict(flat) for flat in state["curve"]]
    return []
