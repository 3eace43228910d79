"""Write a study's results beside its database, readable without skipsearch: table, front, page."""

import json
import time
from pathlib import Path
from typing import Any, Protocol

import optuna

from skipsearch.studies.page.importance_figure import Importances
from skipsearch.studies.page.page import page
from skipsearch.studies.results.front import front_records, hypervolume_history
from skipsearch.studies.results.trial_table import trials
from skipsearch.studies.storage.trial_record import objective_names
from skipsearch.trainers.atomic_write import write_whole
from skipsearch.trainers.loop.memory import give_back


def write(study: optuna.Study, folder: Path, importances: Importances | None = None) -> None:
    """Write `trials.csv`, `front.json` and `front.html` into the folder, each atomically.

    `importances` is a cache of earlier calls for the same study.
    """
    write_whole(folder / "trials.csv", trials(study).to_csv(index=False))
    write_whole(folder / "front.json", json.dumps(front_document(study), indent=2) + "\n")
    write_whole(folder / "front.html", page(study, importances))


def front_document(study: optuna.Study) -> dict[str, Any]:
    """Return the front as JSON: objectives, hypervolume, and members with their configurations."""
    history = hypervolume_history(study)["hypervolume"]
    return {
        "study": study.study_name,
        "objectives": objective_names(study),
        "trials": len(study.get_trials(deepcopy=False)),
        "hypervolume": float(history.iloc[-1]) if len(history) else 0.0,
        "front": front_records(study),
    }


class Store(Protocol):
    """The part of `storage.store.Store` that the report reads."""

    @property
    def study(self) -> optuna.Study:
        """The study being run."""
        ...


class Report:
    """Observer that keeps the three files up to date while a study runs.

    The page is 5 MB. So that a study of very short trials is not slowed down, the files are written
    again only after 20 times as long as the last writing took.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ended = -1
        self._next = 0.0
        self._importances = Importances()

    @staticmethod
    def pause(seconds: float) -> float:
        """Return the seconds to wait after a writing that took `seconds`."""
        return 20 * seconds

    def started(self, store: Store) -> None:
        """Write the files, so that a continued study shows its trials at once."""
        self.changed(store)

    def changed(self, store: Store) -> None:
        """Write the files if a trial has ended and the pause is over."""
        ended = sum(t.state.is_finished() for t in store.study.get_trials(deepcopy=False))
        if ended != self._ended and time.monotonic() >= self._next:
            before = time.monotonic()
            write(store.study, self.folder, self._importances)
            give_back()  # building the page of 1,000 trials takes 40 MiB
            self._ended = ended
            self._next = time.monotonic() + self.pause(time.monotonic() - before)

    def finished(self, store: Store) -> None:
        """Write the final files, with importances computed anew."""
        write(store.study, self.folder)
        give_back()
