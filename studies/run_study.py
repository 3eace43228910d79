"""`skipsearch run`: the driver with the terminal, the files beside the database, and an end that
says how to go on.
"""

from collections.abc import Sequence
from pathlib import Path

import optuna

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.engine.driver import run
from skipsearch.studies.executors.protocols import Observer
from skipsearch.studies.page.files import Report
from skipsearch.studies.storage.find import RUNS, source_of
from skipsearch.studies.storage.store import Store


class Together:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def started(self, store: Store) -> None:
        for observer in self.observers:
            observer.started(store)

    def changed(self, store: Store) -> None:
        for observer in self.observers:
            observer.changed(store)

    def finished(self, store: Store) -> None:
        for observer in self.observers:
            observer.finished(store)


def run_study(
    config: StudyConfig,
    *,
    folder: Path = RUNS,
    storage: str | None = None,
    serial: bool = False,
    address: str | None = None,
    log: str | None = None,
    imports: Sequence[str] = (),
    extend: bool = False,
) -> optuna.Study:
    """Run a study or continue it, silently, its files under `folder/<name>`; `serial`: in this
    process, one trial after the other, without Ray; `address`: that of a Ray cluster; `log`:
    `tensorboard,mlflow,wandb` or some of them. `imports` and `extend` are `--import` and
    `--extend`; the attributes `imports` and `extended` of the study say what became of them.

    Raises ValueError for bad input, Infeasible where no network is within the limits, and
    KeyboardInterrupt after Ctrl-C; calling it again continues.
    """
    home = folder / config.name
    return run(
        config,
        storage=storage,
        folder=home,
        observer=Together(Report(home), Board()),
        in_process=serial,
        address=address,
        log=log,
        imports=[source_of(name, folder=folder, storage=storage) for name in imports],
        extend=extend,
    )
