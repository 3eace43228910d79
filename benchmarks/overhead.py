"""What the engine costs: a study whose training takes no time. Ray Tune, Optuna, SQLite together.

    python benchmarks/overhead.py [--trials 1000] [--sampler tpe] [--serial] [--json]

Seconds in all (start-up of Ray included), milliseconds per trial, the driver's memory, ask + tell
after the last trial (a proposal, described, and its verdict), size of the storage. `--serial`
leaves Ray out: what is left is ours and easy to profile
(`python -m cProfile -s cumtime benchmarks/overhead.py --serial`).

Bars on 2 cores: 1,000 trials of TPE in SQLite in 120 s (aim: 60), memory flat after trial 200;
`--trials 10000 --sampler random`: the last thousand at most half as dear again as the second.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from searchspace.arch import Arch
from searchspace.walk import encode
from studies import suggest
from studies.limits import Networks
from studies.past import Past
from studies.proposing import Proposer
from studies.run import run
from studies.store import Store, Verdict, open_store
from studies.study import Study
from trainers.training import Job

BAR_TRIALS, BAR_SECONDS, AIM_SECONDS = 1000, 120.0, 60.0
FLAT_FROM, FLAT_MIB = 200, 64.0  # a gigabyte of growth would take 15,000 trials
GROWTH, GROWTH_TRIALS = 1.5, 10_000
EVERY = 100  # trials between two looks
ASKS = 5
MIB = 2**20


class Instant:
    """A curve out of the architecture: training takes no time."""

    def __init__(self, job: Job) -> None:
        self.job, self.epoch = job, 0
        digest = hashlib.sha256(json.dumps(dict(self.job.arch)).encode()).digest()
        self.best = digest[0] / 512

    def close(self) -> None: ...

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        return {"epoch": self.epoch, "val_error": self.best + 0.5 / self.epoch, "seconds": 0.0}


@dataclass
class Watching:
    """The observer: looks at clock and memory every 100 trials."""

    progress: Callable[[int], object]
    trials: int = 0
    looks: list[tuple[int, float, float]] = field(default_factory=list)  # trials, seconds, MiB

    def started(self, store: Store) -> None:
        self.begun = time.perf_counter()
        self._look()

    def changed(self, store: Store) -> None:
        self.trials = int(store.storage.get_n_trials(store.study._study_id))
        self.progress(self.trials)
        if self.trials >= self.looks[-1][0] + EVERY:
            self._look()

    def finished(self, store: Store) -> None:
        self.changed(store)
        self._look()

    def _look(self) -> None:
        memory = psutil.Process().memory_info().rss / MIB
        self.looks.append((self.trials, time.perf_counter() - self.begun, memory))


def ask_and_tell_ms(study: Study, store: Store) -> float:
    """Median of a few proposals after the study: asked for, described, written, told as failed."""
    networks, past, spent = Networks(study, 10, (1, 8, 8)), Past(), []
    proposer = Proposer(lambda pick: suggest.draw(study, pick), lambda pair: pair, seen={})
    for seed in range(1 + ASKS):
        before = time.perf_counter()
        store.study.sampler = suggest.sampler(study.sampler, seed, study_seed=0, past=past)
        trial = store.study.ask()
        try:
            arch: Arch = proposer.propose(trial, seed).config[0]
            cost = networks.cost(arch)
            store.note(trial, arch=encode(arch), params=cost.params, macs=cost.macs)
        except ValueError:  # does not fit the images: the engine asks again
            pass
        store.conclude(trial, Verdict(optuna.trial.TrialState.FAIL, "asked to be timed", []))
        spent.append(1e3 * (time.perf_counter() - before))
    return statistics.median(spent[1:])  # a driver reads the past once, not at every trial


def measure(
    trials: int, sampler: str, concurrency: int, serial: bool, progress: Callable[[int], object]
) -> dict[str, Any]:
    keys = {"trials": trials, "epochs": 9, "sampler": sampler, "concurrency": concurrency}
    study = Study.from_dict({"study": {"dataset": "digits", **keys}}, where="overhead")
    watching = Watching(progress)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "overhead"
        before = time.perf_counter()
        done = run(study, folder=folder, observer=watching, in_process=serial, begin=Instant)
        seconds = time.perf_counter() - before
        states = [t.state.name for t in done.get_trials(deepcopy=False)]
        database = folder / "study.db"
        size = sum(path.stat().st_size for path in folder.glob("study.db*")) / MIB
        store = open_store(study, f"sqlite:///{database}", suggest.space_hash(study))
        asking = ask_and_tell_ms(study, store)
    return {
        **keys,
        "executor": "in process" if serial else "ray",
        "seconds": seconds,
        "start_up_seconds": seconds - watching.looks[-1][1],
        "ms_per_trial": 1e3 * watching.looks[-1][1] / trials,
        "looks": watching.looks,
        "memory_growth_mib": growth_of_memory(watching.looks),
        "growth_of_cost": growth_of_cost(watching.looks, trials),
        "ask_and_tell_ms": asking,
        "storage_mib": size,
        "states": {state: states.count(state) for state in sorted(set(states))},
    }


def growth_of_memory(looks: list[tuple[int, float, float]]) -> float | None:
    """From trial 200 on, in MiB."""
    later = [memory for trials, _, memory in looks if trials >= FLAT_FROM]
    return later[-1] - later[0] if len(later) > 1 else None


def growth_of_cost(looks: list[tuple[int, float, float]], trials: int) -> float | None:
    """The last tenth of the trials over the second tenth, in seconds a trial."""
    if trials < 10 * EVERY:
        return None
    tenth = trials // 10
    last = per_trial(looks, trials - tenth, trials)
    return last / per_trial(looks, tenth, 2 * tenth)


def per_trial(looks: list[tuple[int, float, float]], first: int, last: int) -> float:
    """Seconds, by the looks next to both ends."""
    (t0, s0, _), (t1, s1, _) = (
        min(looks, key=lambda look: abs(look[0] - end)) for end in (first, last)
    )
    return (s1 - s0) / (t1 - t0)


def verdicts(figures: dict[str, Any]) -> list[str]:
    """One line a bar that this run can tell."""
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
    made = Table("trials", "seconds", "ms a trial", "memory, MiB", title=title)
    looks = figures["looks"]
    for (t0, s0, _), (t1, s1, memory) in pairwise(looks):
        if t1 > t0:
            each = f"{1e3 * (s1 - s0) / (t1 - t0):.1f}"
            made.add_row(str(t1), f"{s1:.1f}", each, f"{memory:.0f}")
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
    for key in ("seconds", "start_up_seconds", "ms_per_trial", "ask_and_tell_ms", "storage_mib"):
        print(f"{key:18} {figures[key]:10.2f}")
    print(f"{'states':18} {figures['states']}")
    print("\n".join(verdicts(figures)))


if __name__ == "__main__":
    main()
