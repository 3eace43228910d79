"""Seconds per trial of a study whose training costs nothing: Ray Tune, Optuna and SQLite together.

    python benchmarks/overhead.py [--trials 200] [--json]

Bar on 2 cores: 200 trials of TPE in SQLite in less than 30 seconds after start-up.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from ray import tune

from searchspace import cost
from studies.run import run
from studies.searcher import StudySearcher
from studies.store import Store
from studies.study import Study
from trainers.training import Job


class Instant:
    """A curve out of the number of the trial: training takes no time."""

    def __init__(self, job: Job) -> None:
        self.job, self.epoch = job, 0
        digest = hashlib.sha256(json.dumps(dict(self.job.arch)).encode()).digest()
        self.best = digest[0] / 512

    def close(self) -> None: ...

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        return {"epoch": self.epoch, "val_error": self.best + 0.5 / self.epoch, "seconds": 0.0}


class Clock:
    """Adds up the wall time spent in functions; a nested one is taken out of the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.inside: list[float] = []

    def watch(self, owner: Any, name: str, label: str) -> None:
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            self.inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[label] += spent - self.inside.pop()
                self.calls[label] += 1
                if self.inside:
                    self.inside[-1] += spent

        setattr(owner, name, timed)


class Watching:
    """The observer: when the first trial began and the last one ended."""

    def __init__(self) -> None:
        self.first = self.last = 0.0

    def started(self, store: Store) -> None: ...

    def changed(self, store: Store) -> None:
        self.first = self.first or time.perf_counter()

    def finished(self, store: Store) -> None: ...


def measure(trials: int, sampler: str, concurrency: int) -> dict[str, Any]:
    given = {
        "study": {
            "dataset": "digits",
            "trials": trials,
            "epochs": 9,
            "sampler": sampler,
            "concurrency": concurrency,
        }
    }
    clock, watching = Clock(), Watching()
    clock.watch(cost, "describe", "describe the network")
    clock.watch(StudySearcher, "suggest", "sample and suggest")
    for name in ("note", "point", "conclude"):
        clock.watch(Store, name, "write to storage")
    clock.watch(tune.Tuner, "fit", "Ray Tune and waiting")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = run(
            Study.from_dict(given, where="overhead"),
            folder=Path(folder) / "overhead",
            observer=watching,
            begin=Instant,
        )
        in_all = time.perf_counter() - started
        size = (Path(folder) / "overhead" / "study.db").stat().st_size
        states = [t.state.name for t in done.get_trials(deepcopy=False)]
    fit = sum(clock.seconds.values())
    rows = {k: round(v, 2) for k, v in clock.seconds.items()}
    return {
        "trials": trials,
        "sampler": sampler,
        "concurrency": concurrency,
        "seconds_in_all": round(in_all, 2),
        "seconds_start_up_and_end": round(in_all - fit, 2),
        "seconds_of_the_study": round(fit, 2),
        "seconds_per_trial": round(fit / trials, 4),
        "where": rows,
        "calls": dict(clock.calls),
        "storage_mib": round(size / 2**20, 2),
        "states": {s: states.count(s) for s in sorted(set(states))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(given.trials, given.sampler, given.concurrency)
    if given.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        if not isinstance(value, dict):
            print(f"{key:28} {value}")
    for label, seconds in sorted(figures["where"].items(), key=lambda row: -row[1]):
        print(f"  {label:26} {seconds:8.2f} s  {figures['calls'][label]:6} calls")
    print(f"{'states':28} {figures['states']}")


if __name__ == "__main__":
    main()
