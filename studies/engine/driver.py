"""The driver: train a study's trials into its storage; the same call continues it."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError
from threadpoolctl import threadpool_limits

from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.config.limits import Networks, require_feasible
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine import extend_study
from skipsearch.studies.engine.import_trials import Source, import_studies
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.engine.provenance import freeze
from skipsearch.studies.engine.searcher import StudySearcher
from skipsearch.studies.executors import gpu_sharing, serial
from skipsearch.studies.executors.gpu_sharing import gpus_of
from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import JobSource, Observer, Scheduler, Work
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.executors.trial_errors import ExecutorError
from skipsearch.studies.pruning.pruners import pruner_of
from skipsearch.studies.samplers.proposer import believer
from skipsearch.studies.storage.connect import sqlite_url
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import write_study
from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Begin, Checked, OwnBegin
from skipsearch.trainers.trial.memory_probe import step_memory
from skipsearch.trainers.trial.seeds import Repeats
from skipsearch.trainers.trial.training import Training


def run(
    config: StudyConfig,
    *,
    storage: str | None = None,
    folder: Path,
    observer: Observer,
    in_process: bool = False,
    address: str | None = None,
    log: str | None = None,
    begin: OwnBegin | None = None,
    imports: Sequence[Source] = (),
    extend: bool = False,
) -> optuna.Study:
    """Train until the study has its trials; whatever ends it, calling it again continues.

    `folder` is the study's own (`runs/digits`). `imports` are earlier studies whose trials count
    (`import_trials`), `extend` accepts a changed study file (`extend_study`). `in_process` trains
    one trial at a time here, without Ray; else `address` (or RAY_ADDRESS) is that of a Ray cluster,
    `auto` or HOST:PORT. `log` names some of `tensorboard,mlflow,wandb`. `begin` replaces training:
    each of its steps returns a `Report`, or a mapping of its fields with at least `epoch` and
    `val_error`; a trial with a wrong report fails.

    Raises ValueError for bad input, `limits.Infeasible` if no network may be trained, and
    KeyboardInterrupt after Ctrl-C.
    """
    executor = executor_of(in_process, address, log)
    require_resources(config, executor)
    if config.checkpoints:
        Checkpoints.at(config.checkpoints)
    data = load_data(config)
    networks = Networks(config, data.num_classes, data.shape)
    require_feasible(networks)
    # one thread of linear algebra: more of them only take the workers' cores (4 times as slow here)
    with quiet(), threadpool_limits(1, "blas"), storage_failures(config):
        store = _open(config, storage, folder, extend)
        store.take_lease()
        try:
            if extend:
                extend_study.extend(config, store, space_hash(config))
            freeze(config, store, folder, data)
            import_studies(config, store, networks, imports)
            belief = believer(config, networks)
            pruner = pruner_of(config, store, belief)
            count = len(data.train)
            searcher = StudySearcher(config, store, networks, count, folder, belief, pruner)
            work = _work(searcher, data, begin)
            del data
            _observed(searcher, observer, work, executor)
        finally:
            store.release()
    return store.study


@dataclass(frozen=True)
class InProcess:
    """Train one trial after the other in this process, without Ray."""


@dataclass(frozen=True)
class OnRay:
    """Train on Ray, on this machine or the cluster at `address`; curves also go to `loggers`."""

    address: str | None
    loggers: Sequence[str]


Executor = InProcess | OnRay


def executor_of(in_process: bool, address: str | None, log: str | None) -> Executor:
    """Choose the executor. Raises ValueError for options that conflict or are not available."""
    if not in_process:
        from skipsearch.studies.executors.ray_loggers import names_of
        from skipsearch.studies.executors.ray_tune import cluster_address

        loggers = names_of(log) if log else []
        return OnRay(cluster_address(address), loggers)
    if address:
        raise ValueError("--serial trains in this process, --address on a cluster: give one")
    if log:
        raise ValueError("--log needs Ray, --serial does without: give one of them")
    return InProcess()


def _work(searcher: StudySearcher, data: Data, own: OwnBegin | None) -> Work:
    nothing = Images(data.test.images[:0], data.test.labels[:0])  # a search never sees test images
    data, measure = replace(data, test=nothing), None
    begin: Begin
    if own is not None:
        begin = partial(Checked, begin=own)
    else:
        probe = partial(step_memory, data=data)
        measure = partial(gpu_sharing.measure, networks=searcher.networks, probe=probe)
        begin = partial(Training, data=data)
    if searcher.config.seeds_per_trial > 1:
        begin = partial(Repeats, begin=begin)
    return Work(begin, data.nbytes, measure)


def _observed(searcher: StudySearcher, observer: Observer, work: Work, executor: Executor) -> None:
    store = searcher.store
    observer.started(store)
    try:
        if not searcher.finished:
            _train(searcher, observer, work, executor)
        if searcher.failing:
            raise ValueError(
                f"study {searcher.config.name} stopped, {searcher.failing}: mend it and run the "
                "same command again; what was done is kept"
            )
    finally:
        write_study(store.study, exhausted=searcher.exhausted)
        observer.finished(store)


def _train(searcher: StudySearcher, observer: Observer, work: Work, executor: Executor) -> None:
    ending = Ending(searcher.config.max_hours)
    try:
        train(executor, searcher, StudyScheduler(searcher.pruner), observer, ending, work)
    except KeyboardInterrupt:
        if not ending.over:
            raise
        searcher.exhausted = f"its {searcher.config.max_hours:g} hours are over"


def train(
    executor: Executor,
    source: JobSource,
    scheduler: Scheduler,
    observer: Observer,
    ending: Ending,
    work: Work,
) -> None:
    """Train until `source` has no job left. Ray, which takes 2 s, is loaded for OnRay only."""
    match executor:
        case InProcess():
            serial.train(source, scheduler, observer, ending, work)
        case OnRay(address, log):
            from skipsearch.studies.executors import ray_tune

            ray_tune.train(source, scheduler, observer, ending, work, address=address, log=log)


def require_resources(config: StudyConfig, executor: Executor) -> None:
    """Raise ValueError if the concurrent trials need more than this machine has. On a cluster,
    which may grow, Ray waits for resources instead.
    """
    if isinstance(executor, OnRay) and executor.address is not None:
        return
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _require(config, "cpus_per_trial", config.cpus_per_trial, cpus, "CPU cores")
    if config.gpus_per_trial:
        import torch

        gpus = torch.cuda.device_count()
        if gpus_of(config) > gpus:
            _require(config, "gpus_per_trial", config.gpus_per_trial, gpus, "GPUs")


def _require(config: StudyConfig, key: str, each: float, there: int, what: str) -> None:
    needed = config.concurrency * each
    if needed > there:
        raise ValueError(
            f"{config.where} [study] concurrency × {key} must be at most {there} ({what} here), "
            f"got {config.concurrency} × {each:g} = {needed:g}"
        )


def _open(config: StudyConfig, storage: str | None, folder: Path, extend: bool) -> Store:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"folder {folder} cannot be written: {error.strerror}") from error
    url = storage or sqlite_url(folder.resolve() / "study.db")
    return open_store(config, url, space_hash(config), extend=extend)


@contextmanager
def storage_failures(config: StudyConfig) -> Iterator[None]:
    """Turn a failure of the storage (disk full, locked, gone) into a ValueError of one line, also
    where the executor wraps it. What was written before is there when the run is repeated.
    """
    try:
        yield
    except (ExecutorError, StorageInternalError, SQLAlchemyError, OSError) as error:
        cause: BaseException | None = error
        while cause and not isinstance(cause, StorageInternalError | SQLAlchemyError | OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None or (isinstance(cause, OSError) and cause.errno is None):
            raise
        if isinstance(cause, StorageInternalError) and cause.__cause__:
            cause = cause.__cause__
        raise ValueError(
            f"study {config.name} stopped, its storage failed: {str(cause).splitlines()[0]}: "
            "mend it and run the same command again; what was done is kept"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Ray's and Optuna's own messages, which the terminal's progress replaces."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train", "ray.air")]
    before = [logger.level for logger in loggers]
    verbosity = optuna.logging.get_verbosity()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
