"""Run a study and keep its page, tables and dashboard notes up to date."""

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
    """Pass every call on to several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def started(self, store: Store) -> None:
        """Call `started` of each."""
        for observer in self.observers:
            observer.started(store)

    def changed(self, store: Store) -> None:
        """Call `changed` of each."""
        for observer in self.observers:
            observer.changed(store)

    def finished(self, store: Store) -> None:
        """Call `finished` of each."""
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
    """Run a study, or continue it, without output to the terminal.

    Parameters
    ----------
    folder
        The folder of all studies; this one's files are in `folder/NAME`.
    storage
        An Optuna storage's URL instead of `folder/NAME/study.db`.
    serial
        Train in this process, one trial after the other, without Ray.
    address
        A Ray cluster, `auto` or HOST:PORT.
    log
        Some of `tensorboard,mlflow,wandb`.
    imports, extend
        `--import` and `--extend`; recorded in the study's attributes `imports` and `extended`.

    Raises
    ------
    ValueError
        The input is bad.
    Infeasible
        No sampled network is within the limits.
    KeyboardInterrupt
        After Ctrl-C; calling again continues.
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
