"""Create a study or open it to continue; refuse one begun with other settings or versions."""

import platform
import warnings
from importlib.metadata import PackageNotFoundError, version

import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.extend_study import check_same, table
from skipsearch.studies.samplers.optuna_walk import ranges
from skipsearch.studies.storage.connect import connect, first_line
from skipsearch.studies.storage.journal import JOURNAL, mend
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.studies.storage.write_through import Mirror


def open_store(config: StudyConfig, url: str, space_hash: str, *, extend: bool = False) -> Store:
    """Create the study, or open it to continue. Raises ValueError if its file has changed; with
    `extend`, only for forbidden changes (`extend_study.extend` writes the others later).
    """
    if url.startswith(JOURNAL):
        mend(url)
    storage = Mirror(connect(url), ranges(config))
    try:
        named = {s.study_name for s in optuna.get_all_study_summaries(storage)}
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise ValueError(f"storage {url} cannot be used: {first_line(error)}") from error
    if config.name in named:
        opened = optuna.load_study(study_name=config.name, storage=storage)
        _check_ours(config, opened, space_hash)
        check_same(config, opened, space_hash, extend=extend)
    else:
        opened = _create(config, storage, space_hash)
    return Store(opened, storage, url)


def _create(config: StudyConfig, storage: BaseStorage, space_hash: str) -> optuna.Study:
    created = optuna.create_study(
        study_name=config.name,
        storage=storage,
        directions=[StudyDirection.MINIMIZE] * len(config.objectives),
    )
    _complete(config, created, space_hash)
    return created


def _complete(config: StudyConfig, created: optuna.Study, space_hash: str) -> None:
    write_study(created, space_hash=space_hash, space=table(config), versions=_versions())
    with warnings.catch_warnings():  # "experimental" since 3.2; optuna-dashboard shows the names
        warnings.simplefilter("ignore", ExperimentalWarning)
        created.set_metric_names(list(config.objectives))
    write_study(created, study=config.to_dict())  # last: it marks the study as complete


def _check_ours(config: StudyConfig, opened: optuna.Study, space_hash: str) -> None:
    """Raise ValueError for a study of another tool, and complete one whose creation was cut short:
    it has no trials, and is as Optuna makes it or has the first of our attributes.
    """
    record = StudyRecord.of(opened)
    if record.study is not None:
        return
    minimised = [StudyDirection.MINIMIZE] * len(config.objectives)
    fresh = (
        not record.attributes
        and not opened.get_trials(deepcopy=False)
        and opened.directions == minimised
    )
    if not fresh and record.space_hash is None:
        raise ValueError(f"study {config.name} in the storage is not one of ours: rename yours")
    _complete(config, opened, space_hash)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("skipsearch", "torch", "optuna", "ray"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
