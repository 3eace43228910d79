"""Store notes and figures for optuna-dashboard: a note on every ended trial, figures now and then.

They are attributes of the study, in the layout of optuna-dashboard's `save_note` and
`save_plotly_graph_object`, which write each attribute in a transaction of its own and read all of
them again for every note. A kill loses nothing: the next driver, or `skipsearch dashboard`, writes
the missing ones. A note that a person wrote by hand stays.
"""

import time
from collections.abc import Iterable

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.dashboard.figures import figures
from skipsearch.studies.dashboard.notes import LONGEST, note
from skipsearch.studies.storage.bulk_writes import Existing, write_study_system_attrs
from skipsearch.studies.storage.connect import study_id, trial_id
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import cost_names
from skipsearch.studies.storage.write_through import fresh

PLOT = "dashboard:plot_data:"
GROWTH, FEWEST = 10, 5  # figures are drawn again once a tenth more trials ended, at least 5
RARELY = 50  # at most 1/50 of the driver's time is spent here


class Board:
    """Observer that writes notes as trials end and figures now and then."""

    def __init__(self) -> None:
        self._noted: set[int] = set()
        self._pieces: dict[str, int] = {}  # by figure: the number of its pieces in the storage
        self._drawn = 0  # number of ended trials when figures were last drawn
        self._next = 0.0

    def started(self, store: Store) -> None:
        """Store what an earlier driver did not."""
        self.look(store.study)
        self.complete(store.study)

    def changed(self, store: Store) -> None:
        """Store notes on newly ended trials, and figures once enough trials ended."""
        if time.monotonic() < self._next:
            return
        before = time.monotonic()
        ended = _ended(store.study)
        self._notes(store.study, ended)
        if len(ended) - self._drawn >= max(self._drawn // GROWTH, FEWEST):
            self._figures(store.study, len(ended))
        self._next = time.monotonic() + RARELY * (time.monotonic() - before)

    def finished(self, store: Store) -> None:
        """Store all missing notes, and figures of the final state."""
        self.complete(store.study)

    def look(self, study: optuna.Study) -> None:
        """Read which notes and figures the study has already."""
        for key in fresh(study).get_study_system_attrs(study_id(study)):
            kind, _, rest = key.removeprefix("dashboard:").partition(":")
            if kind.isdigit() and rest == "note_ver":
                self._noted.add(int(kind))
            if key.startswith(PLOT):
                name = key.removeprefix(PLOT).rpartition(":")[0]
                self._pieces[name] = self._pieces.get(name, 0) + 1

    def complete(self, study: optuna.Study) -> None:
        """Store all missing notes, and figures if a trial ended since they were drawn."""
        ended = _ended(study)
        self._notes(study, ended)
        if len(ended) != self._drawn:
            self._figures(study, len(ended))

    def _notes(self, study: optuna.Study, ended: Iterable[FrozenTrial]) -> None:
        new = [t for t in ended if trial_id(t) not in self._noted]
        costs = cost_names(study) if new else []
        attributes = dict[str, int | str]()
        for trial in new:
            attributes[f"dashboard:{trial_id(trial)}:note_ver"] = 1
            attributes[f"dashboard:{trial_id(trial)}:note_str:0"] = note(trial, costs)
        write_study_system_attrs(fresh(study), study_id(study), attributes, Existing.STAYS)
        self._noted |= {trial_id(t) for t in new}

    def _figures(self, study: optuna.Study, ended: int) -> None:
        attributes = dict[str, str]()
        for name, text in figures(study).items():
            pieces = [text[i : i + LONGEST] for i in range(0, len(text), LONGEST)]
            pieces += [""] * (self._pieces.get(name, 0) - len(pieces))
            self._pieces[name] = len(pieces)
            attributes |= {f"{PLOT}{name}:{i}": piece for i, piece in enumerate(pieces)}
        write_study_system_attrs(fresh(study), study_id(study), attributes, Existing.REPLACED)
        self._drawn = ended


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
