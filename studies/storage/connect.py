"""Open the storage behind a URL: SQLite, a journal in one file, or another database of Optuna's.

A URL is as SQLAlchemy reads it: `?` begins its query and `%` an escape, so that a path that has
these is written with %3F and %25 (`sqlite_url` does it).
"""

import re
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial
from sqlalchemy import event, make_url

from skipsearch.studies.storage.journal import JOURNAL, open_journal, path_of

LOCKED_SECONDS = 60.0  # so long a writer waits for a database that another process has locked


def sqlite_url(path: Path) -> str:
    """Return the SQLite URL of a path, with `%`, `?` and Optuna's `{` and `}` percent-escaped.

    >>> sqlite_url(Path("/data/100%/study.db"))
    'sqlite:////data/100%25/study.db'
    """
    return "sqlite:///" + re.sub(r"[%?{}]", lambda found: f"%{ord(found[0]):02X}", str(path))


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite or a journal URL, None for other storages (a server, memory,
    SQLite's own `file:` URIs).

    Raises ValueError for a journal in a folder that does not exist, and for a path that a `?` cuts
    short: SQLAlchemy would open, or create, a file of another name.
    """
    if url.startswith(JOURNAL):
        return path_of(url)
    if not url.startswith("sqlite"):
        return None
    parsed = make_url(url)
    if "?" in url and not parsed.query:
        raise ValueError(f"storage {url}: a ? in a path must be written as %3F")
    path = parsed.database or ":memory:"
    return None if path == ":memory:" or path.startswith("file:") else Path(path)


def database_url(url: str) -> str:
    """Return a URL as Optuna takes it: `RDBStorage` calls `str.format` on it, and a path with
    braces in it is a KeyError there.
    """
    return url.replace("{", "%7B").replace("}", "%7D")


def connect(url: str) -> BaseStorage:
    """Open a storage for reading and writing, and create it where there is none; SQLite in WAL
    mode, so that a dashboard may read along. Raises ValueError where it cannot be opened.
    """
    try:
        if url.startswith(JOURNAL):
            return open_journal(url)
        if not url.startswith("sqlite"):
            return get_storage(database_url(url))
        path = file_of(url)
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"storage {url}: folder {path.parent} does not exist")
        patience = {"timeout": LOCKED_SECONDS}
        storage = RDBStorage(database_url(url), engine_kwargs={"connect_args": patience})
    except RuntimeError as error:  # Optuna's tables are of another version of it
        raise ValueError(wrong_tables(url, error)) from error
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise ValueError(f"storage {url} cannot be opened: {first_line(error)}") from error
    # A commit costs 0.4 ms instead of 5: WAL with NORMAL survives the death of any process; after
    # a loss of power the last commits may be missing, but what is there is consistent.
    event.listen(storage.engine, "connect", _pragmas)
    storage.engine.dispose()
    return get_storage(storage)


def readable(url: str) -> str | BaseStorage:
    """Return what Optuna's own functions take to read the storage behind a URL.

    Its file has to be there (`require_file`): Optuna would create an empty one.
    """
    return open_journal(url) if url.startswith(JOURNAL) else database_url(url)


def require_file(url: str) -> None:
    """Raise ValueError where the file of an SQLite or a journal URL is not there."""
    try:
        path = file_of(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise ValueError(f"storage {url} cannot be read: {first_line(error)}") from error
    if path is not None and not path.is_file():
        raise ValueError(f"storage {url} cannot be read: there is no file {path}")


def wrong_tables(url: str, error: RuntimeError) -> str:
    """Say in one line what to do about a storage that an older or a newer Optuna wrote."""
    if "storage upgrade" in str(error):
        remedy = f"keep a copy of it and run: optuna storage upgrade --storage {url}"
    else:
        remedy = "install the newest one (pip install -U optuna)"
    return f"storage {url} was written by another version of Optuna: {remedy}"


def _pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; SQLAlchemy's have a page of them."""
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
    counts within its study.
    """
    return int(trial._trial_id)
