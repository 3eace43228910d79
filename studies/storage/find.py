"""Find a study that ran before: by its name, its folder, its study file, or in a storage."""

from difflib import get_close_matches
from pathlib import Path

import optuna
from sqlalchemy.exc import SQLAlchemyError

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.config.toml_file import read
from skipsearch.studies.storage.connect import (
    first_line,
    readable,
    require_file,
    sqlite_url,
    wrong_tables,
)


def settled(study: optuna.Study, home: Path) -> StudyConfig:
    """Return the settings with which a study was begun; its arch files are the copies that its
    folder `home` keeps, where they are there. Raises ValueError for a study that `skipsearch` did
    not begin."""
    given = study.user_attrs.get("study")
    if given is None:
        raise ValueError(f"study {study.study_name} is not one of ours: it has no settings")
    baselines = dict(given.get("baselines", {}))
    copies = [home / "baselines" / Path(file).name for file in baselines.get("files", [])]
    if copies and all(copy.is_file() for copy in copies):
        baselines["files"] = [str(copy.resolve()) for copy in copies]
    tables = {**given, "baselines": baselines}
    return StudyConfig.from_dict(tables, where=f"study {study.study_name}", stem=study.study_name)


RUNS = Path("runs")


def find(target: str, *, folder: Path = RUNS, storage: str | None = None) -> optuna.Study:
    """Open a study for reading. `target` is its name under `folder`, its own folder, or its study
    file; `storage` is the URL that it was run with, where it was.

    Raises ValueError where there is none, with the names that there are.

        study = find("digits", folder=Path("runs"))
        study = find("digits", storage="postgresql+psycopg://me@host/studies")
    """
    home = home_of(target, folder=folder)
    if storage is not None:
        return _open(home.name, storage)
    if not (home / "study.db").is_file():
        raise ValueError(f"study {target} is not in {home.parent}/{_known(home)}")
    return _open(home.name, url_of(target, folder=folder))


def home_of(target: str, *, folder: Path = RUNS) -> Path:
    """Return the folder of a study, whether it exists or not; `target` as in `find`."""
    path = Path(target)
    if path.suffix == ".toml" and not (path / "study.db").is_file():
        return folder / name_in(path)
    if (path / "study.db").is_file():
        return path.resolve()
    return folder / path.name if path.name == target.rstrip("/") else path


def url_of(target: str, *, folder: Path = RUNS) -> str:
    """Return the storage URL of a study that was run without --storage; `target` as in `find`."""
    return sqlite_url(home_of(target, folder=folder) / "study.db")


def source_of(target: str, *, folder: Path = RUNS, storage: str | None = None) -> tuple[str, str]:
    """Return name and storage URL of a study to import. `target` is as in `find`, or URL#NAME; a
    study that `folder` does not have is looked for in `storage`.

    Raises ValueError where there is none."""
    url, _, name = target.rpartition("#")
    if "://" in target:
        if not url or not name:
            raise ValueError(f"study {target} must be URL#NAME, such as sqlite:///runs/a.db#a")
        return _open(name, url).study_name, url
    home = home_of(target, folder=folder)
    if storage is not None and not (home / "study.db").is_file():
        return find(target, folder=folder, storage=storage).study_name, storage
    found = find(target, folder=folder)
    return found.study_name, sqlite_url((home / "study.db").resolve())


def open_source(name: str, url: str) -> optuna.Study:
    """Open for reading what `source_of` returned. Raises ValueError where it is not there now."""
    return _open(name, url)


def name_in(path: Path) -> str:
    """Return the name of the study in a study file, by default the file's own."""
    study = read(path).get("study")
    return str(study.get("name", path.stem)) if isinstance(study, dict) else path.stem


def _open(name: str, url: str) -> optuna.Study:
    require_file(url)
    try:
        storage = readable(url)
        names = optuna.get_all_study_names(storage)
        own = [n for n in names if "/" not in n]  # without those of its retraining
        if name not in names and len(own) == 1 and url.startswith("sqlite"):
            name = own[0]  # the folder was renamed
        if name in names:
            return optuna.load_study(study_name=name, storage=storage)
    except RuntimeError as error:
        raise ValueError(wrong_tables(url, error)) from error
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise ValueError(f"storage {url} cannot be read: {first_line(error)}") from error
    there = ", ".join(sorted(own)[:8]) or "no study"
    raise ValueError(f"study {name} is not in the storage {url}; it holds {there}")


def _known(home: Path) -> str:
    names = sorted(p.parent.name for p in home.parent.glob("*/study.db"))
    if not names:
        return ": no study has run there; start one with `skipsearch run STUDY.toml`"
    near = get_close_matches(home.name, names, n=3, cutoff=0.4)
    return f" (nearest: {', '.join(near)})" if near else f"; known: {', '.join(names[:8])}"
