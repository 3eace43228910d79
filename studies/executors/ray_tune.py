"""The executor on Ray Tune, on this machine or a cluster; nothing that Ray stores is needed."""

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.gpu_sharing import Probe, gpus_of
from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import JobSource, Observer, Scheduler, Work
from skipsearch.studies.executors.ray_adapters import (
    MAX_FAILURES,
    RayScheduler,
    RaySearcher,
    resources,
)
from skipsearch.studies.executors.ray_callback import StudyCallback
from skipsearch.studies.executors.ray_errors import driver_errors
from skipsearch.studies.executors.ray_loggers import loggers
from skipsearch.trainers.loop.memory import give_back
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.ray_trainable import TrialActor

SECONDS = 10.0  # to wait for a cluster's first answer; Ray itself waits minutes for a missing host
TOKEN = (
    "a cluster of Ray 2.59 or later may ask for a token: set RAY_AUTH_MODE=token and copy "
    "~/.ray/auth_token of its head node here"
)


def cluster_address(given: str | None) -> str | None:
    """Return `--address` or RAY_ADDRESS, which Ray sets inside `ray job submit`; None for a Ray
    of our own on this machine. Raises ValueError if no cluster answers there.
    """
    address = given or os.environ.get("RAY_ADDRESS")
    if not address or address == "local":
        return None
    if address != "auto":
        _require_answer(f"Ray cluster {address}", address)
    return address


def connect(address: str) -> None:
    """Join the Ray cluster at an address. Raises ValueError in one line."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"Ray cluster {address} cannot be joined: {reason}; {TOKEN}") from error


def _require_answer(where: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(
            f"{where} must be auto or HOST:PORT, such as 10.0.0.5:6379 (`ray status` on its head "
            "node tells it)"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{where} does not answer: {reason}: start it there with `ray start --head`"
        ) from error


MIB = 2**20
ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they took a third of the driver's time
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # `Ending` handles it
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Ray's own state is never used
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # they are in the study, as `why`
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_LD_PRELOAD_ON_WORKERS": "1",  # Ray's own jemalloc, see trainers/loop/memory.py
    "MALLOC_CONF": "oversize_threshold:0",  # reuse large blocks like small ones
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # prints even when told not to
}


def train(
    source: JobSource,
    scheduler: Scheduler,
    observer: Observer,
    ending: Ending,
    work: Work,
    *,
    address: str | None = None,
    log: Sequence[str] = (),
) -> None:
    """Train on Ray until no job is left; `address` is that of a cluster, `log` names loggers.
    Raises KeyboardInterrupt after a signal and when the hours are over.
    """
    config = source.config
    with ray_session(config, work.size, address) as scratch, ending.listening(), driver_errors():
        if work.measure is not None and source.sharing.to_measure:
            work.measure(source.sharing, run_probe)
        begin = _stored(work)
        beside = [StudyCallback(source, observer, ending)]
        beside += loggers(log, config.name, source.folder / "logs")
        while True:
            _tuner(source, scheduler, beside, begin, scratch).fit()
            if source.failing or not source.waiting:
                break


def run_probe(probe: Probe, jobs: Sequence[Job]) -> list[tuple[int, int]]:
    """Run each probe on a GPU, in a process that then ends and so gives its memory back."""
    held = ray.put(probe)
    run = ray.remote(num_gpus=1, num_cpus=1, max_calls=1)(_probed)
    return [ray.get(run.remote(held, job)) for job in jobs]


def _probed(probe: Probe, job: Job) -> tuple[int, int]:
    return probe(job)


def _stored(work: Work) -> ray.ObjectRef:
    """Move the images to Ray's object store: one copy for all workers and the driver."""
    begin = ray.put(work.begin)
    del work.begin, work.measure
    give_back()
    return begin


def _tuner(
    source: JobSource,
    scheduler: Scheduler,
    callbacks: list[tune.Callback],
    begin: ray.ObjectRef,
    scratch: str,
) -> tune.Tuner:
    config, trainable = source.config, tune.with_parameters(TrialActor, begin=begin)
    return tune.Tuner(
        tune.with_resources(trainable, lambda given: resources(config, given["gpus"])),
        tune_config=tune.TuneConfig(
            search_alg=RaySearcher(source),
            scheduler=RayScheduler(scheduler, source.sharing),
            num_samples=-1,
            max_concurrent_trials=config.concurrency,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=config.name,
            storage_path=scratch,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=callbacks,
            verbose=0,
        ),
    )


def _name(trial: Any) -> str:
    return f"{trial.config['job'].number}-{trial.trial_id}"


@contextmanager
def ray_session(config: StudyConfig, size: int, address: str | None = None) -> Iterator[str]:
    """Yield a scratch folder while Ray runs: the Ray that this process has joined, else the cluster
    at `address`, else one started for this study. Folder and connection end with the context.
    """
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    scratch = tempfile.mkdtemp(prefix="ss-")  # short: Ray's socket paths end at 107 bytes
    mine = not ray.is_initialized()
    try:
        if mine and address is not None:
            connect(address)
        elif mine:
            ray.init(
                num_cpus=config.concurrency * config.cpus_per_trial,
                num_gpus=gpus_of(config),
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
