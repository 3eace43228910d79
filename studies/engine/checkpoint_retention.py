"""Which checkpoints stay when their trials are told (`keep = "front"`): those of the front.

A told trial is never trained again, and one that is beaten in every objective stays so. A trial on
the front keeps its newest whole checkpoint, which has the weights that its recipe keeps. What is
in training, waits at a rung or is not told yet is not touched, nor is anything outside the folder
of the study's trials.
"""

from pathlib import Path

from optuna.trial import FrozenTrial
from pyarrow.fs import LocalFileSystem

from skipsearch.studies.config.study_config import StudyConfig, checkpoint_home
from skipsearch.studies.pareto import Point, non_dominated
from skipsearch.studies.storage.trial_record import is_full
from skipsearch.trainers.trial.checkpoints import Checkpoints, folders


class Keeping:
    """By the driver, when a trial was told; at its start for all that were told before."""

    def __init__(self, home: str) -> None:
        """`home`, a folder or a URI, has a folder for each trial."""
        self.home = home
        self.front: dict[int, Point] = {}  # by number

    @classmethod
    def of(cls, config: StudyConfig, folder: Path, trials: list[FrozenTrial]) -> "Keeping | None":
        """None where all checkpoints stay; else what a dead driver left is cleared away."""
        if config.keep == "all":
            return None
        keeping = cls(checkpoint_home(config, folder))
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
        found = (folder.partition("/")[0] for folder in folders(self.home))
        return {int(name) for name in found if name.isdecimal()}

    def _clear(self, number: int) -> None:
        """Of a trial and of its seeds."""
        own = f"{self.home}/{number}"
        for folder in folders(own):
            place = Checkpoints.at(f"{own}/{folder}".rstrip("/"))
            kept = place.newest_whole() if number in self.front else None
            if number in self.front and kept is None:  # better than nothing
                continue
            if self._is_inside(place):
                place.clear(kept)

    def _is_inside(self, place: Checkpoints) -> bool:
        """Not where a link leads elsewhere."""
        if not isinstance(place.filesystem, LocalFileSystem):
            return True
        home = Path(Checkpoints.at(self.home).folder)
        return Path(place.folder).resolve().is_relative_to(home.resolve())
