"""Measure the overhead of Ray Tune, Optuna, SQLite and our engine: training takes no time.

    python benchmarks/overhead.py [--trials 1000] [--sampler tpe] [--serial] [--json]

Figures: total seconds (start-up of Ray included), milliseconds per trial of wall time and of the
driver's CPU time, its memory, ask + tell after the last trial (propose, describe, write, tell), and
the size of the storage. `--serial` leaves Ray out; the rest is ours and easy to profile
(`python -m cProfile -s cumtime benchmarks/overhead.py --serial`).

Bars on 2 cores: 1,000 trials of TPE in SQLite in 120 s (aim: 60), memory flat after trial 200;
with `--trials 10000 --sampler random` the last thousand cost at most 1.5 times the second thousand.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.run_study import Together
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.proposer import Proposer
from skipsearch.studies.samplers.tpe import Past
from skipsearch.studies.storage.connect import sqlite_url, study_id
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.trial.job import Job, Report

BAR_TRIALS, BAR_SECONDS, AIM_SECONDS = 1000, 120.0, 60.0
FLAT_FROM, FLAT_MIB = 200, 64.0  # a gigabyte of growth would take 15,000 trials
GROWTH, GROWTH_TRIALS = 1.5, 10_000
EVERY = 100  # trials between two looks
ASKS = 5
MIB = 2**20


class Instant:
    """A training that takes no time: its curve is a function of the architecture."""

    def __init__(self, job: Job) -> None:
        self.job, self.epoch = job, 0
        digest = hashlib.sha256(json.dumps(dict(self.job.arch)).encode()).digest()
        self.best = digest[0] / 512

    def close(self) -> None: ...

    def step(self) -> Report:
        self.epoch += 1
        return Report(epoch=self.epoch, val_error=self.best + 0.5 / self.epoch, seconds=0.0)


class Look(NamedTuple):
    """A measurement during the run; `cpu` are the driver's seconds, which other load on the machine
    hardly changes.
    """

    trials: int
    seconds: float
    cpu: float
    mib: float


@dataclass
class Watching:
    """Observer that reads clock and memory every 100 trials."""

    progress: Callable[[int], object]
    trials: int = 0
    looks: list[Look] = field(default_factory=list)

    def started(self, store: Store) -> None:
        self.begun, self.idle = time.perf_counter(), time.process_time()
        self._look()

    def changed(self, store: Store) -> None:
        self.trials = int(store.storage.get_n_trials(study_id(store.study)))
        self.progress(self.trials)
        if self.trials >= self.looks[-1].trials + EVERY:
            self._look()

    def finished(self, store: Store) -> None:
        self.changed(store)
        self._look()

    def _look(self) -> None:
        seconds, cpu = time.perf_counter() - self.begun, time.process_time() - self.idle
        mib = psutil.Process().memory_info().rss / MIB
        self.looks.append(Look(self.trials, seconds, cpu, mib))


def ask_and_tell_ms(config: StudyConfig, store: Store) -> float:
    """Return the median milliseconds to propose, describe, write and tell one more trial."""
    networks, past, spent = Networks(config, 10, (1, 8, 8)), Past(), []
    proposer = Proposer(partial(joint_space.drawn, config), lambda pair: pair, seen={})
    for seed in range(1 + ASKS):
        before = time.perf_counter()
        store.study.sampler = optuna_samplers.sampler(config.sampler, seed, study_seed=0, past=past)
        trial = store.study.ask()
        try:
            arch: Arch = proposer.propose(trial, seed).config[0]
            cost = networks.cost(arch)
            store.note(trial, arch=encode(arch), params=cost.params, macs=cost.macs)
        except ValueError:  # the network does not fit the images: the engine would ask again
            pass
        store.conclude(trial, Verdict(Kind.FAILED, "asked to be timed", []))
        spent.append(1e3 * (time.perf_counter() - before))
    return statistics.median(spent[1:])  # a driver reads the past once, not at every trial


def measure(
    trials: int, sampler: str, concurrency: int, serial: bool, progress: Callable[[int], object]
) -> dict[str, Any]:
    keys = {"trials": trials, "epochs": 9, "sampler": sampler, "concurrency": concurrency}
    config = StudyConfig.from_dict({"study": {"dataset": "digits", **keys}}, where="overhead")
    watching = Watching(progress)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "overhead"
        observer = Together(watching, Board())
        before, cpu = time.perf_counter(), time.process_time()
        done = run(config, folder=folder, observer=observer, in_process=serial, begin=Instant)
        seconds = time.perf_counter() - before
        states = [t.state.name for t in done.get_trials(deepcopy=False)]
        database = folder / "study.db"
        size = sum(path.stat().st_size for path in folder.glob("study.db*")) / MIB
        store = open_store(config, sqlite_url(database), joint_space.space_hash(config))
        asking = ask_and_tell_ms(config, store)
    return {
        **keys,
        "executor": "in process" if serial else "ray",
        "seconds": seconds,
        "driver_cpu_seconds": time.process_time() - cpu,
        "ms_per_trial": 1e3 * watching.looks[-1].seconds / trials,
        "cpu_ms_per_trial": 1e3 * watching.looks[-1].cpu / trials,
        "looks": [look._asdict() for look in watching.looks],
        "memory_growth_mib": growth_of_memory(watching.looks),
        "growth_of_cost": growth_of_cost(watching.looks, trials),
        "ask_and_tell_ms": asking,
        "storage_mib": size,
        "states": {state: states.count(state) for state in sorted(set(states))},
    }


def growth_of_memory(looks: list[Look]) -> float | None:
    """Return the growth of the driver's memory from trial 200 on, in MiB."""
    later = [look.mib for look in looks if look.trials >= FLAT_FROM]
    return later[-1] - later[0] if len(later) > 1 else None


def growth_of_cost(looks: list[Look], trials: int) -> float | None:
    """Return the driver's CPU time per trial in the last tenth over that in the second tenth."""
    if trials < 10 * EVERY:
        return None
    tenth = trials // 10
    return cpu_per_trial(looks, trials - tenth, trials) / cpu_per_trial(looks, tenth, 2 * tenth)


def cpu_per_trial(looks: list[Look], first: int, last: int) -> float:
    """Return the CPU time per trial between the measurements nearest to both ends."""
    one, other = (min(looks, key=lambda look: abs(look.trials - end)) for end in (first, last))
    return (other.cpu - one.cpu) / (other.trials - one.trials)


def verdicts(figures: dict[str, Any]) -> list[str]:
    """Return one line for each bar that this run can check."""
    said = []
    seconds, memory, cost = (figures[k] for k in ("seconds", "memory_growth_mib", "growth_of_cost"))
    if figures["trials"] == BAR_TRIALS and figures["sampler"] == "tpe":
        aim = "reached" if seconds <= AIM_SECONDS else "not reached"
        said.append(
            f"1,000 trials in {seconds:.0f} s: bar {BAR_SECONDS:g} s "
            f"{met(seconds <= BAR_SECONDS)}, aim {AIM_SECONDS:g} s {aim}"
        )
    if memory is not None:
        said.append(
            f"memory after trial {FLAT_FROM}: {memory:+.0f} MiB: bar +{FLAT_MIB:g} MiB "
            f"{met(memory <= FLAT_MIB)}"
        )
    if figures["trials"] == GROWTH_TRIALS:
        said.append(
            f"a trial of the last thousand costs {cost:.2f} of one of the second: bar {GROWTH} "
            f"{met(cost <= GROWTH)}"
        )
    return said


def met(kept: bool) -> str:
    return "met" if kept else "NOT met"


def table(figures: dict[str, Any]) -> Table:
    title = "{trials} trials, {sampler}, {concurrency} at a time, {executor}".format(**figures)
    made = Table("trials", "seconds", "ms a trial", "driver's CPU", "memory, MiB", title=title)
    for one, other in pairwise(Look(**look) for look in figures["looks"]):
        if more := other.trials - one.trials:
            each = (1e3 * (other.seconds - one.seconds) / more, 1e3 * (other.cpu - one.cpu) / more)
            shown = (f"{other.seconds:.1f}", *(f"{ms:.1f}" for ms in each), f"{other.mib:.0f}")
            made.add_row(str(other.trials), *shown)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=BAR_TRIALS)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--serial", action="store_true", help="in this process, without Ray")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("trials", total=given.trials)
        figures = measure(
            given.trials,
            given.sampler,
            given.concurrency,
            given.serial,
            lambda trials: progress.update(bar, completed=trials),
        )
    if given.json:
        print(json.dumps(figures))
        return
    Console().print(table(figures))
    for key in ("seconds", "driver_cpu_seconds", "ms_per_trial", "cpu_ms_per_trial"):
        print(f"{key:18} {figures[key]:10.2f}")
    for key in ("ask_and_tell_ms", "storage_mib"):
        print(f"{key:18} {figures[key]:10.2f}")
    print(f"{'states':18} {figures['states']}")
    print("\n".join(verdicts(figures)))


if __name__ == "__main__":
    main()
