"""The storage behind a URL, opened: SQLite, a journal in one file, or what Optuna takes."""

from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial
from sqlalchemy import event, make_url

from skipsearch.studies.storage.journal import JOURNAL, open_journal

LOCKED_SECONDS = 60.0  # so long a writer waits for a database that somebody else has locked


def connect(url: str) -> BaseStorage:
    """The storage behind a URL; SQLite in WAL mode, so that a dashboard may read along."""
    try:
        if url.startswith(JOURNAL):
            return open_journal(url)
        if not url.startswith("sqlite"):
            return get_storage(url)
        path = Path(make_url(url).database or "")
        if not path.parent.is_dir():
            raise ValueError(f"storage {url}: folder {path.parent} does not exist")
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": LOCKED_SECONDS}})
    except RuntimeError as error:  # Optuna's tables are of another version of it
        raise ValueError(wrong_tables(url, error)) from error
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise ValueError(f"storage {url} cannot be opened: {first_line(error)}") from error
    # A commit costs 0.4 ms instead of 5: WAL with NORMAL survives the death of any process; after
    # a loss of power the last commits may be missing, but what is there is consistent.
    event.listen(storage.engine, "connect", _pragmas)
    storage.engine.dispose()
    return get_storage(storage)


def wrong_tables(url: str, error: RuntimeError) -> str:
    """The line for a storage that an older or a newer Optuna wrote."""
    if "storage upgrade" in str(error):
        remedy = f"keep a copy of it and run: optuna storage upgrade --storage {url}"
    else:
        remedy = "install the newest one (pip install -U optuna)"
    return f"storage {url} was written by another version of Optuna: {remedy}"


def _pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# Optuna has no public names for these three; its storages and optuna-dashboard ask for them.


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return the storage that a study reads and writes; a driver's is its cache (`Mirror`)."""
    return study._storage


def study_id(study: optuna.Study) -> int:
    """Return the number of a study in its storage, which its name does not tell."""
    return int(study._study_id)


def trial_id(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the number of a trial in its storage, counted over all studies there; `trial.number`
    counts within its study."""
    return int(trial._trial_id)
