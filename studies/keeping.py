"""Which checkpoints stay when their trials are told (`keep = "front"`): those of the front.

A told trial is never trained again, and one that is beaten in every objective stays so. A trial on
the front keeps its newest whole checkpoint, which has the weights that its recipe keeps. What is
in training, waits at a rung or is not told yet is not touched, nor is anything outside the folder
of the study's trials.
"""

from collections.abc import Iterator
from pathlib import Path

from optuna.trial import FrozenTrial

from studies.front import Point, non_dominated
from studies.study import Study
from studies.trials import is_full
from trainers.checkpoint import checkpoints, is_whole


class Keeping:
    """By the driver, when a trial was told; at its start for all that were told before."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "trials"
        self.front: dict[int, Point] = {}  # by number

    @classmethod
    def of(cls, study: Study, folder: Path, trials: list[FrozenTrial]) -> "Keeping | None":
        """None where all checkpoints stay; else what a dead driver left is cleared away."""
        if study.keep == "all":
            return None
        keeping = cls(folder)
        keeping.took_up(trials)
        return keeping

    def took_up(self, trials: list[FrozenTrial]) -> None:
        full = [t for t in trials if is_full(t)]
        on_front = non_dominated([tuple(t.values) for t in full])
        members = (t for t, on in zip(full, on_front, strict=True) if on)
        self.front = {t.number: tuple(t.values) for t in members}
        told = {t.number for t in trials if t.state.is_finished()}
        for number in sorted(told & self._with_files()):
            self._clear(number)

    def told(self, trial: FrozenTrial) -> None:
        """A newcomer may put others off the front."""
        before = list(self.front)
        if is_full(trial):
            self.front[trial.number] = tuple(trial.values)
            on_front = non_dominated(list(self.front.values()))
            members = zip(self.front.items(), on_front, strict=True)
            self.front = {number: point for (number, point), on in members if on}
        for number in {trial.number, *before} - {*self.front}:
            self._clear(number)
        if trial.number in self.front:
            self._clear(trial.number)

    def _with_files(self) -> set[int]:
        """Numbers of the trials that have checkpoints, found by one walk and not one a trial."""
        found = (path.relative_to(self.home).parts[0] for path in self.home.rglob("checkpoint-*"))
        return {int(name) for name in found if name.isdecimal()}

    def _clear(self, number: int) -> None:
        for folder in self._folders(number):
            kept = None
            if number in self.front:
                kept = next(filter(is_whole, checkpoints(folder)), None)
                if kept is None:  # better than nothing
                    continue
            for path in folder.glob("checkpoint-*"):  # also what a dead worker had begun to write
                if path != kept:
                    path.unlink(missing_ok=True)

    def _folders(self, number: int) -> Iterator[Path]:
        """Of a trial and of its seeds; none that a link leads to elsewhere."""
        own = self.home / str(number)
        for folder in (own, *own.glob("seed-*")):
            if folder.resolve().is_relative_to(self.home.resolve()):
                yield folder
