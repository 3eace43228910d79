"""One trial as an executor runs it, an epoch a step; without Ray.

A checkpoint is written before its epoch is reported, and reported again by whoever goes on from
it: whatever dies in between, no epoch is missing from the curve and none is trained twice.
Every epoch's whole record is in the trial's `curve.csv`.
"""

import csv
import gc
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.trainers.checkpoints import Checkpoints, load, save
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.loop.memory import give_back, keep_freed
from skipsearch.trainers.recipe.recipe import Recipe

if TYPE_CHECKING:
    from skipsearch.trainers.loop.fit import Fit

Record = dict[str, Any]  # of an epoch: what is reported of it


@dataclass(frozen=True)
class Job:
    """What a worker must know of its trial."""

    number: int
    arch: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    seed: int
    max_epochs: int
    folder: str  # of this trial; the same path on every machine
    threads: int
    device: str
    baseline: bool = False
    costs: tuple[float, ...] = ()  # its other objectives, for its place at a rung
    max_seconds: float | None = None
    checkpoints: str = ""  # a path or a URI of their own; else they are in `folder`
    below: int | None = None  # judged beside trials of lower numbers only; None for all
    more_seeds: tuple[int, ...] = ()  # the network is trained with each of these too


class Steps(Protocol):
    """What an executor needs of a training: a report an epoch, with `epoch` and `val_error`."""

    def step(self) -> Record: ...
    def close(self) -> None: ...


Begin = Callable[[Job], Steps]


class Training:
    """The training of a job's network, from its last checkpoint where there is one."""

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
        self.seconds = self.again["seconds"] if self.again else 0.0

    def step(self) -> Record:
        if self.again is not None:
            result, self.again = self.again, None
            return result
        assert self.fit is not None
        epoch = next(self.fit)
        self.seconds += epoch.seconds
        result = {**asdict(epoch), "seconds": self.seconds}
        with self.checkpoints.saving():
            if not epoch.diverged:
                result["checkpoint"] = self.checkpoints.name(epoch.epoch)
                save(self.checkpoints, self.job, self.fit, [*self.curve, result])
            self.curve.append(result)
            write_curve(Path(self.job.folder), self.curve)
        return result

    def close(self) -> None:
        """Give the memory of a finished trial back before the next one takes its own."""
        import torch

        self.fit = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        give_back()


def write_curve(folder: Path, curve: list[Record]) -> None:
    """A row an epoch, readable without the tool; written whole or not at all."""
    text = io.StringIO()
    columns = [name for name in curve[0] if name != "checkpoint"]
    rows = csv.DictWriter(text, columns, extrasaction="ignore")
    rows.writeheader()
    rows.writerows(curve)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"curve.{os.getpid()}.part"
    part.write_text(text.getvalue())
    part.replace(folder / "curve.csv")
