"""Kill studies over and over, and count what they lose: nothing may be lost.

    python benchmarks/survival.py [--kills 100] [--statements all|N] [--seed 0] [--json]

On real Ray, kill (SIGKILL) in turn the driver, a worker and the second of two nodes, three times
per study, at random moments while the study trains two trials at a time and tells them in order;
every third study of killed drivers promotes instead. In process, kill the driver before, after and
at the commit of every write of its storage (or of N writes, spread evenly). Then continue each
study to its end and compare it with an undisturbed one. Exit status 1 if anything was lost,
repeated or left.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import optuna
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.kill_processes import LONGEST, Driver, kill_node, planned, stored, two_nodes
from tests.support.kills import (
    LOSSES,
    MOMENTS,
    Counts,
    Killed,
    Moment,
    killed_at,
    train,
    violations,
)

PER_STUDY = 3  # kills; a trial whose driver dies three times in one epoch fails by design
Advance = Callable[[], None]


@dataclass
class Row:
    """The result of the studies that were killed in one way."""

    what: str
    studies: int = 0
    kills: int = 0
    found: Counts = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, kills: int, found: Counts, begun: float) -> None:
        self.studies += 1
        self.kills += kills
        self.found += found
        self.seconds += time.monotonic() - begun

    def to_dict(self) -> dict[str, object]:
        counts = {kind: self.found[kind] for kind in LOSSES}
        return {"killed": self.what, "studies": self.studies, "kills": self.kills, **counts}


def drivers(folder: Path, kind: str, moment: random.Random, kills: int, advance: Advance) -> int:
    """Kill a study's driver, starting the next one while the last one's workers still die."""
    started = [Driver(folder, kind)]
    try:
        while len(started) <= kills and started[-1].at(moment):
            started[-1].kill()
            advance()
            started.append(Driver(folder, kind))
        started[-1].finish()
    finally:
        for driver in started:
            driver.clear()
    return len(started) - 1


def workers(folder: Path, moment: random.Random, kills: int, advance: Advance) -> int:
    """Kill workers of a study now and then."""
    driver = Driver(folder, "stop")
    return losing(driver, lambda: driver.kill_worker(moment), moment, kills, advance)


def nodes(folder: Path, moment: random.Random, kills: int, advance: Advance) -> int:
    """Kill the second node of a study now and then; a new node replaces it."""
    with two_nodes() as cluster:
        driver = Driver(folder, "stop", cluster.address)
        return losing(driver, lambda: kill_node(cluster), moment, kills, advance)


def losing(
    driver: Driver, kill: Callable[[], object], moment: random.Random, kills: int, advance: Advance
) -> int:
    """Let a driver run to its end with kills on the way; `kill` returns False if there was nothing
    to kill. Return the number of kills.
    """
    done = 0
    try:
        while done < kills and driver.at(moment):
            if kill() is not False:
                done += 1
                advance()
        driver.finish()
    finally:
        driver.clear()
    return done


def on_ray(folder: Path, kills: int, seed: int, progress: Progress) -> Iterator[Row]:
    """Kill drivers, workers and nodes in turn, a third of the kills each."""
    ways = {
        "driver": lambda *rest: drivers(rest[0], "stop", *rest[1:]),
        "driver, promoting": lambda *rest: drivers(rest[0], "promote", *rest[1:]),
        "worker": workers,
        "node": nodes,
    }
    whole = train(planned("stop"), folder / "whole")
    rows = {what: Row(what) for what in ways}
    shares = {"driver": kills // 6 + kills % 3, "driver, promoting": kills // 3 - kills // 6}
    shares |= {"worker": kills // 3, "node": kills // 3}
    task = progress.add_task("kills on Ray", total=sum(shares.values()))
    studies = 0
    while due := [w for w in ways if rows[w].kills < shares[w]]:
        for what in due:
            home, begun = folder / f"ray-{studies}", time.monotonic()
            moment, count = random.Random(f"{seed} {studies}"), shares[what] - rows[what].kills
            advance = partial(progress.advance, task)
            done = ways[what](home, moment, min(PER_STUDY, count), advance)
            config = planned("promote" if "promoting" in what else "stop")
            reference = None if "promoting" in what else whole
            rows[what].add(done, violations(config, stored(config, home), home, reference), begun)
            studies += 1
    yield from rows.values()


def spread(count: int, chosen: int | None) -> list[int]:
    """Return the writes 1 to `count`, all or `chosen` of them, spread evenly."""
    step = 1.0 if chosen is None else max(1.0, count / chosen)
    return sorted({1 + int(k * step) for k in range(int(count / step))})


def in_process(folder: Path, statements: int | None, progress: Progress) -> Iterator[Row]:
    """Kill at every write of a study's storage, in three ways."""
    with killed_at() as passed:
        whole = train(planned("stop"), folder / "serial")
    points = [(m, n) for m in MOMENTS for n in spread(passed.passed[m], each_of(statements, m))]
    task = progress.add_task("kills at a write", total=len(points))
    rows = {m: Row(f"{m} a write" if m != "committed" else "after a commit") for m in MOMENTS}
    for moment, number in points:
        begun = time.monotonic()
        found = at_write(folder / f"{moment}-{number}", moment, number, whole)
        rows[moment].add(1, found, begun)
        progress.advance(task)
    yield from rows.values()


def each_of(statements: int | None, moment: Moment) -> int | None:
    """Return how many of the N requested writes are killed at this moment."""
    if statements is None:
        return None
    return max(1, (statements + 2 - MOMENTS.index(moment)) // 3)


def at_write(folder: Path, moment: Moment, number: int, whole: optuna.Study) -> Counts:
    config = planned("stop")
    try:
        with killed_at(moment, number):
            train(config, folder)
    except Killed:
        pass
    return violations(config, train(config, folder), folder, whole)


ENDS = {
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
}


def ends(folder: Path, seed: int) -> dict[str, float]:
    """Return the seconds from a signal in the middle of an epoch to the end of driver and Ray."""
    seconds = {}
    for what, signals in ENDS.items():
        driver = Driver(folder / what, "stop")
        try:
            driver.at(random.Random(seed))
            begun = time.monotonic()
            for number in signals:
                driver.process.send_signal(number)
            driver.process.wait(LONGEST)
            seconds[what] = round(time.monotonic() - begun, 1)
        finally:
            driver.clear()
    return seconds


def table(rows: list[Row]) -> Table:
    shown = Table(title="Studies that were killed and continued", header_style="bold")
    shown.add_column("killed")
    for row in rows:
        shown.add_column(row.what, justify="right")
    shown.add_row("studies", *(str(row.studies) for row in rows))
    shown.add_row("kills", *(str(row.kills) for row in rows), end_section=True)
    for kind in LOSSES:
        shown.add_row(kind, *(str(row.found[kind]) for row in rows))
    shown.add_section()
    shown.add_row("seconds", *(f"{row.seconds:,.0f}" for row in rows))
    return shown


def statements_of(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be all or a number, got {text}")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(description="kill studies and count what they lose")
    parser.add_argument("--kills", type=int, default=100, help="on real Ray")
    parser.add_argument("--statements", type=statements_of, default=None, metavar="all|N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    errors, rows = Console(stderr=True), list[Row]()
    with tempfile.TemporaryDirectory(prefix="survival-") as home, Progress(console=errors) as bar:
        if given.statements != 0:
            rows += in_process(Path(home), given.statements, bar)
        if given.kills:
            rows += on_ray(Path(home), given.kills, given.seed, bar)
        took = ends(Path(home), given.seed) if given.kills else {}
    if given.json:
        killed = [row.to_dict() | {"seconds": round(row.seconds)} for row in rows]
        print(json.dumps({"killed": killed, "seconds to end": took}))
    else:
        Console().print(table(rows))
        for what, seconds in took.items():
            print(f"{what} ended a driver in {seconds} s")
    return int(any(row.found for row in rows))


if __name__ == "__main__":
    sys.exit(main())
