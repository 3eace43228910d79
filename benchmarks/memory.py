"""Measure the memory of a study: driver, workers, Ray and its object store.

    python benchmarks/memory.py [--dataset folder:PATH] [--trials 12] [--set KEY=VALUE] [--json]

Run a CIFAR-10 study on two workers (`examples/cifar10.toml`, one epoch per trial) with all 50,000
images in the store, 5,000 for training and 45,000 for validation, which is quicker. Every half
second add up the proportional set sizes (Linux's `smaps_rollup`, in which a page shared by many
processes counts once). Then train the same random networks several times in one worker, and compare
the memory it holds between two trainings.

Bars: 4 GiB in all; a worker's memory flat from the second time on (at most +16 MiB).
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from overhead import met
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.executors.ray_tune import ray_session
from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.training import Training

FILE = Path(__file__).parent.parent / "examples" / "cifar10.toml"
SHORT = ("epochs=1", "grace=1", "pruner=none", "gpus_per_trial=0", "validation=0.9")
BAR_MIB, FLAT_MIB = 4096.0, 16.0
NETWORKS, TIMES = 12, 3
MIB = 2**20


def kind_of(process: psutil.Process, driver: int) -> str:
    if process.pid == driver:
        return "driver"
    return "workers" if "Trainable" in "".join(process.cmdline()) else "Ray"


def proportional(driver: psutil.Process) -> dict[str, list[float]]:
    """Return the MiB of each process, by kind."""
    found: dict[str, list[float]] = {"driver": [], "workers": [], "Ray": []}
    for process in (driver, *driver.children(recursive=True)):
        try:
            found[kind_of(process, driver.pid)].append(process.memory_full_info().pss / MIB)
        except psutil.Error:  # the process ended meanwhile
            continue
    return found


def highest(command: list[str], progress: Callable[[], object]) -> dict[str, Any]:
    """Run a study in a process of its own; return its peak memory, in all and by kind."""
    looks = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as study:
        driver = psutil.Process(study.pid)
        while study.poll() is None:
            looks.append(proportional(driver))
            progress()
            time.sleep(0.5)
    if study.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {study.returncode}")
    top = max(looks, key=total)
    return {
        "mib": total(top),
        "processes": top,
    }


def total(look: dict[str, list[float]]) -> float:
    return sum(mib for part in look.values() for mib in part)


def networks_of(config: StudyConfig, count: int) -> Iterator[Arch]:
    """Yield the baselines, then random networks within the limits."""
    networks, rng = Networks(config, 10, (3, 32, 32)), random.Random(config.seed)
    yield from config.baselines.values()
    left = count - len(config.baselines)
    while left > 0:
        arch = config.arch_space.sample(rng)
        try:
            allowed = not networks.over(networks.cost(arch))
        except ValueError:  # does not fit the images
            continue
        if allowed:
            left -= 1
            yield arch


def noise(count: int) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Images(pixels, np.arange(count) % 10)


def between_trainings(config: StudyConfig) -> list[float]:
    """Train in a Ray worker; return the MiB of its own that it holds after each training."""
    held, some, none = [], noise(256), noise(0)
    data = Data("noise", some, some, none, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3)
    recipe = {**encode(joint_space.preset_recipe(config)), "epochs": 1}
    archs = list(networks_of(config, NETWORKS))
    for arch in TIMES * archs:
        with tempfile.TemporaryDirectory() as folder:
            threads = config.cpus_per_trial
            training = Training(Job(0, encode(arch), recipe, 0, 1, folder, threads, "cpu"), data)
            training.step()
            training.close()
        del training
        gc.collect()
        held.append(psutil.Process().memory_full_info().uss / MIB)
    return held


def measure(settings: list[str], progress: Progress) -> dict[str, Any]:
    config = StudyConfig.from_file(FILE, settings)
    progress.add_task(f"{TIMES * NETWORKS} trainings in one worker", total=None)
    with ray_session(config, 0):
        held = ray.get(ray.remote(between_trainings).remote(config))
    bar = progress.add_task(f"a study of {config.trials} trials", total=None)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "skipsearch", "run", str(FILE), "--quiet"]
        command += ["--folder", folder, *(word for s in settings for word in ("--set", s))]
        study_took = highest(command, lambda: progress.advance(bar))
    first, last = held[NETWORKS - 1], held[-1]
    return {"study": study_took, "between_trainings_mib": held, "growth_mib": last - first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    settings = [*SHORT, f"dataset={given.dataset}", f"trials={given.trials}", *given.set]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        figures = measure(settings, progress)
    if given.json:
        print(json.dumps(figures))
        return
    study, held = figures["study"], figures["between_trainings_mib"]
    table = Table("processes", "MiB", title="A study at its highest, proportional set sizes")
    for kind, parts in study["processes"].items():
        table.add_row(kind, " + ".join(f"{mib:.0f}" for mib in sorted(parts, reverse=True)))
    Console().print(table)
    print(f"in all {study['mib']:.0f} MiB: bar {BAR_MIB:g} MiB {met(study['mib'] <= BAR_MIB)}")
    ends = ", ".join(f"{held[n * NETWORKS - 1]:.0f}" for n in range(1, TIMES + 1))
    print(f"a worker between trainings, after {NETWORKS} networks each time: {ends} MiB")
    growth = figures["growth_mib"]
    print(f"growth {growth:+.0f} MiB: bar +{FLAT_MIB:g} MiB {met(growth <= FLAT_MIB)}")


if __name__ == "__main__":
    main()
