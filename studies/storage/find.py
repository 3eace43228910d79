"""Finding a study that ran before: by its name, its folder, its study file, or in a storage."""

import re
from difflib import get_close_matches
from pathlib import Path

import optuna

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.config.toml_file import read
from skipsearch.studies.storage.journal import readable


def settled(study: optuna.Study, home: Path) -> StudyConfig:
    """The study as it was begun, its arch files those that its folder keeps. Raises ValueError
    where it is not one of ours."""
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
    """Open a study. `target` is a name under `folder`, a run's own folder, or a study file.

    Raises ValueError where there is none, with the names that there are."""
    home = home_of(target, folder=folder)
    if storage is not None:
        return _open(home.name, storage)
    if not (home / "study.db").is_file():
        raise ValueError(f"study {target} is not in {home.parent}/{_known(home)}")
    return _open(home.name, url_of(target, folder=folder))


def home_of(target: str, *, folder: Path = RUNS) -> Path:
    """The folder of a study, whether it exists or not."""
    path = Path(target)
    if path.suffix == ".toml" and not (path / "study.db").is_file():
        return folder / name_in(path)
    if (path / "study.db").is_file():
        return path.resolve()
    return folder / path.name if path.name == target.rstrip("/") else path


def url_of(target: str, *, folder: Path = RUNS) -> str:
    """The storage URL of a study that was run without --storage, for other programs."""
    return sqlite_url(home_of(target, folder=folder) / "study.db")


def sqlite_url(path: Path) -> str:
    """With what has a meaning of its own in a URL, or in Optuna's templates of one, escaped."""
    return "sqlite:///" + re.sub(r"[%?{}]", lambda found: f"%{ord(found[0]):02X}", str(path))


def source_of(target: str, *, folder: Path = RUNS, storage: str | None = None) -> tuple[str, str]:
    """Name and storage URL of a study that is there: as `find`, or URL#NAME; with a `storage`, in
    it where `folder` does not have it."""
    url, _, name = target.rpartition("#")
    if "://" in target:
        if not url or not name:
            raise ValueError(f"study {target} must be URL#NAME, such as sqlite:///runs/a.db#a")
        return _open(name, url).study_name, url
    home = home_of(target, folder=folder)
    if storage is not None and not (home / "study.db").is_file():
        return find(target, folder=folder, storage=storage).study_name, storage
    found = find(target, folder=folder)
    return found.study_name, f"sqlite:///{(home / 'study.db').resolve()}"


def open_source(name: str, url: str) -> optuna.Study:
    """What `source_of` found."""
    return _open(name, url)


def name_in(path: Path) -> str:
    """The name of the study in a study file, by default the file's own."""
    study = read(path).get("study")
    return str(study.get("name", path.stem)) if isinstance(study, dict) else path.stem


def _open(name: str, url: str) -> optuna.Study:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        storage = readable(url)
        names = optuna.get_all_study_names(storage)
        own = [n for n in names if "/" not in n]  # without those of its retraining
        if name not in names and len(own) == 1 and url.startswith("sqlite"):
            name = own[0]  # the folder was renamed
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        there = ", ".join(sorted(own)[:8]) or "no study"
        raise ValueError(f"study {name} is not in the storage {url}; it holds {there}") from None
    except RuntimeError as error:
        from skipsearch.studies.storage.connect import wrong_tables

        raise ValueError(wrong_tables(url, error)) from error
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"storage {url} cannot be read: {line}") from error


def _known(home: Path) -> str:
    names = sorted(p.parent.name for p in home.parent.glob("*/study.db"))
    if not names:
        return ": no study has run there; start one with `skipsearch run STUDY.toml`"
    near = get_close_matches(home.name, names, n=3, cutoff=0.4)
    return f" (nearest: {', '.join(near)})" if near else f"; known: {', '.join(names[:8])}"
