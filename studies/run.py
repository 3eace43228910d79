"""The driver: from a study to trained trials in its storage; the same call continues it."""

import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.exceptions import StorageInternalError
from ray import tune
from ray.tune.error import TuneError
from sqlalchemy.exc import SQLAlchemyError

from studies.asha import Asha, FullFidelity, Rungs
from studies.callback import Observer, Stop, StudyCallback
from studies.check import load_data
from studies.freeze import freeze
from studies.limits import Networks, require_feasible
from studies.searcher import StudySearcher
from studies.store import Store, open_store
from studies.study import Study
from studies.suggest import space_hash
from trainers.data import Data, Images
from trainers.trainable import NetworkTrial

__all__ = ["Observer", "run"]

MAX_FAILURES = 2  # of a trial, each from its last checkpoint; then it has failed
MIB = 2**20
ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a third of the driver's time
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Ray's own state is never used
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # they are in the study, as `why`
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # prints even when told not to
}


def run(
    study: Study,
    *,
    storage: str | None = None,
    folder: Path,
    observer: Observer,
    trainable: type[tune.Trainable] | None = None,
) -> optuna.Study:
    """Train until the study has its trials. `folder` is the study's own (`runs/digits`).

    Raises ValueError for bad input, limits.Infeasible where nothing may be trained, and
    KeyboardInterrupt after Ctrl-C; whatever ends it, calling it again continues.
    `trainable` stands in for training: its reports need `epoch` and `val_error`, and may have
    `last` (training is over) and `kept_error` (the error of the weights that it keeps).
    """
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    require_resources(study)
    data = load_data(study)
    networks = Networks(study, data.num_classes, data.shape)
    require_feasible(networks)
    with quiet(), storage_failures(study):
        store = _open(study, storage, folder)
        store.take_lease()
        try:
            freeze(study, store, folder, data)
            searcher = StudySearcher(study, store, networks, len(data.train), folder)
            observer.started(store)
            try:
                if not searcher.finished:
                    _train(study, searcher, observer, data, trainable)
            finally:
                store.study.set_user_attr("exhausted", searcher.exhausted)
                observer.finished(store)
        finally:
            store.release()
    return store.study


def require_resources(study: Study) -> None:
    """Raise ValueError where the trials at one time need more than this machine has. A cluster
    (RAY_ADDRESS) may grow; there Ray waits."""
    if "RAY_ADDRESS" in os.environ:
        return
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _require(study, "cpus_per_trial", study.cpus_per_trial, cpus, "CPU cores")
    if study.gpus_per_trial:
        import torch

        gpus = torch.cuda.device_count()
        _require(study, "gpus_per_trial", study.gpus_per_trial, gpus, "GPUs")


def _require(study: Study, key: str, each: float, there: int, what: str) -> None:
    needed = study.concurrency * each
    if needed > there:
        raise ValueError(
            f"{study.where} [study] concurrency × {key} must be at most {there} ({what} here), "
            f"got {study.concurrency} × {each:g} = {needed:g}"
        )


def _open(study: Study, storage: str | None, folder: Path) -> Store:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"folder {folder} cannot be written: {error.strerror}") from error
    url = storage or f"sqlite:///{folder.resolve() / 'study.db'}"
    return open_store(study, url, space_hash(study))


def _train(
    study: Study,
    searcher: StudySearcher,
    observer: Observer,
    data: Data,
    trainable: type[tune.Trainable] | None,
) -> None:
    stop = Stop()
    rungs = Rungs(study.epochs, grace=study.grace)
    rungs.load(searcher.store.trials)
    if trainable is None:
        nothing = Images(data.test.images[:0], data.test.labels[:0])  # test is not for searches
        searched = replace(data, test=nothing)
    size = sum(part.images.nbytes + part.labels.nbytes for part in (data.train, data.validation))
    with ray_session(study, size) as scratch, stop.listening():
        if trainable is None:
            trainable = tune.with_parameters(NetworkTrial, data=searched)
        resources = {"cpu": study.cpus_per_trial, "gpu": study.gpus_per_trial}
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=Asha(rungs) if study.pruner == "asha" else FullFidelity(),
                num_samples=-1,
                max_concurrent_trials=study.concurrency,
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=study.name,
                storage_path=scratch,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[StudyCallback(searcher, observer, stop)],
                verbose=0,
            ),
        )
        tuner.fit()


def _name(trial: Any) -> str:
    return f"{trial.config['job'].number}-{trial.trial_id}"


@contextmanager
def ray_session(study: Study, size: int) -> Iterator[str]:
    """Ray for one study, and a scratch folder that goes with it. A Ray that runs is used."""
    scratch = tempfile.mkdtemp(prefix="ss-")  # short: Ray's socket paths end at 107 bytes
    mine = not ray.is_initialized()
    try:
        if mine and "RAY_ADDRESS" in os.environ:
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        elif mine:
            ray.init(
                num_cpus=study.concurrency * study.cpus_per_trial,
                num_gpus=math.ceil(study.concurrency * study.gpus_per_trial),
                object_store_memory=max(128 * MIB, 2 * size),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=scratch,
            )
        yield scratch
    finally:
        if mine:
            ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def storage_failures(study: Study) -> Iterator[None]:
    """A storage that fails in the middle (disk full, locked, gone) ends the run in one line; Ray
    wraps the error of whoever wrote. What was written before is there when the run is repeated."""
    try:
        yield
    except (TuneError, StorageInternalError, SQLAlchemyError) as error:
        cause: BaseException | None = error
        while cause and not isinstance(cause, StorageInternalError | SQLAlchemyError | OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        if isinstance(cause, StorageInternalError) and cause.__cause__:
            cause = cause.__cause__
        raise ValueError(
            f"study {study.name} stopped, its storage failed: {str(cause).splitlines()[0]}: "
            "mend it and run the same command again; what was done is kept"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Ray's and Optuna's own messages, which the terminal's progress replaces, are held back."""
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
