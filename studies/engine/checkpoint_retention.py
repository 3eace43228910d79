"""Checkpoint retention: with `keep = "front"`, finished trials off the front lose theirs.

This is safe: a finished trial is never trained again, and a trial that is dominated stays so. A
trial on the front keeps its newest whole checkpoint, which has the weights that its recipe keeps.
Trials that are in training, paused at a rung or not told to Optuna yet are not touched, nor is
anything outside the folder of the study's trials.
"""

from pathlib import Path

from optuna.trial import FrozenTrial
from pyarrow.fs import LocalFileSystem

from skipsearch.studies.config.study_config import StudyConfig, checkpoint_home
from skipsearch.studies.pareto import Point, non_dominated
from skipsearch.studies.storage.trial_record import is_full
from skipsearch.trainers.trial.checkpoints import Checkpoints, folders


class Keeping:
    """Deletes checkpoints in the driver: at its start, and after every trial told to Optuna."""

    def __init__(self, home: str) -> None:
        """`home`, a folder or a URI, has one folder per trial."""
        self.home = home
        self.front: dict[int, Point] = {}  # by number

    @classmethod
    def of(cls, config: StudyConfig, folder: Path, trials: list[FrozenTrial]) -> "Keeping | None":
        """Delete what a dead driver left over; return None if all checkpoints stay."""
        if config.keep == "all":
            return None
        keeping = cls(checkpoint_home(config, folder))
        keeping.took_up(trials)
        return keeping

    def took_up(self, trials: list[FrozenTrial]) -> None:
        """Compute the front of all trials, and delete checkpoints of finished trials off it."""
        full = [t for t in trials if is_full(t)]
        on_front = non_dominated([tuple(t.values) for t in full])
        members = (t for t, on in zip(full, on_front, strict=True) if on)
        self.front = {t.number: tuple(t.values) for t in members}
        told = {t.number for t in trials if t.state.is_finished()}
        for number in sorted(told & self._with_files()):
            self._clear(number)

    def told(self, trial: FrozenTrial) -> None:
        """Update the front, and delete the checkpoints of trials that are off it now."""
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
        """Find the trials with checkpoints by one listing of `home`, not one per trial."""
        found = (folder.partition("/")[0] for folder in folders(self.home))
        return {int(name) for name in found if name.isdecimal()}

    def _clear(self, number: int) -> None:
        """Delete the checkpoints of a trial and its seeds; on the front, keep the newest whole."""
        own = f"{self.home}/{number}"
        for folder in folders(own):
            place = Checkpoints.at(f"{own}/{folder}".rstrip("/"))
            kept = place.newest_whole() if number in self.front else None
            if number in self.front and kept is None:  # keep the broken ones
                continue
            if self._is_inside(place):
                place.clear(kept)

    def _is_inside(self, place: Checkpoints) -> bool:
        """Return False where a link leads out of `home`: nothing is deleted there."""
        if not isinstance(place.filesystem, LocalFileSystem):
            return True
        home = Path(Checkpoints.at(self.home).folder)
        return Path(place.folder).resolve().is_relative_to(home.resolve())
