"""Retrain networks of a study for their test error."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler

from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.config.target import parse_study
from skipsearch.studies.engine import provenance
from skipsearch.studies.engine.driver import (
    Executor,
    executor_of,
    quiet,
    require_resources,
    storage_failures,
    train,
)
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.engine.provenance import freeze, require_same
from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import Observer, Work
from skipsearch.studies.page.files import write
from skipsearch.studies.results.retrained import SUFFIX, Retrained, results
from skipsearch.studies.retraining.retrainer import Retrainer, Task, ToTheEnd
from skipsearch.studies.retraining.systems import systems
from skipsearch.studies.storage.connect import connect, sqlite_url
from skipsearch.studies.storage.find import RUNS, find, settled
from skipsearch.studies.storage.journal import JOURNAL, mend
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.trial.final import FinalTraining, final_data
from skipsearch.trainers.trial.job import Checked, OwnBegin

SEEDS = 5


class Unwatched:
    """An observer that shows nothing."""

    def started(self, store: Store) -> None:
        """Ignore the start."""

    def changed(self, store: Store) -> None:
        """Ignore a report."""

    def finished(self, store: Store) -> None:
        """Ignore the end."""


def retrain(
    target: str,
    networks: Sequence[int | str],
    *,
    seeds: int = SEEDS,
    epochs: int | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    folder: Path = RUNS,
    storage: str | None = None,
    serial: bool = False,
    address: str | None = None,
    observer: Observer | None = None,
    begin: OwnBegin | None = None,
) -> dict[int, Retrained]:
    """Retrain networks on the images of training and validation together, and test each seed once.

    The same call continues after a stop. `target` is a study as in `load`; a study file that was
    never run is begun. `epochs` are by default the study's; `settings` are keys of [study] for
    this call (concurrency, data_dir, …). Raises ValueError for bad input and if too many trainings
    fail in a row, KeyboardInterrupt after Ctrl-C. Returns the results by trial number; those of
    presets and arch files, which have none, are in `compare`.

    Examples
    --------
    >>> sk.retrain("digits", [3, 17, "cnntention/resnet20"], seeds=5)  # doctest: +SKIP
    """
    executor = executor_of(serial, address, None)
    home = parse_study(target, folder=folder, storage=storage).home
    url = storage or sqlite_url(home.resolve() / "study.db")
    study = opened(target, folder=folder, storage=storage, settings=settings)
    config = replace(settled(study, home), **settings)
    require_resources(config, executor)
    data = load_data(config)
    require_same(config, study, data)
    counted = Networks(config, data.num_classes, data.shape)
    chosen = systems(study, counted, networks, epochs or config.epochs, folder)
    tasks = [Task(system, k) for k in range(seeds) for system in chosen]
    with quiet(), storage_failures(config):
        store = _store(study, url)
        store.take_lease()
        try:
            final = final_data(data)
            retrainer = Retrainer(config, store, home, tasks, len(final.train))
            asked = {"trainings": len(tasks), "left": len(retrainer.waiting)}
            write_study(store.study, asked=asked)
            provenance.record(store.study)
            work = _work(final, begin)
            del data, final, begin
            _train(retrainer, observer or Unwatched(), work, executor)
        finally:
            store.release()
            write(study, home)
    return results(study)


def _work(final: Data, begin: OwnBegin | None) -> Work:
    if begin is None:
        return Work(partial(FinalTraining, data=final), final.nbytes)
    return Work(partial(Checked, begin=begin, needs="train_error"), final.nbytes)


def _train(retrainer: Retrainer, observer: Observer, work: Work, executor: Executor) -> None:
    observer.started(retrainer.store)
    try:
        if retrainer.waiting:
            train(executor, retrainer, ToTheEnd(), observer, Ending(None), work)
    finally:
        observer.finished(retrainer.store)
    if retrainer.failing:
        raise ValueError(
            f"retraining of {retrainer.config.name} stopped, {retrainer.failing}: mend it and run "
            "the same command again; what was done is kept"
        )


def opened(
    target: str, *, folder: Path, storage: str | None, settings: Mapping[str, Any]
) -> optuna.Study:
    """Open the study; a study file that was never run is begun, without a trial."""
    path = Path(target)
    is_file = path.suffix == ".toml" and path.is_file()
    try:
        found = find(target, folder=folder, storage=storage)
        if StudyRecord.of(found).data is not None or not is_file:
            return found
    except ValueError:
        if not is_file:
            raise
    config = replace(StudyConfig.from_file(path), **settings)
    data, home = load_data(config), folder / config.name
    with quiet(), storage_failures(config):
        home.mkdir(parents=True, exist_ok=True)
        url = storage or sqlite_url(home.resolve() / "study.db")
        store = open_store(config, url, space_hash(config))
        store.take_lease()
        try:
            freeze(config, store, home, data)
        finally:
            store.release()
    return find(target, folder=folder, storage=storage)


def _store(study: optuna.Study, url: str) -> Store:
    """Open the study of the retrainings, beside the study of the search."""
    if url.startswith(JOURNAL):
        mend(url)
    storage = connect(url)
    beside = optuna.create_study(
        study_name=study.study_name + SUFFIX,
        storage=storage,
        sampler=RandomSampler(),
        load_if_exists=True,
    )
    with warnings.catch_warnings():  # "experimental" since 3.2; optuna-dashboard shows the name
        warnings.simplefilter("ignore", ExperimentalWarning)
        beside.set_metric_names(["test_error"])
    return Store(beside, storage, url)
