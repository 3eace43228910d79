"""Trainings that cost nothing: curves from the number of the trial, faults on request.

A Ray worker imports this file and no other of the tests, so that it imports only what it needs.
"""

import math
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Job, Report

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from skipsearch.studies.config.study_config import StudyConfig

GIVEN: dict[str, Any] = {
    "study": {"name": "tabulated", "dataset": "digits", "trials": 12, "epochs": 9},
    "space": {"stages": 2, "blocks": [1, 2], "body": "basic", "shortcut": ["none", "sum"]},
}


def val_error(number: int, epoch: int) -> float:
    """Return an error in 64ths: every number has its own final error, and all curves fall."""
    return (8 + number * 37 % 23) / 64 + 1 / (4 * epoch)


class Tabulated:
    """A training that keeps its epoch in the trial's folder, as the real one keeps its checkpoint.

    It appends one line per trained epoch, in a single write, so that it can be killed anywhere.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.folder = job, Path(job.folder)
        self.trained = self.folder / "trained.txt"
        lines = self.trained.read_text().split() if self.trained.exists() else ["0"]
        self.epoch = int(lines[-1])
        self.again = self.epoch > 0

    def close(self) -> None: ...

    def step(self) -> Report:
        if not self.again:
            self.epoch += 1
            self.train_epoch()
            with self.trained.open("a") as lines:
                lines.write(f"{self.epoch}\n")
        self.again = False
        return self.report()

    def train_epoch(self) -> None: ...

    def report(self) -> Report:
        return Report(epoch=self.epoch, val_error=val_error(self.job.number, self.epoch))


class ByNetwork(Tabulated):
    """A training whose curve depends on the network, not on the number of its trial."""

    def report(self) -> Report:
        return Report(epoch=self.epoch, val_error=val_error(self.job.seed, self.epoch))


class Slow(ByNetwork):
    """A training of 0.05 to 0.2 seconds per epoch, so that a kill falls within an epoch."""

    def train_epoch(self) -> None:
        time.sleep(0.05 * (1 + (self.job.seed + self.epoch) % 4))


class Stillborn(ByNetwork):
    """A training whose worker dies at the first start of every third trial."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        died = self.folder / "died"
        if job.number % 3 == 2 and not died.exists():
            died.touch()
            os._exit(1)


class Shot(Tabulated):
    """A training whose worker is killed once, in the second epoch of the second trial."""

    def train_epoch(self) -> None:
        there = self.folder / "shot"
        if (self.job.number, self.epoch) == (1, 2) and not there.exists():
            there.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class CannotSaveOnce(Tabulated):
    """A training whose checkpoint cannot be written: a real OSError through the real saving."""

    def train_epoch(self) -> None:
        mended = self.folder.parent.parent / "mended"
        if (self.job.number, self.epoch) == (1, 2) and not mended.exists():
            with Checkpoints.at(str(self.folder)).saving():
                (self.folder / "no folder" / "checkpoint").write_text("x")


class Hanging(Tabulated):
    """A training whose second trial hangs once, silently."""

    def train_epoch(self) -> None:
        time.sleep(0.02)
        hung = self.folder / "hung"
        if self.job.number == 1 and self.epoch == 4 and not hung.exists():
            hung.touch()
            time.sleep(3600)


class Faulty(Tabulated):
    """A training whose first trials each fail in a different way."""

    def train_epoch(self) -> None:
        if self.job.number == 1 and self.epoch == 2:
            raise RuntimeError("no such luck\nsecond line")
        died = self.folder / "died"
        if self.job.number == 2 and self.epoch == 3 and not died.exists():
            died.touch()
            os._exit(1)

    def report(self) -> Any:
        if self.job.number == 3 and self.epoch == 2:
            return {"epoch": 2, "val_error": math.nan, "diverged": "loss is nan at step 17"}
        if self.job.number == 4:
            return {"epoch": self.epoch}
        return super().report()


class Starved(Tabulated):
    """A training whose second trial runs out of memory unless it has a whole GPU; with `shared`
    False it always does, as on a machine without a GPU.
    """

    shared = True

    def train_epoch(self) -> None:
        import torch

        if self.epoch == 3 and self.job.number == 1 and self.share() < 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def share(self) -> float:
        """Record the trial's share of a GPU for the test."""
        import ray

        if not self.shared:
            return 0.0
        share = float(ray.get_runtime_context().get_assigned_resources()["GPU"])
        with (self.folder / "shares.txt").open("a") as lines:
            lines.write(f"{share:g}\n")
        return share


class Unshared(Starved):
    shared = False


class Impatient(Tabulated):
    """A training whose recipe ends every second trial after four epochs and keeps the first one."""

    def report(self) -> Report:
        kept = val_error(self.job.number, 1)
        last = self.job.number % 2 == 0 and self.epoch == 4
        return replace(super().report(), kept_error=kept, last=last)


class Final(Tabulated):
    """A final training whose errors follow from the seed."""

    def report(self) -> Report:
        last = self.epoch == self.job.max_epochs
        return Report(
            epoch=self.epoch,
            train_error=val_error(self.job.seed, self.epoch),
            val_error=math.nan,
            last=last,
            test_error=self.tested() if last else None,
        )

    def tested(self) -> float:
        return val_error(self.job.seed, 99)


class Silent:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def started(self, store: object) -> None:
        self.calls.append("started")

    def changed(self, store: object) -> None:
        self.calls.append("changed")

    def finished(self, store: object) -> None:
        self.calls.append("finished")


def study_of(**study: Any) -> "StudyConfig":
    """Return a study of two trials at a time, changed by whole tables (`space = {…}`) or keys of
    [study].
    """
    from skipsearch.studies.config.study_config import StudyConfig

    sections = ("limits", "baselines", "recipe", "space")
    tables = {name: study.pop(name) for name in sections if name in study}
    given = {**GIVEN, "study": {**GIVEN["study"], "concurrency": 2, **study}, **tables}
    return StudyConfig.from_dict(given, where="tabulated.toml")


def charged(study: "optuna.Study") -> "list[FrozenTrial]":
    return [t for t in study.trials if "charged" in t.user_attrs]


def trained_once(folder: Path) -> bool:
    """Return True if no epoch was trained twice by any worker."""
    logs = [p.read_text().split() for p in (folder / "trials").glob("*/trained.txt")]
    return bool(logs) and all(len(set(lines)) == len(lines) for lines in logs)
