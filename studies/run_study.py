"""`skipsearch run`: the driver with the terminal, the files beside the database, and an end that
says how to go on."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna

from skipsearch.studies.config.limits import Infeasible
from skipsearch.studies.config.study_config import Study
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.engine.driver import run
from skipsearch.studies.executors.protocols import Observer
from skipsearch.studies.page.files import Report
from skipsearch.studies.storage.find import RUNS, source_of
from skipsearch.studies.storage.store import Store
from skipsearch.studies.terminal.front import print_front
from skipsearch.studies.terminal.progress import Progress
from skipsearch.studies.terminal.tables import console

NOTHING_FEASIBLE, INTERRUPTED = 3, 130


class Together:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def __getstate__(self) -> dict[str, object]:
        """Ray pickles its callbacks with all they hold, to no use; a terminal cannot be."""
        return {}

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
    plan: Study,
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
    `--extend`; `study.user_attrs` says what became of them (`imports`, `extended`).

    Raises ValueError for bad input, Infeasible where no network is within the limits, and
    KeyboardInterrupt after Ctrl-C; calling it again continues.
    """
    home = folder / plan.name
    return run(
        plan,
        storage=storage,
        folder=home,
        observer=Together(Report(home), Board()),
        in_process=serial,
        address=address,
        log=log,
        imports=[source_of(name, folder=folder, storage=storage) for name in imports],
        extend=extend,
    )


def run_and_show(
    plan: Study,
    *,
    folder: Path,
    storage: str | None,
    serial: bool,
    address: str | None,
    log: str | None,
    quiet: bool,
    command: Sequence[str],
    imports: Sequence[str] = (),
    extend: bool = False,
) -> int:
    """Run the study, print its front and where its page is. Returns the exit status."""
    home = folder / plan.name
    terminal, files = console(), (Report(home), Board())
    observer = Together(*files) if quiet else Together(Progress(terminal), *files)
    try:
        study = run(
            plan,
            storage=storage,
            folder=home,
            observer=observer,
            in_process=serial,
            address=address,
            log=log,
            imports=[source_of(name, folder=folder, storage=storage) for name in imports],
            extend=extend,
        )
    except Infeasible as reason:
        print(f"error: {reason}", file=sys.stderr)
        return NOTHING_FEASIBLE
    except KeyboardInterrupt:
        again = shlex.join(["skipsearch", *command])
        print(f"stopped; nothing is lost. Go on with: {again}", file=sys.stderr)
        return INTERRUPTED
    if study.user_attrs.get("exhausted"):
        print(f"note: ended early: {study.user_attrs['exhausted']}", file=sys.stderr)
    if said := study.user_attrs.get("trials_per_gpu", {}).get("said"):
        print(f"note: {said}", file=sys.stderr)
    members = print_front(study, terminal)
    terminal.print(f"page: {(home / 'front.html').resolve()}", soft_wrap=True, markup=False)
    return 0 if members else NOTHING_FEASIBLE
