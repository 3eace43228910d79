"""Find a study that ran before: by its name, its folder, its study file, or in a storage."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import optuna
from sqlalchemy.exc import SQLAlchemyError

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.config.target import (
    STUDY,
    StoredStudy,
    StudyTarget,
    TrialTarget,
    parse_source,
    parse_study,
)
from skipsearch.studies.storage.connect import (
    first_line,
    readable,
    require_file,
    sqlite_url,
    wrong_tables,
)
from skipsearch.studies.storage.trial_record import baseline_numbers


def settled(study: optuna.Study, home: Path) -> StudyConfig:
    """Return the settings with which a study was begun; its arch files are the copies that its
    folder `home` keeps, where they are there. Raises ValueError for a study that `skipsearch` did
    not begin.
    """
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
    return open_study(parse_study(target, folder=folder, storage=storage), storage)


def open_study(target: StudyTarget, storage: str | None = None) -> optuna.Study:
    """Open a study that was named, in its folder or in a storage. Raises ValueError where it has
    not run.
    """
    if storage is None and not (target.home / STUDY).is_file():
        raise ValueError(
            f"study {target.text} has not run in {target.home.parent}/: `skipsearch run "
            f"{target.text}` starts it"
        )
    return _open(target.home.name, storage or url_of(target))


def url_of(target: StudyTarget) -> str:
    """Return the storage URL of a study that was run without --storage."""
    return sqlite_url(target.home / STUDY)


def trial_number(study: optuna.Study, target: TrialTarget) -> int:
    """Return the number of the trial that was named, by itself or by its baseline. Raises
    ValueError where the study has none.
    """
    if isinstance(target.which, int):
        return require_trial(study, target.which)
    known = baseline_numbers(study)
    if target.which not in known:
        raise no_trial(study, target.which, list(known))
    return known[target.which]


def require_trial(study: optuna.Study, number: int) -> int:
    """Raises ValueError where the study has no such trial."""
    if not 0 <= number < len(study.get_trials(deepcopy=False)):
        raise no_trial(study, number, list(baseline_numbers(study)))
    return number


def no_trial(study: optuna.Study, which: int | str, names: Sequence[str]) -> ValueError:
    """The error of a trial that the study does not have; `names` are those that can be given in
    place of a number.
    """
    count, own = len(study.get_trials(deepcopy=False)), study.study_name
    trials = f"the trials #0 to #{count - 1}" if count else "no trial yet"
    also = f", by name #{', #'.join(names[:8])}" if names else ""
    near = nearest(str(which), list(names))
    return ValueError(f"{own}#{which} names nothing: study {own} has {trials}{also}{near}")


def source_of(target: str, *, folder: Path = RUNS, storage: str | None = None) -> tuple[str, str]:
    """Return name and storage URL of a study to import. `target` is as in `find`, or URL#NAME; a
    study that `folder` does not have is looked for in `storage`.

    Raises ValueError where there is none.
    """
    found = parse_source(target, folder=folder, storage=storage)
    match found:
        case StoredStudy(url=url, name=name):
            return _open(name, url).study_name, url
        case StudyTarget(home=home):
            own = (home / STUDY).is_file()
            elsewhere = None if own else storage
            url = elsewhere or sqlite_url((home / STUDY).resolve())
            return open_study(found, elsewhere).study_name, url
        case _:
            assert_never(found)


def open_source(name: str, url: str) -> optuna.Study:
    """Open for reading what `source_of` returned. Raises ValueError where it is not there now."""
    return _open(name, url)


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
    there, near = ", ".join(sorted(own)[:8]) or "no study", nearest(name, own)
    raise ValueError(f"study {name} is not in the storage {url}; it holds {there}{near}")
